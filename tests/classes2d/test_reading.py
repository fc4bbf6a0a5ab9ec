"""From a particles STAR to images: every layout says the same, and what is bad is set aside or named."""

import numpy as np
import pytest

from cryoglean.classes2d.image_facts import NO_CTF
from cryoglean.classes2d.native.rings import ring_ctf
from cryoglean.classes2d.particle_set import ParticleSet, check_particles
from cryoglean.classes2d.reading import read_usable
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.errors import SettingsError, TableError
from particle_stacks import DEFOCUS, MICROSCOPE, PIXEL, block, particles, write_project

IMAGES, _ = particles(12)


def test_images_pixel_size_and_ctf_are_those_of_the_file(tmp_path):
    rows = [f"{10_000 + 100 * n} 9000 20" for n in range(12)]
    reading = read_usable(write_project(tmp_path, IMAGES, None, MICROSCOPE, rows, DEFOCUS))
    read = reading.particles
    np.testing.assert_array_equal(read.images, IMAGES)
    assert (read.pixel_size_angstrom, read.box_px, len(read)) == (PIXEL, 24, 12)
    assert [ctf.defocus_u_angstrom for ctf in read.ctfs] == [10_000 + 100 * n for n in range(12)]
    assert {ctf.microscope.spherical_aberration_mm for ctf in read.ctfs} == {2.7}
    assert not read.is_phase_flipped
    assert list(reading.table.optics["rlnImageSize"]) == ["24"]


def test_what_a_row_says_goes_before_its_optics_group(tmp_path):
    columns = (*DEFOCUS, "rlnVoltage", "rlnImagePixelSize")
    reading = read_usable(write_project(tmp_path, IMAGES, None, MICROSCOPE, "9000 9000 0 200 3.5", columns))
    read = reading.particles
    assert read.pixel_size_angstrom == 3.5
    assert read.ctfs[0].microscope.voltage_kv == 200


def test_the_layout_of_relion_3_0_says_the_same(tmp_path):
    new = read_usable(write_project(tmp_path, IMAGES, None, MICROSCOPE, "9000 8000 10", DEFOCUS))
    columns = ["rlnImageName", *DEFOCUS, "rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"]
    columns += ["rlnDetectorPixelSize", "rlnMagnification", "rlnOriginX"]
    lines = [f"{n + 1}@Extract/a.mrcs 9000 8000 10 300 2.7 0.1 5 12500 1.5" for n in range(12)]
    (tmp_path / "old.star").write_text(block("", columns, lines))
    old = read_usable(tmp_path / "old.star")
    before, after = old.particles, new.particles
    np.testing.assert_array_equal(before.images, after.images)
    assert (before.pixel_size_angstrom, before.ctfs) == (after.pixel_size_angstrom, after.ctfs)
    said = ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnImageSize"]
    assert list(old.table.optics[said].iloc[0]) == list(new.table.optics[said].iloc[0])
    assert "rlnOriginX" not in old.table.particles  # in pixels; beside origins in angstrom it would mislead


def test_without_a_ctf_it_is_said(tmp_path):
    reading = read_usable(write_project(tmp_path, IMAGES))
    assert reading.particles.ctfs is None
    assert reading.notes == (NO_CTF,)


def test_a_ctf_that_some_particles_lack_is_refused_and_the_first_of_them_named(tmp_path):
    rows = ["9000 9000 0"] * 5 + ["nan nan nan"] * 7
    with pytest.raises(TableError, match=r"7 of 12 particles have no CTF, the first is 000006@Extract/a\.mrcs"):
        read_usable(write_project(tmp_path, IMAGES, None, MICROSCOPE, rows, DEFOCUS))


