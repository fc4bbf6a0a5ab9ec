"""The folder: what is in it is what the other commands read, and a second run does only what is missing."""

import filecmp
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoglean.errors import SettingsError
from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.io.star import read_star
from cryoglean.jobs.simulate import run_simulation
from cryoglean.simulate.settings import Microscope, Nuisances, Simulation, Specimen
from listeners import Listener

SMALL = Simulation(
    specimen=Specimen(models=("test:480kDa:O", "test:200kDa:C3"), particles=15, overlapping_share=0.2),
    microscope=Microscope(pixel_size_angstrom=4.0),
    nuisances=Nuisances(ice_blobs=1, dead_stripes=1),
    height_px=203,
    width_px=240,
    seed=7,
)


def run(out, simulation=SMALL, **how):
    progress = Listener()
    return run_simulation(simulation, out, progress, **how), progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulation") / "SIM"
    run(out, micrographs=3)
    return out


def files_of(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


def assert_same(one, other):
    assert files_of(one) == files_of(other)
    for name in files_of(one):
        assert filecmp.cmp(one / name, other / name, shallow=False), name


def test_it_holds_images_truth_and_lists(folder):
    stems = [f"simulated_{n:05d}" for n in (1, 2, 3)]
    expected = [
        f"{kind}/{s}.{end}"
        for kind, end in (("micrographs", "mrc"), ("nuisances", "csv"), ("truth", "csv"))
        for s in stems
    ]
    assert files_of(folder) == sorted(map(Path, [*expected, "micrographs.star", "particles.star", "settings.json"]))


def test_images_are_float32_mrc_with_their_pixel_size(folder):
    with mrcfile.open(folder / "micrographs" / "simulated_00001.mrc") as file:
        assert file.data.dtype == np.float32
        assert file.data.shape == (203, 240)
        assert file.voxel_size.x == pytest.approx(4.0)
    assert mrcfile.validate(folder / "micrographs" / "simulated_00001.mrc")


def test_the_micrographs_star_keeps_the_ctf(folder):
    files = find_micrographs([folder / "micrographs.star"])
    assert len(files) == 3
    for file in files:
        assert file.pixel_size_angstrom == 4.0
        assert float(file.optics["rlnVoltage"]) == 300
        assert float(file.optics["rlnSphericalAberration"]) == 2.7
        assert float(file.optics["rlnAmplitudeContrast"]) == 0.1
        assert float(file.row["rlnDefocusU"]) >= float(file.row["rlnDefocusV"]) > 0
        assert 8_000 <= file.defocus_angstrom <= 20_000
        micrograph, _ = read_micrograph(file, None)
        assert micrograph.shape == (203, 240)


def test_evaluate_reads_the_truth_from_csv_and_from_star(folder):
    truth, stars = read_picks_folder(folder / "truth"), read_picks_folder(folder / "particles.star")
    assert truth.keys() == stars.keys()
    for stem, picks in truth.items():
        np.testing.assert_allclose(picks.xy, stars[stem].xy)
        assert len(picks) > 0
    assert evaluate_picks(truth, stars, Protocol(30.0)).overall.f1 == 1


def test_the_truth_names_species_angles_and_flags(folder):
    lines = (folder / "truth" / "simulated_00001.csv").read_text().splitlines()
    assert lines[0] == "x,y,rot,tilt,psi,species,overlapped,edge,covered"
    species = {line.split(",")[5] for line in lines[1:]}
    assert species == {"test:480kDa:O", "test:200kDa:C3"}
    particles = read_star(folder / "particles.star")["particles"]
    own = particles[particles["rlnMicrographName"] == "micrographs/simulated_00001.mrc"]
    for line, (_, row) in zip(lines[1:], own.iterrows(), strict=True):
        cells = line.split(",")
        names = ("rlnCoordinateX", "rlnCoordinateY", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
        assert cells[:5] == [row[name] for name in names]


def test_nuisances_have_a_list_of_their_own(folder):
    lines = (folder / "nuisances" / "simulated_00002.csv").read_text().splitlines()
    assert lines[0] == "kind,x,y,radius_px"
    assert sorted(line.split(",")[0] for line in lines[1:])[-1] == "ice_blob"


def test_a_second_run_makes_only_what_is_missing(folder):
    kept = folder / "micrographs" / "simulated_00001.mrc"
    gone = folder / "micrographs" / "simulated_00002.mrc"
    before, stamp = gone.read_bytes(), kept.stat().st_mtime_ns
    gone.write_bytes(before[:-100])
    _, progress = run(folder, micrographs=3)
    assert (progress.keys, progress.done) == (["simulated_00002"], 2)
    assert gone.read_bytes() == before
    assert kept.stat().st_mtime_ns == stamp


def test_more_micrographs_go_on_and_fewer_leave_the_rest(folder, tmp_path):
    run(tmp_path / "a", micrographs=2)
    run(tmp_path / "a", micrographs=3)
    assert_same(tmp_path / "a", folder)
    summary, progress = run(tmp_path / "a", micrographs=1)
    assert progress.keys == []
    assert len(summary.done) == 3


def test_other_settings_are_refused_unless_forced(folder, tmp_path):
    run(tmp_path / "a", micrographs=1)
    other = SMALL.model_copy(update={"seed": 8})
    with pytest.raises(SettingsError, match="seed"):
        run(tmp_path / "a", other, micrographs=1)
    run(tmp_path / "a", other, micrographs=1, force=True)
    names = ("micrographs/simulated_00001.mrc", "truth/simulated_00001.csv")
    assert not any(filecmp.cmp(tmp_path / "a" / n, folder / n, shallow=False) for n in names)


@pytest.mark.slow
def test_two_workers_make_the_same_files_as_one(folder, tmp_path):
    run(tmp_path / "a", micrographs=3, cpus=2)
    assert_same(tmp_path / "a", folder)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        run(tmp_path / "a")


@pytest.mark.parametrize("pixel_size", [40.0, 0.06])
def test_particles_that_do_not_fit_are_refused_before_any_work(tmp_path, pixel_size):
    odd = SMALL.model_copy(update={"microscope": Microscope(pixel_size_angstrom=pixel_size)})
    with pytest.raises(SettingsError, match="across"):
        run(tmp_path / "a", odd)
    assert not (tmp_path / "a").exists()


def test_an_empty_micrograph_is_one_too(tmp_path):
    empty = SMALL.model_copy(update={"specimen": Specimen(models=("test:480kDa",), particles=0)})
    summary, _ = run(tmp_path / "a", empty)
    assert summary.total == 0
    assert len(read_picks_folder(tmp_path / "a" / "truth")["simulated_00001"]) == 0
