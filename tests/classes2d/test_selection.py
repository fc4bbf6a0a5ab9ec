"""Which classes are kept, why, and what a user's table may do about it."""

import csv
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from class_averages import DIAMETER, blobs, classification_of, disc, half_plane, neighbours
from cryoglean.classes2d.criteria import MIN_PARTICLES, MIN_RESOLVED_ELEMENTS, aligned_noise
from cryoglean.classes2d.selection import (
    NUMERICAL_SCORE,
    PAPER_PERCENT_PER_RESOLUTION,
    Rule,
    Selection,
    automatic,
    literal,
    normalised,
    select,
    selected_particles,
)
from cryoglean.classes2d.selection_file import edited, is_edited, write_selection
from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.errors import SettingsError, TableError
from examples import with_slow

GOOD = 3 * blobs()


def test_automatic_keeps_particles_and_says_why_others_are_dropped():
    averages = [GOOD, disc(14), 3 * half_plane(), 3 * neighbours(), 3 * blobs(x=6), 0.01 * blobs(), GOOD, GOOD, GOOD]
    counts = [100] * 8 + [0]
    resolution = [14.2, *[16] * 5, 100, np.inf, 16]
    selection = automatic(classification_of(averages, counts, resolution, smooth=[1]), DIAMETER)
    assert selection.kept.tolist() == [True] + [False] * 8
    assert selection.reasons[0] == "kept: 14.2 A, 12 %"
    verdicts = list(selection.verdicts)
    assert verdicts[0] is ClassVerdict.kept
    assert verdicts[1] is ClassVerdict.featureless_blob
    assert set(verdicts[2:4]) <= {ClassVerdict.one_sided_edge, ClassVerdict.off_centre, ClassVerdict.spans_box}
    assert verdicts[4:] == [
        ClassVerdict.off_centre,
        ClassVerdict.aligned_noise,
        ClassVerdict.low_resolution,
        ClassVerdict.unresolved,
        ClassVerdict.empty,
    ]
    assert selection.reasons[4].startswith("dropped: off centre, 0.")


@given(st.integers(MIN_PARTICLES, 100_000), st.floats(0, 360))
def test_automatic_keeps_a_good_view_however_rare(count, psi):
    rest = 100_000
    found = classification_of([GOOD, 3 * blobs(psi=psi)], [rest, count], ratio=[0.5 * rest, 0.5 * count])
    assert automatic(found, DIAMETER).kept.all()


def test_a_handful_of_particles_is_not_judged():
    selection = automatic(classification_of([GOOD] * 2, [MIN_PARTICLES - 1, 500]), DIAMETER)
    assert selection.kept.tolist() == [False, True]
    assert selection.verdicts[0] is ClassVerdict.too_few_particles


def test_a_class_that_is_not_resolved_is_dropped_but_ranked_by_what_it_shows():
    found = classification_of([GOOD, 3 * half_plane(), GOOD], resolution=[np.inf, np.inf, 16])
    good, carbon, resolved = automatic(found, DIAMETER).score
    assert carbon < good < 0.5 < resolved


def test_automatic_judges_each_class_on_its_own():
    alone = automatic(classification_of([GOOD]), DIAMETER)
    among = automatic(classification_of([GOOD, disc(14), half_plane()]), DIAMETER)
    assert alone.score[0] == pytest.approx(among.score[0], abs=0.02)


def test_score_and_decision_agree_and_lie_in_0_to_1():
    averages = [3 * blobs(x=x) for x in np.linspace(0, 10, 21)]
    for selection in (select(classification_of(averages), rule, diameter_angstrom=DIAMETER) for rule in Rule):
        assert ((selection.score >= 0) & (selection.score <= 1)).all()
        assert selection.score[selection.kept].min(initial=1) >= selection.score[~selection.kept].max(initial=0)
        assert [verdict.is_kept for verdict in selection.verdicts] == selection.kept.tolist()


