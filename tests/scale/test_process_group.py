"""Teams: alone nothing is done, work is shared out whole, and what cannot be formed is refused with the remedy."""

import os
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.errors import SettingsError
from cryoglean.scale.launch import form_process_group
from cryoglean.scale.process_group import SINGLE_PROCESS, ProcessGroup
from cryoglean.scale.threads import available_cpus


def group_of(size):
    group = ProcessGroup()
    group.size = size
    return group


def test_alone_nothing_is_done():
    tensors = [torch.arange(3.0), torch.ones(2, 2, dtype=torch.float64)]
    assert all(one is other for one, other in zip(SINGLE_PROCESS.sum(tensors), tensors, strict=True))
    assert SINGLE_PROCESS.broadcast(tensors) is tensors
    assert SINGLE_PROCESS.broadcast_scalar(0.1) == 0.1
    assert SINGLE_PROCESS.split_evenly(17) == [17]
    assert (SINGLE_PROCESS.cpus(5), SINGLE_PROCESS.cpus(None)) == (5, available_cpus())
    assert SINGLE_PROCESS.is_first


@given(count=st.integers(0, 300), size=st.integers(1, 40))
def test_shares_are_even_and_nothing_is_left(count, size):
    shares = group_of(size).split_evenly(count)
    assert len(shares) == size
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1


def test_one_process_needs_nobody_and_keeps_its_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert form_process_group("cuda:1").device == "cuda:1"
    assert form_process_group("cpu").size == 1


def test_without_lightning_fabric_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    monkeypatch.delitem(sys.modules, "cryoglean.scale.fabric_group", raising=False)
    with pytest.raises(SettingsError, match=r"--devices 2 .*pip install 'cryoglean\[multi\]'"):
        form_process_group("cpu", 2)


@pytest.mark.parametrize(("devices", "nodes"), [(1, 1), (3, 1), (2, 2)])
def test_other_numbers_than_were_started_are_refused(monkeypatch, devices, nodes):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match=rf"--devices {devices} --nodes {nodes}: 2 processes were started"):
        form_process_group("cpu", devices, nodes)


class TestWithLightningFabric:
    """Teams that are formed and not called together."""

    @pytest.fixture(autouse=True)
    def _nobody_has_started_it(self, monkeypatch):
        pytest.importorskip("lightning_fabric", reason="Lightning Fabric is not installed")
        for name in [name for name in os.environ if name.startswith("SLURM_")]:
            monkeypatch.delenv(name)

    def test_who_calls_the_command_is_first_and_processors_are_shared_out(self):
        with form_process_group("cpu", 3) as group:
            assert (group.rank, group.size, group.device) == (0, 3, "cpu")
            assert group.is_first
            assert (group.cpus(6), group.cpus(1)) == (2, 1)

    def test_one_that_was_started_knows_its_rank(self, monkeypatch):
        monkeypatch.setenv("LOCAL_RANK", "2")
        assert not form_process_group("cpu", 3).is_first
        monkeypatch.setenv("NODE_RANK", "1")
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", "29500")
        assert form_process_group("cpu", 3, 2).rank == 5

    def test_slurm_tells_ranks_and_gives_each_process_its_processors(self, monkeypatch):
        given = {
            "NTASKS": 4,
            "NTASKS_PER_NODE": 2,
            "NNODES": 2,
            "PROCID": 3,
            "LOCALID": 1,
            "NODEID": 1,
            "JOB_NAME": "t",
        }
        for name, value in given.items():
            monkeypatch.setenv(f"SLURM_{name}", str(value))
        group = form_process_group("cpu", 2, 2)
        assert (group.rank, group.size) == (3, 4)
        assert group.cpus(None) == available_cpus()
        with pytest.raises(SettingsError, match=r"--ntasks-per-node=2"):
            form_process_group("cpu", 4, 1)

    def test_several_nodes_need_someone_to_tell_which_is_which(self):
        with pytest.raises(SettingsError, match="MASTER_ADDR, MASTER_PORT, NODE_RANK"):
            form_process_group("cpu", 1, 2)
