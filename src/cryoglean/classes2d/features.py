"""Features of class averages, in numbers without units: the same for any box, pixel size and count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from cryoglean.classes2d.half_bit import half_bit
from cryoglean.detect.otsu import otsu_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes

_SMOOTHING_DIAMETERS = 0.07
"""Standard deviation of the smoothing before a particle is outlined, in diameters. Chosen by hand: less lets noise
break a particle into pieces, more joins it with its neighbours."""

_RIM_FROM = 0.7
"""Inner end of the rim, as a share of the radius. Chosen by hand: there a particle that fits its circle leaves
little."""

_SECTORS = 16
"""Sectors of the rim that are compared with their opposites. Chosen by hand: even; more are noisier."""

_COARSE_WAVES = 2.0
"""Waves across a diameter up to which power is coarse. Chosen by hand: waves of half a diameter show an outline, and
only finer ones what a particle looks like."""

_SOFT_SHARE = 0.3
"""Width of the window's soft edge as a share of the radius. Chosen by hand: a hard edge would be detail."""

_OPPOSITE = -0.8
"""Cosine of the angle between two directions that are opposite, 143 degrees. Chosen by hand: a line need not run
through the very middle."""

_MID_BAND_WAVES = (3.0, 6.0)
"""Waves across a diameter by which classes without a resolution are ranked. Chosen by hand: coarser waves say little,
and finer ones are lost in noise first."""

_MAX_RING_SNR = 1e4
"""Chosen by hand, above what averages reach: keeps sums finite where a ratio is infinite."""


@dataclass(frozen=True)
class Features:
    """Features of k class averages. The circle is that of the particle's diameter, round the middle of the box.

    Attributes:
        resolved_elements: (k,) diameter over resolution: how many resolved elements fit across the particle.
        frc_mid_band: (k,) Fourier ring correlation of the half sets in waves of a third to a sixth of a diameter, over
            what half a bit asks.
        snr: (k,) squared signal over noise of one image of the class, summed over the circle.
        off_centre: (k,) distance of the particle from the middle of the box in diameters.
        edge_energy: (k,) energy at the rim of the particle that is on one side only, over that inside.
        area_fraction: (k,) share of the circle's area that the particle takes.
        coarseness: (k,) share of the power in waves longer than half a diameter.
        spans_box: (k,) whether something bright reaches from one border of the box through its middle to the other.
    """

    resolved_elements: NDArray[np.float64]
    frc_mid_band: NDArray[np.float64]
    snr: NDArray[np.float64]
    off_centre: NDArray[np.float64]
    edge_energy: NDArray[np.float64]
    area_fraction: NDArray[np.float64]
    coarseness: NDArray[np.float64]
    spans_box: NDArray[np.bool_]


def features_of(classes: Classes, pixel_size_angstrom: float, diameter_angstrom: float) -> Features:
    """Measure the features of all class averages.

    Args:
        classes: k classes.
        pixel_size_angstrom: of the averages.
        diameter_angstrom: of the particle.
    """
    diameter_px = diameter_angstrom / pixel_size_angstrom
    masks = particle_masks(classes.averages, diameter_px)
    centres = _centres(masks)
    circle = max(int((_grid(masks.shape[-1])[2] <= diameter_px / 2).sum()), 1)
    return Features(
        resolved_elements=resolved_elements(classes.resolution_angstrom, diameter_angstrom),
        frc_mid_band=frc_mid_band(classes, diameter_px),
        snr=image_snr(classes, diameter_px),
        off_centre=np.hypot(centres[:, 0], centres[:, 1]) / diameter_px,
        edge_energy=edge_energy(classes.averages, diameter_px, centres),
        area_fraction=masks.sum(axis=(1, 2)) / circle,
        coarseness=coarseness(classes, diameter_px),
        spans_box=np.array([_spans_box(average, diameter_px) for average in classes.averages], dtype=bool),
    )


def resolved_elements(resolution_angstrom: NDArray[np.float64], diameter_angstrom: float) -> NDArray[np.float64]:
    """Return (k,) diameter over resolution; 0 where the resolution is infinite or not above 0."""
    known = np.isfinite(resolution_angstrom) & (resolution_angstrom > 0)
    return np.where(known, diameter_angstrom / np.where(known, resolution_angstrom, 1), 0.0)


