"""`cryoglean report`: the folder of a run or of a pick job in, a page to look at out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cryoglean.cli.options import AsJson


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Output folder of cryoglean run or cryoglean pick.")],
    as_json: AsJson = False,
) -> int:
    """Write the report of a run or of a pick job again.

    cryoglean run writes it at its end, however it ends, and so does cryoglean pick with --plots; this writes it for a
    job that was killed, or still runs. Writes FOLDER/report.html, one page that needs no network, and of a run
    FOLDER/figures, pictures for a paper. What is on top of the page is printed, too.

    For example:

        cryoglean report RUN

        cryoglean report OUT
    """
    from cryoglean.cli.progress import echo_verdict
    from cryoglean.findings import Finding, Level
    from cryoglean.loop.folder_report import FIGURES, is_run, write_report

    report = write_report(folder)
    verdict = [
        Finding(Level(each.level), "report", each.text, each.command, each.remedy.lower()) for each in report.verdict
    ]
    if as_json:
        typer.echo(json.dumps({"report": str(report.page), "verdict": [each.as_dict() for each in verdict]}))
        return 0
    typer.echo(f"report, to be opened with a browser: {report.page}")
    if is_run(folder):
        typer.echo(f"figures: {folder / FIGURES}")
    echo_verdict(verdict)
    return 0
