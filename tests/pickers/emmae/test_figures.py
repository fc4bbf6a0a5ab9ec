"""Pictures of latent space: whole for every kind of answer, and clusters in the right places and colours."""

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from tests.learned_facts import MIXTURE, localpicker_model

from cryoglean.detect.mixture import HeightMixture
from cryoglean.pickers.emmae.figures import (
    CLUSTER_COLOURS,
    cluster_colours,
    clusters_figure,
    grey_picture,
    latents_figure,
    painted,
)
from cryoglean.pickers.emmae.latent_views import Clouds, LatentView, SetView
from cryoglean.pickers.emmae.paper import PaperEmmaeFit
from cryoglean.pickers.emmae.picker import EmmaeFit
from cryoglean.report.figures import draw_figure
from examples import with_slow

ROWS, COLUMNS, PATCH = 30, 24, 4
MICROGRAPHS = {"micrographs": ("a", "b", "c")}
HOSTILE = ["plain", r"a$\frac{$b", "путь/粒子 ü\udce4", "x" * 300]


def quarters():
    """Clusters 0 and 1 above, 2 and 3 below."""
    label = np.zeros((ROWS, COLUMNS), np.int64)
    label[:, COLUMNS // 2 :] += 1
    label[ROWS // 2 :] += 2
    return label


def one(name="m", *, preset="default", found=True, label=None):
    rng = np.random.default_rng(0)
    has_response = preset == "default" and found
    xy = np.array([[20.0, 30.0], [60.0, 80.0]]) if found else np.zeros((0, 2))
    particle = np.zeros((ROWS, COLUMNS), bool)
    particle[:5, :5] = found
    return LatentView(
        name=name,
        image=rng.normal(size=(ROWS * PATCH - 1, COLUMNS * PATCH - 2)).astype(np.float32),
        patch_px=PATCH,
        shift_px=0.0 if preset == "default" else 2.0,
        diameter_px=(24.0, 20.0),
        label=quarters() if label is None else label,
        particle=particle,
        chosen=particle if preset == "paper" else None,
        response=rng.normal(size=(2 * ROWS, 2 * COLUMNS)).astype(np.float32) if has_response else None,
        xy=xy,
    )


def of_set(preset="default", found=True, names=("a",)):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(2, 500, 2)) + np.array([[[1, 0]], [[-1, 0]]])
    return SetView(
        micrographs=tuple(one(name, preset=preset, found=found) for name in names),
        clouds=Clouds(points[0] if found else np.zeros((0, 2)), points[1], (0.4, 0.2)),
        share=(0.1, 0.7, 0.2, 0.4) if found else (),
        particle=1 if found else None,
        covered=0.3 if found else 0.0,
        heights=rng.normal(2, 1, 300) if found and preset == "default" else np.zeros(0),
    )


def facts(preset="default", found=True, **changes):
    if preset == "paper":
        told = {"particle": 1, "share": (0.1, 0.7, 0.2, 0.4)} if found else {}
        return PaperEmmaeFit(diameter_angstrom=120, **(told | MICROGRAPHS | changes))
    told = {"skewness": 1.0, "skewness_error": 0.1, "mixture": MIXTURE, "threshold": 2.5, "blobs": 50} if found else {}
    return EmmaeFit(diameter_angstrom=120, localpicker=localpicker_model(), **(told | MICROGRAPHS | changes))


def drawn(folder, figure):
    """Draw a picture and return it, having seen that it is whole and alone."""
    draw_figure(folder / "new/a.png", figure)
    assert [p.name for p in (folder / "new").iterdir()] == ["a.png"]
    picture = cv2.imread(str(folder / "new/a.png"))
    assert picture.std() > 5
    assert 400 <= min(picture.shape[:2]) <= max(picture.shape[:2]) <= 2400
    return picture


@pytest.mark.parametrize(
    ("preset", "found"), with_slow(("default", True), ("paper", False), slow=[("paper", True), ("default", False)])
)
@pytest.mark.parametrize("names", with_slow(["one"], slow=[["a", "b", "c"]]))
def test_every_answer_gives_two_pictures(tmp_path, preset, found, names):
    told = of_set(preset, found, names), facts(preset, found)
    drawn(tmp_path, latents_figure(*told))
    clusters = drawn(tmp_path, clusters_figure(*told))
    assert clusters.shape[0] == pytest.approx(130 * (4 * len(names) + 1.4), abs=2)


@pytest.mark.parametrize("names", with_slow(list(HOSTILE[:2]), [""], slow=[list(HOSTILE[2:])]))
def test_names_are_no_mathematics_and_may_have_any_letters(tmp_path, names):
    drawn(tmp_path, clusters_figure(of_set(names=names), facts()))


@pytest.mark.parametrize(
    "changes",
    with_slow(
        {"mixture": HeightMixture(1e-9, 1.0, 1e-3, 40.0, 1e-3), "threshold": 100.0},
        slow=[{"skewness": 0.01}, {"threshold": 0.0}, {"micrographs": ("only",)}],
    ),
)
def test_every_verdict_is_drawn(tmp_path, changes):
    drawn(tmp_path, latents_figure(of_set(), facts(**changes)))


def test_latents_that_do_not_vary_are_drawn(tmp_path):
    flat = Clouds(np.zeros((5, 2)), np.zeros((5, 2)), (0.0, 0.0))
    drawn(tmp_path, latents_figure(of_set()._replace(clouds=flat), facts()))


def test_a_flat_micrograph_is_drawn(tmp_path):
    each = one()
    flat = of_set()._replace(micrographs=(each._replace(image=np.zeros_like(each.image)),))
    drawn(tmp_path, clusters_figure(flat, facts()))


@pytest.mark.slow
def test_more_than_the_shown_middle_changes_nothing_outside_of_it(tmp_path):
    large = one()._replace(image=np.zeros((2000, 2000), np.float32), label=np.zeros((500, 500), np.int64))
    corner = large._replace(label=large.label.copy())
    corner.label[:40, :40] = 1
    pictures = [
        drawn(tmp_path, clusters_figure(of_set()._replace(micrographs=(each,)), facts())) for each in (large, corner)
    ]
    assert (pictures[0] == pictures[1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_planted_clusters_have_their_colours_at_their_pixels(shift):
    view = one()._replace(shift_px=shift)
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]], np.uint8)
    picture, grey = painted(view, view.label, colours), grey_picture(view)
    edge_row, edge_column = ROWS // 2 * PATCH + int(shift), COLUMNS // 2 * PATCH + int(shift)
    for row, column in np.ndindex(*view.image.shape):
        cluster = 2 * (row >= edge_row) + (column >= edge_column)
        expected = (grey[row, column].astype(float) + colours[cluster]) / 2
        assert np.abs(picture[row, column] - expected).max() <= 0.5


