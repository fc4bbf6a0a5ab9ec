"""Particle images, their pixel size and their CTFs: the input of a classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cryoglean.classes2d.settings import MIN_PARTICLES_PER_CLASS
from cryoglean.errors import SettingsError
from cryoglean.limits import MIN_DIAMETER_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.classes2d.settings import ClassifySettings
    from cryoglean.ctf.model import Ctf


class Images(Protocol):
    """Images as an array has them, or as they are read from disk: (n, box, box), indexed by rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        ...

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> NDArray[np.float32]:
        """Return some images, `(m, box, box)`."""
        ...


@dataclass(frozen=True)
class ParticleSet:
    """Images of particles.

    Attributes:
        images: (n, box, box) float32, finite, in memory or on disk; protein bright, background of mean 0 and standard
            deviation 1; the particle's centre is at `box // 2`.
        pixel_size_angstrom: of the images.
        ctfs: of each particle, or None if they are not known.
        is_phase_flipped: whether the phases that the CTF turns are turned back in the images.
    """

    images: Images
    pixel_size_angstrom: float
    ctfs: Sequence[Ctf] | None = None
    is_phase_flipped: bool = False

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def box_px(self) -> int:
        """Side of an image."""
        return int(self.images.shape[-1])


def check_particles(particles: ParticleSet, settings: ClassifySettings, named: str = "the particles") -> None:
    """Check that settings fit particles, before any work.

    Args:
        particles: to be classified.
        settings: how.
        named: where they come from, for messages.

    Raises:
        SettingsError: if the particle is larger than its box or hardly larger than a pixel, or there are too few
            particles for the classes; names the value and the remedy.
    """
    diameter, pixel_size = settings.diameter_angstrom, particles.pixel_size_angstrom
    side = particles.box_px * pixel_size
    boxes = f"{particles.box_px} px at {pixel_size:.4g} A/px"
    if diameter > side:
        raise SettingsError(
            f"--diameter {diameter:g}: the boxes of {named} are {side:.4g} A wide ({boxes}): extract larger boxes"
        )
    if diameter < MIN_DIAMETER_PX * pixel_size:
        raise SettingsError(
            f"--diameter {diameter:g}: less than {MIN_DIAMETER_PX:g} px of {named} ({boxes}): it is in angstrom"
        )
    classes, most = settings.classes_for(len(particles)), len(particles) // MIN_PARTICLES_PER_CLASS
    if classes > most:
        remedy = f"--classes {most} at most" if most else "at least 2 are needed"
        raise SettingsError(f"{named}: {len(particles)} particles are too few for {classes} classes: {remedy}")
