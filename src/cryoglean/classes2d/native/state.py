"""State of the native engine between iterations, and the steps from one to the next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.classification import Classification
from cryoglean.classes2d.native.alignment import Alignment
from cryoglean.classes2d.native.in_turn import in_turn
from cryoglean.classes2d.native.joining import join_alike
from cryoglean.classes2d.native.polar import PolarGrid
from cryoglean.classes2d.native.references import Averages, Sums, maximise, power, residual_noise, unfiltered
from cryoglean.classes2d.native.results import assignments, class_results
from cryoglean.classes2d.native.rings import reproducible_rings, ring_ctf
from cryoglean.classes2d.native.samples import Samples
from cryoglean.classes2d.native.schedule import Geometry, Progression
from cryoglean.classes2d.native.search import EStepResult, Grid, References, expect
from cryoglean.classes2d.native.splits import Splits, plan_splits
from cryoglean.classes2d.native.sums import sum_rows
from cryoglean.classes2d.progress import Iteration
from cryoglean.scale.devices import fast_dtype

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from torch import Tensor

    from cryoglean.classes2d.particle_set import Images, ParticleSet
    from cryoglean.classes2d.settings import ClassifySettings

_BATCH_VALUES, _MIN_BATCH, _MAX_BATCH = 2**22, 8, 64
"""Values of the images searched at a time, at all their shifts, and how many images these are. Resource: bounds memory;
with 64 images it took four fifths of the time that it took with 128."""

_MAX_BOX_PX = 128
"""Size at which larger boxes are aligned. Resource: finer detail moves few particles, and costs much memory."""

_LARGE_SHARE = 0.3
"""Share of an average class from which on a class may say how fine the next iteration looks. Chosen by hand: smaller
ones agree by chance."""


@dataclass
class State:
    """State of the engine between iterations; images are in the order in which they came.

    Attributes:
        settings: of the classification.
        images: n of them, read when they are needed.
        pixel_size: of the images, in angstrom.
        geometry: sizes at which images are aligned.
        progress: the schedule.
        ctf: (n, rings) CTF.
        half: (n,) 0 or 1.
        random: for all that is drawn.
        alignment: what is known of each image.
        centre: (n, 2) whole pixels by which images are moved before they are masked.
        splits: of the next iteration.
        noise: (rings,) variance of the images' noise, of as many rings as were averaged.
        averages: of the last iteration; None before the first.
        compared: rings that were compared last.
        rows: images that were compared last.
        changed: share of those of these that had been compared before that changed class; 1 if there were none.
    """

    settings: ClassifySettings
    images: Images
    pixel_size: float
    geometry: Geometry
    progress: Progression
    ctf: Tensor
    half: Tensor
    random: torch.Generator
    alignment: Alignment
    centre: Tensor
    splits: Splits
    noise: Tensor
    averages: Averages | None = None
    compared: int = 0
    rows: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    changed: float = 1.0
    _polar: PolarGrid | None = None
    _samples: Samples | None = None

    @classmethod
    def start(cls, particles: ParticleSet, settings: ClassifySettings, device: torch.device) -> State:
        """Divide the images into halves by chance."""
        count, box = len(particles), min(particles.box_px, _MAX_BOX_PX)
        geometry = Geometry.of(box, particles.pixel_size_angstrom * particles.box_px / box, settings)
        random = torch.Generator().manual_seed(settings.seed)
        half = (torch.randperm(count, generator=random) >= count // 2).long()
        rings, width = particles.box_px // 2 - 1, 1 / (particles.box_px * particles.pixel_size_angstrom)
        ctf = ring_ctf(particles.ctfs, count, rings, width, is_phase_flipped=particles.is_phase_flipped)
        return cls(
            settings,
            particles.images,
            particles.pixel_size_angstrom,
            geometry,
            Progression(geometry, settings.iterations),
            ctf.to(device),
            half.to(device),
            random,
            Alignment.unknown(count, device),
            torch.zeros(count, 2, dtype=torch.long, device=device),
            Splits.none(count, device),
            torch.zeros(0, device=device),
        )

    @property
    def wanted(self) -> int:
        """How many classes there are in the end."""
        return self.settings.classes_for(len(self.half))

    @property
    def classes(self) -> int:
        """How many there are now."""
        if self.averages is None:
            return self.progress.first_classes(len(self.half), self.wanted)
        return len(self.averages.filtered)

    @property
    def device(self) -> torch.device:
        """Where images are compared."""
        return self.half.device

    def prepare(self, pool: ThreadPoolExecutor) -> None:
        """Choose the images of this iteration, and the rings that they are sampled on."""
        self.rows = self.progress.chosen(len(self.half), self.wanted, self.random)
        rings = self.progress.kept_rings
        if self._polar is None or self._polar.rings != rings or self.progress.recentres:
            if self.progress.recentres:
                self.centre = self.alignment.shift.round().long()
            geometry = self.geometry
            self._polar = PolarGrid(geometry.box_px, rings, geometry.radius_px, geometry.edge_px, self.device)
            self._samples = Samples(self.images, self._polar, self.centre)
        if self.averages is None:
            self._begin(pool)
        else:
            self.averages = replace(self.averages, filtered=self._polar.fitted(self.averages.filtered))

    def _grids(self) -> tuple[PolarGrid, Samples]:
        if self._polar is None or self._samples is None:
            raise RuntimeError("prepare first")
        return self._polar, self._samples

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Average images at random, as RELION begins."""
        polar, samples = self._grids()
        member = torch.randint(self.classes, (len(self.half),), generator=self.random).to(self.device)

        def added(rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            some, here = samples.of(rows), rows.to(self.device)
            ctf, kind = self.ctf[here, : polar.rings], member[here]
            numerator = sum_rows(polar.harmonics(some) * ctf[:, :, None], kind, self.classes)
            denominator = sum_rows(ctf.square(), kind, self.classes)
            mass = torch.bincount(kind, minlength=self.classes).float()
            return numerator, denominator, mass, some.abs().square().mean(-1).sum(0)

        parts = in_turn(pool, added, [rows for rows, _ in self._batches()])
        first = next(parts)
        for part in parts:
            for total, more in zip(first, part, strict=True):
                total.add_(more)
        numerator, denominator, mass, images_power = first
        self.noise = images_power / len(self.rows)
        plain, _ = unfiltered(numerator, denominator, mass)
        plain[:, self.progress.rings :] = 0
        nothing = torch.zeros_like(denominator)
        self.averages = Averages(plain, nothing, nothing)

    def _batches(self) -> list[tuple[Tensor, bool]]:
        """Return parts of the images whose search needs little memory, and whether all shifts are searched."""
        known = self.alignment.class_index[self.rows.to(self.device)].cpu() >= 0
        everywhere = self.rows if self.progress.is_global else self.rows[~known]
        nearby = self.rows[:0] if self.progress.is_global else self.rows[known]
        return [
            (some, is_global)
            for rows, is_global in ((everywhere, True), (nearby, False))
            for some in torch.split(rows, self._batch_size(is_global=is_global))
            if len(some)
        ]

    def _batch_size(self, *, is_global: bool) -> int:
        polar, _ = self._grids()
        per_image = len(self.progress.shifts(is_global=is_global)) * polar.rings * polar.harmonics_count
        return min(max(_BATCH_VALUES // per_image, _MIN_BATCH), _MAX_BATCH)

    def iterate(self, pool: ThreadPoolExecutor) -> None:
        """Do one expectation and one maximisation."""
        polar, samples = self._grids()
        if self.averages is None:
            raise RuntimeError("prepare first")
        references = References(self.averages.filtered, power(polar, self.averages.filtered))
        grids = {is_global: self._grid(polar, is_global=is_global) for is_global in (True, False)}

        def search(batch: tuple[Tensor, bool]) -> EStepResult:
            rows, begin = batch[0].to(self.device), self._begins(batch)
            some = samples.of(batch[0]) * polar.moves(begin - self.centre[rows])
            ctf, grid = self.ctf[rows, : polar.rings], grids[batch[1]]
            return expect(polar, some, begin, ctf, references, grid, self.splits.part(rows), self.half[rows])

        sums, before, batches = Sums.empty(self.classes, polar), self.alignment.class_index, self._batches()
        alignment = self.alignment.copy()
        for batch, found in zip(batches, in_turn(pool, search, batches), strict=True):
            sums.add(found)
            alignment.put(batch[0].to(self.device), found.alignment, self._begins(batch))
        self.alignment = alignment
        self.changed = _share_changed(before, alignment.class_index, self.rows.to(self.device))
        self._learn(polar, sums)

    def _begins(self, batch: tuple[Tensor, bool]) -> Tensor:
        """Return the shifts around which images are searched, `(m, 2)`."""
        rows, is_global = batch
        shift = self.alignment.shift[rows.to(self.device)]
        return torch.zeros_like(shift) if is_global else shift

    def _grid(self, polar: PolarGrid, *, is_global: bool) -> Grid:
        shifts, rings = self.progress.shifts(is_global=is_global).to(self.device), self.progress.rings
        return Grid(shifts, self.geometry.max_shift_px, rings, self._weights(polar), fast_dtype(self.device))

    def _weights(self, polar: PolarGrid) -> Tensor:
        """Return the weight of each ring that is compared: its Fourier pixels over the noise's variance."""
        rings = self.progress.rings
        return polar.members[:rings] / self.noise[:rings]

    def _learn(self, polar: PolarGrid, sums: Sums) -> None:
        """Make averages and noise of what was found, and see how fine the next iteration may look."""
        known = min(len(self.noise), polar.rings)
        noise = torch.cat([self.noise[:known], sums.images_power[known:]])
        sums = self._joined(polar, sums)
        self.averages = maximise(polar, sums, noise, self.settings.regularisation)
        self.noise = residual_noise(polar, sums, self.averages)
        compared = self.rows.to(self.device)
        self.splits = Splits.none(len(self.half), self.device)
        if self.progress.may_split:
            of, likelihood = self.alignment.class_index[compared], self.alignment.likelihood[compared]
            self.splits = plan_splits(of, likelihood, self.classes).spread(compared, len(self.half))
        counts = torch.bincount(self.alignment.class_index[compared], minlength=self.classes)
        large = counts > _LARGE_SHARE * len(compared) / self.classes
        supported = reproducible_rings(self.averages.ring_correlation, polar.members)
        self.compared = self.progress.rings
        self.progress.advance(int(supported[large].max()) if bool(large.any()) else 0)

    def _joined(self, polar: PolarGrid, sums: Sums) -> Sums:
        """Join classes that are alike, if there are more than the schedule asks for, and rename those of the images."""
        left = self.progress.classes_after(len(self.half), self.wanted)
        if left >= self.classes:
            return sums
        joined, place = join_alike(polar, sums, self._weights(polar), left)
        index = self.alignment.class_index
        self.alignment = replace(self.alignment, class_index=torch.where(index < 0, index, place[index]))
        return joined

    def saved(self) -> dict[str, Tensor]:
        """Return all that the next iterations depend on, besides the particles and the settings."""
        if self.averages is None:
            raise RuntimeError("iterate first")
        progress = self.progress
        return {
            **{f"alignment.{name}": tensor for name, tensor in vars(self.alignment).items()},
            **{f"splits.{name}": tensor for name, tensor in vars(self.splits).items()},
            **{f"averages.{name}": tensor for name, tensor in vars(self.averages).items()},
            "averages.filtered": torch.view_as_real(self.averages.filtered),
            "schedule": torch.tensor([progress.number, progress.rings, progress.is_global, self.compared]),
            "centre": self.centre,
            "noise": self.noise,
            "random": self.random.get_state(),
        }

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Take over a state that the same particles and settings have led to."""
        here = {name: tensor.to(self.device) for name, tensor in saved.items()}

        def part(title: str) -> dict[str, Tensor]:
            return {name.removeprefix(title): here[name] for name in here if name.startswith(title)}

        self.alignment, self.splits = Alignment(**part("alignment.")), Splits(**part("splits."))
        averages = part("averages.")
        self.averages = Averages(**averages | {"filtered": torch.view_as_complex(averages["filtered"])})
        number, rings, is_global, self.compared = saved["schedule"].tolist()
        self.progress = replace(self.progress, number=number, is_global=bool(is_global))
        self.progress.rings = rings  # which a schedule sets itself when it begins
        self.centre, self.noise = here["centre"], here["noise"]
        self.random.set_state(saved["random"])

    def result(self) -> Classification:
        """Return what was found."""
        box, pixel_size = int(self.images.shape[-1]), self.pixel_size
        geometry = Geometry.of(box, pixel_size, self.settings)
        alignment = replace(self.alignment, shift=self.alignment.shift * (box / self.geometry.box_px))
        if self.averages is None:
            raise RuntimeError("iterate first")
        stands_out = self.averages.signal_to_noise
        classes = class_results(self.images, self.ctf, self.half, alignment, geometry, stands_out, pixel_size)
        return Classification(classes, assignments(alignment, pixel_size), pixel_size)

    def summary(self, number: int) -> Iteration:
        """Return the summary of the iteration just done."""
        found = self.alignment.class_index[self.rows.to(self.device)]
        ahead = range(number, self.settings.iterations)
        return Iteration(
            number,
            self.settings.iterations,
            self.images.shape[-1] * self.pixel_size / self.compared,
            self.changed,
            int((torch.bincount(found, minlength=self.classes) == 0).sum()),
            float(self.alignment.likelihood[self.rows.to(self.device)].double().sum()),
            len(self.rows),
            sum(self.progress.images_of(each, len(self.half), self.wanted) for each in ahead),
            self.classes if self.classes > self.wanted else None,
        )


def _share_changed(before: Tensor, now: Tensor, rows: Tensor) -> float:
    """Return the share of images that changed class; 1 if none had one."""
    before, now = before[rows], now[rows]
    known = before >= 0
    return float((before != now)[known].float().mean()) if bool(known.any()) else 1.0
