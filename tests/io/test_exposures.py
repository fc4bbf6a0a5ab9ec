"""One exposure is picked once: of what programs lay side by side the best is taken, and by-products never are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.errors import SettingsError
from cryoglean.io.exposures import choose_exposures, describe_left_out
from cryoglean.io.inputs import find_inputs

RELION = ["a.mrc", "a_noDW.mrc", "a_PS.mrc", "a_EVN.mrc", "a_ODD.mrc"]
MOTIONCOR2 = ["a.mrc", "a_DW.mrc", "a_DWS.mrc", "a_EVN.mrc", "a_ODD.mrc"]
UID = "000123456789012345678_a"
CRYOSPARC = [
    f"{UID}_{end}"
    for end in (
        "patch_aligned_doseweighted.mrc",
        "patch_aligned.mrc",
        "background.mrc",
        "thumb_@1x.png",
        "thumb_@2x.png",
        "patch_aligned_doseweighted_denoised.mrc",
    )
]
EPU = ["FoilHole_1_Data_2_3_20260101_123456.mrc", "FoilHole_1_Data_2_3_20260101_123456.jpg"]
EPU += ["FoilHole_1_Data_2_3_20260101_123456_Fractions.mrc", "GridSquare_20260101_123456.mrc"]
EPU += ["FoilHole_1_20260101_123456.mrc"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*inputs, **choice):
    files, left_out = find_inputs([Path(each) for each in inputs], **choice)
    return [str(file.path) for file in files], describe_left_out(left_out)


@pytest.mark.parametrize(
    ("names", "taken", "said"),
    [
        (RELION, "a.mrc", "2 halves of the frames, 1 power spectrum, 1 other version of a micrograph that is taken"),
        (MOTIONCOR2, "a_DW.mrc", "2 halves of the frames, 2 other versions of micrographs that are taken"),
        (CRYOSPARC, CRYOSPARC[0], "2 thumbnails, 2 other versions of micrographs that are taken, 1 background"),
        (EPU, EPU[0], "2 overview images, 1 movie, 1 preview"),
        (["a_DWS.mrc", "a.mrc"], "a_DWS.mrc", "1 other version of a micrograph that is taken"),
        (["CountRef_a.mrc", "a.tif", "a_gain.mrc", "gain.mrc", "b_GainRef.tif"], "a.tif", "4 gain references"),
        (["a_Fractions_PS.mrc", "a_Fractions.mrc"], "a_Fractions.mrc", "1 power spectrum"),
    ],
)
def test_of_each_exposure_one_file_is_taken_from_a_folder_a_wildcard_and_a_list(names, taken, said):
    make(*(f"f/{name}" for name in names))
    for inputs in (["f"], ["f/*"], [f"f/{name}" for name in names]):
        files, told = found(*inputs)
        assert (files, sorted(told.split(", "))) == ([f"f/{taken}"], sorted(said.split(", ")))


@pytest.mark.parametrize("name", [*RELION, *MOTIONCOR2, *CRYOSPARC, "FoilHole_1_20260101_123456.mrc", "gain.mrc"])
def test_a_file_that_is_named_by_itself_is_taken_whatever_its_name(name):
    make(name)
    assert found(name) == ([name], "")


def test_versions_are_told_apart_within_a_folder_and_what_is_there_alone_is_taken():
    make("p/x/a.mrc", "p/y/a_noDW.mrc", "p/y/b_DW.mrc", "p/y/c_patch_aligned.mrc")
    assert found("p", recursive=True)[0] == ["p/x/a.mrc", "p/y/a_noDW.mrc", "p/y/b_DW.mrc", "p/y/c_patch_aligned.mrc"]
    assert found("p/x", "p/y")[1] == ""


@pytest.mark.parametrize(
    "name", ["a_ps.mrc", "a_even.mrc", "a-odd.mrc", "a_ctf.mrc", "a_diag.mrc", "a_preview.png", "a_power_spectrum.mrc"]
)
def test_what_only_looks_like_a_by_product_is_one_beside_its_micrograph_only(name):
    make("f/a_DW.mrc", f"f/{name}", f"g/{name}", "g/b.mrc")
    assert found("f") == (["f/a_DW.mrc"], "1 by-product of a micrograph that is taken")
    assert found("g") == (sorted([f"g/{name}", "g/b.mrc"]), "")


@pytest.mark.parametrize("name", ["a_dw.mrc", "a-DW.mrc", "a_dws.mrc"])
def test_dose_weighted_sums_are_told_in_letters_of_any_case(name):
    make("f/a.mrc", f"f/{name}", "f/a_nodw.mrc")
    assert found("f") == ([f"f/{name}"], "2 other versions of micrographs that are taken")


MIRRORED = ["even/Movies", "odd/Movies", "Movies/even", "Movies/odd", "thumbnails", "power", "Spectra", "ctfestimated"]
MIRRORED += ["Movies/powerspectrum", "PNG", "background", "mask", "denoised", "deconv", "thumbs/a/b"]


@pytest.mark.parametrize("folder", MIRRORED)
@pytest.mark.parametrize("name", ["x.mrc", "x.png"])
def test_by_products_in_folders_of_their_own_are_left_out_beside_their_micrographs_only(folder, name):
    make("p/job/Movies/x.mrc", "p/job/Movies/y_DW.mrc", f"p/job/{folder}/{name}", f"p/job/{folder}/alone.mrc")
    taken, said = found("p", recursive=True)
    assert sorted(taken) == sorted(["p/job/Movies/x.mrc", "p/job/Movies/y_DW.mrc", f"p/job/{folder}/alone.mrc"])
    assert said.startswith("1 ")
    assert found(*taken, f"p/job/{folder}/{name}") == (taken, said)
    assert f"p/job/{folder}/{name}" in found(f"p/job/{folder}")[0]
    assert found("p", recursive=True, pattern=f"job/{folder}/x*")[0] == [f"p/job/{folder}/{name}"]


def test_cryosparc_and_warp_trees_give_each_exposure_once():
    make(*(f"S1/motioncorrected/{name}" for name in CRYOSPARC if "thumb" not in name))
    make(*(f"S1/thumbnails/{name}" for name in CRYOSPARC if "thumb" in name), f"S1/ctfestimated/{UID}_ctf_diag_2D.mrc")
    make(
        "w/average/x.mrc", "w/average/even/x.mrc", "w/average/odd/x.mrc", "w/powerspectrum/x.mrc", "w/thumbnails/x.png"
    )
    assert found("S1", recursive=True)[0] == [f"S1/motioncorrected/{CRYOSPARC[0]}"]
    assert found("w", recursive=True)[0] == ["w/average/x.mrc"]


def test_halves_without_their_sum_are_no_micrographs_and_a_folder_of_a_by_products_name_is_one_of_micrographs():
    make("h/even/x.mrc", "h/odd/x.mrc", "ctf/a/x.mrc", "ctf/b/x.mrc", "ctf/b/even/y.mrc")
    with pytest.raises(SettingsError, match="h: by their names no micrographs, but 2 halves of the frames"):
        found("h", recursive=True)
    assert found("h/even")[0] == ["h/even/x.mrc"]
    assert found("ctf", recursive=True) == (["ctf/a/x.mrc", "ctf/b/even/y.mrc", "ctf/b/x.mrc"], "")


@pytest.mark.parametrize(("plain", "weighted"), [("m", "m/DW"), ("m/noDW", "m/DW"), ("m", "m_dw"), ("m_noDW", "m")])
def test_folders_of_dose_weighted_sums_go_before_those_of_plain_ones(plain, weighted):
    make(f"p/{plain}/x.mrc", f"p/{plain}/only.mrc", f"p/{weighted}/x.mrc")
    said = "1 other version of a micrograph that is taken"
    assert found("p", recursive=True) == (sorted([f"p/{plain}/only.mrc", f"p/{weighted}/x.mrc"]), said)


def test_grid_squares_of_epu_are_micrographs_whatever_their_numbers():
    squares = [f"e/Images-Disc{disc}/GridSquare_{n}/Data" for disc in "12" for n in ("1", "10", "2024")]
    images = [f"{folder}/FoilHole_{n}_Data_1_2_20260101_12000{n}.mrc" for folder in squares for n in "12"]
    images += [f"e/{n}/{n}.mrc" for n in ("0001", "1", "odd squares")]
    make(*images)
    assert found("e", recursive=True) == (sorted(images), "")


def test_a_folder_of_by_products_says_what_it_holds_and_a_pattern_takes_them():
    make("f/a_PS.mrc", "f/b_PS.mrc")
    with pytest.raises(SettingsError, match="f: by their names no micrographs, but 2 power spectra: --pattern takes"):
        found("f")
    assert found("f", pattern="*_PS.mrc") == (["f/a_PS.mrc", "f/b_PS.mrc"], "")
    assert found("f/*_PS.mrc") == (["f/a_PS.mrc", "f/b_PS.mrc"], "")


def test_a_pattern_chooses_by_name_or_by_path():
    make(*(f"f/{name}" for name in RELION), "f/g/b.mrc", "f/h/b.mrc")
    assert found("f", pattern="*_noDW.mrc")[0] == ["f/a_noDW.mrc"]
    assert found("f", pattern="g/*.mrc", recursive=True)[0] == ["f/g/b.mrc"]
    with pytest.raises(SettingsError, match=r"f: none of its 5 images matches --pattern \*\.tif"):
        found("f", pattern="*.tif")


def test_sub_folders_are_searched_on_demand_without_hidden_ones_and_circles():
    make("f/x/Data/a.mrc", "f/y/Data/b.mrc", "f/.hidden/c.mrc", "f/x/Data/notes.txt")
    Path("f/x/up").symlink_to("../..")
    Path("f/linked").symlink_to("../elsewhere")
    make("elsewhere/d.mrc")
    files = find_inputs([Path("f")], recursive=True).files
    assert [(file.path.as_posix(), file.key) for file in files] == [
        ("f/linked/d.mrc", "d"),
        ("f/x/Data/a.mrc", "a"),
        ("f/y/Data/b.mrc", "b"),
    ]
    with pytest.raises(SettingsError, match=r"sub-folders .* but f/linked has some: name it, or give --rec"):
        found("f")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["a.eer", "b.eer", "x.gain"],
            r"2 \.eer \(an EER movie: motion-correct it first.*1 \.gain \(the gain reference",
        ),
        (["a.dm4"], r"1 \.dm4 \(a Digital Micrograph file: convert it"),
        (["a.xml"], "looked for"),
    ],
)
def test_a_folder_of_other_files_is_named_for_what_it_is_with_the_remedy(names, said):
    make(*(f"f/{name}" for name in names))
    with pytest.raises(SettingsError, match=f"f: no micrographs in this folder.*{said}"):
        found("f")


@pytest.mark.parametrize(("name", "said"), [("a.eer", "an EER movie"), ("a.pdf", "not a micrograph by its name")])
def test_what_is_no_image_by_its_name_is_refused_alone_and_rejected_among_others(name, said):
    make(name, "b.mrc")
    with pytest.raises(SettingsError, match=f"{name}: {said}"):
        found(name)
    assert found(name, "b.mrc")[0] == [name, "b.mrc"]


def test_a_wildcard_that_matches_nothing_is_refused():
    with pytest.raises(SettingsError, match=r"\*\.mrc: no image matches it"):
        found("*.mrc")


FOLDERS = ("a", "b", "a/even", "a/odd", "a/DW", "even", "b/thumbnails", "b/even/odd")
ENDINGS = ("", "_DW", "_DWS", "_noDW", "_PS", "_EVN", "_ODD", "_background", "_thumb_@1x", "_patch_aligned")
ENDINGS += ("_even", "-dw", "_ctf")


@given(
    st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(ENDINGS)), unique=True), st.booleans(), st.randoms()
)
def test_the_choice_is_a_partition_that_depends_on_no_order(parts, is_strict, random):
    paths = [Path(f"{folder}/x{ending}.mrc") for folder, ending in parts]
    taken, left_out = choose_exposures(paths, is_strict=is_strict)
    assert sorted([*taken, *(each.path for each in left_out)]) == sorted(paths)
    assert taken == [path for path in paths if path in taken]
    shuffled = list(paths)
    random.shuffle(shuffled)
    assert set(choose_exposures(shuffled, is_strict=is_strict)[0]) == set(taken)
    assert choose_exposures(taken, is_strict=is_strict) == (taken, [])
    if is_strict:
        versions = {(path.parent, path.stem.lower().replace("-", "_")) for path in taken}  # _DW and -dw are one
        assert len({path.parent for path in taken}) == len(versions)
