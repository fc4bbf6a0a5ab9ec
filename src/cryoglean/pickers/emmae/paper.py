"""Cryo-EMMAE as published: the particles' cluster of latents, micrograph by micrograph, and the centres of its pieces.

Zamanos et al., Cell Rep. Methods (2025). A reference mask tells the particles' cluster of the set. The paper's mask is
painted; where there is none, discs round Localpicker's picks in the same micrographs stand in for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cryoglean.latents.hierarchy import MICROGRAPH_CLUSTERS, SET_CLUSTERS, most_alike, particle_patches, smoothed
from cryoglean.latents.kmeans import kmeans, nearest
from cryoglean.latents.segments import FINER, segments
from cryoglean.nets.embedding import embed_image
from cryoglean.pickers.emmae.settings import PaperEmmaeSettings
from cryoglean.picks import Picks
from cryoglean.preprocess.mae_chain import mae_image
from cryoglean.scale.devices import fast_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.emmae.training import EmmaeModel
    from cryoglean.preprocess.mae_chain import MaeImage

WINDOW, SMALL_WINDOW = 4, 2
"""Patches over which latents are averaged, and the same for particles that are small. Published in the authors'
release."""

_SMALL_PATCHES = 4.0
"""Particles of fewer patches across are small. Chosen by hand: the larger window would reach past them."""

_MAX_POINTS = 2**19
"""Most latents that are clustered. Resource: it bounds memory and time; eight micrographs of the published size."""


class PaperEmmaeFit(BaseModel):
    """Facts of a fit to a set, besides the centres of its clusters.

    Attributes:
        preset: which way of picking it is for.
        diameter_angstrom: the diameter it was made for.
        particle: number of the particles' cluster; None where no micrograph's mask held anything.
        share: share of each cluster that lies in the mask.
        micrographs: the micrographs it was learned from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["paper"] = "paper"
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    particle: int | None = None
    share: tuple[float, ...] = ()
    micrographs: tuple[str, ...] = ()

    @property
    def found_particles(self) -> bool:
        """Whether there is a cluster of particles."""
        return self.particle is not None

    def summary(self) -> str:
        """Return in one line what was found."""
        if self.particle is None:
            return "no particle signal found: no mask of particles shows which cluster is theirs"
        shares = ", ".join(f"{share:.0%}" for share in self.share)
        cluster = f"cluster {self.particle + 1} of {len(self.share)}"
        return f"{cluster} is that of the particles (shares of the clusters in the mask: {shares})"


class FittedPaperEmmae(NamedTuple):
    """Fit to a set: centres of its clusters, and facts.

    Attributes:
        facts: all but the centres.
        centres: `(k, c)` centres of the clusters.
    """

    facts: PaperEmmaeFit
    centres: Tensor


class PaperLatentMap(NamedTuple):
    """A micrograph in latent space.

    Attributes:
        prepared: the image that was embedded.
        latents: `(h, w, c)`, smoothed.
        patch_px: pixels of the image along a patch.
        diameter: of a particle in patches, down and along a row.
        shift: how far smoothing moved what is seen down and right, in patches.
    """

    prepared: MaeImage
    latents: Tensor
    patch_px: int
    diameter: tuple[float, float]
    shift: float


class PaperEmmae:
    """Pick particles as published.

    Args:
        settings: what the user decides.
        learned: of the set.
        mae: the network, which is put on the device.
        device: where to compute; the CPU by default.
    """

    def __init__(
        self,
        settings: PaperEmmaeSettings,
        learned: FittedPaperEmmae,
        mae: EmmaeModel,
        device: torch.device | None = None,
    ) -> None:
        self.settings, self.learned, self.mae = settings, learned, mae
        self.device = device or torch.device("cpu")
        mae.net.to(self.device)

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph.

        Args:
            micrograph: any size.

        Returns:
            Picks, best first, scored by how much of their piece is particle. Empty where no cluster is the particles'.
        """
        if not self.learned.facts.found_particles:
            return Picks.empty()
        seen = paper_embedded(micrograph, self.settings.diameter_angstrom, self.mae, self.device)
        return self.pick_patches(micrograph, seen, self.particle_patches(seen))

    def particle_patches(self, seen: PaperLatentMap) -> Tensor:
        """Return `(h, w)` booleans, the patches that are particle; none where no cluster is the particles'."""
        particle, (height, width, _) = self.learned.facts.particle, seen.latents.shape
        if particle is None or seen.prepared.is_flat or height * width < max(MICROGRAPH_CLUSTERS):
            return torch.zeros(height, width, dtype=torch.bool)
        return particle_patches(seen.latents, self.learned.centres.to(self.device), particle, self.settings.seed)

    def pick_patches(self, micrograph: Micrograph, seen: PaperLatentMap, patches: Tensor) -> Picks:
        """Turn patches that are particle into picks, best first.

        Args:
            micrograph: as stored.
            seen: the same in latent space.
            patches: `(h, w)` booleans.
        """
        settings = self.settings
        found = segments(patches, seen.diameter, settings.min_distance_diameters)
        patch = (np.stack([found.x, found.y], axis=1) + 0.5) / FINER - 0.5 + seen.shift
        xy = seen.prepared.to_stored((patch + 0.5) * seen.patch_px - 0.5)
        bottom, right = (n - 1 for n in micrograph.shape)
        found_in_image = Picks(xy[:, 0].clip(0, right), xy[:, 1].clip(0, bottom), found.strength)
        return found_in_image.outside(micrograph.mask).best_first()


