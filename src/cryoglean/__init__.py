"""Cryoglean: find particles in cryo-EM micrographs without labels."""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_MODULES = {
    "Micrograph": "micrograph",
    "MicrographFile": "micrograph",
    "Picks": "picks",
    "classify": "classes2d.in_python",
}
"""Public names, and where they are; `__init__.pyi` tells type checkers the same."""

__all__ = ["Micrograph", "MicrographFile", "Picks", "__version__", "classify"]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that the package itself costs no time."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
