"""Check of coordinates against images: in which orientation and at which scale they sit on particles, if in any.

If coordinates are right, what surrounds them differs from what surrounds the same pattern of coordinates moved by some
diameters. That is measured for each orientation and scale over several micrographs together. The pattern moves as one,
so crowding, duplicates and overlapping windows count no more than they should.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryoglean.evaluate.orientation import AS_IS, RESCALINGS, TURNS, Hypothesis
from cryoglean.evaluate.ring_maps import RINGS, ring_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cryoglean.evaluate.ring_maps import RingMaps

MAX_MICROGRAPHS = 8
"""Micrographs of a set that are looked at. Resource: some seconds; 20 coordinates in each are mostly enough."""

_MAX_COORDINATES = 1200
"""Coordinates of all micrographs that are looked at. Resource: a second or two; more change no answer."""

_MOVES = 256
"""Moves of the pattern that show what chance gives. Chosen by hand: the covariance of five numbers within some 10 %."""

_MOVED_DIAMETERS = (1.0, 6.0)
"""How far the pattern is moved, in particle diameters. Chosen by hand: off the particle, and not into other ice."""

_MIN_WINDOWS = 8
"""Windows below which there is no signal. Chosen by hand: fewer are not normally distributed."""

CERTAIN_SIGNAL = 3.5
"""Signal from which coordinates sit on particles. Chosen on simulated fields (`benchmarks/coordinate_check.py`): where
there are none, chance reaches 2.6; at 3.5 a normal distribution gives one in 10^11."""

_CERTAIN_LEAD = 1.5
"""Ratio of the best signal to any other's from which it is the right one. Chosen by hand: of a symmetric field two are
equal, and a wrong one stays below 2.6 however strong the right one."""

MIN_SHARE_INSIDE = 0.9
"""Share of the coordinates that must lie within their micrographs. Chosen by hand: all do if they are right, but for
rounding and boxes that hang over the edge."""

_ABSENT_SIGNAL = 2.0
"""Signal below which coordinates may sit on nothing. Chosen as `CERTAIN_SIGNAL`: chance gives about 1."""

_VISIBLE = 5.0
"""Standard errors of noise from which particles are visible at all. Chosen by hand, as for the best of some twenty
templates (`emptiness`): noise alone gives 1 or less here, single frames of 10146 3, averages 9, 10017 100."""

_EXPECTED_WINDOWS = (80.0, 4000.0)
"""Least windows, and windows times visibility, from which coordinates of which a third are right give an answer.
Chosen as `CERTAIN_SIGNAL`."""


class Sample(NamedTuple):
    """A micrograph, coordinates that are said to belong to it, and the particle's diameter in its pixels.

    Attributes:
        image: (h, w) as stored.
        xy: (n, 2) coordinates, x first.
        diameter_px: particle diameter.
        name: of the micrograph, for messages.
    """

    image: NDArray[np.float32]
    xy: NDArray[np.float64]
    diameter_px: float
    name: str = ""


class Verdict(StrEnum):
    """What a check has found."""

    fits = "fits"
    turned = "turned"
    rescaled = "rescaled"
    absent = "absent"
    unknown = "unknown"


class Evidence(NamedTuple):
    """What speaks for a hypothesis.

    Attributes:
        signal: how much the surroundings differ from those of moved coordinates; about 1 by chance.
        windows: how many surroundings lay within the images.
        share_inside: of the coordinates, how many lay within their micrographs.
    """

    signal: float
    windows: int
    share_inside: float


class Stray(NamedTuple):
    """A micrograph whose coordinates do not fit as those of the others do.

    Attributes:
        name: of the micrograph.
        signal: of its coordinates, changed as those of the others.
        expected: signal by those of all together.
        best: what they need to fit; None where nothing is certain.
    """

    name: str
    signal: float
    expected: float
    best: Hypothesis | None


@dataclass(frozen=True)
class PlacementCheck:
    """Result of `check_placement`.

    Attributes:
        verdict: what was found; unknown where nothing can be told.
        best: what the coordinates need to fit; as they are where that is not certain.
        evidence: of each hypothesis that was looked at.
        micrographs: how many were looked at.
        visibility: how surely something of the particle's size stands out of the images, in standard errors of noise;
            0 where it did not matter.
        strays: micrographs that are not as the others; none where nothing is certain of these.
    """

    verdict: Verdict
    best: Hypothesis
    evidence: Mapping[Hypothesis, Evidence]
    micrographs: int
    visibility: float = 0.0
    strays: tuple[Stray, ...] = ()

    @property
    def is_expected(self) -> bool:
        """Whether there were enough coordinates to expect an answer where particles can be seen."""
        return self.evidence[AS_IS].windows >= _EXPECTED_WINDOWS[0]

    @property
    def lie_outside(self) -> bool:
        """Whether more coordinates lie outside their micrographs than right ones do, and nothing says why."""
        unexplained = self.verdict in (Verdict.absent, Verdict.unknown)
        return unexplained and self.evidence[AS_IS].share_inside < MIN_SHARE_INSIDE


@dataclass(frozen=True)
class _Sums:
    """Sums over windows of one micrograph or several: first at their places, then for each move of the pattern."""

    maps: NDArray[np.float64] = field(default_factory=lambda: np.zeros((_MOVES + 1, RINGS - 1)))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_MOVES + 1, np.int64))

    @classmethod
    def of(cls, table: NDArray[np.float32], shape: tuple[int, int], places: NDArray[np.float64]) -> _Sums:
        """Sum windows at (moves + 1, n, 2) places of maps of a shape, of which `table` is what `_table` returns."""
        height, width = shape
        x, y = np.moveaxis(np.rint(places).astype(np.int32), -1, 0)
        within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        pixels = np.where(within, y * width + x, height * width)
        return cls(table[pixels].sum(axis=1, dtype=np.float64), within.sum(axis=1))

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.maps + other.maps, self.counts + other.counts)

    def evidence(self, share_inside: float) -> Evidence:
        """Return the distance of the first sum from those of the moves, in their own deviations."""
        windows = int(self.counts[0])
        if windows < _MIN_WINDOWS:
            return Evidence(0.0, windows, share_inside)
        scaled = self.maps / np.sqrt(np.maximum(self.counts, 1))[:, None]
        first, moved = scaled[0], scaled[1:]
        covariance = np.cov(moved.T)
        difference = first - moved.mean(axis=0)
        solved = np.linalg.pinv(covariance, hermitian=True) @ difference
        return Evidence(math.sqrt(max(float(difference @ solved), 0.0) / len(difference)), windows, share_inside)


def check_placement(samples: Iterable[Sample]) -> PlacementCheck:
    """Find in which orientation and at which scale coordinates sit on particles.

    Args:
        samples: some micrographs of a set, at most `MAX_MICROGRAPHS` are worth while, with the coordinates of each.

    Raises:
        ValueError: if an image is not two-dimensional or a diameter is not above 0.
    """
    mapped = ((s.image.shape, s.xy, ring_maps(s.image, s.diameter_px), s.name) for s in samples)
    fields = [_Field((shape[0], shape[1]), xy, maps, name) for shape, xy, maps, name in mapped if maps is not None]
    fields = [each._replace(xy=_few(each.xy, _MAX_COORDINATES // len(fields))) for each in fields]
    sums = _gather(fields, TURNS)
    best = _certain(_evidence(fields, sums))
    if best is None:
        sums |= _gather(fields, RESCALINGS)
        best = _certain(_evidence(fields, sums))
    evidence = _evidence(fields, sums)
    if best is not None:
        verdict = Verdict.fits if best == AS_IS else Verdict.turned if best.scale == 1 else Verdict.rescaled
        strays = tuple(_strays(fields, sums, best, evidence[best]))
        return PlacementCheck(verdict, best, evidence, len(fields), strays=strays)
    from cryoglean.evaluate.visibility import visibility  # late: it needs torch, and is seldom needed

    seen = visibility([each.maps for each in fields])
    absent = _is_absent(evidence, seen)
    return PlacementCheck(Verdict.absent if absent else Verdict.unknown, AS_IS, evidence, len(fields), seen)


class _Field(NamedTuple):
    shape: tuple[int, int]
    xy: NDArray[np.float64]
    maps: RingMaps
    name: str


def _few(xy: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Return at most so many, chosen at random: tables are sorted by place or by score."""
    return xy if len(xy) <= most else xy[np.random.default_rng(len(xy)).permutation(len(xy))[:most]]


