"""Preparation of Cryo-EMMAE: a network, trained here if none is given, and the fit to the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.io.images import image_stem, read_image
from cryoglean.pickers.emmae.figures import clusters_figure, latents_figure
from cryoglean.pickers.emmae.filtering import FILTERING, floor_of, training_for_set
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.fit_files import StoredEmmae, read_fitted_emmae, write_fitted_emmae
from cryoglean.pickers.emmae.latent_views import view_paper_set, view_set
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.network_training import WEIGHTS, NetworkTraining, prepared_for, train_network
from cryoglean.pickers.emmae.paper import PaperEmmae, PaperEmmaeFit, fit_paper_emmae
from cryoglean.pickers.emmae.picker import Emmae, EmmaeFit
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.pickers.protocol import Implementation, PreparedPicker
from cryoglean.scale.process_group import ProcessGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.pickers.emmae.paper import FittedPaperEmmae
    from cryoglean.pickers.emmae.picker import FittedEmmae
    from cryoglean.pickers.emmae.training import EmmaeTraining
    from cryoglean.pickers.localpicker.picker import LocalpickerModel
    from cryoglean.pickers.protocol import Preparation

    MaskOf = Callable[[Micrograph], NDArray[np.bool_] | None]
    """Tells which pixels of a micrograph are particle, (h, w); None where that is not known."""

FIT, CLUSTERS, NETWORK_FOLDER = "emmae.safetensors", "emmae_clusters.png", "mae"
"""Fit to the set; picture of clusters in place; where a network is trained."""


class Reference(NamedTuple):
    """A mask of the particles in one micrograph.

    Attributes:
        path: the mask's image.
        file: the micrograph.
        mask: (h, w) booleans.
    """

    path: Path
    file: MicrographFile
    mask: NDArray[np.bool_]

    def of_micrograph(self, micrograph: Micrograph) -> NDArray[np.bool_] | None:
        """Return the mask if it is this micrograph's."""
        return self.mask if micrograph.name == self.file.name else None


AnyEmmaeFit = EmmaeFit | PaperEmmaeFit
"""Facts of a fit to a set, in either preset."""


def read_emmae_fit(folder: Path) -> AnyEmmaeFit | None:
    """Return what Cryo-EMMAE has learned in a folder, or None.

    Raises:
        SettingsError: if the file is there and cannot be understood.
    """
    return read_fitted_emmae(folder / FIT).facts if (folder / FIT).exists() else None


def _check(preparation: Preparation) -> None:
    """See that a network that is given fits the settings, and a mask the micrographs.

    Raises:
        SettingsError: if one does not, or cannot be read.
    """
    settings, network = _settings(preparation), preparation.given.get("weights")
    _reference(preparation)
    if network is None:
        return
    facts = read_emmae(network).facts
    trained_for = facts.training.get("preset")
    if trained_for != settings.preset:
        raise SettingsError(f"{network} was trained with --preset {trained_for}: pick with the same")
    made_for = facts.preprocess.chain
    if settings.chain not in (None, made_for):
        raise SettingsError(
            f"{network} was trained on images of --preprocess {made_for}, not {settings.chain}: "
            "pick with the same, or train another"
        )


def _prepare(preparation: Preparation) -> PreparedPicker:
    """Make what is missing of a network and of what it learns of the set.

    Raises:
        SettingsError: if what is there cannot be understood.
        OSError: if results cannot be written.
    """
    weights = preparation.given.get("weights") or _trained_here(preparation)
    learned = preparation.folder / FIT
    if not learned.exists():
        _learn_set(preparation, weights, learned)
    contents = file_digest(weights), file_digest(learned)
    picker = StoredEmmae(_settings(preparation), weights, learned, preparation.device, contents)
    return PreparedPicker(picker, read_fitted_emmae(learned).facts)


def _settings(preparation: Preparation) -> EmmaeSettings | PaperEmmaeSettings:
    if isinstance(preparation.settings, PaperEmmaeSettings):
        return preparation.settings
    return preparation.settings_of(EmmaeSettings)


def _reference(preparation: Preparation) -> Reference | None:
    path = preparation.given.get("reference_mask")
    return None if path is None else read_reference(path, preparation.files)


def _sample(preparation: Preparation) -> Iterator[Micrograph]:
    """Read the micrographs to learn from, that of the reference mask first."""
    reference = _reference(preparation)
    return preparation.sample(() if reference is None else (reference.file,))


def _trained_here(preparation: Preparation) -> Path:
    folder, settings = preparation.folder / NETWORK_FOLDER, _settings(preparation)
    folder.mkdir(exist_ok=True)
    if not (folder / WEIGHTS).exists():
        diameter, training = settings.diameter_angstrom, _training(preparation, folder)
        prepared = [prepared_for(each, diameter, training, preparation.device) for each in _sample(preparation)]
        how = NetworkTraining(training, None, preparation.cpus, ProcessGroup(preparation.device))
        train_network(prepared, how, folder, preparation.info, preparation.draw)
    return folder / WEIGHTS