def test_particles_that_extraction_has_marked_as_without_a_ctf_have_one_of_one_everywhere(tmp_path):
    columns = (*DEFOCUS, "rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    rows = [*["9000 8000 10 300 2.7 0.1"] * 5, *["0 0 0 300 0 1"] * 7]
    read = read_usable(write_project(tmp_path, IMAGES, None, "", rows, columns)).particles
    values = ring_ctf(read.ctfs, 12, 6, 0.01).numpy()
    np.testing.assert_allclose(values[5:], 1, atol=1e-6)
    assert np.ptp(values[:5], axis=1).min() > 0.1
    nobody = read_usable(write_project(tmp_path / "none", IMAGES, None, "", rows[5:] + rows[5:10], columns))
    assert nobody.particles.ctfs is None
    assert NO_CTF in nobody.notes


@pytest.mark.parametrize(
    ("optics", "row", "columns", "error", "said"),
    [
        ("", [*["4.0"] * 6, *["3.0"] * 6], ["rlnImagePixelSize"], SettingsError, "images of 3 and of 4 A/px"),
        ("", "0", ["rlnImagePixelSize"], TableError, "no size"),
        ("", "wide", ["rlnImagePixelSize"], TableError, "wide"),
        ("rlnCtfDataAreCtfPremultiplied 1", "", [], SettingsError, "multiplied by their CTF"),
        ("", ["1"] * 4 + ["0"] * 8, ["rlnCtfDataArePhaseFlipped"], SettingsError, "flipped in 4 of 12 images"),
        ("", "9000 9000 0", DEFOCUS, TableError, "no rlnVoltage"),
        (MICROSCOPE, "9000 deep 0", DEFOCUS, TableError, "deep"),
    ],
)
def test_what_cannot_be_classified_together_is_named(tmp_path, optics, row, columns, error, said):
    star = write_project(tmp_path, IMAGES, None, optics, row, columns)
    with pytest.raises(error, match=said) as caught:
        read_usable(star)
    assert str(star) in str(caught.value)


def test_flipped_phases_are_told(tmp_path):
    assert read_usable(write_project(tmp_path, IMAGES, optics="rlnCtfDataArePhaseFlipped 1")).particles.is_phase_flipped


def test_bad_images_are_set_aside_and_the_rest_is_as_if_they_had_never_been(tmp_path):
    spoiled = IMAGES.copy()
    spoiled[2, 3, 4], spoiled[5], spoiled[11, 0, 0] = np.nan, 7.0, np.inf
    reading = read_usable(write_project(tmp_path, spoiled, None, MICROSCOPE, "9000 9000 0", DEFOCUS))
    left = [0, 1, 3, 4, 6, 7, 8, 9, 10]
    np.testing.assert_array_equal(reading.particles.images, IMAGES[left])
    assert [name[:6] for name in reading.table.particles["rlnImageName"]] == [f"{n + 1:06d}" for n in left]
    assert len(reading.particles.ctfs) == len(left)
    assert [(r.image[:6], r.micrograph, r.reason) for r in reading.rejected] == [
        ("000003", "mics/m0.mrc", "NaN or infinite values"),
        ("000006", "mics/m0.mrc", "all its pixels are alike"),
        ("000012", "mics/m0.mrc", "NaN or infinite values"),
    ]


@pytest.mark.parametrize("value", [1e4, -1e20])
def test_an_absurd_pixel_sets_its_image_aside_and_a_gold_bead_does_not(tmp_path, value):
    images, _ = particles(12)
    images[3, 5, 5], images[7, 5, 5] = value, 50
    reading = read_usable(write_project(tmp_path, images))
    assert [rejected.reason.split(" deviations")[0][:7] for rejected in reading.rejected] == ["a pixel"]
    assert len(reading.particles) == 11


def test_not_one_good_image_is_an_empty_set_and_not_an_error(tmp_path):
    reading = read_usable(write_project(tmp_path, np.zeros((3, 16, 16), np.float32)))
    assert (len(reading.particles), len(reading.rejected), len(reading.table.particles)) == (0, 3, 0)


def test_grey_values_that_were_never_normalised_are_brought_to_the_same_scale(tmp_path):
    (tmp_path / "a").mkdir()
    scale = np.linspace(3, 9, 12, dtype=np.float32)[:, None, None]
    raw = read_usable(write_project(tmp_path / "a", IMAGES * scale + 100))
    images = np.asarray(raw.particles.images)
    background = images[:, :3, :3]
    assert abs(background.mean()) < 0.3
    assert 0.7 < background.std() < 1.3
    assert any("not normalised" in note for note in raw.notes)
    flat = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, IMAGES, strict=True)]
    assert min(flat) > 0.9999


