"""The masked autoencoder on disk: a finished model, and a training that can go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.nets.mae import Mae
from cryoglean.nets.mae_training import MaeCheck, MaeProgress
from cryoglean.nets.weights import read_weights, with_weights, write_weights
from cryoglean.pickers.emmae.training import EmmaeModel, EmmaeNetworkFit
from cryoglean.preprocess.mae_chain import CHAIN_VERSION

if TYPE_CHECKING:
    from cryoglean.nets.mae_layers import MaeLayers
    from cryoglean.preprocess.mae_chain import MaePreprocess

KIND, PROGRESS_KIND, VERSION = "mae", "mae-progress", 1

_CHECKS = "checks"


def write_emmae(path: Path, model: EmmaeModel) -> None:
    """Write a model, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    write_weights(path, KIND, VERSION, model.facts.model_dump(mode="json"), model.net.state_dict())


def read_emmae(path: Path, preprocess: MaePreprocess | None = None, layers: MaeLayers | None = None) -> EmmaeModel:
    """Read a model.

    Args:
        path: the file.
        preprocess: how micrographs are prepared; None takes what the model was made for.
        layers: the sizes that the network must have; None takes what it has.

    Raises:
        SettingsError: if the file is missing, damaged, not of a masked autoencoder of this version, or made for other
            images.
    """
    facts, tensors = read_weights(path, KIND, VERSION)
    try:
        known = EmmaeNetworkFit.model_validate(facts)
        net = with_weights(lambda: Mae(known.layers), tensors)
    except (ValidationError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} does not hold what a masked autoencoder needs: {reason[:200]}") from error
    if known.preprocess_version != CHAIN_VERSION:
        version = known.preprocess_version
        raise SettingsError(f"{path} was trained on images of version {version}, not {CHAIN_VERSION}: train again")
    if preprocess is not None and preprocess != known.preprocess:
        raise SettingsError(f"{path} was trained on other images: {_difference(known.preprocess, preprocess)}")
    if layers is not None and layers != known.layers:
        raise SettingsError(f"{path} holds a network of other sizes: {_difference(known.layers, layers)}")
    return EmmaeModel(known, net)


def write_progress(path: Path, progress: MaeProgress) -> None:
    """Write how far a training is, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    write_weights(path, PROGRESS_KIND, VERSION, {_CHECKS: [list(c) for c in progress.checks]}, progress.tensors)


def read_progress(path: Path) -> MaeProgress:
    """Read how far a training is.

    Raises:
        SettingsError: if the file is damaged or of another version.
    """
    facts, tensors = read_weights(path, PROGRESS_KIND, VERSION)
    try:
        return MaeProgress(tuple(MaeCheck(*check) for check in facts[_CHECKS]), tensors)
    except (KeyError, TypeError) as error:
        raise SettingsError(f"{path} is damaged ({error!r}): --force begins anew") from error


def _difference(had: MaePreprocess | MaeLayers, wanted: MaePreprocess | MaeLayers) -> str:
    """Name the settings that differ, in one line."""
    before, now = had.model_dump(mode="json"), wanted.model_dump(mode="json")
    return ", ".join(f"{name} {before[name]}, not {now[name]}" for name in before if before[name] != now[name])
