"""Which device computes: what is asked for, or an error; never a silent fall-back."""

from __future__ import annotations

import torch

from cryoglean.errors import SettingsError


def choose_device(wanted: str) -> str:
    """Return the name of the torch device to use.

    Args:
        wanted: "auto" (a CUDA device if there is one, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        SettingsError: if it is no device, or one that is not here.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise SettingsError(f"--device {wanted} is none of auto, cpu, cuda, cuda:1, mps") from error
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise SettingsError(f"--device {wanted}: there are {torch.cuda.device_count()} CUDA devices here")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"--device {wanted}: there is no MPS device here")
    if device.type not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"--device {wanted} is none of auto, cpu, cuda, cuda:1, mps")
    return str(device)


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device multiplies matrices of it by hardware, several times faster; else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
