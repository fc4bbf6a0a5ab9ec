"""Weights of networks on disk: safetensors with what made them in the header; nothing in such a file is executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.atomic import write_atomic_bytes
from cryoglean.io.regular import size_of_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

Net = TypeVar("Net", bound=torch.nn.Module)

_HEADER = "cryoglean"  # one entry only: the library writes several in an order that changes
_KIND, _VERSION, _FACTS = "model", "version", "facts"


def write_weights(path: Path, kind: str, version: int, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write weights, whole or not at all.

    Args:
        path: the file.
        kind: which model they are of.
        version: of the model's layout; raised when older readers would misunderstand it.
        facts: settings and what else was learned, as JSON values.
        tensors: the weights by name.

    Raises:
        OSError: if the file cannot be written.
    """
    header = json.dumps({_KIND: kind, _VERSION: version, _FACTS: facts}, sort_keys=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic_bytes(path, save(plain, {_HEADER: header}))


def read_weights(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read weights.

    Args:
        path: the file.
        kind: which model they must be of.
        version: the layout that is understood.

    Returns:
        The facts and the weights by name, float32 on the CPU.

    Raises:
        SettingsError: if there is no such file, it is damaged, or of another kind or version of model.
    """
    try:
        size_of_regular(path)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file") from error
    except (OSError, TableError) as error:
        raise SettingsError(str(error)) from error
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata() or {})
            _refuse_another(path, header, kind, version)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        facts = dict(header[_FACTS])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no whole safetensors file of weights: {error}") from error
    if not all(t.dtype == torch.float32 and bool(torch.isfinite(t).all()) for t in tensors.values()):
        raise SettingsError(f"{path} holds weights that are not finite float32 numbers: make them anew")
    return facts, tensors


def with_weights(make: Callable[[], Net], tensors: Mapping[str, Tensor]) -> Net:
    """Build a network and give it its weights; no memory is taken for sizes that a header claims and weights lack.

    Args:
        make: builds the network.
        tensors: its weights by name.

    Raises:
        RuntimeError: if the weights are of another network.
    """
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in make().state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            said = f"{name} has sizes {given.get(name, 'none')}, and its header needs {wanted.get(name, 'none')}"
            raise RuntimeError(said)
    net = make()
    net.load_state_dict(dict(tensors))
    return net


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if _HEADER not in metadata:
        raise SettingsError(f"{path} holds weights of another program: cryoglean train makes those that are needed")
    return dict(json.loads(metadata[_HEADER]))


def _refuse_another(path: Path, header: Mapping[str, Any], kind: str, version: int) -> None:
    if header[_KIND] != kind:
        raise SettingsError(f"{path} holds weights of {header[_KIND]}, not of {kind}")
    if header[_VERSION] != version:
        had = header[_VERSION]
        raise SettingsError(f"{path} holds weights of version {had}, not {version}: make them anew, with --force")
