"""Masks in jobs: nothing is picked in them nor learned from them, and a folder knows by which its picks were made."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.masks import with_masks
from cryoglean.jobs.fit import run_fit_job
from cryoglean.jobs.known_inputs import describe_inputs
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.pick_report import gather
from cryoglean.jobs.report_micrographs import given_masks
from cryoglean.jobs.survey import survey_files
from cryoglean.loop.settings import LoopSettings
from cryoglean.loop.state import open_run
from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from cryoglean.report.pick_page import pick_page
from cryoglean.report.viewer_data import viewer_data
from html_page import Page
from listeners import Listener
from shells import ShellField

SHAPE = (220, 260)
PUBLISHED = PaperLocalpickerSettings(diameter_angstrom=120, bin_factor=2, min_particles=1)
"""It learns nothing of a set."""


def left(mask_px):
    """A mask of so many columns."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :mask_px] = 255
    return mask


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked") / "images"
    folder.mkdir()
    for seed in range(2):
        field = ShellField(height_px=220, width_px=260, particles=10, pixel_size_angstrom=4, seed=seed)
        with mrcfile.new(folder / f"m{seed}.mrc", field.render()[0].image) as file:
            file.voxel_size = 4.0
    return folder


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    Image.fromarray(left(130)).save(folder / "m0.png")
    return folder


def files_of(images, masks=None):
    files = find_micrographs([images])
    return files if masks is None else with_masks(files, masks)


def pick(files, out, picker=PUBLISHED, **changes):
    return run_pick_job(files, PickJob(picker=picker, **changes), out, Listener())


def picked(out):
    return {path.name: path.read_bytes() for path in (out / "picks").glob("*.star")}


def test_nothing_is_picked_in_a_mask_and_a_micrograph_without_one_is_picked_whole(images, masks, tmp_path):
    pick(files_of(images), tmp_path / "whole")
    pick(files_of(images, masks), tmp_path / "out")
    before, now = (read_picks(tmp_path / out / "picks/m0_autopick.star") for out in ("whole", "out"))
    assert (before.x < 129.5).any()
    assert len(now) > 0
    assert (now.x >= 129.5).all()
    other = "m1_autopick.star"
    assert picked(tmp_path / "out")[other] == picked(tmp_path / "whole")[other]
    assert given_masks(PickFolder(tmp_path / "out")) == masks
    assert given_masks(PickFolder(tmp_path / "whole")) is None


def test_a_folder_is_resumed_with_the_masks_it_had_wherever_they_lie_and_refused_with_others(images, masks, tmp_path):
    out = tmp_path / "out"
    pick(files_of(images, masks), out)
    before = picked(out)
    moved = masks.rename(tmp_path / "moved")
    pick(files_of(images, moved), out)
    with pytest.raises(SettingsError, match=f"of .*m0.mrc by another mask .it was {moved}/m0.png, and is without one."):
        pick(files_of(images), out)
    Image.fromarray(left(140)).save(moved / "m0.png")
    with pytest.raises(
        SettingsError, match=r"m0\.png, and is changed.: give --mask as before, or another --out, or --f"
    ):
        pick(files_of(images, moved), out)
    Image.fromarray(left(130)).save(moved / "m0.png")
    Image.fromarray(left(30)).save(moved / "m1.png")
    with pytest.raises(SettingsError, match=r"m1\.mrc by another mask .it was without a mask, and is .*m1\.png."):
        pick(files_of(images, moved), out)
    assert picked(out) == before
    pick(files_of(images, moved), out, force=True)
    assert picked(out) != before


def test_a_micrograph_of_an_earlier_call_keeps_its_mask(images, masks, tmp_path):
    files = files_of(images, masks)
    pick(files[:1], tmp_path / "out")
    pick(files[1:], tmp_path / "out")
    assert [file.mask for file in PickFolder(tmp_path / "out").earlier_files(files[1:])] == [masks / "m0.png"]


def test_a_mask_that_does_not_fit_is_told_and_the_others_go_on(images, masks, tmp_path):
    Image.fromarray(left(0)[:100]).save(masks / "m0.png")
    summary = pick(files_of(images, masks), tmp_path / "out")
    (rejected,) = summary.rejected
    assert (rejected.file.key, len(summary.done)) == ("m0", 1)
    assert "is 260 x 100 px, no scale of its micrograph of 260 x 220 px" in rejected.reason
    with pytest.raises(SettingsError, match="no scale of its micrograph"):
        pick(files_of(images, masks)[:1], tmp_path / "alone")


