"""Cryo-EMMAE: picking in the latent space of a masked autoencoder.

The idea is that of Zamanos et al. (Cell Rep. Methods 2025): an encoder that has learned to predict hidden parts of
micrographs sees particles as something else than background. The paper tells the particles' cluster by a mask that
somebody painted. Here blobs of the right contrast and size stand in for that mask, as Localpicker finds them in a few
micrographs of the set; the distance to a cluster's centre is that of a place's surroundings, ring by ring, and soft: it
gives centres between patches, keeps rings whole, parts touching particles, and is the score.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit
from torch import Tensor

from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.emptiness import emptiness, threshold_for_micrograph
from cryoglean.detect.mixture import HeightMixture, max_particles
from cryoglean.detect.peaks import Peaks, distance_to_nearest, find_peaks, inside
from cryoglean.detect.responses import robust_z
from cryoglean.detect.signal import Signal, is_skewed, signal_of
from cryoglean.detect.skewness import Skewness, field_skewness
from cryoglean.latents.likeness import Likeness
from cryoglean.latents.rings import FINER, ring_means, ring_response
from cryoglean.nets.embedding import embed_image
from cryoglean.pickers.emmae.settings import EmmaeSettings
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel, LocalpickerSettings
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.picks import Picks
from cryoglean.preprocess.mae_chain import mae_image
from cryoglean.preprocess.noise_floor import Filtering, SetFiltering
from cryoglean.preprocess.working import working_image
from cryoglean.scale.devices import fast_dtype
from cryoglean.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.detect.skewness import FieldSkewness
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.emmae.training import EmmaeModel
    from cryoglean.preprocess.mae_chain import MaeImage
    from cryoglean.preprocess.working import WorkingImage

OVERLAP_PX = 8
"""Overlap of neighbouring tiles. Chosen by hand: two patches, so that no seam shows; more takes longer."""

UNLIKE_DEVIATIONS = 4.0
"""Distance from the particles, in robust standard deviations above their median, beyond which a place is something
else. Chosen by hand, while F1 on the labelled sets of `benchmarks/README.md` was watched."""

_SAME_DIAMETERS = 0.5
"""A place this near to one of Localpicker's is the same particle. Derived: as near as two picks may be."""

_PROBABLY_EMPTY = 0.5
"""Emptiness by Localpicker's response above which only its surest blobs may be particles. Derived: more probable than
not."""


