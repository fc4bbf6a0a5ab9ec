"""Options that mean the same in every command."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

PixelSize = Annotated[
    float | None, typer.Option(help="Pixel size in angstrom; else that of the STAR file, or of the header.")
]
Cpus = Annotated[int | None, typer.Option(min=1, help="Processors to use; all that are free to use by default.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Force = Annotated[bool, typer.Option("--force", help="Make everything anew.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]


class Preset(StrEnum):
    """Ways to set a method: those of this program, or those that were published."""

    default = "default"
    paper = "paper"