def _gather(fields: Sequence[_Field], hypotheses: Sequence[Hypothesis]) -> dict[Hypothesis, list[_Sums]]:
    """Sum up each field for the hypotheses that leave the coordinates within their micrographs, and as they are."""
    possible = [h for h in hypotheses if h == AS_IS or _share_inside(fields, h) >= MIN_SHARE_INSIDE]
    sums: dict[Hypothesis, list[_Sums]] = {hypothesis: [] for hypothesis in possible}
    for number, each in enumerate(fields):
        table, shape = _table(each.maps)
        moves = _moves(number, each.maps.diameter)
        for hypothesis in possible:
            places = each.maps.places(hypothesis.apply(each.xy, each.shape))
            sums[hypothesis].append(_Sums.of(table, shape, places + moves[:, None]))
    return sums


def _evidence(fields: Sequence[_Field], sums: Mapping[Hypothesis, Sequence[_Sums]]) -> dict[Hypothesis, Evidence]:
    """Return the evidence of all fields together."""
    return {h: sum(of_fields, _Sums()).evidence(_share_inside(fields, h)) for h, of_fields in sums.items()}


def _strays(
    fields: Sequence[_Field], sums: Mapping[Hypothesis, Sequence[_Sums]], best: Hypothesis, together: Evidence
) -> Iterator[Stray]:
    """Yield the fields that show nothing where the others make a signal expected that is twice as strong as certain."""
    for number, each in enumerate(fields):
        alone = {h: of_fields[number].evidence(_share_inside([each], h)) for h, of_fields in sums.items()}
        expected = together.signal * math.sqrt(alone[best].windows / max(together.windows, 1))
        if expected >= 2 * CERTAIN_SIGNAL and alone[best].signal < _ABSENT_SIGNAL:
            yield Stray(each.name, alone[best].signal, expected, _certain(alone))