def frc_mid_band(classes: Classes, diameter_px: float) -> NDArray[np.float64]:
    """Return (k,) how far half sets agree in waves of a third to a sixth of a diameter together; 1 is half a bit.

    It ranks classes that are not resolved: coarser waves say little, and finer ones are lost in noise first.

    Args:
        classes: k classes.
        diameter_px: of the particle, in pixels of the averages.
    """
    waves = np.arange(classes.ring_correlation.shape[1]) * (diameter_px / classes.averages.shape[-1])
    is_in_band = (waves >= _MID_BAND_WAVES[0]) & (waves <= _MID_BAND_WAVES[1])
    members = _independent(classes, diameter_px) * is_in_band
    total = np.array([max(float(members.sum()), 1.0)])
    mean = np.nan_to_num(classes.ring_correlation) @ members / total
    ratio: NDArray[np.float64] = mean.clip(min=0) / half_bit(total)
    return ratio


def image_snr(classes: Classes, diameter_px: float) -> NDArray[np.float64]:
    """Return (k,) squared signal over noise of one image of the class, summed over the particle's circle.

    It is the square of the height that a matched filter reaches, so it can be held against what the best of many
    alignments of mere noise reaches. It is taken from the rings, where the signal-to-noise ratio of the average is that
    of an image times the number of images; and from the picture, as images have noise of deviation 1. The lesser
    counts: the rings are misled by what all images have in common (a mask), the picture by noise that is not white.

    Args:
        classes: k classes.
        diameter_px: of the particle, in pixels of the averages.
    """
    counts = np.maximum(classes.counts, 1)
    inside = _grid(classes.averages.shape[-1])[2] <= diameter_px / 2
    square = np.square(classes.uncorrected[:, inside].astype(np.float64)).sum(axis=1) - inside.sum() / counts
    lesser = np.minimum(_by_ring(classes, diameter_px).sum(axis=1) / counts, square.clip(0))
    return np.where(classes.counts > 0, lesser, 0.0)