def test_images_masked_to_zero_stay_as_they_are(tmp_path):
    steps = np.arange(24) - 12
    masked = IMAGES * (np.hypot(steps[:, None], steps) < 11)
    np.testing.assert_array_equal(read_usable(write_project(tmp_path, masked)).particles.images, masked)


def test_odd_boxes_are_ordinary(tmp_path):
    assert read_usable(write_project(tmp_path, particles(4, 25)[0])).particles.box_px == 25


@pytest.mark.parametrize(
    ("shape", "names", "error", "said"),
    [
        ((3, 16, 24), None, SettingsError, "24 x 16 px"),
        ((3, 4, 4), None, SettingsError, "4 x 4 px"),
        ((3, 16, 16), ["1@none.mrcs"], TableError, r"none\.mrcs: missing"),
        ((3, 16, 16), ["4@Extract/a.mrcs"], TableError, "has 3 images, but number 4"),
        ((3, 16, 16), ["Extract/a.mrcs"], TableError, "not of the form"),
        ((3, 16, 16), ["0@Extract/a.mrcs"], TableError, "not of the form"),
    ],
)
def test_stacks_that_are_not_what_they_should_be_are_named(tmp_path, shape, names, error, said):
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    with pytest.raises(error, match=said):
        read_usable(write_project(tmp_path, images, names))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (block("particles", ["rlnImageName"], []), "no particles"),
        (block("particles", ["rlnClassNumber"], ["1"]), "not a STAR file of particles"),
        (
            block("optics", ["rlnOpticsGroup", "rlnImagePixelSize"], ["1 4", "2 4"])
            + block("particles", ["rlnImageName"], ["1@Extract/a.mrcs"]),
            "2 optics groups",
        ),
        (
            block("optics", ["rlnOpticsGroup", "rlnImagePixelSize"], ["1 4"])
            + block("particles", ["rlnImageName", "rlnOpticsGroup"], ["1@Extract/a.mrcs 3"]),
            "optics group 3",
        ),
    ],
)
def test_hostile_tables_are_refused_in_one_line(tmp_path, text, said):
    star = write_project(tmp_path, IMAGES)
    star.write_text(text)
    with pytest.raises(TableError, match=said) as caught:
        read_usable(star)
    assert "\n" not in str(caught.value)


def test_the_digest_tells_images_and_rows_apart_and_not_places(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    here, there = (read_usable(write_project(tmp_path / n, IMAGES)).digest for n in "ab")
    assert here == there
    assert read_usable(write_project(tmp_path / "c", IMAGES[::-1].copy())).digest != here
    assert read_usable(write_project(tmp_path / "c", IMAGES, None, MICROSCOPE)).digest != here


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"diameter_angstrom": 100}, r"--diameter 100: the boxes of p\.star are 96 A wide \(24 px at 4 A/px\)"),
        ({"diameter_angstrom": 12}, "--diameter 12: less than 4 px"),
        ({"diameter_angstrom": 80, "classes": 7}, "12 particles are too few for 7 classes: --classes 6 at most"),
    ],
)
def test_settings_that_do_not_fit_name_value_and_remedy(settings, said):
    with pytest.raises(SettingsError, match=said):
        check_particles(ParticleSet(IMAGES, PIXEL), ClassifySettings(**settings), "p.star")


@pytest.mark.parametrize(("n", "fits"), [(3, False), (4, True)])
def test_two_particles_a_class_are_enough_and_fewer_are_not(n, fits):
    settings = ClassifySettings(diameter_angstrom=96)
    if fits:
        check_particles(ParticleSet(IMAGES[:n], PIXEL), settings)
    else:
        with pytest.raises(SettingsError, match="too few"):
            check_particles(ParticleSet(IMAGES[:n], PIXEL), settings)
