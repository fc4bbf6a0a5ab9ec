"""What the real RELION 3.1 makes of our files: `relion_preprocess --extract` in a small project."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest
import tifffile

from cryoglean.io.coordinates import YConvention, write_picks
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.io.relion import write_coords_suffix, write_micrographs_star
from cryoglean.io.relion_project import pipeline_stem
from cryoglean.io.star import read_star
from cryoglean.micrograph import MicrographFile
from cryoglean.picks import Picks

pytestmark = pytest.mark.skipif(
    shutil.which("relion_preprocess") is None, reason="relion_preprocess is not on PATH (Debian package relion)"
)

BOX = 32
HEIGHT, WIDTH = 150, 210  # not square, so that a swap or a flip would show
WHOLE = np.array([(40, 30), (150, 35), (60, 110), (171, 120), (100, 75)], float)
SUB_PIXEL = WHOLE + np.array([(0.25, 0.75), (0.5, 0.5), (0.9, 0.1), (0.0, 0.6), (0.499, 0.501)])
OPTICS = {
    "rlnOpticsGroupName": "opticsGroup1",
    "rlnOpticsGroup": "1",
    "rlnMicrographPixelSize": "1.5",
    "rlnVoltage": "300.0",
    "rlnSphericalAberration": "2.7",
    "rlnAmplitudeContrast": "0.1",
}
CTF = {"rlnDefocusU": "15000.0", "rlnDefocusV": "14800.0", "rlnDefocusAngle": "12.5", "rlnCtfMaxResolution": "4.2"}


def field(xy):
    """Bright blobs at xy, more on the left and the top, so that no turn of the image looks like it."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18) for x, y in xy)
    return (image + np.random.default_rng(0).normal(0, 0.01, image.shape)).astype(np.float32)


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mrc":
        mrcfile.write(path, image, voxel_size=1.5)
    else:
        tifffile.imwrite(path, image)


