"""Group of several processes, held together by Lightning Fabric.

Fabric starts them by calling the command again for each, or torchrun or Slurm's srun have started them.
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

from cryoglean.errors import ProcessGroupError, SettingsError
from cryoglean.scale.process_group import ProcessGroup, T
from cryoglean.scale.threads import available_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from subprocess import Popen
    from types import TracebackType

    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from torch import Tensor

_COLLECTIVE_TIMEOUT = timedelta(hours=2)
"""How long members wait for each other. Chosen by hand: the first reads and prepares all micrographs meanwhile, and one
that has hung holds the devices of all for no longer."""

_EXIT_INTERRUPTED = 130
"""Exit status after an interrupt. Format: 128 + SIGINT, as shells have it."""

_SOURCE_LOCATION = re.compile(r"^\[[^]]*\]\s*")
_NODE_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


class FabricGroup(ProcessGroup):
    """Group of several processes; the others are started by the first communication.

    Args:
        device: kind of device.
        devices: number of devices on each node.
        nodes: number of machines.

    Raises:
        SettingsError: if another number of processes was started, or nothing tells which node this is.
    """

    def __init__(self, device: str, devices: int, nodes: int) -> None:
        logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
        strategy = DDPStrategy(timeout=_COLLECTIVE_TIMEOUT)
        try:
            self._fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, strategy=strategy)
            self._environment = _environment_of(strategy, devices, nodes)
        except (ValueError, RuntimeError) as error:
            raise SettingsError(f"--devices {devices} --nodes {nodes}: {error}") from error
        super().__init__(str(self._fabric.device))
        self.rank, self.size = self._fabric.global_rank, self._fabric.world_size
        self._devices = devices
        self._others_wait = nodes > 1 or self._environment.creates_processes_externally
        self._is_launched = False

    def cpus(self, wanted: int | None) -> int:
        """Do as `ProcessGroup.cpus`; Slurm grants processors to each process, anything else to all of a machine."""
        if wanted is None and isinstance(self._environment, SLURMEnvironment):
            return available_cpus()
        return max(1, (wanted or available_cpus()) // self._devices)

    def broadcast(self, value: T) -> T:
        """Do as `ProcessGroup.broadcast`; tensors must be in the CPU's memory, and arrive there."""
        with self._communication():
            return self._fabric.broadcast(value)

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Do as `ProcessGroup.sum`, in float32 and in one message."""
        vector = torch.cat([tensor.flatten().to(self.device, torch.float32) for tensor in tensors])
        with self._communication():
            self._fabric.all_reduce(vector, reduce_op="sum")  # in place
        parts = torch.split(vector, [tensor.numel() for tensor in tensors])
        return [part.view_as(tensor).to(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def broadcast_scalar(self, value: float) -> float:
        """Do as `ProcessGroup.broadcast_scalar`."""
        (total,) = self.sum([torch.tensor(value if self.is_first else 0.0)])
        return float(total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave: the first member dismisses those that wait for work; one that fails ends those that it started.

        Raises:
            SystemExit: if a member other than the first is interrupted, which the first reports.
        """
        interrupted = isinstance(error, KeyboardInterrupt)
        if self.is_first and self._others_wait and not self._is_launched and not interrupted:
            with suppress(ProcessGroupError):
                self.broadcast(None)
        for process in self._started:
            if error is not None:
                process.kill()  # it may wait in a sum, where no signal is handled
            process.wait()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # Gloo's threads, left to the interpreter's end, can abort it
        if interrupted and not self.is_first:
            raise SystemExit(_EXIT_INTERRUPTED)

    @property
    def _started(self) -> list[Popen[bytes]]:
        """Processes that Fabric has started here."""
        return getattr(self._fabric.strategy.launcher, "procs", [])

    @contextmanager
    def _communication(self) -> Iterator[None]:
        """Communicate with all members, after starting them where nothing else has.

        Raises:
            ProcessGroupError: if one has ended.
        """
        try:
            if not self._is_launched:
                self._is_launched = True
                self._fabric.launch()
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = _SOURCE_LOCATION.sub("", str(error)).partition("\n")[0].partition(". ")[0]
            raise ProcessGroupError(
                f"process {self.rank} of {self.size} has lost another, which may say why: {reason}"
            ) from error


def _environment_of(strategy: DDPStrategy, devices: int, nodes: int) -> ClusterEnvironment:
    """Return the environment that starts the processes.

    Raises:
        ValueError: if it has started another number of them.
        SettingsError: if nothing tells which node this is.
    """
    environment = strategy.cluster_environment or LightningEnvironment()
    environment.validate_settings(num_devices=devices, num_nodes=nodes)
    if nodes > 1 and isinstance(environment, LightningEnvironment) and not os.environ.keys() >= set(_NODE_VARIABLES):
        raise SettingsError(
            f"--nodes {nodes}: start it with srun or torchrun, or set {', '.join(_NODE_VARIABLES)} on each node"
        )
    return environment
