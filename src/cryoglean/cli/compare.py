"""`cryoglean compare`: which of several pick sets is the best, without labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cryoglean.cli.options import AsJson
from cryoglean.cli.orientation import Orientation
from cryoglean.cli.tables import table_console
from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.jobs.micrograph_lists import LIST_DIGITS

if TYPE_CHECKING:
    from cryoglean.calibration.comparison import Quality
    from cryoglean.expected import Interval
    from cryoglean.jobs.compare import ComparedSets


def compare(
    evidence: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of cryoglean pick.")],
    others: Annotated[
        list[Path],
        typer.Argument(metavar="PICKS...", help="Output folders, folders of coordinate files, lists or STAR files."),
    ],
    orientation: Orientation = OrientationChoice.auto,
    as_json: AsJson = False,
) -> int:
    """Compare pick sets of the same micrographs without labels.

    OUT holds the picks of Auto, the default of cryoglean pick, and its probabilities of all places, by which its own
    picks and all others are judged: how many are particles, how many particles they lack, and which set is the best.
    It says so where that cannot be told. What looks like particles and is none, as dirt may, it cannot see.

    For example:

        cryoglean pick micrographs --diameter 191 --pixel-size 1.77 --out OUT

        cryoglean compare OUT topaz/particles.star cryolo/STAR

        cryoglean compare OUT RUN/picks --json
    """
    from cryoglean.cli.progress import JobProgress, echo_verdict
    from cryoglean.findings import alarms_first
    from cryoglean.jobs.compare import compare_pick_sets, finding_on_comparison

    with JobProgress("comparing", "{n} places", verbose=False) as progress:
        compared = compare_pick_sets(evidence, others, orientation, progress)
    verdict = alarms_first([*compared.findings, finding_on_comparison(compared)])
    if as_json:
        said = _as_dict(compared) | {"verdict": [finding.as_dict() for finding in verdict]}
        typer.echo(json.dumps(said, allow_nan=False))
    else:
        _show(compared)
        echo_verdict(verdict)
    return 0


def _as_dict(compared: ComparedSets) -> dict[str, Any]:
    comparison = compared.comparison
    rows = zip(compared.paths, comparison.qualities, comparison.leads, strict=True)
    return {
        "micrographs": compared.micrographs,
        "best": str(compared.paths[comparison.best]),
        "is_sure": compared.is_sure,
        "sets": [
            {
                "path": str(path),
                **_quality(quality),
                "behind": _rounded(lead.by) | {"deviations": _short(lead.deviations)},
            }
            for path, quality, lead in rows
        ],
    }


def _quality(quality: Quality) -> dict[str, Any]:
    intervals = {"precision": quality.precision, "recall": quality.recall, "f1": quality.f1}
    return {"picks": quality.picks, **{name: _rounded(each) for name, each in intervals.items()}}


def _rounded(interval: Interval) -> dict[str, float]:
    return {name: _short(value) for name, value in interval._asdict().items()}


def _short(value: float) -> float:
    return round(value, LIST_DIGITS)


def _show(compared: ComparedSets) -> None:
    out = table_console()
    table = Table(box=None, pad_edge=False)
    table.add_column("picks of", overflow="fold")
    for name in ("number", "precision", "recall", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for path, quality in zip(compared.paths, compared.comparison.qualities, strict=True):
        intervals = (quality.precision, quality.recall, quality.f1)
        table.add_row(str(path), f"{quality.picks:,}", *(_cell(each) for each in intervals))
    out.print(table)
    out.print("middle of what is expected, and the range of nine in ten", style="dim")


def _cell(interval: Interval) -> str:
    return f"{interval.middle:.3f} ({interval.low:.2f} to {interval.high:.2f})"
