"""Cryo-EMMAE's fit to a set on disk, and a picker that takes that and the network from there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.latents.hierarchy import SET_CLUSTERS
from cryoglean.latents.likeness import Likeness
from cryoglean.latents.rings import RADII
from cryoglean.nets.weights import read_weights, write_weights
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.paper import FittedPaperEmmae, PaperEmmae, PaperEmmaeFit
from cryoglean.pickers.emmae.picker import Emmae, EmmaeFit, FittedEmmae
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.micrograph import Micrograph
    from cryoglean.picks import Picks

KIND, VERSION = "emmae-set", 2


def write_fitted_emmae(path: Path, learned: FittedEmmae | FittedPaperEmmae) -> None:
    """Write what was learned of a set, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    if isinstance(learned, FittedEmmae):
        tensors = {"template": learned.template, **learned.likeness._asdict()}
    else:
        tensors = {"centres": learned.centres}
    write_weights(path, KIND, VERSION, learned.facts.model_dump(mode="json"), tensors)


def read_fitted_emmae(path: Path) -> FittedEmmae | FittedPaperEmmae:
    """Read what was learned of a set.

    Raises:
        SettingsError: if the file is missing, damaged, or of another version.
    """
    facts, tensors = read_weights(path, KIND, VERSION)
    try:
        if facts.get("preset") == "paper":
            return FittedPaperEmmae(PaperEmmaeFit.model_validate(facts), tensors["centres"])
        likeness = Likeness(*(tensors[name] for name in Likeness._fields))
        _refuse_other_sizes(tensors["template"], likeness)
        return FittedEmmae(EmmaeFit.model_validate(facts), tensors["template"], likeness)
    except (ValidationError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} does not hold what Cryo-EMMAE learned of a set: {reason[:200]}") from error


def _refuse_other_sizes(template: Tensor, likeness: Likeness) -> None:
    """See that what is known of particles is as long as their template.

    Raises:
        ValueError: names the sizes.
    """
    numbers = template.numel()
    sizes = tuple(tuple(tensor.shape) for tensor in likeness)
    if template.dim() != 2 or sizes != ((numbers,), (numbers, numbers), (2,)):
        raise ValueError(f"a template of {tuple(template.shape)} does not fit tensors of {sizes}")


@dataclass(frozen=True)
class StoredEmmae:
    """A Cryo-EMMAE that is small to send to other processes: each reads its files once.

    Attributes:
        settings: of either preset.
        weights: the network's file.
        learned: the file of what was learned of the set.
        device: where to compute, as torch names it.
        contents: SHA-256 of both files, so that others in their places are read anew.
    """

    settings: EmmaeSettings | PaperEmmaeSettings
    weights: Path
    learned: Path
    device: str = "cpu"
    contents: tuple[str, str] = ("", "")

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph, as `Emmae` and `PaperEmmae` do."""
        return self.opened().pick(micrograph)

    def opened(self) -> Emmae | PaperEmmae:
        """Return the picker that the files hold.

        Raises:
            SettingsError: if they do not belong together.
        """
        return _loaded(self)


@lru_cache(maxsize=1)
def _loaded(stored: StoredEmmae) -> Emmae | PaperEmmae:
    settings, weights, learned, device = stored.settings, stored.weights, stored.learned, stored.device
    known, mae = read_fitted_emmae(learned), read_emmae(weights)
    weighed, rows = (known.template, len(RADII)) if isinstance(known, FittedEmmae) else (known.centres, SET_CLUSTERS)
    if weighed.shape != (rows, mae.facts.layers.encoder.width):
        raise SettingsError(f"{learned} does not fit the network of {weights}: --force learns it anew")
    if isinstance(known, FittedEmmae) and isinstance(settings, EmmaeSettings):
        return Emmae(settings, known, mae, torch.device(device))
    if isinstance(known, FittedPaperEmmae) and isinstance(settings, PaperEmmaeSettings):
        return PaperEmmae(settings, known, mae, torch.device(device))
    raise SettingsError(f"{learned} was made with --preset {known.facts.preset}: pick with the same")
