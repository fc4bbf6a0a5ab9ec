"""Columns of tables through an extraction: optics groups, CTF and what else micrographs and particles have."""

import numpy as np
import pytest

from cryoglean.io.inputs import find_micrographs
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.particles import read_particles
from cryoglean.jobs.pick_folder import PickFolder
from extraction import CTF, XY, run, true_centres, write_project
from listeners import Listener


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


SCOPE = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}


def star(name, rows):
    """Lay out a STAR table of dictionaries that have the same keys."""
    head = "".join(f"_{column}\n" for column in rows[0])
    return f"\ndata_{name}\n\nloop_\n{head}" + "".join(" ".join(row.values()) + "\n" for row in rows) + "\n"


def group(number, name, **more):
    return {"rlnOpticsGroupName": name, "rlnOpticsGroup": str(number), "rlnMicrographPixelSize": "2.0", **SCOPE, **more}


def micrograph_table(project, path, groups, rows):
    (project / path).write_text(star("optics", groups) + star("micrographs", rows))
    return project / path


def particles_of(table, letter):
    """The rows of one micrograph, and their optics groups."""
    rows = table.particles[table.particles["rlnMicrographName"].str.endswith(letter)]
    return rows, table.optics[table.optics["rlnOpticsGroup"].isin(rows["rlnOpticsGroup"])].to_dict("records")


def test_optics_groups_and_columns_of_micrographs_go_through_and_a_missing_ctf_takes_nothing_from_others(project):
    """Two tables, one with a phase plate, and a loose image: each particle has what its own micrograph had."""
    tilts = [{"rlnBeamTiltX": t, "rlnMagMat00": "1.01", "rlnOddZernike": "[0.1,0.2]", "rlnOwn": "w"} for t in "123"]
    groups = [group(n, f"afis_{n}", **tilt) for n, tilt in enumerate(tilts, start=1)]
    row = {"rlnOpticsGroup": "2", **CTF, "rlnPhaseShift": "90", "rlnOther": "word", "rlnCtfImage": "a.ctf:mrc"}
    one = micrograph_table(project, "1.star", groups, [{"rlnMicrographName": "mics/a.mrc", **row}])
    told = {"rlnBeamTiltX": "9", "rlnMtfFileName": "mtf.star"}
    other = [group(2, "afis_2", **told), group(7, "unused", **told)]
    row = {"rlnMicrographName": "mics/b.mrc", "rlnOpticsGroup": "2", **CTF}
    two = micrograph_table(project, "2.star", other, [row])
    listener = Listener()
    run(project, listener, picks="out/picks", files=find_micrographs([one, two, project / "mics" / "c.tif"]))
    table = read_particles(project / "boxes" / "particles.star")
    (a, (of_a,)), (b, (of_b,)), (c, (of_c,)) = (particles_of(table, name) for name in ("a.mrc", "b.mrc", "c.tif"))
    assert len(table.optics) == 3
    assert {column: of_a[column] for column in groups[1] if "PixelSize" not in column} == {
        column: value for column, value in groups[1].items() if "PixelSize" not in column
    }
    assert {column: {*a[column]} for column in (*CTF, "rlnPhaseShift", "rlnOther")} == {
        **{column: {value} for column, value in CTF.items()},
        "rlnPhaseShift": {"90"},
        "rlnOther": {"word"},
    }
    assert "rlnCtfImage" not in table.particles.columns
    assert (of_b["rlnBeamTiltX"], of_b["rlnMtfFileName"]) == ("9", "mtf.star")
    assert {*b["rlnDefocusU"]} == {"15000"}
    assert {*b["rlnPhaseShift"]} == {"0"}
    assert {*c["rlnDefocusU"]} == {"0"}
    assert (of_c["rlnSphericalAberration"], of_c["rlnAmplitudeContrast"]) == ("0", "1")
    assert any("5 of 15 particles have no CTF" in line and "c.tif" in line for line in listener.lines)
    first = (project / "boxes" / "particles.star").read_text().splitlines()[0]
    assert first.startswith("# without a CTF: 5 of ")
    assert first.endswith("c.tif")