def test_patches_without_a_number_stay_grey():
    view = one()
    number = np.where(view.label == 3, 0, -1)
    picture, grey = painted(view, number, np.array([[255, 0, 0]], np.uint8)), grey_picture(view)
    same = (picture == grey).all(axis=2)
    assert same[: ROWS // 2 * PATCH].all()
    assert not same[ROWS // 2 * PATCH :, COLUMNS // 2 * PATCH :].any()


def test_the_particles_cluster_has_their_colour_and_the_others_follow_by_share():
    expected = [CLUSTER_COLOURS[rank] for rank in (3, 0, 2, 1)]
    assert cluster_colours(of_set()) / 255 == pytest.approx(np.array([to_rgb(c) for c in expected]), abs=0.003)


def test_no_cluster_has_the_particles_colour_where_none_is_theirs():
    colours = cluster_colours(of_set(found=False)).tolist()
    particles = np.rint(255 * np.array(to_rgb(CLUSTER_COLOURS[0]))).tolist()
    assert len({tuple(c) for c in colours}) == 4
    assert particles not in colours


@pytest.mark.parametrize("preset", with_slow("default", slow=["paper"]))
def test_planted_clusters_show_in_the_picture(tmp_path, preset):
    flat = np.zeros((ROWS * PATCH, COLUMNS * PATCH), np.float32)
    view = of_set(preset)._replace(micrographs=(one(preset=preset)._replace(image=flat),))
    clusters = drawn(tmp_path, clusters_figure(view, facts(preset)))
    halves = {tuple(c) for c in np.rint(cluster_colours(view) / 2).astype(int)[:, ::-1].tolist()}
    sizes = [int((clusters == half).all(axis=2).sum()) for half in halves]
    assert min(sizes) > 10_000
    assert max(sizes) < 1.5 * min(sizes) + 20_000
