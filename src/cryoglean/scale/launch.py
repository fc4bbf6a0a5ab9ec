"""Formation of a process group: one process alone, or several that Lightning Fabric holds together."""

from __future__ import annotations

import os

from cryoglean.errors import SettingsError
from cryoglean.scale.process_group import ProcessGroup


def form_process_group(device: str, devices: int = 1, nodes: int = 1) -> ProcessGroup:
    """Find out which processes work together; no other process is started yet.

    Args:
        device: kind of device, or for one process the device, as `choose_device` returns it.
        devices: number of devices on each node, each with a process.
        nodes: number of machines.

    Raises:
        SettingsError: if Lightning Fabric is needed and not installed, or another number of processes was started.
    """
    started = os.environ.get("WORLD_SIZE", "")
    if started.isdigit() and int(started) != devices * nodes:
        raise SettingsError(
            f"--devices {devices} --nodes {nodes}: {started} processes were started (WORLD_SIZE), "
            f"not {devices * nodes}: give the numbers that they were started with"
        )
    if devices * nodes == 1:
        return ProcessGroup(device)
    try:
        from cryoglean.scale.fabric_group import FabricGroup
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("lightning"):
            raise
        raise SettingsError(
            f"--devices {devices} --nodes {nodes} needs Lightning Fabric: pip install 'cryoglean[multi]'"
        ) from error
    return FabricGroup(device, devices, nodes)