def test_what_a_table_of_particles_says_is_carried_and_goes_before_what_the_micrographs_say(project):
    groups = [{**group(4, "og4", rlnBeamTiltX="0.3"), "rlnImagePixelSize": "1.5", "rlnCtfDataArePhaseFlipped": "1"}]
    more = {"rlnHelicalTubeID": "3", "rlnAnglePsiPrior": "33.0", "rlnRandomSubset": "1", "rlnUnknown": "x"}
    old = {"rlnImageName": "000001@old.mrcs", "rlnOriginXAngst": "2.0", "rlnOriginYAngst": "0", "rlnOriginXPrior": "1"}
    rows = [
        {"rlnMicrographName": "mics/a.mrc", "rlnCoordinateX": f"{x}", "rlnCoordinateY": f"{y}", "rlnOpticsGroup": "4"}
        | {**CTF, "rlnDefocusU": f"{16000 + n}", **more, "rlnHelicalTubeID": str(n), **old}
        for n, (x, y) in enumerate(XY)
    ]
    (project / "p.star").write_text(star("optics", groups) + star("particles", rows))
    of_micrograph = {"rlnMicrographName": "mics/a.mrc", "rlnOpticsGroup": "1", **CTF, "rlnPhaseShift": "90"}
    files = find_micrographs([micrograph_table(project, "m.star", [group(1, "og1")], [of_micrograph])])
    run(project, picks="p.star", files=files)
    table = read_particles(project / "boxes" / "particles.star")
    (optics,) = table.optics.to_dict("records")
    assert (optics["rlnOpticsGroup"], optics["rlnOpticsGroupName"], optics["rlnBeamTiltX"]) == ("4", "og4", "0.3")
    assert float(optics["rlnImagePixelSize"]) == 4
    assert not {"rlnCtfDataArePhaseFlipped", "rlnOriginXPrior", "rlnPhaseShift"} & {*table.particles, *table.optics}
    assert list(table.particles["rlnDefocusU"]) == [f"{16000 + n}" for n in range(5)]
    assert list(table.particles["rlnHelicalTubeID"]) == [str(n) for n in range(5)]
    assert {column: {*table.particles[column]} for column in ("rlnRandomSubset", "rlnUnknown")} == {
        "rlnRandomSubset": {"1"},
        "rlnUnknown": {"x"},
    }
    assert all("@boxes/particles/mics/a.mrcs" in name for name in table.particles["rlnImageName"])
    np.testing.assert_allclose(true_centres(table, "a.mrc"), XY[:5] - [1, 0], atol=1e-4)


def test_whole_numbers_written_as_floats_are_the_same_groups_half_sets_and_images(project):
    """As tables come from data frames: `1.0` in one of micrographs, `2` in one of particles, or the other way round."""
    texts, row = [], {"rlnMicrographName": "mics/a.mrc", "rlnCoordinateX": "60", "rlnCoordinateY": "70"}
    for end in ("", ".0", ".000000"):
        groups = [{**group(n, f"og{n}"), "rlnOpticsGroup": f"{n}{other}"} for n, other in (("4", ""), ("5", end))]
        more = {"rlnRandomSubset": f"2{end}", "rlnClassNumber": f"3{end}", "rlnImageName": f"000001{end}@old.mrcs"}
        rows = [{**row, "rlnOpticsGroup": f"{n}{other}", **CTF, **more} for n, other in (("4", end), ("5", ""))]
        (project / "p.star").write_text(star("optics", groups) + star("particles", rows))
        of_micrograph = {"rlnMicrographName": "mics/a.mrc", "rlnOpticsGroup": f"1{end}"}
        files = find_micrographs([micrograph_table(project, "m.star", [group(1, "og1")], [of_micrograph])])
        run(project, picks="p.star", files=files, out=f"out{end}")
        texts.append((project / f"out{end}" / "particles.star").read_text().replace(f"out{end}/", "out/"))
    assert texts[0] == texts[1] == texts[2]
    assert " 2 " in texts[0]


