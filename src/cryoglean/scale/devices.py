"""Choice of the device that computes: the one asked for, or an error; never a silent fall-back."""

from __future__ import annotations

import torch

from cryoglean.errors import SettingsError


def choose_device(wanted: str, count: int = 1) -> str:
    """Return the name of the torch device to use.

    Args:
        wanted: "auto" (a CUDA device if there is one, else the CPU), "cpu", "cuda", "cuda:N" or "mps".
        count: number of devices of that kind, each for a process of its own; the CPU serves any number.

    Raises:
        SettingsError: if there is no such device, or not as many.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    asked, here = f"--device {wanted}" + (f" --devices {count}" if count > 1 else ""), torch.cuda.device_count()
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise SettingsError(f"--device {wanted} is none of auto, cpu, cuda, cuda:1, mps") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"--device {wanted} is none of auto, cpu, cuda, cuda:1, mps")
    if count > 1 and (device.index is not None or device.type == "mps"):
        raise SettingsError(f"{asked}: that is one device; --devices goes with --device cuda, or cpu")
    if device.type == "cuda" and here < max(count, (device.index or 0) + 1):
        raise SettingsError(f"{asked}: CUDA devices found: {here}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"--device {wanted}: no MPS device found")
    return str(device)


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the hardware multiplies matrices of it several times faster; else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
