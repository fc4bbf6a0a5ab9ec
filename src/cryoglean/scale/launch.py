"""Formation of a team: one process alone, or several that Lightning Fabric holds together."""

from __future__ import annotations

import os

from cryoglean.errors import SettingsError
from cryoglean.scale.team import Team


def form_team(device: str, devices: int = 1, nodes: int = 1) -> Team:
    """Find out who works together; no other process is started yet.

    Args:
        device: kind of device, or for one process the device, as `choose_device` returns it.
        devices: how many of them on each node, each with a process.
        nodes: how many machines.

    Raises:
        SettingsError: if Lightning Fabric is needed and not there, or other numbers of processes were started.
    """
    started = os.environ.get("WORLD_SIZE", "")
    if started.isdigit() and int(started) != devices * nodes:
        raise SettingsError(
            f"--devices {devices} --nodes {nodes}: {started} processes were started (WORLD_SIZE), "
            f"not {devices * nodes}: give the numbers that they were started with"
        )
    if devices * nodes == 1:
        return Team(device)
    try:
        from cryoglean.scale.fabric_team import FabricTeam
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("lightning"):
            raise
        raise SettingsError(
            f"--devices {devices} --nodes {nodes} needs Lightning Fabric: pip install 'cryoglean[multi]'"
        ) from error
    return FabricTeam(device, devices, nodes)
