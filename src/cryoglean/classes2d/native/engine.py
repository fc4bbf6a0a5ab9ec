"""Expectation maximisation: the main loop of the native engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.classification import Classification
from cryoglean.classes2d.native.polar import PolarGrid
from cryoglean.classes2d.native.references import Averages, Sums, maximise, power, residual_noise, unfiltered
from cryoglean.classes2d.native.results import Alignment, assignments, class_results
from cryoglean.classes2d.native.rings import reproducible_rings, ring_ctf
from cryoglean.classes2d.native.schedule import Geometry, Progression
from cryoglean.classes2d.native.search import EStepResult, Grid, References, expect
from cryoglean.classes2d.native.splits import Splits, plan_splits
from cryoglean.classes2d.particle_set import check_particles
from cryoglean.classes2d.progress import Iteration
from cryoglean.particles.boxes import scale_boxes
from cryoglean.scale.devices import fast_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from cryoglean.classes2d.particle_set import ParticleSet
    from cryoglean.classes2d.settings import ClassifySettings

_MIN_BATCH, _MAX_BATCH, _BATCH_VALUES = 16, 128, 2**25
"""Images searched at a time, and the values that these take together. Resource: bounds memory; smaller matrices are
slower."""

_MAX_BOX_PX = 128
"""Size at which larger boxes are aligned. Resource: finer detail moves few particles, and costs much memory."""

_LARGE_SHARE = 0.3
"""Share of an average class from which on a class may say how fine the next iteration looks. Chosen by hand: smaller
ones agree by chance."""


def classify(
    particles: ParticleSet,
    settings: ClassifySettings,
    device: str = "cpu",
    threads: int = 1,
    on_iteration: Callable[[Iteration], None] | None = None,
) -> Classification:
    """Sort particles into classes by what they look like, in any in-plane turn and shift.

    Maximum likelihood over class, turn and shift (Sigworth, J. Struct. Biol. 122, 328, 1998), regularised as in
    Scheres, J. Mol. Biol. 415, 406 (2012), on polar Fourier samples. The result depends on the seed, not on `threads`.

    Args:
        particles: images with CTF, if known.
        settings: of the classification.
        device: a torch device.
        threads: batches computed side by side on the CPU.
        on_iteration: called after each iteration.

    Raises:
        SettingsError: if the settings do not fit the particles.
    """
    check_particles(particles, settings)
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        state = _State.start(particles, settings, torch.device(device))
        for number in range(settings.iterations):
            state.prepare(pool)
            state.iterate(pool)
            if on_iteration is not None:
                on_iteration(state.summary(number + 1))
        return state.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Run each torch operation in one thread: batches, of fixed parts, run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _State:
    """State of the engine between iterations. Images are in random order, one half after the other."""

    settings: ClassifySettings
    geometry: Geometry
    progress: Progression
    images: Tensor
    small: Tensor
    ctf: Tensor
    order: Tensor
    half: Tensor
    classes: int
    random: torch.Generator
    dtype: torch.dtype
    pixel_size: float
    alignment: Alignment
    centre: Tensor
    splits: Splits
    polar: PolarGrid | None = None
    samples: Tensor = field(default_factory=lambda: torch.empty(0))
    images_power: Tensor = field(default_factory=lambda: torch.empty(0))
    noise: Tensor = field(default_factory=lambda: torch.empty(0))
    averages: Averages | None = None
    compared: int = 0
    changed: float = 1.0

    @classmethod
    def start(cls, particles: ParticleSet, settings: ClassifySettings, device: torch.device) -> _State:
        """Divide the images into halves."""
        count, classes = len(particles), settings.classes_for(len(particles))
        box = min(particles.box_px, _MAX_BOX_PX)
        zoom = box / particles.box_px
        geometry = Geometry.of(box, particles.pixel_size_angstrom / zoom, settings)
        random = torch.Generator().manual_seed(settings.seed)
        order = torch.randperm(count, generator=random)
        width = 1 / (particles.box_px * particles.pixel_size_angstrom)
        ctf = ring_ctf(
            particles.ctfs, count, particles.box_px // 2 - 1, width, is_phase_flipped=particles.is_phase_flipped
        )
        images = torch.from_numpy(particles.images).to(device)[order.to(device)]
        return cls(
            settings,
            geometry,
            Progression(geometry, settings.iterations),
            images,
            images if zoom == 1 else torch.cat([scale_boxes(part, box) for part in torch.split(images, _MAX_BATCH)]),
            ctf[order].to(device),
            order,
            (torch.arange(count) >= count // 2).long(),
            classes,
            random,
            fast_dtype(device),
            particles.pixel_size_angstrom,
            Alignment.unknown(count, device),
            torch.zeros(count, 2, dtype=torch.long, device=device),
            Splits.none(count, device),
        )

    def batches(self) -> list[slice]:
        """Return parts of the images that lie in one half each and whose search needs little memory."""
        shifts = len(self.progress.shifts())
        per_image = 2 * self.classes * shifts * (self.polar.harmonics_count if self.polar else 1)
        size = min(max(_BATCH_VALUES // per_image, _MIN_BATCH), _MAX_BATCH)
        middle, count = len(self.half) // 2, len(self.half)
        return [
            slice(start, min(start + size, stop))
            for begin, stop in ((0, middle), (middle, count))
            for start in range(begin, stop, size)
        ]

    def prepare(self, pool: ThreadPoolExecutor) -> None:
        """Sample the images on as many rings as this iteration needs, if they are not."""
        rings, recentre = self.progress.kept_rings, self.progress.recentres
        if self.polar is not None and self.polar.rings == rings and not recentre:
            return
        if recentre:
            self.centre = self.alignment.shift.round().long()
        geometry = self.geometry
        polar = PolarGrid(geometry.box_px, rings, geometry.radius_px, geometry.edge_px, self.images.device)
        self.polar = polar

        def sampled(rows: slice) -> Tensor:
            return polar.samples(_moved(self.small[rows], self.centre[rows]))

        self.samples = torch.cat(list(pool.map(sampled, self.batches())))
        self.images_power = self.samples.abs().square().mean((0, 2))
        known = min(len(self.noise), rings)
        self.noise = torch.cat([self.noise[:known], self.images_power[known:]])
        if self.averages is None:
            self.averages = self._first_averages(polar)
        else:
            self.averages = replace(self.averages, filtered=polar.fitted(self.averages.filtered))

    def _first_averages(self, polar: PolarGrid) -> Averages:
        """Average images at random, as RELION begins."""
        member = torch.randint(self.classes, (len(self.samples),), generator=self.random)
        sums, ctf = Sums.empty(self.classes, polar), self.ctf[:, : polar.rings]
        for index in range(self.classes):
            rows = torch.nonzero(member == index).flatten().to(self.images.device)
            sums.numerator[0, index] = (polar.harmonics(self.samples[rows]) * ctf[rows, :, None]).sum(0)
            sums.denominator[0, index] = ctf[rows].square().sum(0)
            sums.mass[0, index] = len(rows)
        plain, _ = unfiltered(sums.numerator[0], sums.denominator[0], sums.mass[0])
        plain[:, self.progress.rings :] = 0
        nothing = torch.zeros_like(sums.denominator[0])
        return Averages(plain, nothing, nothing)

    def iterate(self, pool: ThreadPoolExecutor) -> None:
        """Do one expectation and one maximisation."""
        polar, averages = self.polar, self.averages
        if polar is None or averages is None:
            raise RuntimeError("prepare first")
        grid, references = self._grid(polar), References(averages.filtered, power(polar, averages.filtered))
        begin = torch.zeros_like(self.alignment.shift) if self.progress.is_global else self.alignment.shift

        def search(rows: slice) -> EStepResult:
            samples = self.samples[rows] * polar.moves(begin[rows] - self.centre[rows])
            ctf = self.ctf[rows, : polar.rings]
            return expect(polar, samples, begin[rows], ctf, references, grid, self.splits.part(rows))

        sums, found = Sums.empty(self.classes, polar), []
        for rows, part in zip(self.batches(), pool.map(search, self.batches()), strict=True):
            sums.add(int(self.half[rows.start]), part)
            found.append(part)
        before = self.alignment.class_index
        self.alignment = Alignment.of(found, begin)
        self.changed = float((before != self.alignment.class_index).float().mean())
        self._learn(polar, sums)

    def _grid(self, polar: PolarGrid) -> Grid:
        shifts, rings = self.progress.shifts().to(self.images.device), self.progress.rings
        return Grid(shifts, self.geometry.max_shift_px, rings, (polar.members / self.noise)[:rings], self.dtype)

    def _learn(self, polar: PolarGrid, sums: Sums) -> None:
        """Make averages and noise of what was found, and see how fine the next iteration may look."""
        self.averages = maximise(polar, sums, self.noise[: polar.rings], self.settings.regularisation)
        self.noise = residual_noise(polar, self.images_power, sums, self.averages, len(self.samples))
        counts = torch.bincount(self.alignment.class_index, minlength=self.classes)
        self.splits = Splits.none(len(self.samples), self.images.device)
        if self.progress.may_split:
            self.splits = plan_splits(self.alignment.class_index, self.alignment.likelihood, self.classes)
        large = counts > _LARGE_SHARE * len(self.samples) / self.classes
        supported = reproducible_rings(self.averages.ring_correlation, polar.members)
        self.compared = self.progress.rings
        self.progress.advance(int(supported[large].max()) if bool(large.any()) else 0)

    def result(self) -> Classification:
        """Return what was found, in the order in which the images came."""
        box, pixel_size = self.images.shape[-1], self.pixel_size
        geometry = Geometry.of(box, pixel_size, self.settings)
        alignment = replace(self.alignment, shift=self.alignment.shift * (box / self.geometry.box_px))
        if self.averages is None:
            raise RuntimeError("iterate first")
        stands_out = self.averages.signal_to_noise
        classes = class_results(self.images, self.ctf, self.half, alignment, geometry, stands_out, pixel_size)
        return Classification(classes, assignments(alignment.sorted_back(self.order), pixel_size), pixel_size)

    def summary(self, number: int) -> Iteration:
        """Return the summary of the iteration just done."""
        counts = torch.bincount(self.alignment.class_index, minlength=self.classes)
        width = self.images.shape[-1] * self.pixel_size
        return Iteration(
            number,
            self.settings.iterations,
            width / self.compared,
            self.changed,
            int((counts == 0).sum()),
            float(self.alignment.likelihood.double().sum()),
        )


def _moved(images: Tensor, pixels: Tensor) -> Tensor:
    """Move `(n, box, box)` images by `(n, 2)` whole pixels, around the border."""
    box = images.shape[-1]
    place = torch.arange(box, device=images.device)
    row, column = (place - pixels[:, :1]) % box, (place - pixels[:, 1:]) % box
    which = torch.arange(len(images), device=images.device)[:, None, None]
    return images[which, row[:, :, None], column[:, None, :]]
