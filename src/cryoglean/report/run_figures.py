"""Figures of a run for a paper, as PNG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE
from cryoglean.pickers.curves import loss_panel
from cryoglean.pickers.figures import Bars, Figure, HorizontalLine, Note, Panel, Points, VerticalLine
from cryoglean.report.counts_picture import draw_counts
from cryoglean.report.figures import draw_figure
from cryoglean.report.gallery import draw_gallery
from cryoglean.report.score_steps import all_scores
from cryoglean.report.spacing_audit import MAX_SHOWN_DIAMETERS, spacing_audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.report.run_facts import RoundSummary, RunFacts

_DOTS_PER_INCH = 200
"""Of a figure for print. Resource: fine lines stay sharp on paper, and files below a megabyte."""

_BINS = 50
"""Bars of a histogram. Chosen by hand: its shape shows already for some hundred picks."""


def draw_figures(folder: Path, facts: RunFacts) -> list[Path]:
    """Draw all figures for which there are data.

    Args:
        folder: where to; each is written whole or not at all.
        facts: of the run.

    Returns:
        The pictures.

    Raises:
        OSError: if one cannot be written.
    """
    draw_counts(folder / "counts.png", facts.counts)
    drawn = [folder / "counts.png", *_draw_galleries(folder, facts)]
    for name, figure in (
        ("defocus.png", _defocus(facts)),
        ("scores.png", _scores(facts)),
        ("convergence.png", _convergence(facts)),
        ("training.png", _training(facts)),
    ):
        if figure is not None:
            draw_figure(folder / name, replace(figure, dots_per_inch=_DOTS_PER_INCH))
            drawn.append(folder / name)
    return drawn


def _draw_galleries(folder: Path, facts: RunFacts) -> list[Path]:
    paths = []
    for gallery in facts.galleries:
        paths.append(folder / f"classes_{gallery.name}.png")
        draw_gallery(
            paths[-1],
            gallery.classes,
            gallery.pixel_size_angstrom,
            gallery.selection,
            gallery.title,
            diameter_angstrom=facts.diameter_angstrom,
        )
    return paths


def _defocus(facts: RunFacts) -> Figure | None:
    if not facts.defocus:
        return None
    micrometres = np.array(list(facts.defocus.values())) / ANGSTROM_PER_MICROMETRE
    counts = [facts.counts[key] for key in facts.defocus]
    points = Points(micrometres, counts)
    panel = Panel("", "defocus (µm)", "picks per micrograph", [points], y_range=(0, 1.05 * max(*counts, 1)))
    return Figure("", [panel], columns=1, size_inches=(5, 3.6))


def _scores(facts: RunFacts) -> Figure | None:
    scores = all_scores(facts.picks)
    if not len(scores):
        return None
    counts, edges = np.histogram(scores, _BINS)
    panels = [Panel("", "score", "picks", [Bars(edges, counts)]), _distances_panel(facts)]
    return Figure("", panels, columns=2, size_inches=(9, 3.6))


def _distances_panel(facts: RunFacts) -> Panel:
    nearest = spacing_audit(facts.picks, 0.0).nearest_px
    label = "distance to the nearest other pick (diameters)"
    if not len(nearest) or facts.pixel_size_angstrom is None:
        return Panel("", label, "picks", [Note("no micrograph has two picks", "middle")])
    diameters = np.minimum(nearest * facts.pixel_size_angstrom / facts.diameter_angstrom, MAX_SHOWN_DIAMETERS)
    counts, edges = np.histogram(diameters, _BINS, (0, MAX_SHOWN_DIAMETERS))
    minimum = facts.min_distance_angstrom / facts.diameter_angstrom
    return Panel("", label, "picks", [Bars(edges, counts), VerticalLine(minimum, f"minimum, {minimum:.3g}")])


def _convergence(facts: RunFacts) -> Figure | None:
    rounds = [each for each in facts.rounds if each.number >= 0]
    if not rounds:
        return None
    converged = HorizontalLine(facts.converged_share, f"converged, {facts.converged_share:.0%}")
    shares = _rounds_panel(rounds, [each.kept_share for each in rounds], "share of picks in kept classes", facts.best)
    panels = [
        _rounds_panel(rounds, [each.picks for each in rounds], "picks", facts.best),
        replace(shares, elements=[*shares.elements, converged], y_range=(0, 1.2)),
        _rounds_panel(rounds, [each.best_resolution_angstrom for each in rounds], "best class (Å)", facts.best),
    ]
    return Figure("", panels, columns=3, size_inches=(10, 3.4))


def _rounds_panel(rounds: Sequence[RoundSummary], values: Sequence[float | None], label: str, best: int) -> Panel:
    numbers = [each.number for each in rounds]
    heights = [0.0 if value is None else value for value in values]
    edges = np.arange(numbers[0], numbers[0] + len(numbers) + 1) - 0.5
    accent = numbers.index(best) if best in numbers else None
    bars = Bars(edges, heights, gap=0.3, accent=accent)
    ticks = {float(number): str(number) for number in numbers}
    return Panel("", "round (orange: accepted)", label, [bars], x_ticks=ticks)


def _training(facts: RunFacts) -> Figure | None:
    trained = [each for each in facts.rounds if each.checks]
    if not trained:
        return None
    panels = [loss_panel(each.checks, each.title, "loss") for each in trained]
    return Figure("", panels, columns=len(panels), size_inches=(4.6 * len(panels), 3.6))
