"""`cryoglean report`: the folder of a run or of a pick job in, a page to look at out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Output folder of cryoglean run or cryoglean pick.")],
) -> int:
    """Write the report of a run or of a pick job again.

    cryoglean run writes it at its end, however it ends, and so does cryoglean pick with --plots; this writes it for a
    job that was killed, or still runs. Writes FOLDER/report.html, one page that needs no network, and of a run
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