class EmmaeFit(BaseModel):
    """Facts of a fit to a set of micrographs, besides the template.

    Attributes:
        preset: which way of picking it is for.
        diameter_angstrom: the diameter it was made for.
        skewness: typical skewness of the response in tiles of the micrographs.
        skewness_error: its standard error, were the response nothing but noise.
        mixture: of peak heights, in robust standard deviations of the response; None where nothing was found.
        threshold: minimum height of a particle.
        localpicker: what Localpicker has learned of the set.
        blobs: how many of its picks stood in for the mask.
        contrast: of the particles.
        micrographs: the micrographs it was learned from.
        before: what was done to them before.
        chain: of filters that they went through for the network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: Literal["default"] = "default"
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    localpicker: LocalpickerModel
    skewness: float = 0.0
    skewness_error: float = 0.0
    mixture: HeightMixture | None = None
    threshold: float = 0.0
    blobs: int = 0
    contrast: ParticleContrast = ParticleContrast(0.0, 0.0)
    micrographs: tuple[str, ...] = ()
    before: SetFiltering = SetFiltering()
    chain: Literal["paper", "default", "none"] = "default"

    @property
    def is_filtered_twice(self) -> bool:
        """Whether the micrographs were filtered before, and once more for the network."""
        return self.before.filtering is Filtering.filtered and self.chain != "none"

    @property
    def found_particles(self) -> bool:
        """Whether anything like particles was found: the response is skewed beyond doubt."""
        return self.mixture is not None and is_skewed(self.skewness, self.skewness_error)

    @property
    def signal(self) -> Signal:
        """Whether anything like particles was found, and how sure that is."""
        return Signal.none if self.mixture is None else signal_of(self.skewness, self.skewness_error)

    def summary(self) -> str:
        """Return in one line what was found."""
        if self.mixture is None:
            return f"no particle signal found: too few candidates of the right contrast and size ({self.blobs})"
        examined = f"{counted(self.blobs, 'candidate')} examined"
        skewness = f"skewness of the response {self.skewness:.3f} ± {self.skewness_error:.3f}"
        if not self.found_particles:
            return f"no particle signal found ({examined}; {skewness}, not clearly above 0{self.signal.remark})"
        found = f"particle signal found ({examined}; {skewness}{self.signal.remark})"
        found = f"{found}; threshold {self.threshold:.2f} standard deviations"
        return f"{found}; {self.before.message}, and are picked with --preprocess {self.chain}"


class FittedEmmae(NamedTuple):
    """Fit to a set of micrographs.

    Attributes:
        facts: all but the tensors.
        template: `(rings, c)` weights of latents.
        likeness: what the latents round a particle are like; `(rings * c)` numbers a place.
    """

    facts: EmmaeFit
    template: Tensor
    likeness: Likeness


class LatentMap(NamedTuple):
    """A micrograph in latent space.

    Attributes:
        prepared: the image that was embedded.
        working: the micrograph as Localpicker sees it.
        latents: `(h, w, c)`.
        patch_px: pixels of the image along a patch.
        diameter: of a particle, in patches.
    """

    prepared: MaeImage
    working: WorkingImage
    latents: Tensor
    patch_px: int
    diameter: float

    @property
    def capacity(self) -> float:
        """Number of particles there is room for."""
        return self.working.exposed_share * max_particles(math.prod(self.latents.shape[:2]), self.diameter)

    @property
    def exposed(self) -> Tensor | None:
        """`(FINER * h, FINER * w)` booleans at the places of a response; None where all of it was exposed."""
        if self.working.exposed is None:
            return None
        height, width, _ = self.latents.shape
        row, column = (grid.ravel() for grid in np.indices((FINER * height, FINER * width)))
        is_exposed = self.working.is_exposed(*self.working.from_stored(self._stored(column, row)).T)
        return torch.from_numpy(is_exposed).view(FINER * height, FINER * width).to(self.latents.device)

    def patches_at(self, xy: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Convert (n, 2) pixels of the micrograph as stored, x first, to columns and rows of patches."""
        patch = (self.prepared.from_stored(xy) + 0.5) / self.patch_px - 0.5
        column, row = torch.from_numpy(patch).float().T.to(self.latents.device)
        return column, row

    def contrast_at(self, column: Tensor, row: Tensor) -> NDArray[np.float64]:
        """Return the (n,) local contrast, a logarithm, under columns and rows of patches."""
        patch = torch.stack([column, row], dim=1).cpu().double().numpy()
        stored = self.prepared.to_stored((patch + 0.5) * self.patch_px - 0.5)
        return self.working.contrast_at(*self.working.from_stored(stored).T)

    def stored(self, peaks: Peaks) -> NDArray[np.float64]:
        """Convert peaks of a response to (n, 2) pixels of the micrograph as stored, x first."""
        return self._stored(peaks.x, peaks.y)

    def _stored(self, column: NDArray[Any], row: NDArray[Any]) -> NDArray[np.float64]:
        fine = np.stack([column, row], axis=1)
        return self.prepared.to_stored((fine + 0.5) * (self.patch_px / FINER) - 0.5)


def embedded(micrograph: Micrograph, diameter_angstrom: float, mae: EmmaeModel, device: torch.device) -> LatentMap:
    """Prepare a micrograph and embed it.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        mae: the network, on the device.
        device: where to compute.
    """
    facts, layers = mae.facts, mae.facts.layers
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    prepared = mae_image(micrograph.image, diameter_px, facts.preprocess, device, micrograph.mask)
    working = prepared.working or working_image(micrograph.image, diameter_px, device, micrograph.mask)
    image = facts.standardised(prepared.image)
    latents = embed_image(mae.net.encoder, image, OVERLAP_PX, precision=fast_dtype(device))
    if prepared.is_flat:
        latents = torch.zeros_like(latents)  # of a flat image they tell where in its tile a patch lies, and no more
    diameter = diameter_px * math.sqrt(prepared.scale_x * prepared.scale_y) / layers.patch_px
    return LatentMap(prepared, working, latents, layers.patch_px, diameter)