def _training(preparation: Preparation, folder: Path) -> EmmaeTraining:
    """Return the settings of the training, with the chain of filters that the micrographs need if that is not given."""
    settings = _settings(preparation)
    if not settings.chooses_chain:
        return settings.network_training()
    floors = (floor_of(each, settings.diameter_angstrom) for each in _sample(preparation))
    return training_for_set(settings.network_training(), folder / FILTERING, floors, preparation.info)


def _learn_set(preparation: Preparation, weights: Path, path: Path) -> None:
    settings, mae, device = _settings(preparation), read_emmae(weights), torch.device(preparation.device)
    preparation.info("learning what sets particles apart")
    learned: FittedEmmae | FittedPaperEmmae
    if isinstance(settings, EmmaeSettings):
        learned = fit_emmae(_sample(preparation), _blob_finder(preparation), mae, device)
        if learned.facts.is_filtered_twice:
            preparation.info(
                f"{learned.facts.before.message}, and the network filters them again (--preprocess "
                f"{learned.facts.chain}): one that is trained here without filters may find more"
            )
        view = view_set(_sample(preparation), Emmae(settings, learned, mae, device))
    else:
        mask_of = _mask_of(preparation)
        learned = fit_paper_emmae(_sample(preparation), settings, mae, mask_of, device)
        view = view_paper_set(_sample(preparation), PaperEmmae(settings, learned, mae, device), mask_of)
    preparation.draw(path.with_suffix(".png"), latents_figure(view, learned.facts))
    preparation.draw(path.with_name(CLUSTERS), clusters_figure(view, learned.facts))
    write_fitted_emmae(path, learned)  # last: it marks completion


def _blob_finder(preparation: Preparation) -> LocalpickerModel:
    diameter, device = preparation.settings.diameter_angstrom, torch.device(preparation.device)
    return fit_localpicker(_sample(preparation), diameter, threads=preparation.cpus, device=device)


def _mask_of(preparation: Preparation) -> MaskOf:
    """Return who knows which pixels are particle: the painted mask, or discs round blobs where there is none."""
    reference = _reference(preparation)
    if reference is not None:
        return reference.of_micrograph
    return disc_painter(_blob_finder(preparation), torch.device(preparation.device))


def disc_painter(model: LocalpickerModel, device: torch.device | None = None) -> MaskOf:
    """Return who paints discs round the picks of Localpicker, of the size that it found.

    Args:
        model: what Localpicker has learned of the set.
        device: where to compute; the CPU by default.
    """
    finder = Localpicker(LocalpickerSettings(diameter_angstrom=model.diameter_angstrom), model, device)

    def discs(micrograph: Micrograph) -> NDArray[np.bool_]:
        picks = finder.pick(micrograph)
        radius_px = model.disc_diameters * model.diameter_angstrom / micrograph.pixel_size_angstrom / 2
        mask = np.zeros(micrograph.shape, np.uint8)
        for x, y in np.rint(picks.xy).astype(int).tolist():
            cv2.circle(mask, (x, y), max(1, round(radius_px)), 1, cv2.FILLED)
        return mask.astype(bool)

    return discs


def read_reference(path: Path, files: Sequence[MicrographFile]) -> Reference:
    """Read a mask and find the micrograph that it belongs to.

    Args:
        path: the mask's image.
        files: the micrographs.

    Raises:
        SettingsError: if it is no image, is the same everywhere, no micrograph has its name, or that one cannot be read
            or is of another size.
    """
    try:
        image, _ = read_image(path)
    except MicrographError as error:
        raise SettingsError(f"--reference-mask {error}") from error
    name = image_stem(path.name)
    of = next((file for file in files if image_stem(file.path.name) == name), None)
    if of is None:
        raise SettingsError(f"--reference-mask {path}: none of the micrographs is called {name}")
    if image.all():
        raise SettingsError(f"--reference-mask {path}: it must be 0 where there are no particles, and nowhere is it 0")
    try:
        micrograph, _ = read_image(of.path)
    except MicrographError as error:
        raise SettingsError(f"--reference-mask {path}: its micrograph cannot be used: {error}") from error
    if image.shape != micrograph.shape:
        had, wanted = (" x ".join(map(str, shape[::-1])) for shape in (image.shape, micrograph.shape))
        raise SettingsError(f"--reference-mask {path} is {had} px, its micrograph {wanted} px")
    return Reference(path, of, image != 0)


DEFAULT = Implementation(EmmaeSettings, _prepare, _check, read_emmae_fit)
PAPER = Implementation(PaperEmmaeSettings, _prepare, _check, read_emmae_fit)