def paper_embedded(
    micrograph: Micrograph, diameter_angstrom: float, mae: EmmaeModel, device: torch.device
) -> PaperLatentMap:
    """Prepare a micrograph, embed it tile by tile, and smooth its latents.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        mae: the network, on the device.
        device: where to compute.
    """
    facts, patch = mae.facts, mae.facts.layers.patch_px
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    prepared = mae_image(micrograph.image, diameter_px, facts.preprocess, device, micrograph.mask)
    image = facts.standardised(prepared.image)
    latents = embed_image(mae.net.encoder, image, 0, precision=fast_dtype(device))
    diameter = (diameter_px * prepared.scale_y / patch, diameter_px * prepared.scale_x / patch)
    window = WINDOW if min(diameter) >= _SMALL_PATCHES else SMALL_WINDOW
    shift = (window // 2 - (window - 1) // 2) / 2
    return PaperLatentMap(prepared, smoothed(latents, window), patch, diameter, shift)


def fit_paper_emmae(
    micrographs: Iterable[Micrograph],
    settings: PaperEmmaeSettings,
    mae: EmmaeModel,
    mask_of: Callable[[Micrograph], NDArray[np.bool_] | None],
    device: torch.device | None = None,
) -> FittedPaperEmmae:
    """Find the clusters of a set, and which is the particles'.

    Args:
        micrographs: the micrographs to learn from.
        settings: what the user decides.
        mae: the network, which is put on the device.
        mask_of: tells which pixels of a micrograph are particle; None where that is not known.
        device: where to compute; the CPU by default.
    """
    device = device or torch.device("cpu")
    mae.net.to(device)
    seen, names = list[tuple[Tensor, Tensor | None]](), list[str]()
    for micrograph in micrographs:
        image = paper_embedded(micrograph, settings.diameter_angstrom, mae, device)
        mask = mask_of(micrograph)
        seen.append((image.latents, None if mask is None else at_patches(mask, image)))
        names.append(micrograph.name)
    facts = PaperEmmaeFit(diameter_angstrom=settings.diameter_angstrom, micrographs=tuple(names))
    centres = kmeans(subsample_latents([latents for latents, _ in seen]), SET_CLUSTERS, settings.seed).centres
    masked = [(nearest(latents, centres).flatten(), known.flatten()) for latents, known in seen if known is not None]
    if not any(bool(known.any()) for _, known in masked):
        return FittedPaperEmmae(facts, centres.cpu())
    label, inside = (torch.cat(parts) for parts in zip(*masked, strict=True))
    share = torch.bincount(label[inside], minlength=SET_CLUSTERS) / torch.bincount(label, minlength=SET_CLUSTERS)
    told = {"particle": most_alike(label, inside, SET_CLUSTERS), "share": tuple(share.nan_to_num().tolist())}
    return FittedPaperEmmae(facts.model_copy(update=told), centres.cpu())


def subsample_latents(latents: Sequence[Tensor]) -> Tensor:
    """Put the latents of a set together, evenly thinned where there are too many."""
    points = torch.cat([each.flatten(0, 1) for each in latents])
    return points[:: -(-len(points) // _MAX_POINTS)]


def at_patches(mask: NDArray[np.bool_], image: PaperLatentMap) -> Tensor:
    """Look a mask up at the middle of each patch; what lies outside of it is background."""
    height, width, _ = image.latents.shape
    row, column = np.mgrid[:height, :width] + image.shift
    patch = np.stack([column, row], axis=-1).reshape(-1, 2)
    x, y = np.rint(image.prepared.to_stored((patch + 0.5) * image.patch_px - 0.5)).astype(np.int64).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    found = np.zeros(len(x), dtype=bool)
    found[inside] = mask[y[inside], x[inside]]
    return torch.from_numpy(found.reshape(height, width)).to(image.latents.device)
