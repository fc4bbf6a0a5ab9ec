"""`cryoglean evaluate`: compare picks with known particles."""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cryoglean.cli.orientation import Orientation
from cryoglean.cli.tables import table_console
from cryoglean.errors import SettingsError
from cryoglean.evaluate.orientation import OrientationChoice

if TYPE_CHECKING:
    from cryoglean.evaluate import Evaluation
    from cryoglean.evaluate.metrics import Counts

_DISTANCES_DIAMETERS = (0.1, 0.25, 0.5)
"""Distances that are reported unless others are asked for, in particle diameters. Chosen by hand: well centred, as far
as the overlap of `MIN_IOU` allows along one axis, and a radius."""

CheckedBy = Annotated[
    list[Path] | None,
    typer.Option(help="The micrographs, by which coordinates are checked: a folder, an image, a list or a STAR file."),
]
Within = Annotated[
    str | None,
    typer.Option(help="Distances, as 10,20,40: angstrom with --diameter, pixels with --diameter-px."),
]
TruthOrientation = Annotated[OrientationChoice, typer.Option(help="The same of the true centres.")]


def evaluate(
    picks: Annotated[Path, typer.Argument(help="Output folder, folder of coordinate files, or one STAR file.")],
    truth: Annotated[Path, typer.Argument(help="The same with the true centres, matched by the micrograph's name.")],
    diameter: Annotated[float | None, typer.Option(help="Particle diameter in angstrom.")] = None,
    pixel_size: Annotated[float | None, typer.Option(help="Pixel size in angstrom, with --diameter.")] = None,
    diameter_px: Annotated[float | None, typer.Option(help="Particle diameter in pixels, instead of both.")] = None,
    margin: Annotated[float, typer.Option(help="Ignore centres nearer than this to the border, in pixels.")] = 0.0,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="Height and width of the micrographs, px.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Count only picks that score this or more.")] = None,
    micrographs: CheckedBy = None,
    orientation: Orientation = OrientationChoice.auto,
    truth_orientation: TruthOrientation = OrientationChoice.auto,
    best: Annotated[
        bool, typer.Option("--best", help="Also show the best threshold, found with the truth: an oracle.")
    ] = False,
    within: Within = None,
    only_with_picks: Annotated[
        bool, typer.Option("--only-with-picks", help="Leave out micrographs without a file of picks.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    curve: Annotated[Path | None, typer.Option(help="Write the precision-recall curve as CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the precision-recall curve (png, pdf, svg).")] = None,
) -> None:
    """Compare picks with known particles.

    Matching is one to one; a pair counts when square boxes of one diameter overlap with an IoU of 0.6 or more.

    A micrograph without a file of picks counts as empty.

    Coordinates that other programs wrote are checked against the micrographs, if they are given, else picks against
    truth: what is upside down or mirrored is turned, and what was found is told.

    For example:

        cryoglean evaluate OUT particles --diameter 191 --pixel-size 1.77

        cryoglean evaluate OUT/picks particles --diameter-px 75 --margin 37.5 --size 1200x1240 --best

        cryoglean evaluate particles.star truth --diameter-px 108 --within 10,27 --json --plot curve.png
    """
    from cryoglean.cli.progress import echo_verdict
    from cryoglean.evaluate import Protocol, evaluate_picks
    from cryoglean.io.atomic import write_atomic_text
    from cryoglean.io.inputs import find_micrographs
    from cryoglean.jobs.evaluate_inputs import Shapes, files_by_stem, fit_coordinates, read_coordinates
    from cryoglean.jobs.side_verdicts import verdict_on_evaluation
    from cryoglean.report.evaluation_picture import check_plot_path, plot_curve

    unit = _pixels_per_unit(diameter, pixel_size, diameter_px)
    size_px = _size(size)
    diameter_in_px = Protocol((diameter or diameter_px or 0) * unit).diameter_px
    distances = _distances(within, diameter_in_px / unit)
    if threshold is not None and not math.isfinite(threshold):
        raise SettingsError(f"--threshold must be a finite number, got {threshold}")
    if plot is not None:
        check_plot_path(plot)
    files = find_micrographs(micrographs) if micrographs else []
    true = read_coordinates("true centres", "--truth-orientation", truth, truth_orientation)
    picked = read_coordinates("picks", "--orientation", picks, orientation)
    shapes = Shapes(files_by_stem(files, (true, picked)), size_px)
    protocol = Protocol(diameter_in_px, margin, shapes.common() if margin else size_px)
    fit_coordinates(true, picked, shapes, diameter_in_px, pixel_size)
    for line in (*true.lines, *picked.lines):
        typer.echo(line, err=True)
    result = evaluate_picks(
        true.picks,
        picked.picks,
        protocol,
        threshold=threshold,
        within_px=tuple(d * unit for d in distances),
        find_best=best,
        only_with_picks=only_with_picks,
    )
    if curve is not None:
        write_atomic_text(curve, result.curve.csv_text())
    if plot is not None:
        plot_curve(plot, result)
    sides = {"picks": picked.values, "truth": true.values}
    verdict = verdict_on_evaluation(result, sides, shlex.join(["cryoglean", *sys.argv[1:]]))
    if as_json:
        settings = {"diameter_px": protocol.diameter_px, "margin_px": margin, "size_px": protocol.size_px}
        checks = {"coordinates": sides, "verdict": [finding.as_dict() for finding in verdict]}
        typer.echo(json.dumps({**settings, **result.as_dict(), **checks}, allow_nan=False))
    else:
        _show(result, [f"{d:g} {'Å' if diameter_px is None else 'px'}" for d in distances])
        echo_verdict(verdict)


def _pixels_per_unit(diameter: float | None, pixel_size: float | None, diameter_px: float | None) -> float:
    """Return the pixels of one unit of length: of an angstrom, or 1 where lengths are given in pixels."""
    if (diameter is None) == (diameter_px is None):
        given = "both" if diameter_px is not None else "neither"
        raise SettingsError(f"give --diameter with --pixel-size, or --diameter-px: {given} given")
    if diameter_px is not None:
        if pixel_size is not None:
            raise SettingsError("--pixel-size goes with --diameter, not with --diameter-px")
        return 1.0
    if pixel_size is None:
        raise SettingsError(f"--diameter {diameter:g} is in angstrom and needs --pixel-size")
    if not (math.isfinite(pixel_size) and pixel_size > 0):
        raise SettingsError(f"--pixel-size must be above 0 angstrom, got {pixel_size:g}")
    return 1.0 / pixel_size


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", text.strip())
    if not found or "0" in (found[1].lstrip("0") or "0", found[2].lstrip("0") or "0"):
        raise SettingsError(f"--size must be HEIGHTxWIDTH in pixels, as 4096x4096, got {text!r}")
    return int(found[1]), int(found[2])


def _distances(text: str | None, diameter: float) -> tuple[float, ...]:
    """Return the distances asked for, in the unit of the diameter; by default some fractions of it."""
    if text is None:
        return tuple(float(f"{fraction * diameter:.3g}") for fraction in _DISTANCES_DIAMETERS)
    try:
        distances = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"--within must be distances with commas between, as 10,20,40, got {text!r}") from None
    if not all(math.isfinite(d) and d > 0 for d in distances):
        raise SettingsError(f"--within must be distances above 0, got {text!r}")
    return distances


