"""Weights on disk: what comes back, and what is refused."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from cryoglean.errors import SettingsError
from cryoglean.nets.kpicker_net import KpickerLayers, KpickerNet
from cryoglean.nets.mae import Mae
from cryoglean.nets.mae_layers import MaeLayers
from cryoglean.nets.transformer import Blocks
from cryoglean.nets.weights import read_weights, with_weights, write_weights

FACTS = {"diameter_angstrom": 191.0, "names": ["ü", "b"]}
TENSORS = {"a": torch.arange(6, dtype=torch.float32).view(2, 3), "b": torch.zeros(1)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(path, "kpicker", 1, FACTS, TENSORS)
    return path


def test_what_is_written_comes_back(path):
    facts, tensors = read_weights(path, "kpicker", 1)
    assert facts == FACTS
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_same_weights_are_the_same_bytes(path, tmp_path):
    write_weights(tmp_path / "again", "kpicker", 1, dict(reversed(FACTS.items())), TENSORS)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_layouts_of_memory_do_not_show(path, tmp_path):
    write_weights(tmp_path / "turned", "kpicker", 1, FACTS, TENSORS | {"a": TENSORS["a"].t().contiguous().t()})
    assert (tmp_path / "turned").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "version", "said"), [("emmae", 1, "of kpicker, not of emmae"), ("kpicker", 2, "of version 1, not 2")]
)
def test_another_kind_or_version_is_refused_with_the_reason(path, kind, version, said):
    with pytest.raises(SettingsError, match=said):
        read_weights(path, kind, version)


def header_of(length, text=b"{}"):
    return length.to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 4,
        header_of(2**62),
        header_of(50),
        header_of(2),
        pickle.dumps({"a": 1}),
        b"PK\x03\x04" + b"\x00" * 60,
        save({"a": torch.ones(2)}),
        save({"a": torch.ones(2)}, {"cryoglean": "{}"}),
        save({"a": torch.ones(2)}, {"cryoglean": "[1]"}),
        save({"a": torch.ones(2)}, {"cryoglean": '{"model": "kpicker", "version": 1}'}),
        save({"a": torch.ones(2)}, {"cryoglean": '{"model": "kpicker", "version": 1, "facts": 3}'}),
        save({"a": torch.ones(2)}, {"cryoglean": "{"}),
    ],
)
def test_other_files_are_refused_in_one_line_that_names_them(tmp_path, content):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as refusal:
        read_weights(path, "kpicker", 1)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("cut", [1, 9, 100, -1, -5])
def test_a_file_cut_short_is_refused(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SettingsError, match="whole"):
        read_weights(path, "kpicker", 1)


@pytest.mark.parametrize("wrong", [torch.tensor([float("nan")]), torch.tensor([1], dtype=torch.int32)])
def test_weights_that_are_no_numbers_are_refused(tmp_path, wrong):
    write_weights(tmp_path / "w", "kpicker", 1, FACTS, TENSORS | {"a": wrong})
    with pytest.raises(SettingsError, match="finite"):
        read_weights(tmp_path / "w", "kpicker", 1)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        read_weights(tmp_path / "nowhere", "kpicker", 1)


def test_what_is_no_regular_file_is_named_for_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        with pytest.raises(SettingsError, match=f"{path}: {kind}, not a regular file"):
            read_weights(path, "kpicker", 1)


def test_the_header_can_be_read_by_anyone(path):
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["cryoglean"])["facts"] == FACTS


@pytest.mark.parametrize("header", ["[" * 100_000, "null", "[1]", "7", '{"model": null}', "{"])
def test_a_header_that_is_no_header_is_refused_in_one_line(tmp_path, header):
    (tmp_path / "w").write_bytes(save(TENSORS, {"cryoglean": header}))
    with pytest.raises(SettingsError, match=str(tmp_path / "w")) as caught:
        read_weights(tmp_path / "w", "kpicker", 1)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("make", [KpickerNet, Mae])
def test_a_network_gets_its_weights(make):
    net = make()
    again = with_weights(make, net.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))
    assert {each.device.type for each in (*again.parameters(), *again.buffers())} == {"cpu"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mae(MaeLayers(encoder=Blocks(width=16_384, depth=4, heads=4))),
        lambda: KpickerNet(KpickerLayers(filters=(16_384, 16_384, 16_384), dense=16_384)),
    ],
)
def test_claims_of_a_header_take_no_memory(make):
    """Each of these networks would take tens of gigabytes."""
    with pytest.raises(RuntimeError, match=r"has sizes .*, and its header needs"):
        with_weights(make, TENSORS)
