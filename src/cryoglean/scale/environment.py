"""Inventory of this machine: versions, devices, engines, memory, and what is missing with the way to get it."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import cryoglean
from cryoglean.scale.engines import Engine, probe_engines
from cryoglean.scale.machine import Device, Place, library_threads, memory_bytes, probe_devices, probe_place
from cryoglean.scale.threads import available_cpus

REQUIRED_PACKAGES = {
    "gemmi": "gemmi",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "mrcfile": "mrcfile",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pandas": "pandas",
    "pillow": "PIL",
    "plotly": "plotly",
    "pydantic": "pydantic",
    "rich": "rich",
    "safetensors": "safetensors",
    "scikit-image": "skimage",
    "scipy": "scipy",
    "simplejpeg": "simplejpeg",
    "threadpoolctl": "threadpoolctl",
    "tifffile": "tifffile",
    "torch": "torch",
    "torch-ctf": "torch_ctf",
    "typer": "typer",
}
"""Required packages: names for pip, and for `import`."""

_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_MIN_FREE_BYTES = 2**30
"""Free space below which a folder is reported. Resource: some temporary micrographs and tables fit in 1 GiB."""

_OPTIONAL_PACKAGES = {
    "lightning-fabric": "training on several devices and machines",
    "dask": "many machines at once (planned)",
    "dask-jobqueue": "clusters with a queue (planned)",
    "fastapi": "web pages (planned)",
    "cryosparc-tools": "exchange with a cryoSPARC server (planned)",
}


@dataclass(frozen=True)
class Package:
    """Python package.

    Attributes:
        name: its name for pip.
        version: the installed version, or None.
        purpose: its use; "" for one that is required.
        remedy: how to get it.
        fault: why it cannot be imported although it is installed; "" where it can be, or was not tried.
    """

    name: str
    version: str | None
    purpose: str = ""
    remedy: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Environment:
    """Inventory that `cryoglean doctor` prints.

    Attributes:
        python: version of Python.
        system: operating system and processor.
        required: packages that must be there.
        optional: packages that may be there.
        engines: optional external programs.
        devices: devices that can compute, the CPU first.
        machine_cpus: processors of the machine.
        available_cpus: those that this process may use.
        threads: threads that each library uses now.
        memory_bytes: memory of the machine, or of the control group if that is less; None if unknown.
        temporary_folder: folder of large temporary files.
        current_folder: folder that the command was called in.
    """

    python: str
    system: str
    required: tuple[Package, ...]
    optional: tuple[Package, ...]
    engines: tuple[Engine, ...]
    devices: tuple[Device, ...]
    machine_cpus: int
    available_cpus: int
    threads: dict[str, int]
    memory_bytes: int | None
    temporary_folder: Place
    current_folder: Place

    @property
    def problems(self) -> tuple[str, ...]:
        """Reasons why Cryoglean cannot work here, one line each with the remedy."""
        missing = [f"{p.name} is missing: {p.remedy}" for p in self.required if p.version is None]
        broken = [f"{p.name} does not load ({p.fault}): {p.remedy}" for p in self.required if p.fault]
        return (*missing, *broken, *_place_problems(self.temporary_folder, "set TMPDIR to another folder"))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Warnings that stop nothing by themselves, one line each."""
        return _place_problems(self.current_folder, "give --out in another folder")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "problems": list(self.problems), "remarks": list(self.remarks)}


def probe_environment(folder: Path | None = None) -> Environment:
    """Take the inventory of this machine.

    Args:
        folder: folder of the output; the current folder by default.
    """
    return Environment(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        required=_required_packages(),
        optional=tuple(_optional_package(name, purpose) for name, purpose in _OPTIONAL_PACKAGES.items()),
        engines=probe_engines(),
        devices=probe_devices(),
        machine_cpus=os.cpu_count() or 1,
        available_cpus=available_cpus(),
        threads=library_threads(),
        memory_bytes=memory_bytes(),
        temporary_folder=probe_place(Path(tempfile.gettempdir())),
        current_folder=probe_place(folder or Path.cwd()),
    )


def _required_packages() -> tuple[Package, ...]:
    own = Package("cryoglean", cryoglean.__version__)
    return (own, *(_required_package(name, module) for name, module in REQUIRED_PACKAGES.items()))


def _required_package(name: str, module: str) -> Package:
    version = _version(name)
    if version is None:
        return Package(name, None, remedy=f"pip install {name}")
    try:
        import_module(module)
    except (ImportError, OSError) as error:  # the latter where a shared library underneath is missing
        return Package(name, version, remedy=f"pip install --force-reinstall {name}", fault=str(error))
    return Package(name, version)


def _optional_package(name: str, purpose: str) -> Package:
    """Look for an optional package; an extra of ours that brings it is the way to get it."""
    extras = [extra for extra, brought in _extras().items() if name in brought]
    remedy = f"pip install 'cryoglean[{extras[0]}]'" if extras else f"pip install {name}"
    return Package(name, _version(name), purpose, remedy)


def _extras() -> dict[str, list[str]]:
    """Return the names of the packages that each of our extras brings; nothing where we run from a source tree."""
    extras: dict[str, list[str]] = {}
    try:
        requirements = metadata.requires("cryoglean") or []
    except metadata.PackageNotFoundError:
        return extras
    for requirement in requirements:
        name, extra = _NAME.match(requirement), _EXTRA.search(requirement)
        if name and extra:
            extras.setdefault(extra[1], []).append(name[0])
    return extras


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _place_problems(place: Place, remedy: str) -> tuple[str, ...]:
    if not place.writable:
        return (f"{place.path} cannot be written: {remedy}",)
    if place.free_bytes < _MIN_FREE_BYTES:
        return (f"{place.path} has {place.free_bytes / 2**20:.0f} MiB left: make room, or {remedy}",)
    return ()