def _show(result: Evaluation, distances: list[str]) -> None:
    out = table_console()
    names = ("recall", "precision", "F1", "mean IoU", "true", "picks", "hits")
    summary = _table("", names)
    selection = "all picks" if result.threshold is None else f"score >= {result.threshold:g}"
    summary.add_row(selection, *_cells(result.overall))
    if result.best is not None:
        summary.add_row(f"best threshold, {result.best.threshold:.4g} (oracle)", *_cells(result.best.counts))
    each = _table("micrograph", names)
    for one in result.micrographs:
        each.add_row(one.stem, *_cells(one.counts))
    out.print(each, "", summary, "", sep="\n")
    out.print(f"average precision {result.curve.average_precision:.3f} (scores: {', '.join(result.score_kinds)})")
    shares = [f"{d} {share:.3f}" for d, (_, share) in zip(distances, result.within, strict=True)]
    out.print(f"true particles with a pick within: {'   '.join(shares)}")


def _table(title: str, names: tuple[str, ...]) -> Table:
    table = Table(title, box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cells(counts: Counts) -> tuple[str, ...]:
    shares: tuple[Any, ...] = (counts.recall, counts.precision, counts.f1, counts.mean_iou)
    return (*(f"{v:.3f}" for v in shares), *(str(n) for n in (counts.n_truth, counts.n_picks, counts.n_hits)))