def test_other_columns_of_the_same_picks_are_extracted_anew(project):
    rows = [{"rlnMicrographName": "a.mrc", "rlnCoordinateX": "60", "rlnCoordinateY": "70", "rlnHelicalTubeID": "1"}]
    for tube in "12":
        (project / "p.star").write_text(star("particles", [{**rows[0], "rlnHelicalTubeID": tube}]))
        run(project, picks="p.star")
        table = read_particles(project / "boxes" / "particles.star")
        assert list(table.particles["rlnHelicalTubeID"]) == [tube]


def test_phases_are_flipped_by_the_ctf_of_each_particle_and_those_of_one_ctf_as_the_whole_micrograph(project):
    """Particles whose table says their CTF, all the same or not quite, give the boxes of a micrograph of that CTF."""
    row = {"rlnMicrographName": "mics/a.mrc", "rlnOpticsGroup": "1", **CTF}
    of_micrograph = find_micrographs([micrograph_table(project, "m.star", [group(1, "og1")], [row])])
    whole = {"files": of_micrograph, "phase_flip": True, "out": "whole"}
    assert run(project, **whole).exit_status == 0
    loose = find_micrographs([project / "mics" / "a.mrc"])
    for out, step in (("same", 0), ("apart", 0.001)):
        rows = [
            {**row, "rlnCoordinateX": f"{x}", "rlnCoordinateY": f"{y}", "rlnDefocusU": f"{15000 + n * step}"}
            for n, (x, y) in enumerate(XY)
        ]
        (project / "p.star").write_text(star("optics", [group(1, "og1")]) + star("particles", rows))
        assert run(project, picks="p.star", files=loose, phase_flip=True, out=out).exit_status == 0
    stacks = ("whole/particles/mics/a.mrcs", "same/particles/a.mrcs", "apart/particles/a.mrcs")
    whole, same, apart = (read_stack(project / stack) for stack in stacks)
    np.testing.assert_allclose(whole, same, atol=1e-5)
    assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(whole, apart, strict=True)) > 0.98


def test_a_particle_without_a_ctf_is_left_out_where_phases_are_flipped_and_told(project):
    rows = [
        {"rlnMicrographName": "mics/a.mrc", "rlnCoordinateX": f"{x}", "rlnCoordinateY": f"{y}", **CTF}
        | {"rlnDefocusU": "nan" if n == 2 else "15000", "rlnOpticsGroup": "1"}
        for n, (x, y) in enumerate(XY)
    ]
    (project / "p.star").write_text(star("optics", [group(1, "og1")]) + star("particles", rows))
    listener, files = Listener(), find_micrographs([project / "mics" / "a.mrc"])
    assert run(project, listener, picks="p.star", files=files, phase_flip=True).counts == {"a": 4}
    assert any("1 of 7 left out, as phases cannot be flipped without a CTF" in line for line in listener.lines)


def test_a_particle_of_an_optics_group_that_is_not_there_is_told(project):
    row = {"rlnMicrographName": "mics/a.mrc", "rlnCoordinateX": "60", "rlnCoordinateY": "70", "rlnOpticsGroup": "3"}
    (project / "p.star").write_text(star("optics", [group(1, "og1")]) + star("particles", [row]))
    (rejected,) = run(project, picks="p.star", files=find_micrographs([project / "mics" / "a.mrc"])).rejected
    assert "optics group 3" in rejected.reason


def test_picks_are_found_by_the_micrograph_and_not_by_the_name_that_a_star_file_gives_it(project):
    files = find_micrographs([project / "mics"])
    PickFolder(project / "ours").claim({"diameter_angstrom": 40.0}, files, force=False)
    (project / "out" / "picks").rename(project / "ours" / "picks")
    row = {"rlnMicrographName": "mics/a.mrc", "rlnOpticsGroup": "1", **CTF}
    in_star = find_micrographs([micrograph_table(project, "m.star", [group(1, "og1")], [row])])
    assert run(project, picks="ours", files=[*in_star, *files[1:]]).counts == {"mics/a": 5, "b": 5, "c": 5}
