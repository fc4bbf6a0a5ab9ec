"""An output folder's record and lists are read as they were written, or refused in one line that names the file."""

import json

import pytest

from cryoglean.errors import SettingsError, TableError
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.result import MicrographResult
from cryoglean.micrograph import MicrographFile

SETTINGS = {"diameter_angstrom": 120.0, "specimen": {"spacing": None}, "sizes": [1, 2]}


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path / "out", "pick", ())
    files = [MicrographFile(tmp_path / f"{key}, Å.mrc", f"{key}, Å.mrc", key) for key in "ab"]
    folder.claim(SETTINGS, files, force=False, provenance={"command": "cryoglean <x>", "device": None})
    folder.record_results([MicrographResult(files[0], 7), MicrographResult(files[1], reason='no "image"\nhere')])
    return folder


def test_what_is_recorded_is_read_again(folder, tmp_path):
    record = folder.recorded()
    assert (record.job, record.settings) == ("pick", SETTINGS)
    assert folder.inputs() == {key: str(tmp_path / f"{key}, Å.mrc") for key in "ab"}
    assert folder.provenance() == {"cryoglean": record.version, "command": "cryoglean <x>"}
    assert {key: row.picks for key, row in folder.ledger().items()} == {"a": 7}
    assert 'no ""image""' in folder.rejected_path.read_text()


def test_a_new_folder_has_neither_record_nor_rows(tmp_path):
    folder = OutputFolder(tmp_path, "pick", ())
    assert (folder.recorded(), folder.inputs(), folder.provenance(), folder.ledger()) == (None, {}, {}, {})


def changed(folder, **values):
    said = json.loads(folder.settings_path.read_text()) | values
    return json.dumps({name: value for name, value in said.items() if value is not ...})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda f: "", "damaged"),
        (lambda f: "{", "damaged"),
        (lambda f: "null", "damaged"),
        (lambda f: "[1]", "damaged"),
        (lambda f: "[" * 100_000, "recursion limit"),
        (lambda f: "\udcff", "damaged"),
        (lambda f: changed(f, schema_version=...), "another version"),
        (lambda f: changed(f, schema_version=99, more=1), "another version"),
        (lambda f: changed(f, job=...), r"job: Field required"),
        (lambda f: changed(f, job=None), r"job: "),
        (lambda f: changed(f, settings=None), r"settings: "),
        (lambda f: changed(f, inputs={"a": 7}), r"inputs\.a: "),
        (lambda f: changed(f, inputs=[]), r"inputs: "),
        (lambda f: changed(f, provenance="x"), r"provenance: "),
        (lambda f: changed(f, more=1), r"more: "),
    ],
)
def test_a_record_that_is_not_right_is_refused_in_one_line(folder, change, complaint):
    folder.settings_path.write_text(change(folder), errors="surrogateescape")
    before = folder.settings_path.read_bytes()
    with pytest.raises(SettingsError, match=complaint) as caught:
        folder.claim(SETTINGS, [], force=True)
    said = str(caught.value)
    assert said.startswith(f"{folder.settings_path} ")
    assert said.endswith("name another --out")
    assert "\n" not in said
    assert len(said) < 400
    assert folder.settings_path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no column key, micrograph, path, picks"),
        ("key,micrograph,path\na,a.mrc,/a.mrc\n", "no column picks"),
        ("key,micrograph,path,picks\na,a.mrc,/a.mrc,many\n", "row 1: picks: "),
        ("key,micrograph,path,picks\na,a.mrc,/a.mrc,-1\n", "row 1: picks: "),
        ("key,micrograph,path,picks\na,a.mrc\n", "row 1 has 2 cells, not 4"),
        ("key,micrograph,path,picks\n,a.mrc,/a.mrc,3\n", "row 1: key: "),
        ('key,micrograph,path,picks\na,a.mrc,"/a.mrc\x00,3\n', "row 1 has 3 cells, not 4"),
        ("\udcff", "not a table"),
    ],
)
def test_a_list_that_is_not_right_is_refused_in_one_line(folder, text, complaint):
    folder.ledger_path.write_text(text, errors="surrogateescape")
    with pytest.raises(TableError, match=complaint) as caught:
        folder.ledger()
    assert str(folder.ledger_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(TableError, match=complaint):
        folder.claim(SETTINGS, [], force=False)


def test_a_damaged_list_of_the_rejected_is_refused_before_work_and_made_again_by_force(folder):
    folder.rejected_path.write_text("micrograph\n")
    with pytest.raises(TableError, match=r"rejected\.csv: has no column"):
        folder.claim(SETTINGS, [], force=False)
    folder.claim(SETTINGS, [], force=True)
    assert not folder.rejected_path.exists()
