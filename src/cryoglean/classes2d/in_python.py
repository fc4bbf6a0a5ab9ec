"""`cryoglean.classify`: 2D classes of an array or of a STAR file, for scripts and notebooks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from cryoglean.classes2d.image_facts import NO_CTF
from cryoglean.classes2d.image_survey import survey
from cryoglean.classes2d.native import classify as classify_natively
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.reading import MIN_BOX_PX, read_usable
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.classes2d.usable_images import NORMALISED, UsableImages
from cryoglean.errors import SettingsError
from cryoglean.scale.devices import choose_device
from cryoglean.scale.threads import available_cpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.ctf.model import Ctf


def classify(
    particles: ArrayLike | str | os.PathLike[str],
    *,
    diameter_angstrom: float,
    pixel_size_angstrom: float | None = None,
    ctfs: Sequence[Ctf] | None = None,
    classes: int | None = None,
    iterations: int = 25,
    max_shift_diameters: float = 0.15,
    seed: int = 0,
    device: str = "auto",
    cpus: int | None = None,
    progress: Callable[[Iteration], None] | None = None,
) -> Classification:
    """Sort particles into 2D classes and average each, by the native engine.

    For example:

        found = cryoglean.classify(boxes, diameter_angstrom=190, pixel_size_angstrom=4.2, classes=20)
        found.classes.averages, found.classes.resolution_angstrom, found.particles.class_index

        found = cryoglean.classify("PARTICLES/particles.star", diameter_angstrom=190)

    Args:
        particles: (n, box, box) images with bright protein, each particle near the middle of its box, or a STAR file
            of particles. Backgrounds that are not normalised are normalised, which `notes` of the result say.
        diameter_angstrom: of the particle.
        pixel_size_angstrom: of an array's images; a STAR file says it.
        ctfs: of an array's images, one each; without them phases stay as they are. A STAR file says them.
        classes: how many; by default one for 200 particles, 2 to 100.
        iterations: of expectation and maximisation.
        max_shift_diameters: how far a particle may be from the middle of its box.
        seed: of all that is drawn.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        cpus: processors to use, by default all; the result does not depend on it.
        progress: called after each iteration.

    Returns:
        The classes, and class, angle, shift and probability of each particle, in the order in which they were given.

    Raises:
        SettingsError: if an argument is not usable, or images are; names it, its value and the remedy.
        TableError: if the STAR file or a stack is broken.
    """
    try:
        settings = ClassifySettings(
            diameter_angstrom=diameter_angstrom,
            classes=classes,
            iterations=iterations,
            max_shift_diameters=max_shift_diameters,
            seed=seed,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"{first['loc'][0]}={first['input']!r}: {first['msg'].lower()}") from error
    if isinstance(particles, (str, os.PathLike)):
        given, notes = _of_star(Path(particles), pixel_size_angstrom, ctfs)
    else:
        given, notes = _of_array(particles, pixel_size_angstrom, ctfs)
    found = classify_natively(given, settings, choose_device(device), cpus or available_cpus(), progress)
    return replace(found, notes=(*notes, *found.notes))


def _of_star(
    path: Path, pixel_size_angstrom: float | None, ctfs: Sequence[Ctf] | None
) -> tuple[ParticleSet, tuple[str, ...]]:
    """Read a STAR file."""
    for name, value in (("pixel_size_angstrom", pixel_size_angstrom), ("ctfs", ctfs)):
        if value is not None:
            raise SettingsError(f"{name}: {path} says it for itself; leave it out")
    reading = read_usable(path)
    if reading.rejected:
        first, total = reading.rejected[0], len(reading.rejected) + len(reading.particles)
        raise SettingsError(
            f"particles: {len(reading.rejected)} of {total} cannot be used ({first.image}: {first.reason}): leave them "
            "out, or use the command cryoglean classify, which does"
        )
    return reading.particles, reading.notes


def _of_array(
    particles: ArrayLike, pixel_size_angstrom: float | None, ctfs: Sequence[Ctf] | None
) -> tuple[ParticleSet, tuple[str, ...]]:
    """Check an array."""
    if pixel_size_angstrom is None or not 0 < pixel_size_angstrom < np.inf:
        raise SettingsError(
            f"pixel_size_angstrom={pixel_size_angstrom}: an array needs the size of its pixels, above 0"
        )
    images = np.asarray(particles, np.float32)
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[1] < MIN_BOX_PX:
        raise SettingsError(
            f"particles: an array of shape {images.shape}, where (n, box, box) is needed, of {MIN_BOX_PX} px or more"
        )
    if ctfs is not None and len(ctfs) != len(images):
        raise SettingsError(f"ctfs: {len(ctfs)} for {len(images)} particles; one for each is needed")
    seen = survey(images)
    bad = [(n, fault) for n, fault in enumerate(seen.faults) if fault is not None]
    if bad:
        number, fault = bad[0]
        raise SettingsError(
            f"particles: {len(bad)} of {len(images)} cannot be used (particles[{number}]: {fault}): leave them out"
        )
    notes = (*([NO_CTF] if ctfs is None else []), *([NORMALISED] if seen.must_normalise else []))
    return ParticleSet(UsableImages(images, seen.must_normalise), float(pixel_size_angstrom), ctfs), notes
