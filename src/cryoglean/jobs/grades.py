"""Grades of micrographs: good, doubtful or bad, by what is left out of them and by how they differ from the set."""

from __future__ import annotations

from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cryoglean.findings import Finding, Level
from cryoglean.jobs.micrograph_lists import known_cell
from cryoglean.jobs.outliers import outliers
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MAX_LEFT_OUT = 0.5
"""Share of a micrograph above which it is bad, and nothing is learned from it. Chosen by hand: more is left out of it
than is left."""

_MUCH_LEFT_OUT = 0.2
"""The same above that of most, from which it is doubtful. Chosen by hand: dirt that takes a fifth is seldom alone."""

_FEW_PICKS, _USUAL_PICKS = 0.1, 20
"""Share of the usual number of picks below which there are few, and how many are usual at least. Chosen by hand: thin
ice has a half or a third of it; chance makes two of twenty with a probability of a millionth."""

_UNEVEN, _EVEN, _MIN_UNEVENNESS = 2.0, 1 / 3, 0.25
"""Unevenness over that of most from which there is carbon, ice or dirt, and below which there is nothing; the former at
least so much. Chosen by hand, seeing that labelled sets of one kind reach 1.3 and 0.7, and 0.2 at most."""

_POOR_CTF, _GOOD_ANGSTROM = 2.0, 6.0
"""Resolution of a CTF fit over that of most from which it is poor; one to such a resolution is not. Chosen by hand:
fits that fail end at 10 angstrom and more."""

_MIN_SET = 3
"""Micrographs by which others can be judged, at least. Derived: of two, either may be the odd one."""


class Grade(StrEnum):
    """Grade of a micrograph."""

    good = "good"
    doubtful = "doubtful"
    bad = "bad"


OptionalNumber = Annotated[float | None, Field(ge=0, allow_inf_nan=False), BeforeValidator(known_cell)]


class Evidence(BaseModel):
    """Evidence on a micrograph.

    Attributes:
        key: its unique name in the folder.
        picks: number of its picks.
        left_out: share of it that is left out.
        unevenness: standard deviation of its local contrast, a natural logarithm, where it is not left out.
        ctf_resolution_angstrom: of its CTF fit.
    """

    model_config = ConfigDict(frozen=True)

    key: Annotated[str, Field(min_length=1)]
    picks: Annotated[int, Field(ge=0)]
    left_out: OptionalNumber = None
    unevenness: OptionalNumber = None
    ctf_resolution_angstrom: OptionalNumber = None


class GradeRow(Evidence):
    """A graded micrograph.

    Attributes:
        grade: of it.
        reason: why it is not good; "" where it is.
    """

    grade: Grade
    reason: str = ""


class _Set(NamedTuple):
    """What is usual in a set; None where too few tell."""

    picks: float | None
    left_out: float | None
    unevenness: float | None
    ctf_resolution_angstrom: float | None
    flooded: frozenset[str]


def grade_micrographs(seen: Sequence[Evidence]) -> list[GradeRow]:
    """Grade the micrographs of a set, each by itself and beside the others, in the order given."""
    usual = _Set(
        picks=_usual(each.picks for each in seen),
        left_out=_usual(each.left_out for each in seen),
        unevenness=_usual(each.unevenness for each in seen),
        ctf_resolution_angstrom=_usual(each.ctf_resolution_angstrom for each in seen),
        flooded=frozenset(outliers({each.key: each.picks for each in seen})),
    )
    return [_graded(each, usual) for each in seen]


def _usual(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) >= _MIN_SET else None


def _graded(each: Evidence, usual: _Set) -> GradeRow:
    if each.left_out is not None and each.left_out > MAX_LEFT_OUT:
        grade, reasons = Grade.bad, [f"{each.left_out:.0%} of it is left out"]
    else:
        reasons = [reason for doubt in _DOUBTS for reason in doubt(each, usual)]
        grade = Grade.doubtful if reasons else Grade.good
    return GradeRow(**each.model_dump(), grade=grade, reason="; ".join(reasons))


def _by_left_out(each: Evidence, usual: _Set) -> Iterator[str]:
    if each.left_out is not None and each.left_out > (usual.left_out or 0.0) + _MUCH_LEFT_OUT:
        yield f"{each.left_out:.0%} of it is left out"


def _by_picks(each: Evidence, usual: _Set) -> Iterator[str]:
    if each.key in usual.flooded:
        yield f"{counted(each.picks, 'pick')}, far more than most have"
    elif usual.picks is not None and usual.picks >= _USUAL_PICKS and each.picks < _FEW_PICKS * usual.picks:
        yield f"{counted(each.picks, 'pick')}, and most have {usual.picks:.0f}"


def _by_contrast(each: Evidence, usual: _Set) -> Iterator[str]:
    if each.unevenness is None or not usual.unevenness:
        return
    share = each.unevenness / usual.unevenness
    if share > _UNEVEN and each.unevenness > _MIN_UNEVENNESS:
        yield f"its contrast varies {share:.1f} times as much as in most: carbon, ice or dirt?"
    elif share < _EVEN:
        yield f"its contrast varies {share:.2g} times as much as in most: is it empty?"


def _by_ctf(each: Evidence, usual: _Set) -> Iterator[str]:
    reached, most = each.ctf_resolution_angstrom, usual.ctf_resolution_angstrom
    if reached is not None and most is not None and reached > max(_POOR_CTF * most, _GOOD_ANGSTROM):
        yield f"its CTF fits to {reached:.3g} Å, that of most to {most:.3g} Å"


_DOUBTS: tuple[Callable[[Evidence, _Set], Iterator[str]], ...] = (_by_left_out, _by_picks, _by_contrast, _by_ctf)


def findings_on_grades(graded: Mapping[str, GradeRow]) -> tuple[Finding, ...]:
    """Return which micrographs are not good."""
    named = (
        (grade, [key for key, row in graded.items() if row.grade is grade]) for grade in (Grade.bad, Grade.doubtful)
    )
    said = [f"{counted(len(keys), f'{grade} micrograph')}: {listed(keys)}" for grade, keys in named if keys]
    return (Finding(Level.note, "grades", f"{'; '.join(said)}: see grades.csv"),) if said else ()