def coarseness(classes: Classes, diameter_px: float) -> NDArray[np.float64]:
    """Return (k,) share of the power inside the circle that is in waves longer than half a diameter.

    Of ice and carbon it is nine tenths. Plain means are looked at, as correction for the CTF raises long waves. Where
    there are none (`uncorrected` is the same as `averages`), the share of the signal on the rings counts if it is less.

    Args:
        classes: k classes.
        diameter_px: of the particle, in pixels of the averages.
    """
    box = classes.averages.shape[-1]
    radius = _grid(box)[2]
    inward = ((1 - radius / (diameter_px / 2)) / _SOFT_SHARE).clip(0, 1)
    window = np.square(np.sin(math.pi / 2 * inward))  # a hard edge would be detail
    power = np.abs(np.fft.fftshift(np.fft.fft2(classes.uncorrected * window), axes=(-2, -1))) ** 2
    ring = radius * diameter_px / box  # the transform's middle is where the image's is
    varying = (ring > 0) & (radius <= box // 2)
    coarse = _ratio(power[:, varying & (ring <= _COARSE_WAVES)].sum(axis=1), power[:, varying].sum(axis=1))
    if not np.array_equal(classes.averages, classes.uncorrected):
        return coarse
    rings = _by_ring(classes, diameter_px)
    waves = np.arange(rings.shape[1]) * (diameter_px / box)
    return np.minimum(coarse, _ratio(rings[:, waves <= _COARSE_WAVES].sum(axis=1), rings.sum(axis=1)))


def _by_ring(classes: Classes, diameter_px: float) -> NDArray[np.float64]:
    """Return (k, rings) signal over noise times the number of independent values in the circle.

    A ring of radius k holds 2 pi k values, of which the circle's share of the box is independent.
    """
    ratio = np.nan_to_num(classes.signal_to_noise, nan=0.0, posinf=_MAX_RING_SNR).clip(0, _MAX_RING_SNR)
    rings: NDArray[np.float64] = ratio * _independent(classes, diameter_px)
    return rings


def _independent(classes: Classes, diameter_px: float) -> NDArray[np.float64]:
    """Return how many independent values of the circle a ring holds."""
    share = min(math.pi / 4 * (diameter_px / classes.averages.shape[-1]) ** 2, 1)
    members: NDArray[np.float64] = 2 * math.pi * share * np.arange(classes.signal_to_noise.shape[1])
    return members


def particle_masks(averages: NDArray[np.float32], diameter_px: float) -> NDArray[np.bool_]:
    """Return (k, box, box) where the particle is.

    It is the largest connected piece of what is bright inside the circle, its hollows filled, so that two halves of
    neighbours on either side do not pass for one particle between them.

    Args:
        averages: (k, box, box), protein bright.
        diameter_px: of the particle.
    """
    return np.array([_mask(average, diameter_px) for average in averages], dtype=bool).reshape(averages.shape)


def _mask(average: NDArray[np.float32], diameter_px: float) -> NDArray[np.bool_]:
    inside = _grid(average.shape[-1])[2] <= diameter_px / 2
    smooth = ndimage.gaussian_filter(average.astype(np.float64), _SMOOTHING_DIAMETERS * diameter_px)
    pieces, count = ndimage.label(ndimage.binary_fill_holes(inside & (smooth > otsu_threshold(smooth[inside]))))
    if not count:
        return np.zeros(average.shape, dtype=bool)
    largest: NDArray[np.bool_] = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return largest


def _spans_box(average: NDArray[np.float32], diameter_px: float) -> bool:
    """Return whether the bright piece at the middle reaches the border of the box in opposite directions.

    Dead lines of a camera, and edges of carbon through the middle, do; a particle has room round it in its box, and a
    neighbour lies on one side.
    """
    y, x, distance = _grid(average.shape[-1])
    smooth = ndimage.gaussian_filter(average.astype(np.float64), _SMOOTHING_DIAMETERS * diameter_px)
    pieces, _ = ndimage.label(smooth > otsu_threshold(smooth[distance <= diameter_px / 2]))
    middle = pieces[distance <= diameter_px / 4]
    if not middle.any():
        return False
    piece = pieces == int(np.argmax(np.bincount(middle[middle > 0])))
    border = np.ones_like(piece)
    border[1:-1, 1:-1] = False
    angle = np.arctan2(y, x)[piece & border]
    return len(angle) > 0 and float(np.cos(angle[:, None] - angle[None]).min()) < _OPPOSITE


def density_centres(averages: NDArray[np.float32], diameter_px: float) -> NDArray[np.float64]:
    """Return (k, 2) the middle of each particle, x first, in pixels from the middle of the box (`box // 2`).

    Args:
        averages: (k, box, box), protein bright.
        diameter_px: of the particle.
    """
    return _centres(particle_masks(averages, diameter_px))


def _centres(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    y, x, _ = _grid(masks.shape[-1])
    area = np.maximum(masks.sum(axis=(1, 2)), 1)
    return np.stack([(masks * x).sum(axis=(1, 2)) / area, (masks * y).sum(axis=(1, 2)) / area], axis=1)


def edge_energy(averages: NDArray[np.float32], diameter_px: float, centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (k,) energy at the rim of the particle that is on one side only, over that inside its circle.

    The rim is the outer 0.3 of the radius of the circle round the particle itself. There a particle leaves little; or
    much all round, if the diameter is tight; or much at two ends, if it is long. Half a particle, a neighbour and a
    carbon edge differ from side to side, so the differences of opposite sectors count.

    Args:
        averages: (k, box, box), background at 0.
        diameter_px: of the particle.
        centres: (k, 2) of the particles, from `density_centres`.
    """
    pairs = zip(averages, centres, strict=True)
    return np.array([_one_sided(average, diameter_px, centre) for average, centre in pairs]).reshape(-1)


def _one_sided(average: NDArray[np.float32], diameter_px: float, centre: NDArray[np.float64]) -> float:
    y, x, _ = _grid(average.shape[-1])
    x, y = x - centre[0], y - centre[1]
    share = np.hypot(x, y) / (diameter_px / 2)
    rim = (share > _RIM_FROM) & (share <= 1)
    sector = np.floor((np.arctan2(y, x) / (2 * math.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    values, sector = average[rim].astype(np.float64), sector[rim]
    sums = np.bincount(sector, values, _SECTORS) / np.maximum(np.bincount(sector, minlength=_SECTORS), 1)
    inside = float(np.square(average[share <= 1].astype(np.float64)).mean())
    return float(np.square(sums - np.roll(sums, _SECTORS // 2)).mean() / 4 / inside) if inside > 0 else 0.0


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)


def _grid(box: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[:box, :box].astype(np.float64) - box // 2
    return y, x, np.hypot(y, x)