def extract(project, fields):
    """Lay out a project with our files, let RELION extract, and return (particles table, stacks by stem)."""
    files, picks_folder = [], project / "AutoPick" / "job003" / "picks"
    for name, (image, picks) in fields.items():
        write_image(project / name, image)
        stem = pipeline_stem(name)
        row = {"rlnMicrographName": name, "rlnOpticsGroup": "1", **CTF}
        files.append(MicrographFile(project / name, name, stem, 1.5, row, OPTICS))
        star = picks_folder / f"{stem}_autopick.star"
        write_picks(star, picks, name, height_px=image.shape[0])
    write_micrographs_star(project / "CtfFind" / "job002" / "micrographs_ctf.star", files)
    write_coords_suffix(picks_folder, "CtfFind/job002/micrographs_ctf.star")
    # the 3.1 pipeline takes both of these from the coords_suffix file: its text, and its name
    (suffix_file,) = picks_folder.glob("coords_suffix_*.star")
    command = ["relion_preprocess", "--i", suffix_file.read_text().strip()]
    command += ["--coord_dir", "AutoPick/job003/picks/"]
    command += ["--coord_suffix", suffix_file.name.removeprefix("coords_suffix")]
    command += ["--part_star", "Extract/job004/particles.star", "--part_dir", "Extract/job004/"]
    command += ["--extract", "--extract_size", str(BOX)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    job = project / "Extract" / "job004"
    stacks = {p.relative_to(job).with_suffix("").as_posix(): mrcfile.read(p) for p in job.rglob("*.mrcs")}
    return read_star(job / "particles.star")["particles"], stacks


def blob_centre(window):
    """Return (x, y) of the blob's centre from the box centre, which is at index box // 2."""
    rows, columns = np.mgrid[:BOX, :BOX] - BOX // 2
    weight = np.where(np.hypot(rows, columns) < 12, np.clip(window - 0.1, 0, None), 0)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


def picks_at(xy):
    return Picks(xy[:, 0], xy[:, 1], np.linspace(0.95, 0.15, len(xy)), "probability")


def test_relion_extracts_every_pick_with_its_score_and_an_empty_file_does_not_break_it(tmp_path):
    table, stacks = extract(
        tmp_path,
        {
            "MotionCorr/job002/Movies/a.mrc": (field(WHOLE), picks_at(WHOLE)),
            "MotionCorr/job002/Movies/empty.mrc": (field(WHOLE), Picks.empty()),
            "MotionCorr/job002/Movies/grid2/a.mrc": (field(WHOLE[:3]), picks_at(WHOLE[:3])),
        },
    )
    assert {k: len(v) for k, v in stacks.items()} == {"Movies/a": 5, "Movies/grid2/a": 3}
    assert (
        list(table["rlnMicrographName"])
        == ["MotionCorr/job002/Movies/a.mrc"] * 5 + ["MotionCorr/job002/Movies/grid2/a.mrc"] * 3
    )
    first = table[:5]
    np.testing.assert_allclose(first["rlnCoordinateX"].astype(float), WHOLE[:, 0])
    np.testing.assert_allclose(first["rlnCoordinateY"].astype(float), WHOLE[:, 1])
    np.testing.assert_allclose(first["rlnAutopickFigureOfMerit"].astype(float), np.linspace(0.95, 0.15, 5), atol=1e-6)
    assert set(table["rlnDefocusU"].astype(float)) == {15000}


@pytest.mark.parametrize("suffix", [".mrc", ".tif"])
def test_whole_pixel_picks_lie_in_the_centre_of_relions_boxes(tmp_path, suffix):
    _, stacks = extract(tmp_path, {f"MotionCorr/job002/Movies/a{suffix}": (field(WHOLE), picks_at(WHOLE))})
    mean = stacks["Movies/a"].mean(axis=0)
    assert np.unravel_index(mean.argmax(), mean.shape) == (BOX // 2, BOX // 2)
    for window in stacks["Movies/a"]:
        assert blob_centre(window) == pytest.approx([0, 0], abs=0.05)


@pytest.mark.parametrize("suffix", [".mrc", ".tif"])
def test_relion_3_1_cuts_off_the_fraction_and_nothing_else_is_lost(tmp_path, suffix):
    table, stacks = extract(tmp_path, {f"MotionCorr/job002/Movies/a{suffix}": (field(SUB_PIXEL), picks_at(SUB_PIXEL))})
    written = table[["rlnCoordinateX", "rlnCoordinateY"]].to_numpy(dtype=float)
    expected = SUB_PIXEL if suffix == ".mrc" else SUB_PIXEL * [1, -1] + [0, HEIGHT - 1]
    np.testing.assert_allclose(written, expected, atol=1e-5)
    offsets = np.array([blob_centre(window) for window in stacks["Movies/a"]])
    np.testing.assert_allclose(offsets, written - np.floor(written + 1e-9), atol=0.06)


def test_rows_of_a_tiff_counted_from_the_wrong_side_would_show(tmp_path, monkeypatch):
    monkeypatch.setattr("cryoglean.io.coordinates.relion_star.relion_y_convention", lambda _: YConvention.FIRST_ROW)
    _, stacks = extract(tmp_path, {"MotionCorr/job002/Movies/a.tif": (field(WHOLE[:2]), picks_at(WHOLE[:2]))})
    assert stacks["Movies/a"].max() < 0.2


def test_the_particles_that_relion_writes_read_back_as_our_picks(tmp_path):
    extract(tmp_path, {"MotionCorr/job002/Movies/a.mrc": (field(WHOLE), picks_at(WHOLE))})
    back = read_picks_folder(tmp_path / "Extract" / "job004" / "particles.star")["a"]
    np.testing.assert_allclose(back.xy, WHOLE)
    np.testing.assert_allclose(back.score, picks_at(WHOLE).score, atol=1e-6)
    assert back.score_kind == "foreign"
