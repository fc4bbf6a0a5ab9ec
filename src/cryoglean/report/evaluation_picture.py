"""Picture of the precision-recall curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg

from cryoglean.errors import SettingsError
from cryoglean.pickers.figures import BACKGROUND, PARTICLE, Figure, Line, Panel
from cryoglean.report.figures import draw_figure

if TYPE_CHECKING:
    from cryoglean.evaluate.evaluation import Evaluation


def check_plot_path(path: Path) -> str:
    """Return the picture format that the suffix of `path` asks for.

    Raises:
        SettingsError: if there is no such format.
    """
    suffix = path.suffix.lower().removeprefix(".")
    known = sorted(FigureCanvasAgg.get_supported_filetypes())
    if suffix not in known:
        raise SettingsError(f"{path}: cannot draw a .{suffix} picture, only {', '.join(known)}")
    return suffix


def plot_curve(path: Path, evaluation: Evaluation) -> None:
    """Draw precision over recall at all thresholds of the score, and the point of all picks as they are.

    Args:
        path: the picture; its suffix says the format (png, pdf, svg, ...).
        evaluation: of the picks.

    Raises:
        SettingsError: if the suffix names no picture format.
        OSError: if the file cannot be written.
    """
    picture_format = check_plot_path(path)
    counts = [point.counts for point in evaluation.curve.points]
    label = f"all thresholds, average precision {evaluation.curve.average_precision:.3f}"
    given = evaluation.overall
    lines = [
        Line([c.recall for c in counts], [c.precision for c in counts], BACKGROUND, label, "dotted"),
        Line([given.recall], [given.precision], PARTICLE, f"all picks, F1 {given.f1:.3f}", "dotted"),
    ]
    panel = Panel("", "recall", "precision", lines, (0, 1.02), (0, 1.02), legend="lower left")
    draw_figure(path, Figure("", [panel], 1, (5, 4.5), dots_per_inch=150), picture_format)
