"""Options that mean the same in every command."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Micrographs = Annotated[
    list[Path], typer.Argument(help="A folder, images, a text list of images, or a micrographs STAR file.")
]
Out = Annotated[Path, typer.Option(help="Output folder; an existing one is resumed.")]
PixelSize = Annotated[
    float | None, typer.Option(help="Pixel size in Å; by default that of the STAR file or the image's header.")
]
Cpus = Annotated[int | None, typer.Option(min=1, help="Processors to use; by default all that are free.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Force = Annotated[bool, typer.Option("--force", help="Redo everything, overwriting.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print a line per micrograph.")]
Seed = Annotated[int | None, typer.Option(help="Random seed; 0 by default.")]


class Preset(StrEnum):
    """Ways to set a method: those of this program, or those that were published."""

    default = "default"
    paper = "paper"
