"""RELION as an engine: what it is told, how its end is met, and that the real one finds what is there."""

import os
import shutil

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cryoglean.classes2d.relion.command import Images, deciding_words
from cryoglean.classes2d.relion.engine import RelionOptions, classify
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.errors import CryogleanError, SettingsError
from cryoglean.io.star import read_star
from particle_stacks import DEFOCUS, MICROSCOPE, PIXEL, particles, write_project
from relion_runs import made_up, write_run

IMAGES, SHAPE = particles(40)
ONE_THREAD = RelionOptions()
SETTINGS = ClassifySettings(diameter_angstrom=88, classes=2, iterations=4)

needs_relion = pytest.mark.skipif(
    shutil.which("relion_refine") is None, reason="relion_refine is not on PATH (Debian package relion)"
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def program(project, monkeypatch):
    """Put a shell script in RELION's place; what it is told is returned by a call."""

    def install(body="", version="3.1.3"):
        for name in ("relion_refine", "relion_refine_mpi", "mpirun"):
            path = project / "bin" / name
            path.parent.mkdir(exist_ok=True)
            told = f'echo "{name} $@" >> {project}/told\n'
            path.write_text(
                f'#!/bin/sh\n[ "$1" = --version ] && echo RELION version: {version} && exit\n{told}{body}\n'
            )
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{project / 'bin'}:{os.environ['PATH']}")

    return install


def run(project, images=IMAGES, settings=SETTINGS, options=ONE_THREAD, tell=None, **how):
    return classify(write_project(project, images, **how), settings, options, project / "out", tell)


def test_the_command_is_that_of_the_2020_paper():
    settings = ClassifySettings(diameter_angstrom=180, resolution_limit_angstrom=10, seed=7)
    words = deciding_words(settings, Images(4000, 2.7, True, True), RelionOptions(arguments=("--maxsig", "5")))
    said = dict(zip(words, [*words[1:], ""], strict=True))
    expected = {"--K": "20", "--iter": "25", "--tau2_fudge": "2", "--psi_step": "12", "--oversampling": "1"}
    expected |= {"--offset_range": "10", "--offset_step": "2", "--strict_highres_exp": "10", "--random_seed": "8"}
    expected |= {"--particle_diameter": "180", "--maxsig": "5"}
    assert {name: said[name] for name in expected} == expected
    flags = {"--ctf", "--ctf_intact_first_peak", "--ctf_phase_flipped", "--norm", "--scale", "--zero_mask"}
    assert flags < set(words)


def test_what_is_not_known_is_not_claimed():
    words = deciding_words(SETTINGS, Images(40, 4, False, False), RelionOptions())
    assert not {"--ctf", "--ctf_intact_first_peak", "--ctf_phase_flipped", "--strict_highres_exp", "--grad"} & set(
        words
    )


def test_relion_that_is_not_there_is_named_with_the_remedy(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(SettingsError, match=r"not on PATH: install RELION .* or use --engine native"):
        run(project)


@pytest.mark.parametrize(
    ("version", "options", "said"),
    [
        ("3.1.3", {"grad": True}, "--grad needs RELION 4 or later, and this is 3.1.3"),
        ("5.0.0-commit-1a", {"grad": True, "mpi": 3}, "--grad and --mpi"),
        ("of our own", {}, "does not report its version"),
    ],
)
def test_what_the_version_cannot_do_is_refused_before_any_work(project, program, version, options, said):
    program(version=version)
    with pytest.raises(SettingsError, match=said):
        run(project, options=RelionOptions(**options))
    assert not (project / "told").exists()
    assert not (project / "out").exists()


def test_names_with_blanks_are_refused_as_relion_cannot_read_them(project, program):
    program()
    with pytest.raises(SettingsError, match="blank"):
        run(project, names=[f"'{n + 1}@Extract/a b.mrcs'" for n in range(40)], stack="Extract/a b.mrcs")


def canned(project, iterations, n=40):
    """Lay out a run's files where the script finds them."""
    made = made_up(n, 3, 24)
    for number in iterations:
        write_run(project / "canned", number, made, shuffled=np.random.default_rng(number))
    return made


def test_iterations_are_told_as_relion_begins_the_next_and_its_words_are_kept(project, program):
    made, told = canned(project, range(1, 5)), []
    one = 'echo " Expectation iteration $n of 4"; printf "000/??? sec ~~(,_,\\r  1/ 2 sec ...~~(,_,\\n"'
    program(f"for n in 1 2 3 4; do {one}; cp {project}/canned/run_it00$n* {project}/out/relion/; done")
    found = run(project, tell=told.append)
    assert [(i.number, i.total, i.changed) for i in told] == [(1, 4, 1.0), (2, 4, 0.0), (3, 4, 0.0), (4, 4, 0.0)]
    np.testing.assert_array_equal(found.particles.psi_degrees, made["rows"]["rlnAnglePsi"])
    log = (project / "out" / "relion" / "run.log").read_text()
    assert "Expectation iteration 4 of 4" in log
    assert "~~" not in log


def test_gradient_driven_runs_leave_every_tenth_iteration(project, program):
    canned(project, [10, 20])
    one = 'echo " Gradient optimisation iteration $n of 20 with 9 particles (Step size 0.9)"'
    program(f"cp {project}/canned/* {project}/out/relion/; for n in 1 11 20; do {one}; done", "4.0.1")
    told = []
    run(
        project,
        settings=SETTINGS.model_copy(update={"iterations": 20}),
        options=RelionOptions(grad=True),
        tell=told.append,
    )
    assert [i.number for i in told] == [10, 20]
    assert "--grad --class_inactivity_threshold 0.1 --grad_write_iter 10" in (project / "told").read_text()


def test_processes_threads_and_cards_are_passed_on(project, program):
    canned(project, [4])
    program(f"cp {project}/canned/* {project}/out/relion/", "5.0-beta-3")
    run(project, options=RelionOptions(mpi=3, threads=5, gpu="0:1"))
    (line,) = (project / "told").read_text().splitlines()
    assert line.startswith("mpirun -n 3 relion_refine_mpi --i out/relion/particles.star --o out/relion/run ")
    assert line.endswith("--j 5 --pool 3 --dont_combine_weights_via_disc --gpu 0:1")


def test_graphics_cards_that_relion_cannot_use_are_no_silent_fall_back(project, program):
    program("echo '+ WARNING : Relion was compiled without CUDA - you do NOT have support for GPUs'; sleep 60")
    with pytest.raises(SettingsError, match="--gpu"):
        run(project, options=RelionOptions(gpu=""))


def test_a_failure_shows_the_last_words_without_bars_and_backtrace(project, program):
    lines = [
        "000/??? sec ~~(,_,",
        "=== Backtrace  ===",
        "/lib/libc.so.6(x+0x85) [0x7f8855e45305]",
        "==================",
        "ERROR:",
        "no \\033[1mdisk",
    ]
    program("\n".join(f"printf '{line}\\n'" for line in lines) + "\nexit 1")
    with pytest.raises(CryogleanError) as caught:
        run(project)
    said = str(caught.value)
    assert "relion_refine ended with status 1" in said
    assert said.endswith("ERROR:\n  no  [1mdisk")
    assert "sec" not in said
    assert "libc" not in said


def test_an_end_without_the_last_iteration_is_a_failure_too(project, program):
    program()
    with pytest.raises(CryogleanError, match="without iteration 4"):
        run(project)


@needs_relion
def test_relion_tells_two_shapes_apart_and_averages_lie_on_the_images(project):
    """The convention of angles and shifts is the one that `Assignments` and `recentred` are documented to have."""
    told = []
    found = run(project, tell=told.append)
    classes, placed = found.classes, found.particles
    assert {tuple(pair) for pair in zip(SHAPE, placed.class_index, strict=True)} in ({(0, 0), (1, 1)}, {(0, 1), (1, 0)})
    assert [i.number for i in told] == [1, 2, 3, 4]
    assert told[-1].changed < 0.2
    assert list(classes.counts) == [20, 20]
    assert classes.averages.shape == (2, 24, 24)
    assert found.pixel_size_angstrom == PIXEL

    def likeness(turn, move):
        return np.mean([overlap(*row, turn, move) for row in rows])

    rows = list(
        zip(IMAGES, classes.averages[placed.class_index], placed.psi_degrees, placed.shift_angstrom, strict=True)
    )
    right = likeness(1, 1)
    assert right > 0.45
    assert right > max(likeness(-1, 1), likeness(1, -1), likeness(-1, -1)) + 0.05


def overlap(image, average, psi, shift, turn, move):
    """Correlate an image with its class average, turned by psi and moved by minus the shift."""
    cos, sin = np.cos(np.radians(turn * psi)), np.sin(np.radians(turn * psi))
    steps = np.arange(24.0) - 12
    x, y = steps[None, :] + move * shift[0] / PIXEL, steps[:, None] + move * shift[1] / PIXEL
    u, v = np.broadcast_arrays(cos * x - sin * y, sin * x + cos * y)
    placed = map_coordinates(average, [v + 12, u + 12], order=1)
    return np.corrcoef(placed.ravel(), image.ravel())[0, 1]


@needs_relion
def test_with_a_ctf_and_particles_of_a_table_s_part_in_another_order(project):
    order = np.random.default_rng(0).permutation(40)
    names = [f"{n + 1:06d}@Extract/a.mrcs" for n in order]
    found = run(project, names=names, optics=MICROSCOPE, row="9000 9000 0", row_columns=DEFOCUS)
    assert "--ctf " in (project / "out" / "relion" / "run.log").read_text()
    shapes = SHAPE[order]
    agree = (shapes == found.particles.class_index).mean()
    assert max(agree, 1 - agree) > 0.9


@pytest.mark.slow
@needs_relion
def test_the_same_again_runs_nothing_and_what_is_missing_is_gone_on_with(project):
    first, log = run(project), project / "out" / "relion" / "run.log"
    star, out, told = project / "particles.star", project / "out", []
    again = classify(star, SETTINGS, ONE_THREAD, out)
    assert log.read_text().count("$ relion_refine") == 1
    np.testing.assert_array_equal(again.particles.psi_degrees, first.particles.psi_degrees)
    (project / "out" / "relion" / "run_it004_sampling.star").unlink()  # as if killed while it wrote
    more = classify(star, SETTINGS, ONE_THREAD, out, told.append)
    (command,) = [line for line in log.read_text().splitlines() if "--continue" in line]
    assert "--continue out/relion/run_it003_optimiser.star" in command
    assert [i.number for i in told] == [1, 2, 3, 4]
    assert list(more.classes.counts) == [20, 20]


@pytest.mark.slow
@needs_relion
def test_other_images_or_settings_are_not_taken_for_done(project):
    run(project)
    run(project, settings=SETTINGS.model_copy(update={"regularisation": 4.0}))
    run(project, images=IMAGES[::-1].copy(), settings=SETTINGS.model_copy(update={"regularisation": 4.0}))
    log = (project / "out" / "relion" / "run.log").read_text()
    assert log.count("$ relion_refine --i") == 3


@needs_relion
def test_stacks_are_found_from_the_project_s_folder_wherever_we_are(project, monkeypatch):
    (project / "elsewhere").mkdir()
    star = write_project(project, IMAGES)
    monkeypatch.chdir(project / "elsewhere")
    found = classify(star, SETTINGS, RelionOptions(), project / "elsewhere" / "out")
    assert len(found.particles.class_index) == 40
    names = read_star(project / "elsewhere" / "out" / "relion" / "run_it004_data.star")["particles"]["rlnImageName"]
    assert sorted(names)[0] == "000001@Extract/a.mrcs"


@needs_relion
def test_real_failures_are_told_in_relion_s_words(project):
    with pytest.raises(CryogleanError, match=r"(?s)relion_refine ended with status 1.*nonsense"):
        run(project, options=RelionOptions(arguments=("--solvent_mask", "nonsense.mrc")))
