"""Provenance of results: what they are made with besides their settings."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any


def describe_provenance(command: str | None, device: str, cpus: int) -> dict[str, Any]:
    """Describe the call, the devices and the versions, as JSON values.

    Args:
        command: the command line, if it is known.
        device: the device in use, as torch names it.
        cpus: processors used.
    """
    versions = {"python": platform.python_version(), "torch": version("torch"), "numpy": version("numpy")}
    return {"command": command, "device": device, "processors": cpus, **versions}
