"""The real RELION 3.1: it cuts the boxes that we cut, moves particles as we do, and classifies what we write."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest

from cryoglean.ctf.model import Ctf, ctf_2d
from cryoglean.io.coordinates import write_picks
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.particles import ParticleTable, read_particles, write_particles
from cryoglean.io.relion import write_coords_suffix, write_micrographs_star
from cryoglean.io.star import read_star
from cryoglean.jobs.extract import run_extract_job
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.micrograph import MicrographFile
from cryoglean.particles.recentring import recentred
from cryoglean.picks import Picks
from listeners import Listener
from shells import ShellField

pytestmark = pytest.mark.skipif(
    shutil.which("relion_preprocess") is None, reason="relion_preprocess is not on PATH (Debian package relion)"
)

NAME, PIXEL = "MotionCorr/job002/Movies/a.mrc", 2.0
OPTICS = {
    "rlnOpticsGroupName": "opticsGroup1",
    "rlnOpticsGroup": "1",
    "rlnMicrographPixelSize": "2.0",
    "rlnVoltage": "300.0",
    "rlnSphericalAberration": "2.7",
    "rlnAmplitudeContrast": "0.1",
}
CTF = {"rlnDefocusU": "15600.0", "rlnDefocusV": "14400.0", "rlnDefocusAngle": "25.0"}


@pytest.fixture(scope="module")
def field():
    """A micrograph of shells and their centres in whole pixels: RELION 3.1 does not round, it cuts off."""
    micrograph, truth = ShellField(height_px=420, width_px=480, particles=14, signal_to_noise=0.3).render()
    keep = (np.abs(truth.xy - [240, 210]) < [180, 150]).all(axis=1)
    return micrograph.image, Picks(np.rint(truth.x), np.rint(truth.y), truth.score, "probability").take(keep)


@pytest.fixture
def project(tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    image, picks = field
    (tmp_path / NAME).parent.mkdir(parents=True)
    with mrcfile.new(tmp_path / NAME) as file:
        file.set_data(image)
        file.voxel_size = PIXEL
    write_micrographs_star("micrographs_ctf.star", [micrograph_file(tmp_path)])
    write_picks("picks/Movies/a_autopick.star", picks, NAME)
    write_coords_suffix("picks", "micrographs_ctf.star")
    return tmp_path


def micrograph_file(project):
    row = {"rlnMicrographName": NAME, "rlnOpticsGroup": "1", **CTF}
    return MicrographFile(project / NAME, NAME, "Movies/a", PIXEL, row, OPTICS)


def relion(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def relion_boxes(*more, box=80, scale=40):
    words = ["relion_preprocess", "--i", "micrographs_ctf.star", "--coord_dir", "picks/", "--coord_suffix"]
    words += ["_autopick.star", "--part_star", "Extract/p.star", "--part_dir", "Extract/", "--extract"]
    words += ["--extract_size", box, "--scale", scale, "--norm", "--bg_radius", 15, "--invert_contrast", *more]
    relion(*words)
    return read_stack("Extract/Movies/a.mrcs")


def our_boxes(project, picks="picks", out="ours", **job):
    settings = {"box_size_px": 80, "scale_to": 40, "background_radius": 0.75, **job}
    summary = run_extract_job(
        project / picks, [micrograph_file(project)], ExtractJob(**settings), project / out, Listener()
    )
    assert summary.exit_status == 0
    return read_stack(project / out / "particles" / "Movies" / "a.mrcs")


def likeness(ours, theirs):
    """Correlation of the transforms of two stacks ring by ring, but for frequency 0 and the Nyquist frequency."""
    a, b = np.fft.fft2(ours), np.fft.fft2(theirs)
    steps = np.fft.fftfreq(ours.shape[-1]) * ours.shape[-1]
    ring = np.rint(np.hypot(steps[:, None], steps)).astype(int)
    rings = [ring == r for r in range(1, ours.shape[-1] // 2)]
    return [
        float((a[:, r] * b[:, r].conj()).sum().real / np.sqrt((abs(a[:, r]) ** 2).sum() * (abs(b[:, r]) ** 2).sum()))
        for r in rings
    ]


@pytest.mark.parametrize(("ramp", "words"), [(False, ["--no_ramp"]), (True, [])])
def test_boxes_scaled_normalised_and_inverted_are_those_of_relion(project, ramp, words):
    theirs, ours = relion_boxes(*words), our_boxes(project, ramp=ramp)
    assert min(likeness(ours, theirs)) > 0.9999
    np.testing.assert_allclose(ours.std(axis=(1, 2)), theirs.std(axis=(1, 2)), rtol=0.01)


def test_the_ctf_is_that_of_relion_in_sign_astigmatism_and_angle(project):
    """RELION flips the phases of each box by itself: done with our CTF, every coefficient has the same sign."""
    theirs, left = relion_boxes("--no_ramp", "--phase_flip", scale=80), our_boxes(project, scale_to=80)
    sign = np.sign(ctf_2d(Ctf(15600, 14400, 25), (80, 80), PIXEL).numpy())
    assert min(likeness(np.fft.irfft2(np.fft.rfft2(left) * sign, s=(80, 80)), theirs)) > 0.9999


def test_phases_flipped_in_the_micrograph_are_those_flipped_in_the_box_where_the_box_resolves_the_ctf(project):
    theirs, ours = relion_boxes("--no_ramp", "--phase_flip"), our_boxes(project, phase_flip=True)
    assert min(likeness(ours, theirs)[:6]) > 0.99


def test_relion_centres_anew_where_we_do(project, field):
    """`--reextract_data_star --recenter` with angles and a centre in the class average, against `recentred`."""
    our_boxes(project, out="first")
    table = read_particles(project / "first" / "particles.star")
    random = np.random.default_rng(0)
    n = len(table.particles)
    shifts, psi = random.normal(0, 6, (n, 2)), random.uniform(-180, 180, n)
    aligned = table.particles.assign(
        rlnOriginXAngst=shifts[:, 0].astype(str), rlnOriginYAngst=shifts[:, 1].astype(str), rlnAnglePsi=psi.astype(str)
    )
    aligned["rlnAngleRot"] = aligned["rlnAngleTilt"] = "0"
    write_particles("aligned.star", ParticleTable(table.optics, aligned))
    words = ["relion_preprocess", "--i", "micrographs_ctf.star", "--reextract_data_star", "aligned.star", "--recenter"]
    words += ["--recenter_x", 3, "--recenter_y", -2, "--ref_angpix", 4, "--part_star", "Again/p.star"]
    relion(*words, "--part_dir", "Again/", "--extract", "--extract_size", 80)
    theirs = read_star(project / "Again" / "p.star")["particles"]
    xy, rest = (
        theirs[[f"rln{what}X{unit}", f"rln{what}Y{unit}"]].to_numpy(float)
        for what, unit in (("Coordinate", ""), ("Origin", "Angst"))
    )
    ours = recentred(field[1], shifts, PIXEL, psi_degrees=psi, class_centre_angstrom=(12, -8))
    np.testing.assert_allclose(ours.xy, xy - rest / PIXEL, atol=1e-3)


def test_relion_reads_the_stack_by_its_star(project):
    ours = our_boxes(project)
    relion("relion_stack_create", "--i", "ours/particles.star", "--o", "stacked", "--one_by_one")
    np.testing.assert_allclose(read_stack(project / "stacked.mrcs"), ours, atol=1e-5)


@pytest.mark.skipif(shutil.which("relion_refine") is None, reason="relion_refine is not on PATH")
def test_relion_classifies_what_we_write(project):
    ours = our_boxes(project)
    (project / "run").mkdir()
    words = ["relion_refine", "--i", "ours/particles.star", "--o", "run/c", "--iter", 1, "--K", 1, "--tau2_fudge", 2]
    words += ["--particle_diameter", 130, "--ctf", "--zero_mask", "--flatten_solvent", "--oversampling", 0, "--norm"]
    words += ["--psi_step", 45, "--offset_range", 2, "--offset_step", 2, "--scale", "--pad", 1, "--random_seed", 1]
    relion(*words, "--dont_check_norm")
    data = read_star(project / "run" / "c_it001_data.star")["particles"]
    assert len(data) == len(ours)
    assert set(data["cryogleanPickId"].astype(int)) == set(range(1, len(ours) + 1)), "RELION keeps what it knows not"
    average = mrcfile.read(project / "run" / "c_it001_classes.mrcs").reshape(40, 40)
    assert np.corrcoef(average.ravel(), ours.mean(axis=0).ravel())[0, 1] > 0.5


@pytest.mark.skipif(shutil.which("relion_project") is None, reason="relion_project is not on PATH")
def test_the_ctf_of_particles_without_one_is_one_to_relion_too_and_the_others_keep_theirs(project):
    """Of a table of both kinds RELION projects a volume with the CTF of each particle, or without any."""
    loose = MicrographFile(project / NAME, NAME.replace("a.mrc", "b.mrc"), "Movies/b", PIXEL)
    write_picks("picks/Movies/b_autopick.star", Picks([200.0], [200.0], [1.0]), "b.mrc")
    job = ExtractJob(box_size_px=80, scale_to=40, background_radius=0.75)
    run_extract_job(project / "picks", [loose, micrograph_file(project)], job, project / "ours", Listener())
    rows = read_particles(project / "ours" / "particles.star").particles
    is_loose = rows["rlnMicrographName"].str.endswith("b.mrc").to_numpy()
    assert is_loose.any()
    assert not is_loose.all()
    volume = np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32)
    with mrcfile.new("volume.mrc") as file:
        file.set_data(volume)
        file.voxel_size = 4
    words = ["relion_project", "--i", "volume.mrc", "--ang", "ours/particles.star", "--angpix", 4]
    relion(*words, "--o", "plain")
    relion(*words, "--o", "with_ctf", "--ctf")
    plain, with_ctf = read_stack("plain.mrcs"), read_stack("with_ctf.mrcs")
    np.testing.assert_allclose(with_ctf[is_loose], plain[is_loose], atol=1e-4 * np.abs(plain).max())
    assert np.abs(with_ctf - plain)[~is_loose].max(axis=(1, 2)).min() > 0.1 * np.abs(plain).max()


@pytest.mark.skipif(shutil.which("relion_star_handler") is None, reason="relion_star_handler is not on PATH")
def test_relion_keeps_what_we_carry(project):
    optics = {**OPTICS, "rlnBeamTiltX": "0.1", "rlnMagMat00": "1.01", "rlnOddZernike": "[0.1,0.2,0.3]"}
    row = {"rlnMicrographName": NAME, "rlnOpticsGroup": "1", **CTF, "rlnPhaseShift": "90.0"}
    known = MicrographFile(project / NAME, NAME, "Movies/a", PIXEL, row, optics)
    loose = MicrographFile(project / NAME, NAME.replace("a.mrc", "b.mrc"), "Movies/b", PIXEL)
    write_picks("picks/Movies/b_autopick.star", Picks([200.0], [200.0], [1.0]), "b.mrc")
    job = ExtractJob(box_size_px=80, scale_to=40)
    run_extract_job(project / "picks", [loose, known], job, project / "ours", Listener())
    relion("relion_star_handler", "--i", "ours/particles.star", "--o", "theirs.star", "--select", "rlnDefocusU")
    ours, theirs = read_particles(project / "ours" / "particles.star"), read_particles(project / "theirs.star")
    for mine, their in zip(ours, theirs, strict=True):
        assert set(mine.columns) == set(their.columns)
        for column in mine.columns:
            for one, other in zip(mine[column], their[column], strict=True):
                assert one == other or float(one) == pytest.approx(float(other), abs=1e-5)