def test_a_class_near_the_threshold_is_undecided_unless_a_user_has_decided():
    score = np.array([0.5, 0.5 + NUMERICAL_SCORE / 2, 0.5 - NUMERICAL_SCORE / 2, 0.5 + 2 * NUMERICAL_SCORE, 0.1, 0.5])
    kept, dropped, by_hand = ClassVerdict.kept, ClassVerdict.off_centre, ClassVerdict.kept_by_hand
    found = Selection(score, (kept, kept, dropped, kept, dropped, by_hand), ("",) * 6)
    assert found.undecided.tolist() == [True, True, True, False, False, False]
    assert [line.endswith(", undecided") for line in found.explanations] == found.undecided.tolist()
    assert found.kept.tolist() == [True, True, False, True, False, True], "what is told changes no decision"


def test_a_margin_within_a_hundredth_of_its_limit_is_undecided():
    for moved, undecided in ((0.999, True), (1.001, True), (1.2, False), (0.6, False)):
        averages = classification_of([3 * blobs()], [500], [moved * DIAMETER / MIN_RESOLVED_ELEMENTS])
        assert automatic(averages, DIAMETER).undecided.tolist() == [undecided], moved


def test_literal_is_the_papers_rule_strictly_above():
    found = classification_of([GOOD] * 4, [100, 100, 800, 0], [100.0, 99.0, np.inf, 5.0])
    assert found.classes.percent_per_resolution[0] == PAPER_PERCENT_PER_RESOLUTION
    assert literal(found).kept.tolist() == [False, True, False, False]


@given(st.integers(1, 8), st.integers(1, 50))
def test_normalised_does_not_depend_on_how_many_classes_or_particles(copies, more):
    counts, resolution = [100, 300, 50], [9.0, 12.0, 8.0]
    one = normalised(classification_of([GOOD] * 3, counts, resolution))
    many = normalised(classification_of([GOOD] * 3 * copies, [c * more for c in counts] * copies, resolution * copies))
    assert np.tile(one.kept, copies).tolist() == many.kept.tolist()
    assert np.tile(one.score, copies) == pytest.approx(many.score)


def test_normalised_keeps_a_class_of_average_size_better_than_10_angstrom():
    found = classification_of([GOOD] * 3, [100] * 3, [9.9, 10.1, 30.0])
    assert normalised(found).kept.tolist() == [True, False, False]


def test_noise_reaches_more_with_more_classes_but_little_more():
    assert 7 < aligned_noise(1) < aligned_noise(100) < 1.8 * aligned_noise(1)


def test_particles_follow_their_classes():
    found = classification_of([GOOD, half_plane()], [30, 20])
    selection = automatic(found, DIAMETER)
    assert selected_particles(found, selection).tolist() == [True] * 30 + [False] * 20


