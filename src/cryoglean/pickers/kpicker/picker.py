"""Kpicker: a small network, trained on particles of the same set, judges every place of a micrograph.

The network and the idea are those of McSweeney et al. (IUCrJ 7, 719, 2020). Here the micrograph is standardised locally
as a whole and not window by window, so that all windows can be judged in one convolutional pass with the same result;
centres are found below the pixel; scores are probabilities and the threshold is found, both on micrographs that the
training did not see. `training.train_kpicker` trains, `Kpicker` picks, `paper` is the published way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.peaks import find_peaks
from cryoglean.limits import DEFAULT_SPACING_DIAMETERS
from cryoglean.nets.kpicker_net import KpickerLayers, KpickerNet
from cryoglean.pickers.kpicker.calibration import Calibration
from cryoglean.pickers.kpicker.image import NetImage, net_image, scan_image
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.pickers.settings import PickerSettings
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.micrograph import Micrograph

EDGE_DISTANCE_DIAMETERS = 1 / 3
"""Minimum distance of a pick from the edge of the exposed area. Derived: as Localpicker's, at which no more than a
tenth of the particle's disc is cut off."""


class KpickerSettings(PickerSettings):
    """Settings of Kpicker when picking, besides those of `PickerSettings`; the diameter is that of the weights.

    Attributes:
        threshold: minimum probability of a pick; None is the threshold that was found when training.
        edge_distance_diameters: minimum distance of a pick from the edge of the exposed area.
        stride_px: distance of the places that are judged, in pixels of a particle of 32.
    """

    method: Literal["kpicker"] = "kpicker"
    preset: Literal["default"] = "default"
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    edge_distance_diameters: Annotated[float, Field(ge=0, le=2)] = EDGE_DISTANCE_DIAMETERS
    stride_px: Literal[1, 2, 4, 8] = 4


class KpickerFit(BaseModel):
    """Facts that were learned besides the weights.

    Attributes:
        preset: which way of Kpicker it is for.
        diameter_angstrom: the diameter it was made for.
        layers: sizes of the network's layers.
        calibration: from log-odds to probability.
        threshold: minimum probability of a pick.
        contrast: of the particles.
        micrographs: the micrographs it was trained on.
        held_out: those that decided when to stop, calibration and threshold; empty where there was only one, which then
            had to serve for those, too.
        training: the settings of the training, as JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["default"] = "default"
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    layers: KpickerLayers
    calibration: Calibration
    threshold: Annotated[float, Field(ge=0, le=1)]
    contrast: ParticleContrast
    micrographs: tuple[str, ...]
    held_out: tuple[str, ...]
    training: dict[str, object]


@dataclass(frozen=True, eq=False)
class KpickerModel:
    """All that picking needs: a trained network, and what else was learned."""

    facts: KpickerFit
    net: KpickerNet


class Candidates(NamedTuple):
    """Places where the log-odds are largest.

    Attributes:
        xy: (n, 2) in pixels of the network's image, x first.
        odds: (n,) log-odds of the network, largest first.
    """

    xy: NDArray[np.float64]
    odds: NDArray[np.float64]


class Kpicker(ScoringPicker):
    """Pick particles with a trained network."""

    def __init__(self, settings: KpickerSettings, model: KpickerModel, device: torch.device | None = None) -> None:
        self.settings, self.model, self.device = settings, model, device or torch.device("cpu")
        self._net = model.net.to(self.device)

    @property
    def threshold(self) -> float:
        """Minimum probability of a pick: the one given, else the one that was found when training."""
        return self.model.facts.threshold if self.settings.threshold is None else self.settings.threshold

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a probability, as `pick` does."""
        settings, facts = self.settings, self.model.facts
        image = net_image(micrograph, settings.diameter_angstrom, self.device)
        odds = scan_image(self._net, image.image, settings.stride_px)
        found = candidates(
            image, odds, settings.stride_px, settings.min_distance_diameters, settings.edge_distance_diameters
        )
        score = facts.calibration.probability(found.odds)
        kept = score >= min_score
        kept &= facts.contrast.matches_particle_contrast(image.contrast_at(found.xy))
        x, y = image.to_stored(found.xy[kept]).T
        return Picks(x, y, score[kept], "probability")


def candidates(
    image: NetImage,
    odds: Tensor,
    stride_px: int,
    distance_diameters: float = DEFAULT_SPACING_DIAMETERS,
    edge_distance_diameters: float = EDGE_DISTANCE_DIAMETERS,
) -> Candidates:
    """Find the peaks of a scan; none in a flat image, nor where nothing was exposed.

    Args:
        image: what was scanned.
        odds: what `scan_image` gave.
        stride_px: its stride.
        distance_diameters: minimum distance between two.
        edge_distance_diameters: minimum distance from the edge.
    """
    diameter = image.working.diameter_px * image.scale
    peaks = find_peaks(odds, distance_diameters * diameter / stride_px)
    xy = np.stack([peaks.x, peaks.y], axis=1) * stride_px - 0.5
    kept = image.contains(xy, edge_distance_diameters * diameter) & image.is_exposed(xy) & bool(image.image.any())
    return Candidates(xy[kept], peaks.height[kept])
