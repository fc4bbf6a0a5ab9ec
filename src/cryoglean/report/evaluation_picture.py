"""A picture of the precision-recall curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cryoglean.errors import SettingsError
from cryoglean.io.atomic import atomic_path

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
    """Draw precision over recall at all cuts of the score, and the point of the given threshold.

    Args:
        path: the picture; its suffix says the format (png, pdf, svg, ...).
        evaluation: what to draw.

    Raises:
        SettingsError: if the suffix names no picture format.
        OSError: if the file cannot be written.
    """
    picture_format = check_plot_path(path)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    counts = [cut.counts for cut in evaluation.curve.cuts]
    label = f"all cuts, average precision {evaluation.curve.average_precision:.3f}"
    axes.plot([c.recall for c in counts], [c.precision for c in counts], marker=".", markersize=3, label=label)
    given = evaluation.overall
    axes.plot(given.recall, given.precision, "o", color="C3", label=f"as given, F1 {given.f1:.3f}")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=picture_format, dpi=150)
