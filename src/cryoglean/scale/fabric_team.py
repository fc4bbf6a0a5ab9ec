"""A team of several processes, held together by Lightning Fabric.

They are started by Fabric, which calls the command again for each, by torchrun, or by Slurm's srun.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from cryoglean.errors import SettingsError, TeamError
from cryoglean.scale.team import Given, Team
from cryoglean.scale.threads import available_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from subprocess import Popen
    from types import TracebackType

    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from torch import Tensor

_PATIENCE = timedelta(hours=2)  # the others wait for as long as the first needs to read and prepare all micrographs
_INTERRUPTED = 130
_PLACE_IN_SOURCE = re.compile(r"^\[[^]]*\]\s*")
_OF_A_NODE = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


class FabricTeam(Team):
    """One of several processes; the others are there once something is shared.

    Args:
        device: kind of device.
        devices: how many of them on each node.
        nodes: how many machines.

    Raises:
        SettingsError: if other numbers of processes were started, or nothing tells which node this is.
    """

    def __init__(self, device: str, devices: int, nodes: int) -> None:
        logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
        strategy = DDPStrategy(timeout=_PATIENCE)
        try:
            self._fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, strategy=strategy)
            self._environment = _environment_of(strategy, devices, nodes)
        except (ValueError, RuntimeError) as error:
            raise SettingsError(f"--devices {devices} --nodes {nodes}: {error}") from error
        super().__init__(str(self._fabric.device))
        self.rank, self.size = self._fabric.global_rank, self._fabric.world_size
        self._devices = devices
        self._others_wait = nodes > 1 or self._environment.creates_processes_externally
        self._called = False

    def cpus(self, wanted: int | None) -> int:
        """Do as `Team.cpus`; Slurm gives processors to each process, anything else to all of a machine."""
        if wanted is None and isinstance(self._environment, SLURMEnvironment):
            return available_cpus()
        return max(1, (wanted or available_cpus()) // self._devices)

    def share(self, value: Given) -> Given:
        """Do as `Team.share`; tensors must be in the CPU's memory, and arrive there."""
        with self._together():
            return self._fabric.broadcast(value)

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Do as `Team.sum`, in float32 and at once."""
        vector = torch.cat([tensor.flatten().to(self.device, torch.float32) for tensor in tensors])
        with self._together():
            self._fabric.all_reduce(vector, reduce_op="sum")  # in place
        parts = torch.split(vector, [tensor.numel() for tensor in tensors])
        return [part.view_as(tensor).to(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def of_first(self, value: float) -> float:
        """Do as `Team.of_first`."""
        (total,) = self.sum([torch.tensor(value if self.is_first else 0.0)])
        return float(total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave: the first member sends away those that wait for work; whoever fails ends those that it started.

        Raises:
            SystemExit: if another member is interrupted: the first one tells.
        """
        interrupted = isinstance(error, KeyboardInterrupt)
        if self.is_first and self._others_wait and not self._called and not interrupted:
            with suppress(TeamError):
                self.share(None)
        for process in self._started:
            if error is not None:
                process.kill()  # it may wait in a sum, deaf to all else
            process.wait()
        if interrupted and not self.is_first:
            raise SystemExit(_INTERRUPTED)

    @property
    def _started(self) -> list[Popen[bytes]]:
        """The processes that Fabric has started here."""
        return getattr(self._fabric.strategy.launcher, "procs", [])

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Do something that needs all members, having started them where nobody else does.

        Raises:
            TeamError: if one is gone.
        """
        try:
            if not self._called:
                self._called = True
                self._fabric.launch()
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = _PLACE_IN_SOURCE.sub("", str(error)).partition("\n")[0].partition(". ")[0]
            raise TeamError(
                f"process {self.rank} of {self.size} has lost another, which may say why: {reason}"
            ) from error


def _environment_of(strategy: DDPStrategy, devices: int, nodes: int) -> ClusterEnvironment:
    """Return what starts the processes.

    Raises:
        ValueError: if it has started other numbers of them.
        SettingsError: if nothing tells which node this is.
    """
    environment = strategy.cluster_environment or LightningEnvironment()
    environment.validate_settings(num_devices=devices, num_nodes=nodes)
    if nodes > 1 and isinstance(environment, LightningEnvironment) and not os.environ.keys() >= set(_OF_A_NODE):
        raise SettingsError(
            f"--nodes {nodes}: start it with srun or torchrun, or set {', '.join(_OF_A_NODE)} on each node"
        )
    return environment