def test_best_first_has_kept_before_dropped_and_the_better_before_the_worse():
    found = classification_of([3 * half_plane(), GOOD, GOOD, GOOD], resolution=[16, 12, 12, np.inf])
    selection = automatic(found, DIAMETER)
    assert selection.best_first().tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({}, "--diameter"),
        ({"diameter_angstrom": DIAMETER, "threshold": 0.1}, "no effect"),
        ({"rule": Rule.literal, "threshold": 0.0}, "above 0"),
        ({"rule": Rule.literal, "threshold": np.nan}, "above 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(named, words):
    with pytest.raises(SettingsError, match=words):
        select(classification_of([GOOD]), **named)


@functools.cache
def decision():
    found = classification_of([GOOD, half_plane(), GOOD, half_plane()], [40, 30, 20, 10])
    return found, automatic(found, DIAMETER)


@pytest.fixture
def decided(tmp_path):
    found, selection = decision()
    path = tmp_path / "selection.csv"
    write_selection(path, found.classes, selection)
    return path, selection


def test_a_table_that_is_written_says_what_was_decided(decided):
    path, selection = decided
    again, notes = edited(path, selection)
    assert again.kept.tolist() == selection.kept.tolist() == [True, False, True, False]
    assert (again.verdicts, again.details) == (selection.verdicts, selection.details)
    assert notes == ()
    assert not is_edited(path)


@pytest.mark.parametrize("yes", ["yes", "Y", "1", " TRUE ", "keep", '"yes"'])
@pytest.mark.parametrize("no", with_slow("no", "0", slow=["False", "drop"]))
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\ufeff# a remark; and, more;;;\r\n", "sep=;\n"])
def test_a_users_table_is_obeyed_however_it_is_written(decided, yes, no, delimiter, start):
    path, selection = decided
    rows = [["Class", "x", "KEEP"], ["1.0", "", no], ["2", "", yes], ["", "", ""], ["3", "", no], ["4", "", no]]
    path.write_bytes((start + "\r\n".join(delimiter.join(row) for row in rows)).encode())
    again, notes = edited(path, selection)
    assert again.kept.tolist() == [False, True, False, False]
    assert again.verdicts[:2] == (ClassVerdict.dropped_by_hand, ClassVerdict.kept_by_hand)
    assert again.reasons[:2] == ("dropped: by hand", "kept: by hand")
    assert again.score[again.kept].min() >= 0.5 > again.score[~again.kept].max()
    assert notes == ()


def test_classes_that_are_not_named_are_left_to_the_rule_and_that_is_said(decided):
    path, selection = decided
    path.write_text("class,keep\n2,yes\n")
    again, notes = edited(path, selection)
    assert again.kept.tolist() == [True, True, True, False]
    assert "1, 3, 4" in notes[0]


def test_an_edited_table_is_known_as_such(decided):
    path, _ = decided
    path.write_text(path.read_text().replace("1,yes", "1,no", 1))
    assert is_edited(path)
    path.write_text("garbage")
    assert is_edited(path)


def test_a_decision_by_hand_and_a_value_that_is_none_count_as_edits(decided):
    path, _ = decided
    whole = path.read_text()
    for value in ("kept_by_hand", "no verdict"):
        path.write_text(whole.replace(",kept,", f",{value},", 1))
        assert is_edited(path)


def test_junk_is_what_a_class_shows_and_not_want_of_evidence():
    junk = {verdict for verdict in ClassVerdict if verdict.is_junk}
    assert junk == {ClassVerdict.one_sided_edge, ClassVerdict.featureless_blob, ClassVerdict.dropped_by_hand}
    assert not any(verdict.is_kept for verdict in junk)
    assert all(verdict.message for verdict in ClassVerdict)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"# only a remark\n\n", "empty"),
        (b"class,keep\n", "names no class"),
        (b"class,keep\n5,yes\n", "line 2: no class '5': classes are 1 to 4"),
        (b"class,keep\n0,yes\n", "line 2: no class '0'"),
        (b"class,keep\n1.5,yes\n", "no class '1.5'"),
        (b"class,keep\nnan,yes\n", "no class 'nan'"),
        (b"class,keep\none,yes\n", "no class 'one'"),
        (b"# a remark\nclass,keep\n1,yes\n1,no\n", "line 4: class 1 a second time"),
        (b"class,keep\n1,maybe\n", "line 2: keep of class 1 is 'maybe': write yes or no"),
        (b"class,keep\n1\n", "keep of class 1 is ''"),
        (b"class,decision\n1,yes\n", "one column 'keep'"),
        (b"class,keep,keep\n1,yes,no\n", "one column 'keep'"),
        (b"\xff\xfec\0l\0a\0", "UTF-8"),
        (b"class,keep\n1,yes\0\n", "binary"),
    ],
)
def test_a_table_that_cannot_be_obeyed_is_refused_with_its_line(decided, content, words):
    path, selection = decided
    path.write_bytes(content)
    with pytest.raises(TableError, match=words) as caught:
        edited(path, selection)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path, decided):
    with pytest.raises(TableError, match="cannot be read"):
        edited(tmp_path / "none.csv", decided[1])


def test_the_table_has_a_row_for_each_class_and_numbers_to_look_at(decided):
    path, _ = decided
    with path.open() as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert [row["class"] for row in rows][:2] == ["1", "3"] or [row["class"] for row in rows][:2] == ["3", "1"]
    first = next(row for row in rows if row["class"] == "1")
    assert (first["particles"], first["percent"], first["keep"]) == ("40", "40.000", "yes")
    assert {row["class"]: ClassVerdict(row["verdict"]) for row in rows} == {
        str(k + 1): verdict for k, verdict in enumerate(decided[1].verdicts)
    }
    assert all(row["reason"] for row in rows)
