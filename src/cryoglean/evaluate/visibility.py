"""Whether things of the particle's size can be seen in micrographs, whatever their contrast and profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryoglean.detect.skewness import FieldSkewness, Skewness, field_skewness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.evaluate.ring_maps import RingMaps


def visibility(fields: Sequence[RingMaps]) -> float:
    """Return how surely sparse things of the particle's size stand out of images, in standard errors of noise."""
    summaries = [Skewness.of(each) for each in zip(*map(_skewness, fields), strict=True)]
    return max((s.typical / s.noise_error for s in summaries if s.noise_error), default=0.0)


def _skewness(field: RingMaps) -> list[FieldSkewness]:
    """Return the skewness of each map, and of each with the contrast turned."""
    found = [field_skewness(each, field.diameter) for each in torch.from_numpy(field.maps)]
    return [each for one in found for each in (one, one.mirrored())]
