"""`cryoglean report`: the folder of a run or of a pick job in, a page to look at out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="What cryoglean run or cryoglean pick was told as --out.")
    ],
) -> int:
    """Write the report of a run or of a pick job anew.

    Each cryoglean run writes it at its end, however it ends, and so does cryoglean pick with --plots; this does it for
    one that was killed, or is still under way. Writes FOLDER/report.html, one page that needs no network, and of a run
    FOLDER/figures, pictures for a paper.

    For example:

        cryoglean report RUN

        cryoglean report OUT
    """
    from cryoglean.loop.folder_report import FIGURES, is_run, write_report

    page = write_report(folder)
    typer.echo(f"report, to be opened with a browser: {page}")
    if is_run(folder):
        typer.echo(f"figures: {folder / FIGURES}")
    return 0