class Emmae(ScoringPicker):
    """Pick particles by what the latents round a place say.

    Args:
        settings: what the user decides.
        learned: of the set.
        mae: the network, which is put on the device.
        device: where to compute; the CPU by default.
    """

    def __init__(
        self, settings: EmmaeSettings, learned: FittedEmmae, mae: EmmaeModel, device: torch.device | None = None
    ) -> None:
        self.settings, self.learned, self.mae = settings, learned, mae
        self.device = device or torch.device("cpu")
        shape = LocalpickerSettings(
            diameter_angstrom=settings.diameter_angstrom,
            min_distance_angstrom=settings.min_distance_angstrom,
            edge_distance_diameters=settings.edge_distance_diameters,
        )
        self._localpicker = Localpicker(shape, learned.facts.localpicker, self.device)
        mae.net.to(self.device)

    @property
    def threshold(self) -> float:
        """Minimum score of a pick."""
        return self.settings.threshold

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a score, as `pick` does."""
        if not self.learned.facts.found_particles:
            return Picks.empty()
        seen = embedded(micrograph, self.settings.diameter_angstrom, self.mae, self.device)
        return self.pick_embedded(micrograph, seen, min_score)

    def pick_embedded(self, micrograph: Micrograph, seen: LatentMap, min_score: float) -> Picks:
        """Find the places of a micrograph that is in latent space already, as `pick_down_to` does."""
        facts, settings = self.learned.facts, self.settings
        if not facts.found_particles:
            return Picks.empty()
        distance = settings.min_distance_px(micrograph) * seen.prepared.scale_x / seen.patch_px
        found = find_candidates(seen, self.learned, distance, settings.edge_distance_diameters)
        blobs = self._localpicker.candidates_in(seen.working)
        if blobs.emptiness > _PROBABLY_EMPTY:
            sure = np.stack(blobs.stored(blobs.peaks.height >= blobs.threshold), axis=1)
            radius = _SAME_DIAMETERS * settings.diameter_angstrom / micrograph.pixel_size_angstrom
            found = found.take(distance_to_nearest(seen.stored(found.peaks), sure) <= radius)
        empty = min(emptiness(Skewness.of([found.skewness]), facts.skewness), blobs.emptiness)
        threshold = threshold_for_micrograph(facts.threshold, empty, seen.capacity)
        peaks = found.clean(threshold, facts.contrast)
        score = expit(peaks.height - threshold)
        kept = score >= min_score
        xy = seen.stored(peaks.take(kept))
        return Picks(xy[:, 0], xy[:, 1], score[kept])


def response_to(seen: LatentMap, template: Tensor) -> Tensor:
    """Return how alike each place is to a template, `FINER` places along a patch, in robust standard deviations."""
    return robust_z(ring_response(seen.latents, template.to(seen.latents.device), seen.diameter), seen.exposed)


class LatentCandidates(NamedTuple):
    """Peaks of the response in a micrograph, and what surrounds them.

    Attributes:
        peaks: its n peaks, weak ones too, highest first.
        contrast: (n,) local contrast under them, a logarithm.
        is_inlier: (n,) booleans, whether what surrounds a peak is what surrounds particles.
        skewness: of the response.
    """

    peaks: Peaks
    contrast: NDArray[np.float64]
    is_inlier: NDArray[np.bool_]
    skewness: FieldSkewness

    def take(self, which: NDArray[np.bool_]) -> LatentCandidates:
        """Return the same of some of the peaks."""
        return LatentCandidates(self.peaks.take(which), self.contrast[which], self.is_inlier[which], self.skewness)

    def clean(self, threshold: float, usual: ParticleContrast) -> Peaks:
        """Return the peaks without those that reach a threshold and are something else than particles.

        Args:
            threshold: minimum height of a particle.
            usual: contrast of particles.
        """
        clean = self.is_inlier & usual.matches_particle_contrast(self.contrast, self.peaks.height)
        return self.peaks.take(clean | (self.peaks.height < threshold))


def find_candidates(
    seen: LatentMap, learned: FittedEmmae, distance: float, edge_diameters: float = 0.0
) -> LatentCandidates:
    """Find the places that may be particles, however weak.

    Args:
        seen: the micrograph.
        learned: of the set.
        distance: minimum distance of two places, in patches.
        edge_diameters: minimum distance from the edge of what is seen, in particle diameters.
    """
    response = response_to(seen, learned.template)
    peaks = find_peaks(response, FINER * distance)
    peaks = peaks.take(inside(peaks, response.shape, FINER * edge_diameters * seen.diameter))
    peaks = peaks.take(seen.working.is_exposed(*seen.working.from_stored(seen.stored(peaks)).T))
    x, y = in_patches(peaks, seen)
    means = ring_means(seen.latents, x, y, seen.diameter).flatten(1)
    is_inlier = learned.likeness.mahalanobis_distance(means).numpy() <= UNLIKE_DEVIATIONS
    skewness = field_skewness(response, FINER * seen.diameter, seen.exposed)
    return LatentCandidates(peaks, seen.contrast_at(x, y), is_inlier, skewness)


def in_patches(peaks: Peaks, seen: LatentMap) -> tuple[Tensor, Tensor]:
    """Convert peaks of a response to columns and rows of patches."""
    column, row = (torch.from_numpy((v + 0.5) / FINER - 0.5).float() for v in (peaks.x, peaks.y))
    return column.to(seen.latents.device), row.to(seen.latents.device)
