"""Devices: what is asked for, or an error that says what is here."""

import pytest
import torch

from cryoglean.errors import SettingsError
from cryoglean.scale.devices import choose_device


def test_the_processor_is_always_there_any_number_of_times():
    assert choose_device("cpu") == "cpu"
    assert choose_device("cpu", 64) == "cpu"


def test_auto_takes_what_is_here():
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("wanted", ["tpu", "cuda:x", "", "meta"])
def test_what_is_no_device_is_refused(wanted):
    with pytest.raises(SettingsError, match="none of auto, cpu, cuda, cuda:1, mps"):
        choose_device(wanted)


def test_more_devices_than_are_here_are_refused():
    here = torch.cuda.device_count()
    with pytest.raises(SettingsError, match=f"--device cuda --devices {here + 2}: CUDA devices found: {here}"):
        choose_device("cuda", here + 2)
    with pytest.raises(SettingsError, match=f"--device cuda:{here}: CUDA devices found: {here}"):
        choose_device(f"cuda:{here}")


@pytest.mark.parametrize("one", ["cuda:0", "mps", "cpu:0"])
def test_a_device_with_a_number_is_one(one):
    with pytest.raises(SettingsError, match=f"--device {one} --devices 2: that is one device"):
        choose_device(one, 2)
