"""Boxes from micrographs: cut, phase-flipped, scaled, normalised, and written for classification."""

from cryoglean.extract.boxes import anchors, cut_boxes, normalise_background, scale_boxes
from cryoglean.extract.job import ExtractJob, run_extract_job
from cryoglean.extract.recentre import recentred

__all__ = [
    "ExtractJob",
    "anchors",
    "cut_boxes",
    "normalise_background",
    "recentred",
    "run_extract_job",
    "scale_boxes",
]
