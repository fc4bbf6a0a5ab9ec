"""Resources of the machine: devices, threads, memory and folders that can be written."""

from __future__ import annotations

import platform
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Device:
    """Device that computes.

    Attributes:
        name: as `--device` takes it.
        description: its model.
        memory_bytes: its own memory, or None where it shares the machine's.
    """

    name: str
    description: str
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Place:
    """Folder that is written to.

    Attributes:
        path: the folder.
        writable: whether a file can be created there.
        free_bytes: free space on its disk.
    """

    path: str
    writable: bool
    free_bytes: int


def library_threads() -> dict[str, int]:
    """Return the number of threads that each numerical library uses now."""
    try:
        import cv2
        import torch
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped]
    except (ImportError, OSError):  # reported among the packages
        return {}
    threads = {"torch": torch.get_num_threads(), "opencv": cv2.getNumThreads()}
    for library in threadpool_info():
        threads[f"{library['internal_api']} ({Path(library['filepath']).name})"] = int(library["num_threads"])
    return threads


def probe_devices() -> tuple[Device, ...]:
    """Return the devices that can compute, the CPU first."""
    cpu = Device("cpu", _processor_name(Path("/proc/cpuinfo")))
    try:
        import torch
    except (ImportError, OSError):  # reported among the packages
        return (cpu,)
    devices = [cpu]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(Device(f"cuda:{index}", properties.name, properties.total_memory))
    if torch.backends.mps.is_available():
        devices.append(Device("mps", "Apple GPU"))
    return tuple(devices)


def _processor_name(cpuinfo: Path) -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def memory_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the memory of the machine, or of the control group if that is less.

    Args:
        meminfo: a file as `/proc/meminfo`.
        cgroup: mount point of control groups, of version 1 or 2.

    Returns:
        Bytes, or None where neither is known.
    """
    amounts = []
    with suppress(OSError):
        found = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo.read_text(encoding="utf-8"), re.MULTILINE)
        amounts += [int(found[1]) * 1024] if found else []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # no such limit, or one that says "max"
            amounts.append(int((cgroup / name).read_text(encoding="utf-8")))
    return min(amounts, default=None)


def probe_place(folder: Path) -> Place:
    """Try to write into a folder, and measure its free space."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            writable = True
    except OSError:
        writable = False
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        free = 0
    return Place(str(folder), writable, free)
