"""Pictures by which people judge what was found."""

from cryoglean.report.fit_picture import draw_counts, draw_fit
from cryoglean.report.overlay import draw_overlay

__all__ = ["draw_counts", "draw_fit", "draw_overlay"]
