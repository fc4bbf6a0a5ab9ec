"""Figures of a run for a paper, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE
from cryoglean.io.atomic import atomic_path
from cryoglean.pickers.curves import loss_panel
from cryoglean.report.counts_picture import draw_counts
from cryoglean.report.figures import draw_panel
from cryoglean.report.gallery import draw_gallery
from cryoglean.report.score_steps import all_scores
from cryoglean.report.spacing_audit import spacing_audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from cryoglean.report.run_facts import RoundSummary, RunFacts

_ACCEPTED, _OTHERS, _BOUND = "#4c6a92", "#b9c4d3", "#d95f02"
_DPI = 200
_BINS = 50
_MAX_DISTANCE_DIAMETERS = 3.0


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
            _save(figure, folder / name)
            drawn.append(folder / name)
    return drawn


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


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
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel="defocus (µm)", ylabel="picks per micrograph")
    counts = facts.counts
    micrometres = np.array(list(facts.defocus.values())) / ANGSTROM_PER_MICROMETRE
    axes.plot(micrometres, [counts[key] for key in facts.defocus], "o", color=_ACCEPTED, markersize=4)
    axes.set_ylim(bottom=0)
    return figure


def _scores(facts: RunFacts) -> Figure | None:
    scores = all_scores(facts.picks)
    if not len(scores):
        return None
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    histogram, distances = figure.subplots(1, 2)
    histogram.hist(scores, bins=_BINS, color=_ACCEPTED)
    histogram.set(xlabel="score", ylabel="picks")
    _draw_distances(distances, facts)
    return figure


def _draw_distances(axes: Axes, facts: RunFacts) -> None:
    axes.set(xlabel="distance to the nearest other pick (diameters)", ylabel="picks")
    nearest = spacing_audit(facts.picks, 0.0).nearest_px
    if not len(nearest) or facts.pixel_size_angstrom is None:
        axes.text(0.5, 0.5, "no micrograph has two picks", ha="center", transform=axes.transAxes)
        return
    diameters = nearest * facts.pixel_size_angstrom / facts.diameter_angstrom
    axes.hist(
        np.minimum(diameters, _MAX_DISTANCE_DIAMETERS), bins=_BINS, range=(0, _MAX_DISTANCE_DIAMETERS), color=_ACCEPTED
    )
    minimum = facts.min_distance_angstrom / facts.diameter_angstrom
    axes.axvline(minimum, color=_BOUND, linestyle="--", label=f"minimum, {minimum:.3g}")
    axes.legend(fontsize=8, edgecolor="none")


def _convergence(facts: RunFacts) -> Figure | None:
    rounds = [each for each in facts.rounds if each.number >= 0]
    if not rounds:
        return None
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    picks, kept, resolution = figure.subplots(1, 3)
    _bars(picks, rounds, [each.picks for each in rounds], "picks", facts.best)
    _bars(kept, rounds, [each.kept_share for each in rounds], "share in kept classes", facts.best)
    kept.axhline(facts.converged_share, color=_BOUND, linestyle="--", label=f"converged, {facts.converged_share:.0%}")
    kept.set_ylim(0, 1.2)
    kept.legend(fontsize=8, edgecolor="none")
    _bars(resolution, rounds, [each.best_resolution_angstrom for each in rounds], "best class (Å)", facts.best)
    return figure


def _bars(axes: Axes, rounds: Sequence[RoundSummary], values: Sequence[float | None], label: str, best: int) -> None:
    known = [(each.number, value) for each, value in zip(rounds, values, strict=True) if value is not None]
    colours = [_ACCEPTED if number == best else _OTHERS for number, _ in known]
    axes.bar([number for number, _ in known], [value for _, value in known], color=colours, width=0.7)
    axes.set(xlabel="round (dark: the accepted one)", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _training(facts: RunFacts) -> Figure | None:
    trained = [each for each in facts.rounds if each.checks]
    if not trained:
        return None
    figure = Figure(figsize=(4.6 * len(trained), 3.6), layout="constrained")
    for axes, each in zip(figure.subplots(1, len(trained), squeeze=False)[0], trained, strict=True):
        draw_panel(axes, loss_panel(each.checks, each.title, "loss"))
    return figure
