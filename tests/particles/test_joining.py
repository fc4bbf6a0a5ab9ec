"""Tables of many micrographs as one: what came in goes out, and what one row lacks, only that row loses."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.ctf.model import Ctf, Microscope, ctf_2d
from cryoglean.io.missing_cells import completed, neutral_value
from cryoglean.io.optics_groups import OpticsGroups
from cryoglean.io.particles import ParticleTable
from cryoglean.io.unknown_microscope import CTF_OF_ONE
from cryoglean.particles.joining import joined, without_ctf

SCOPE = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}
CTF = {"rlnDefocusU": "15000", "rlnDefocusV": "14000", "rlnDefocusAngle": "30"}


def table(names, group="1", name="g", optics=(), micrograph="a.mrc", **more):
    row = {"rlnOpticsGroupName": name, "rlnOpticsGroup": group, "rlnImagePixelSize": "2.0", **dict(optics)}
    columns = {
        "rlnImageName": list(names),
        "rlnMicrographName": [micrograph] * len(names),
        "rlnOpticsGroup": [group] * len(names),
        **{column: [value] * len(names) for column, value in more.items()},
    }
    return ParticleTable(pd.DataFrame([row], dtype=object), pd.DataFrame(columns, dtype=object))


def groups_of(whole):
    """The optics group of each particle, by its image."""
    by_number = {row["rlnOpticsGroup"]: row for row in whole.optics.to_dict("records")}
    rows = whole.particles
    return {i: by_number[n] for i, n in zip(rows["rlnImageName"], rows["rlnOpticsGroup"], strict=True)}


def test_groups_are_renumbered_only_if_they_collide_and_equal_ones_become_one():
    size = {"rlnImagePixelSize": "3.0"}
    whole = joined([table(["1@a"]), table(["1@b"], optics=size), table([]), table(["1@c"])])
    assert list(whole.particles["rlnOpticsGroup"]) == ["1", "2", "1"]
    assert list(whole.optics["rlnOpticsGroup"]) == ["1", "2"]
    assert list(whole.optics["rlnImagePixelSize"]) == ["2.0", "3.0"]
    assert len({*whole.optics["rlnOpticsGroupName"]}) == 2
    assert list(whole.particles["rlnImageName"]) == ["1@a", "1@b", "1@c"]


def test_one_number_written_in_two_ways_makes_no_two_groups():
    whole = joined([table(["1@a"], optics=SCOPE), table(["1@b"], "7", optics={**SCOPE, "rlnVoltage": "300.000"})])
    assert list(whole.optics["rlnVoltage"]) == ["300"]
    assert list(whole.particles["rlnOpticsGroup"]) == ["1", "1"]


def test_groups_without_particles_are_left_out_and_the_others_keep_their_numbers():
    parts = [table(["1@a"], "1", "one"), table([], "2", "two"), table(["1@c"], "3", "three")]
    whole = joined(parts)
    assert list(whole.optics["rlnOpticsGroup"]) == ["1", "3"]
    assert list(whole.optics["rlnOpticsGroupName"]) == ["one", "three"]


def test_no_particles_at_all_give_a_table_with_its_header():
    whole = joined([table([]), table([])])
    assert len(whole.particles) == 0
    assert "rlnImageName" in whole.particles.columns


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8))
def test_every_particle_finds_the_values_of_its_group_whatever_numbers_and_names_they_have(kinds):
    parts = [
        table([f"{n}@x"], str(number), f"name{name}", {"rlnBeamTiltX": str(tilt)})
        for n, (number, name, tilt) in enumerate(kinds)
    ]
    whole = joined(parts)
    for n, (_, _, tilt) in enumerate(kinds):
        assert groups_of(whole)[f"{n}@x"]["rlnBeamTiltX"] == str(tilt)
    assert whole.optics["rlnOpticsGroup"].is_unique
    assert whole.optics["rlnOpticsGroupName"].is_unique
    assert {*whole.optics["rlnOpticsGroup"]} == {*whole.particles["rlnOpticsGroup"]}
    assert list(whole.optics["rlnOpticsGroup"].astype(int)) == sorted(whole.optics["rlnOpticsGroup"].astype(int))


def test_what_one_table_lacks_only_its_particles_lose():
    tilted = {"rlnBeamTiltX": "0.1", "rlnMagMat00": "1.01", "rlnMagMat01": "0.2", "rlnOddZernike": "[1,2,3]"}
    told = {"rlnMtfFileName": "mtf.star", **tilted}
    first = table(["1@a"], optics={**SCOPE, **told}, **CTF, rlnPhaseShift="90", rlnHelicalTubeID="3", rlnSome="word")
    second = table(["1@b"], "2", "h", optics=SCOPE, **CTF)
    whole = joined([first, second])
    rows = whole.particles.set_index("rlnImageName").to_dict("index")
    assert {c: rows["1@a"][c] for c in first.particles.columns if c in rows["1@a"]} == {
        c: first.particles[c].iloc[0] for c in first.particles.columns if c != "rlnImageName"
    }
    lacked = ("rlnPhaseShift", "rlnHelicalTubeID", "rlnSome")
    assert [rows["1@b"][c] for c in (*CTF, *lacked)] == [*CTF.values(), "0", "0", ""]
    a, b = (groups_of(whole)[name] for name in ("1@a", "1@b"))
    assert {c: a[c] for c in told} == told
    assert [b[c] for c in told] == ["", "0", "1", "0", "[0,0,0]"]
    assert without_ctf(whole) == {}


@pytest.mark.parametrize("lack", ["defocus", "microscope", "both", "nan", "zero"])
def test_particles_without_a_ctf_get_groups_of_a_ctf_of_one_and_leave_the_others_theirs(lack):
    known = table(["1@a"], optics=SCOPE, micrograph="a.mrc", **CTF, rlnPhaseShift="90")
    optics = {} if lack in ("microscope", "both") else SCOPE
    columns = {"defocus": {}, "both": {}, "nan": dict.fromkeys(CTF, "nan"), "zero": dict.fromkeys(CTF, "0")}
    missing = table(["1@b", "2@b"], optics=optics, micrograph="b.mrc", **columns.get(lack, CTF))
    for parts in ([known, missing], [missing, known]):
        whole = joined(parts)
        groups = groups_of(whole)
        rows = whole.particles.set_index("rlnImageName").to_dict("index")
        assert {c: rows["1@a"][c] for c in (*CTF, "rlnPhaseShift")} == {**CTF, "rlnPhaseShift": "90"}
        assert {c: groups["1@a"][c] for c in SCOPE} == SCOPE
        assert groups["1@a"]["rlnOpticsGroupName"] == "g"
        assert groups["1@b"] == groups["2@b"]
        assert groups["1@b"]["rlnOpticsGroupName"] == "g_no_ctf"
        assert {c: groups["1@b"][c] for c in CTF_OF_ONE} == CTF_OF_ONE
        assert groups["1@b"]["rlnVoltage"] == "300"
        assert [rows["1@b"][c] for c in (*CTF, "rlnPhaseShift")] == ["0"] * 4
        assert without_ctf(whole) == {"b.mrc": 2}
        again = joined([whole])
        assert again.particles.equals(whole.particles)
        assert again.optics.equals(whole.optics)


def test_where_nobody_has_a_ctf_nothing_is_made_up():
    whole = joined([table(["1@a"]), table(["1@b"], micrograph="b.mrc", optics=SCOPE)])
    assert "rlnDefocusU" not in whole.particles.columns
    assert without_ctf(whole) == {}


def test_groups_of_a_known_microscope_keep_their_numbers_before_those_of_none():
    whole = joined([table(["1@a"]), table(["1@b"], name="grid", optics=SCOPE)])
    assert {n: g["rlnOpticsGroup"] for n, g in groups_of(whole).items()} == {"1@a": "2", "1@b": "1"}


def test_the_ctf_that_stands_for_none_is_one_at_every_frequency():
    scope = Microscope(300, float(CTF_OF_ONE["rlnSphericalAberration"]), float(CTF_OF_ONE["rlnAmplitudeContrast"]))
    torch.testing.assert_close(ctf_2d(Ctf(0, 0, 0, scope), (16, 16), 1.0), torch.ones(16, 9))


@pytest.mark.parametrize(
    ("column", "known", "value"),
    [
        ("rlnDefocusU", ["1.5", "-2e3"], "0"),
        ("rlnMagMat11", ["0.99"], "1"),
        ("rlnCtfScalefactor", ["0.5"], "1"),
        ("rlnOddZernike", ["[1,2]"], "[0,0]"),
        ("rlnMtfFileName", ["a.star", "1"], ""),
        ("rlnSomething", ["nan", "3"], "0"),
    ],
)
def test_a_missing_cell_holds_what_changes_nothing(column, known, value):
    assert neutral_value(column, known) == value


CELLS = st.lists(st.none() | st.sampled_from(["1", "x", "[2]"]), min_size=3, max_size=3)


@given(st.dictionaries(st.sampled_from("abc"), CELLS))
def test_completing_a_table_changes_no_cell_that_is_there(columns):
    before = pd.DataFrame(columns, dtype=object)
    after = completed(before)
    assert not after.isna().to_numpy().any()
    assert before.where(before.isna(), after).equals(before)


@given(st.lists(st.sampled_from(["1", "2", "7", "x", ""]), min_size=1, max_size=6))
def test_numbers_are_kept_where_they_are_free(numbers):
    groups = OpticsGroups()
    given = [groups.number_of({"rlnOpticsGroup": n, "rlnBeamTiltX": str(k)}) for k, n in enumerate(numbers)]
    assert len({*given}) == len(numbers)
    for k, number in enumerate(numbers):
        if number and number not in given[:k]:
            assert given[k] == number
