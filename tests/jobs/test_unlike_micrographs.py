"""A micrograph of another kind is rejected or picked for what it shows, and spoils nothing of what others teach."""

import mrcfile
import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from tests.fields import f1_score
from tests.jobs.test_pick import DIAMETER, rejected, run

from cryoglean.io.coordinates import read_picks
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from examples import with_slow
from perturbations import jittered
from shells import ShellField

pytestmark = pytest.mark.numerical

PICKERS = {"localpicker": LocalpickerSettings, "auto": AutoSettings}
SHAPE = (300, 360)
FIELD = {"height_px": 300, "width_px": 360, "particles": 16, "pixel_size_angstrom": 4}
ROWS, COLUMNS = np.indices(SHAPE)
RNG = np.random.default_rng(0)


def changed(where, value):
    image = np.zeros(SHAPE)
    image[where] = value
    return image


FLAT = {
    "pixel": changed((150, 150), 1),
    "border": changed(np.s_[30:-30, 30:-30], 5),
    "column": changed(np.s_[:, 100], 1e4),
    "gradient": 0.37 * ROWS + 1.1 * COLUMNS,
    "counts": RNG.poisson(1e-5, SHAPE),
}
PATTERNS = {
    "pixels": (-1.0) ** (ROWS + COLUMNS),
    "rows": (-1.0) ** ROWS,
    "mosaic": np.array([[0, 1, 2], [5, 3, 1], [2, 2, 4]])[ROWS % 3, COLUMNS % 3],
}
SHADES = {
    "ramp": 1000 + 0.37 * ROWS + 1.1 * COLUMNS,
    "halves": np.where(COLUMNS < 180, 100, 160),
}
# With noise of 1 or less: far from it a shade or a step is all there is; where it is flat there is next to none.
STEEP = {
    "bowl": ((ROWS - 100) ** 2 + (COLUMNS - 200) ** 2) / 200,
    "dome": -((ROWS - 150) ** 2 + (COLUMNS - 140) ** 2) / 60,
    "cone": np.hypot(ROWS - 150, COLUMNS - 180),
    "step": 60.0 * (COLUMNS > 180),
}
PARTLY = {"side": COLUMNS > 0.6 * 360, "middle": np.hypot(ROWS - 150, COLUMNS - 180) < 130}


def write(path, image, *, is_exact=False):
    """Write an image, as another processor would have made it, unless it is the same on each."""
    image = image.astype(np.float32)
    with mrcfile.new(path, image if is_exact else jittered(image), overwrite=True) as file:
        file.voxel_size = 4


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Three good micrographs, and the picks that they get alone, by name."""
    root = tmp_path_factory.mktemp("good")
    (root / "images").mkdir()
    for seed in range(3):
        write(root / f"images/m{seed}.mrc", ShellField(**FIELD, seed=seed).render()[0].image)
    run([root / "images"], root / "out")
    return root / "images", picks_in(root / "out")


def picks_in(out):
    return {path.name.removesuffix("_autopick.star"): read_picks(path).xy for path in (out / "picks").glob("m*.star")}


def assert_alike(found, alone):
    assert found.keys() == alone.keys()
    for name, xy in alone.items():
        assert f1_score(found[name], xy, 3) > 0.9, name


@pytest.mark.parametrize("kind", with_slow("pixel", slow=("gradient", "border", "column", "counts")))
def test_one_that_shows_nothing_is_rejected_and_the_others_are_picked_as_without_it(good, kind, tmp_path):
    images, alone = good
    write(tmp_path / "a.mrc", FLAT[kind])
    summary, _ = run([tmp_path / "a.mrc", images], tmp_path / "out")
    assert summary.exit_status == 3
    ((name, reason),) = rejected(tmp_path / "out").items()
    assert name.endswith("a.mrc")
    assert "shows nothing" in reason
    for name, xy in picks_in(tmp_path / "out").items():
        np.testing.assert_allclose(xy, alone[name], atol=1e-3)  # sums may depend on memory by their last bits


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 1e-6, 1e-3, 0.1])
@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pattern_is_rejected_and_the_others_are_picked_as_without_it(good, kind, noise, tmp_path):
    images, alone = good
    write(tmp_path / "m9.mrc", PATTERNS[kind] + noise * RNG.normal(size=SHAPE), is_exact=True)
    summary, _ = run([tmp_path / "m9.mrc", images], tmp_path / "out")
    assert summary.exit_status == 3
    assert_alike(picks_in(tmp_path / "out"), alone)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.01, 0.1, 3])
@pytest.mark.parametrize("kind", SHADES)
def test_noise_beside_a_shade_that_outweighs_it_spoils_no_other(good, kind, noise, tmp_path):
    images, alone = good
    write(tmp_path / "m9.mrc", SHADES[kind] + noise * np.random.default_rng(7).normal(size=SHAPE))
    run([tmp_path / "m9.mrc", images], tmp_path / "out")
    found = picks_in(tmp_path / "out")
    found.pop("m9")
    assert_alike(found, alone)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.01, 0.3, 1])
@pytest.mark.parametrize("kind", STEEP)
@pytest.mark.parametrize("method", ["localpicker", "auto"])
def test_what_outweighs_its_noise_teaches_nothing_and_is_not_picked_all_over(good, method, kind, noise, tmp_path):
    images, alone = good
    write(tmp_path / "a9.mrc", STEEP[kind] + noise * np.random.default_rng(7).normal(size=SHAPE))
    run([tmp_path / "a9.mrc", images], tmp_path / "out", picker=PICKERS[method](diameter_angstrom=DIAMETER))
    assert_alike(picks_in(tmp_path / "out"), alone)
    assert len(read_picks(tmp_path / "out/picks/a9_autopick.star")) < min(map(len, alone.values()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARTLY)
@pytest.mark.parametrize("constant", [7.0, -1e4])
def test_one_that_was_partly_exposed_is_picked_there_and_the_others_as_without_it(good, kind, constant, tmp_path):
    images, alone = good
    micrograph, truth = ShellField(**FIELD | {"particles": 24}, seed=9).render()
    write(tmp_path / "a.mrc", np.where(PARTLY[kind], micrograph.image, constant))
    run([tmp_path / "a.mrc", images], tmp_path / "out")
    assert_alike(picks_in(tmp_path / "out"), alone)
    picked = read_picks(tmp_path / "out/picks/a_autopick.star").xy
    assert (np.hypot(*(truth.xy[:, None] - picked[None]).transpose(2, 0, 1)).min(axis=0) < 5).mean() > 0.8
    row, column = np.rint(truth.xy[:, ::-1]).astype(int).T
    whole = truth.xy[binary_erosion(PARTLY[kind], iterations=25)[row, column]]
    assert (np.hypot(*(whole[:, None] - picked[None]).transpose(2, 0, 1)).min(axis=1) < 5).mean() > 0.8


@pytest.mark.slow
def test_grey_values_of_a_hundred_thousandth_are_picked_as_any(good, tmp_path):
    images, alone = good
    (tmp_path / "images").mkdir()
    for path in sorted(images.iterdir()):
        write(tmp_path / "images" / path.name, 1e-5 * mrcfile.read(path))
    run([tmp_path / "images"], tmp_path / "out")
    assert_alike(picks_in(tmp_path / "out"), alone)