def _share_inside(fields: Sequence[_Field], hypothesis: Hypothesis) -> float:
    """Return which share of the coordinates a hypothesis puts into their micrographs; 1 if there are none."""
    inside = total = 0
    for each in fields:
        xy = hypothesis.apply(each.xy, each.shape)
        inside += int(((xy >= -0.5) & (xy <= np.array(each.shape[::-1]) - 0.5)).all(axis=1).sum())
        total += len(xy)
    return inside / total if total else 1.0


def _table(maps: RingMaps) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Return (pixels + 1, maps), the values of a place side by side, last those of what lies outside; and the shape."""
    height, width = maps.maps.shape[1:]
    rows = maps.maps.reshape(len(maps.maps), -1).T
    return np.concatenate([rows, np.zeros((1, rows.shape[1]), np.float32)]), (height, width)


def _moves(seed: int, diameter: float) -> NDArray[np.float64]:
    """Return (moves + 1, 2): none first, then random ones within a ring of uniform density."""
    random = np.random.default_rng(seed)
    near, far = (diameters**2 for diameters in _MOVED_DIAMETERS)
    angle, length = random.uniform(0, 2 * np.pi, _MOVES), np.sqrt(random.uniform(near, far, _MOVES)) * diameter
    return np.concatenate([np.zeros((1, 2)), np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1)])


def _certain(evidence: Mapping[Hypothesis, Evidence]) -> Hypothesis | None:
    """Return the hypothesis that is certain; None if none is. Coordinates that fit as they are need no lead."""
    signals = {hypothesis: each.signal for hypothesis, each in evidence.items()}
    best = max(signals, key=lambda h: signals[h])
    others = max((signal for hypothesis, signal in signals.items() if hypothesis != best), default=0.0)
    if signals[best] >= max(CERTAIN_SIGNAL, _CERTAIN_LEAD * others):
        return best
    return AS_IS if signals[AS_IS] >= CERTAIN_SIGNAL else None


def _is_absent(evidence: Mapping[Hypothesis, Evidence], seen: float) -> bool:
    """Tell whether coordinates sit on nothing although particles can be seen, and enough of them to be sure."""
    least, product = _EXPECTED_WINDOWS
    enough = seen >= _VISIBLE and evidence[AS_IS].windows >= max(least, product / seen)
    return enough and evidence[AS_IS].signal < _ABSENT_SIGNAL