@pytest.mark.slow
def test_what_is_masked_teaches_nothing(images, masks, tmp_path):
    """Of a micrograph half of which is anything else, with a mask there, the same is learned and surveyed."""
    (tmp_path / "hidden").mkdir()
    with mrcfile.open(images / "m0.mrc") as file:
        image = np.array(file.data)
    noise = np.random.default_rng(0).normal(size=SHAPE) * 40
    with mrcfile.new(tmp_path / "hidden/m0.mrc", np.where(left(130), noise, image).astype(np.float32)) as file:
        file.voxel_size = 4.0
    job = PickJob(picker=LocalpickerSettings(diameter_angstrom=120))
    shown, hidden = ([replace(files_of(folder, masks)[0], name="m0")] for folder in (images, tmp_path / "hidden"))
    learned = []
    for files, out in ((shown, tmp_path / "a"), (hidden, tmp_path / "b"), (files_of(images)[:1], tmp_path / "c")):
        run_fit_job(files, job, out, Listener())
        learned.append((out / "localpicker.json").read_text())
    assert learned[0] == learned[1] != learned[2]
    assert survey_files(shown, None) == survey_files(hidden, None) != survey_files(files_of(images)[:1], None)


def test_a_run_is_resumed_with_the_masks_it_was_begun_with(images, masks, tmp_path):
    files, settings = files_of(images, masks), LoopSettings(diameter_angstrom=120)
    open_run(tmp_path / "run", settings, files)
    open_run(tmp_path / "run", settings, files)
    with pytest.raises(SettingsError, match=r"is a run of .*m0\.mrc by another mask .* and is without one"):
        open_run(tmp_path / "run", settings, files_of(images))


def test_a_mask_that_was_not_touched_is_not_read_again(images, masks):
    files = files_of(images, masks)
    known = describe_inputs({}, files)
    forged = known | {"m0": known["m0"].model_copy(update={"mask": replace_digest(known["m0"].mask)})}
    assert describe_inputs(forged, files)["m0"].mask.sha256 == "0"
    moved = Path(masks).rename(masks.with_name("moved"))
    files = [replace(file, mask=file.mask and moved / file.mask.name) for file in files]
    assert describe_inputs(forged, files)["m0"].mask.sha256 == known["m0"].mask.sha256


def replace_digest(mask):
    return mask.model_copy(update={"sha256": "0"})


@pytest.fixture(scope="module")
def bordered(tmp_path_factory):
    """Micrographs with dead stripes at their edges, and what was picked in them."""
    root = tmp_path_factory.mktemp("bordered")
    (root / "images").mkdir()
    for seed in range(2):
        field = ShellField(height_px=220, width_px=260, particles=10, pixel_size_angstrom=4, seed=seed)
        with mrcfile.new(root / f"images/m{seed}.mrc", np.pad(field.render()[0].image, ((7, 12), (5, 0)))) as file:
            file.voxel_size = 4.0
    pick(files_of(root / "images"), root / "out", LocalpickerSettings(diameter_angstrom=120), plots=True)
    return root


@pytest.mark.slow
def test_with_the_masks_that_were_written_the_same_is_learned_and_picked(bordered, tmp_path):
    files = files_of(bordered / "images", bordered / "out/masks")
    pick(files, tmp_path / "again", LocalpickerSettings(diameter_angstrom=120))
    assert picked(tmp_path / "again") == picked(bordered / "out")
    assert len(read_picks(bordered / "out/picks/m0_autopick.star")) > 5


def test_what_is_left_out_is_written_as_either_format_and_made_again_where_it_is_missing(bordered, tmp_path):
    out, job = tmp_path / "out", {"picker": PUBLISHED}
    files = files_of(bordered / "images")
    pick(files, out, **job)
    png = (out / "masks/m0.png").read_bytes()
    (out / "masks/m0.png").unlink()
    (out / "masks/m1.png").write_bytes(b"damaged")
    pick(files, out, **job)
    assert (out / "masks/m0.png").read_bytes() == png
    known = [PickFolder(out).left_out(key) for key in ("m0", "m1")]
    pick(files, out, mask_format="mrc", **job)
    assert sorted(path.name for path in (out / "masks").iterdir()) == ["m0.mrc", "m1.mrc"]
    for before, key in zip(known, ("m0", "m1"), strict=True):
        np.testing.assert_array_equal(PickFolder(out).left_out(key), before)
    with mrcfile.open(out / "masks/m0.mrc") as file:
        assert float(file.voxel_size.x) * file.data.shape[0] == pytest.approx(4 * 239, rel=0.01)


def test_the_share_that_is_left_out_is_listed_and_shown(bordered):
    share = 1 - 220 * 260 / (239 * 265)
    listed = PickFolder(bordered / "out").shares_left_out()
    assert listed == {"m0": pytest.approx(share, abs=1e-4), "m1": pytest.approx(share, abs=1e-4)}
    facts = gather(bordered / "out")
    assert [each.left_out for each in facts.micrographs] == list(listed.values())
    page = Page(pick_page(facts, "now"))
    assert f"{100 * share:.1f}" in page.words
    assert all(view["left_out"]["image"].startswith("data:image/png") for view in viewer_data(facts)["views"])
