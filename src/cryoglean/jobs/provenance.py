"""What results are made with besides their settings."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch


def made_with(command: str | None, device: str, cpus: int) -> dict[str, Any]:
    """Return the call, the devices and the versions, as JSON values.

    Args:
        command: what the user has typed, if it is known.
        device: where it was computed, as torch names it.
        cpus: processors used.
    """
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    return {"command": command, "device": device, "processors": cpus, **versions}
