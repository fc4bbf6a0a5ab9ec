"""`cryoglean report`: a run folder in, a page to look at out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, what cryoglean run was told as --out.")],
) -> int:
    """Write the report of a run anew.

    Each cryoglean run writes it at its end, however it ends; this does it for one that was killed, or is still under
    way. Writes RUN/report.html, one page that needs no network, and RUN/figures, pictures for a paper.

    For example:

        cryoglean report RUN
    """
    from cryoglean.workflow.loop_report import FIGURES, write_report

    page = write_report(run)
    typer.echo(f"report, to be opened with a browser: {page}")
    typer.echo(f"figures: {run / FIGURES}")
    return 0
