"""The native engine: what it must find, whatever the seed, the threads and the order of the images."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from sklearn.metrics import adjusted_rand_score

from cryoglean.classes2d.native import classify
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.ctf.model import Ctf, Microscope, ctf_2d
from cryoglean.errors import SettingsError
from cryoglean.particles.boxes import scale_boxes
from turned_shapes import PIXEL, bar, comma, ring, shape_set

SETTINGS = ClassifySettings(diameter_angstrom=90, classes=3, iterations=12)


@pytest.fixture(scope="module")
def three():
    """Three shapes in noise, and what the engine finds."""
    particles, kind, angle, move = shape_set((comma, ring, bar), 70, 0.5)
    return particles, kind, angle, move, classify(particles, SETTINGS)


@pytest.mark.numerical
def test_three_shapes_are_told_apart(three):
    _, kind, _, _, found = three
    assert adjusted_rand_score(kind, found.particles.class_index) > 0.95
    assert found.classes.counts.sum() == len(kind)
    assert found.classes.counts.tolist() == np.bincount(found.particles.class_index, minlength=3).tolist()


@pytest.mark.numerical
def test_angles_and_shifts_follow_relion(three):
    """An average turned by psi and moved by minus the shift lies on the image; no other choice of signs does."""
    particles, kind, _, _, found = three
    rows = np.flatnonzero(kind == 0)

    def likeness(turn, move):
        return np.mean([_overlap(particles.images[r], found, r, turn, move) for r in rows])

    right = likeness(1, 1)
    assert right > max(likeness(-1, 1), likeness(1, -1), likeness(-1, -1)) + 0.02


def _overlap(image, found, row, turn, move):
    average = found.classes.averages[found.particles.class_index[row]]
    psi = np.radians(turn * found.particles.psi_degrees[row])
    shift = move * found.particles.shift_angstrom[row] / PIXEL
    steps = np.arange(32.0) - 16
    x, y = np.meshgrid(steps + shift[0], steps + shift[1])
    u, v = np.cos(psi) * x - np.sin(psi) * y, np.sin(psi) * x + np.cos(psi) * y
    return np.corrcoef(map_coordinates(average, [v + 16, u + 16], order=1).ravel(), image.ravel())[0, 1]


@pytest.mark.numerical
def test_moves_are_found_up_to_one_of_the_class(three):
    """A class may lie off centre, which moves its particles by its own place turned by their angles."""
    _, kind, angle, move, found = three
    rows = kind == 1  # of a ring, the middle does not depend on the turn
    assert angle.shape == kind.shape
    error = found.particles.shift_angstrom[rows][:, ::-1] / PIXEL + move[rows]
    assert np.std(error, axis=0).max() < 0.35


def test_no_shift_is_larger_than_allowed(three):
    settings = SETTINGS.model_copy(update={"max_shift_diameters": 0.05})
    shift = classify(three[0], settings).particles.shift_angstrom
    assert np.hypot(*shift.T).max() <= 0.05 * 90 + 0.01
    assert np.hypot(*shift.T).max() > 2


@pytest.mark.numerical
def test_averages_look_like_the_shapes(three):
    _, kind, _, _, found = three
    of_ring = np.bincount(found.particles.class_index[kind == 1]).argmax()
    average, truth = found.classes.averages[of_ring], ring(32).numpy()
    inside = np.hypot(*(np.mgrid[:32, :32] - 16)) < 11
    assert np.corrcoef(average[inside], truth[inside])[0, 1] > 0.95
    assert np.isfinite(found.classes.resolution_angstrom[of_ring])


@pytest.mark.numerical
def test_the_same_seed_gives_the_same_with_any_number_of_threads(three):
    particles, *_, found = three
    again = classify(particles, SETTINGS, threads=3)
    for part in ("classes", "particles"):
        for field in dataclasses.fields(getattr(found, part)):
            one, other = (getattr(getattr(f, part), field.name) for f in (found, again))
            assert np.array_equal(one, other), field.name


def test_torch_has_as_many_threads_after_as_before(three):
    before = torch.get_num_threads()
    classify(three[0], SETTINGS.model_copy(update={"iterations": 1}))
    assert torch.get_num_threads() == before


@pytest.mark.numerical
@pytest.mark.slow
def test_aligned_noise_hardly_gets_a_resolution_and_particles_do():
    """Of two classes of noise in each of six sets, a quarter may agree by chance, and never as finely as particles."""
    noise, resolved = [], 0
    for seed in range(6):
        particles, kind, _, _ = shape_set((ring,), 150, 0.7, empty=150, seed=seed)
        found = classify(particles, ClassifySettings(diameter_angstrom=90, classes=4, iterations=15))
        index, resolution = found.particles.class_index, found.classes.resolution_angstrom
        used = np.flatnonzero(found.classes.counts)
        resolution, finite = resolution[used], np.isfinite(resolution)
        share = np.array([(kind[index == k] == 0).mean() for k in used])
        assert ((share > 0.9) | (share < 0.1)).all()
        assert resolution[share < 0.1].min() > resolution[share > 0.9].min()
        noise += list(finite[used][share < 0.1])
        resolved += finite[index[kind == 0]].sum()
    assert len(noise) >= 8
    assert sum(noise) <= len(noise) / 4
    assert resolved > 0.75 * 900


@pytest.mark.numerical
def test_quality_ranks_particles_above_noise():
    particles, kind, _, _ = shape_set((comma,), 150, 1.0, empty=50)
    quality = classify(particles, ClassifySettings(diameter_angstrom=90, classes=2, iterations=10)).particles.quality
    assert ((quality >= 0) & (quality <= 1)).all()
    assert np.median(quality[kind == 0]) > np.quantile(quality[kind < 0], 0.8)


@pytest.mark.numerical
def test_a_known_ctf_is_taken_into_account():
    """Phases that the CTF turns cancel in plain averages; averages with the CTF in the model show the shape."""
    clean, _, angle, _ = shape_set((ring,), 120, 0.0, box=32)
    ctfs = [Ctf(d, d, 0, Microscope()) for d in np.linspace(10000, 40000, 120)]
    spectra = torch.fft.rfft2(torch.from_numpy(clean.images))
    blurred = [torch.fft.irfft2(s * ctf_2d(c, (32, 32), PIXEL), s=(32, 32)) for s, c in zip(spectra, ctfs, strict=True)]
    noise = 0.2 * np.random.default_rng(3).standard_normal(clean.images.shape)
    images = (torch.stack(blurred).numpy() + noise).astype(np.float32)
    settings = ClassifySettings(diameter_angstrom=90, classes=1, iterations=10)
    inside = np.hypot(*(np.mgrid[:32, :32] - 16)) < 11

    def likeness(known):
        average = classify(ParticleSet(images, PIXEL, known), settings).classes.averages[0]
        return np.corrcoef(average[inside], ring(32).numpy()[inside])[0, 1]

    assert len(angle) == 120
    assert likeness(ctfs) > max(likeness(None) + 0.02, 0.9)


@pytest.mark.numerical
def test_progress_is_told_and_details_grow(three):
    told = []
    classify(three[0], SETTINGS, on_iteration=told.append)
    assert [i.number for i in told] == list(range(1, 13))
    resolution = [i.resolution_angstrom for i in told]
    assert resolution == sorted(resolution, reverse=True)
    assert told[-1].changed < 0.1
    assert told[-1].likelihood > told[0].likelihood


def test_a_limit_of_resolution_is_kept(three):
    told = []
    classify(three[0], SETTINGS.model_copy(update={"resolution_limit_angstrom": 20.0}), on_iteration=told.append)
    assert min(i.resolution_angstrom for i in told) >= 20


@pytest.mark.numerical
@pytest.mark.parametrize("box", [31, 40])
def test_odd_and_larger_boxes(box):
    particles, kind, _, _ = shape_set((comma, ring), 40, 0.5, box=box)
    found = classify(particles, ClassifySettings(diameter_angstrom=90, classes=2, iterations=8))
    assert adjusted_rand_score(kind, found.particles.class_index) > 0.9
    assert found.classes.averages.shape == (2, box, box)
    assert found.classes.ring_correlation.shape == (2, box // 2 + 1)


@pytest.mark.numerical
def test_large_boxes_are_aligned_small_and_averaged_as_they_are():
    particles, kind, _, move = shape_set((comma, ring), 30, 0.5)
    large = scale_boxes(torch.from_numpy(particles.images), 160).numpy()
    settings = ClassifySettings(diameter_angstrom=90, classes=2, iterations=8)
    found = classify(ParticleSet(large, PIXEL / 5), settings)
    assert adjusted_rand_score(kind, found.particles.class_index) > 0.9
    assert found.classes.averages.shape == (2, 160, 160)
    rows = kind == 1
    assert np.std(found.particles.shift_angstrom[rows][:, ::-1] / PIXEL + move[rows], axis=0).max() < 0.5


def test_a_limit_too_coarse_to_judge_is_refused():
    particles, *_ = shape_set((ring,), 20, 0.5)
    with pytest.raises(SettingsError, match="resolution-limit 40"):
        classify(particles, ClassifySettings(diameter_angstrom=90, classes=2, resolution_limit_angstrom=40))


def test_no_shift_at_all_is_allowed():
    particles, kind, _, _ = shape_set((comma, ring), 40, 0.5, reach=0.0)
    settings = ClassifySettings(diameter_angstrom=90, classes=2, iterations=8, max_shift_diameters=0)
    found = classify(particles, settings)
    assert adjusted_rand_score(kind, found.particles.class_index) > 0.9
    assert np.abs(found.particles.shift_angstrom).max() == 0


def test_more_classes_than_there_are_shapes_leave_no_value_unfinite():
    particles, *_ = shape_set((ring,), 60, 0.5)
    found = classify(particles, ClassifySettings(diameter_angstrom=90, classes=12, iterations=8))
    for field in ("averages", "uncorrected", "ring_correlation", "signal_to_noise"):
        assert np.isfinite(getattr(found.classes, field)).all()


def test_settings_that_do_not_fit_are_refused():
    particles, *_ = shape_set((ring,), 5, 0.5)
    with pytest.raises(SettingsError, match="classes"):
        classify(particles, ClassifySettings(diameter_angstrom=90, classes=4))
    with pytest.raises(SettingsError, match="400"):
        classify(particles, ClassifySettings(diameter_angstrom=400, classes=2))


@pytest.mark.numerical
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same(three):
    particles, kind, _, _, found = three
    on_gpu = classify(particles, SETTINGS, device="cuda")
    assert adjusted_rand_score(found.particles.class_index, on_gpu.particles.class_index) > 0.95
    again = classify(particles, SETTINGS, device="cuda")
    assert np.array_equal(on_gpu.particles.class_index, again.particles.class_index)
    assert len(kind) == len(on_gpu.particles.class_index)
