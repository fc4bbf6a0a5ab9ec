"""Kpicker as published: windows of one box, each standardised by itself, one by one through the network.

McSweeney et al., IUCrJ 7, 719 (2020), sections 2.6 and 4.1, with the authors' released settings. Two things are not as
released: negatives keep a diameter's distance from every particle (the release: 0.4 of it, from one of them), and
picks keep half a diameter's distance, as all picks here do (the release: an eighth of the box).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from cryoglean.detect.peaks import find_peaks, non_maximum_suppression
from cryoglean.nets.convolutional import scan_windows, standardise_each
from cryoglean.nets.kpicker_net import WINDOW_PX, KpickerLayers, KpickerNet
from cryoglean.pickers.settings import PickerSettings
from cryoglean.picks import Picks
from cryoglean.preprocess.exposure import cover_mask
from cryoglean.preprocess.normalise import bin_by_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.micrograph import Micrograph

STRIDE_PX = 4
"""Distance of the windows, in pixels of the resized micrograph. Published in the authors' release."""


class PaperKpickerSettings(PickerSettings):
    """Settings of the published Kpicker when picking, besides those of `PickerSettings`; the diameter is the weights'.

    Attributes:
        threshold: minimum probability of a pick.
    """

    method: Literal["kpicker"] = "kpicker"
    preset: Literal["paper"] = "paper"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.9


class PaperKpickerFit(BaseModel):
    """Facts of the training that made the weights.

    Attributes:
        preset: which way of Kpicker they are for.
        diameter_angstrom: the diameter they were made for.
        layers: sizes of the network's layers.
        bin_factor: stored pixels per binned pixel.
        box_diameters: side of a window, in particle diameters.
        micrographs: the micrographs they were trained on.
        training: the settings of the training, as JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["paper"] = "paper"
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    layers: KpickerLayers
    bin_factor: Annotated[int, Field(ge=1)]
    box_diameters: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    micrographs: tuple[str, ...]
    training: dict[str, object]


@dataclass(frozen=True, eq=False)
class PaperKpickerModel:
    """A trained network, and what it was trained on."""

    facts: PaperKpickerFit
    net: KpickerNet


@dataclass(frozen=True, eq=False)
class ResizedImage:
    """A micrograph, binned, standardised and resized until a box is 64 pixels.

    Attributes:
        image: `(h, w)` float32, protein dark.
        scale: pixels of `image` per stored pixel.
    """

    image: Tensor
    scale: float

    def from_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert stored pixels to those of the image."""
        return (xy + 0.5) * self.scale - 0.5

    def to_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert pixels of the image to stored ones."""
        return (xy + 0.5) / self.scale - 0.5


def resized_image(micrograph: Micrograph, bin_factor: int, box_angstrom: float, device: torch.device) -> ResizedImage:
    """Prepare a micrograph.

    Args:
        micrograph: any size.
        bin_factor: stored pixels per binned pixel.
        box_angstrom: side of the box that becomes a window.
        device: where to compute.
    """
    image = cover_mask(micrograph.image, micrograph.mask)
    binned = bin_by_mean(torch.from_numpy(image.copy()).to(device), bin_factor)
    deviation = binned.double() - binned.double().mean()
    spread = deviation.square().mean().sqrt()
    flat = bool(spread <= 4 * torch.finfo(torch.float32).eps * binned.abs().max())
    standard = torch.zeros_like(binned) if flat else (deviation / spread).float()
    scale = WINDOW_PX / (box_angstrom / micrograph.pixel_size_angstrom)
    resized = functional.interpolate(
        standard[None, None], scale_factor=scale * bin_factor, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    return ResizedImage(resized, scale)


class PaperKpicker:
    """Pick particles as the paper does."""

    def __init__(
        self, settings: PaperKpickerSettings, model: PaperKpickerModel, device: torch.device | None = None
    ) -> None:
        self.settings, self.model, self.device = settings, model, device or torch.device("cpu")
        self._net = model.net.to(self.device)

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph.

        Args:
            micrograph: any size; particles whose box leaves it are not found.

        Returns:
            Picks at centres of windows, with the network's probabilities, which are uncalibrated; best first.
        """
        return self.pick_down_to(micrograph, self.threshold)

    @property
    def threshold(self) -> float:
        """Least probability of a pick."""
        return self.settings.threshold

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the windows of one micrograph that have a probability, as `pick` does."""
        settings, facts = self.settings, self.model.facts
        box = facts.box_diameters * settings.diameter_angstrom
        image = resized_image(micrograph, facts.bin_factor, box, self.device)
        if min(image.image.shape) < WINDOW_PX or not bool(image.image.any()):
            return Picks.empty()
        odds = scan_windows(self._net, image.image, STRIDE_PX, standardise_each)
        peaks = find_peaks(odds, 0)  # heights are log-odds: probabilities near 1 are all alike
        column, row = np.rint(peaks.x), np.rint(peaks.y)
        xy = image.to_stored(np.stack([column, row], axis=1) * STRIDE_PX + (WINDOW_PX - 1) / 2)
        score = torch.sigmoid(torch.from_numpy(peaks.height)).numpy()
        kept = non_maximum_suppression(xy[:, 0], xy[:, 1], settings.min_distance_px(micrograph))
        kept &= score >= min_score
        return Picks(xy[kept, 0], xy[kept, 1], score[kept]).outside(micrograph.mask)
