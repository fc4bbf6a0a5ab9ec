"""What Cryo-EMMAE needs before it can pick: a network, trained here if none is given, and what it learns of the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.images import image_stem, read_image
from cryoglean.pickers.emmae.figures import clusters_figure, latents_figure
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.fit_files import StoredEmmae, read_emmae_set, write_emmae_set
from cryoglean.pickers.emmae.latent_views import look_at_paper_set, look_at_set
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.network_training import WEIGHTS, NetworkTraining, prepared_for, train_network
from cryoglean.pickers.emmae.paper import PaperEmmae, PaperEmmaeSettings, fit_paper_emmae
from cryoglean.pickers.emmae.picker import Emmae, EmmaeSettings
from cryoglean.pickers.emmae.training import EmmaeTraining
from cryoglean.pickers.localpicker.picker import Localpicker, fit_localpicker
from cryoglean.scale.team import Team

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.pickers.emmae.paper import PaperEmmaeFacts, PaperEmmaeSet
    from cryoglean.pickers.emmae.picker import EmmaeSet, EmmaeSetFacts
    from cryoglean.pickers.figures import Figure
    from cryoglean.pickers.localpicker.picker import LocalpickerModel

    Draw = Callable[[Path, Figure], None]
    """Draws a figure into a file."""
    Sample = Callable[[], Iterator[Micrograph]]
    """Reads the micrographs to learn from, anew each time."""
    MaskOf = Callable[[Micrograph], NDArray[np.bool_] | None]
    """Tells which pixels of a micrograph are particle, (h, w); None where that is not known."""

CLUSTERS = "emmae_clusters.png"
"""Picture of clusters in place."""


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


class EmmaeWanted(NamedTuple):
    """What to learn, and how.

    Attributes:
        settings: of the picker.
        network: weights of one that is trained, or how to train one.
        chain: how images were prepared that a given network must have been trained on; None takes any.
        reference: a mask that tells the particles' cluster of the published way; None lets blobs tell it.
        cpus: processors to use.
        device: where to compute, as torch names it.
    """

    settings: EmmaeSettings | PaperEmmaeSettings
    network: Path | EmmaeTraining
    chain: str | None
    reference: Reference | None
    cpus: int
    device: str

    def check(self) -> None:
        """See that a network that is given fits the settings.

        Raises:
            SettingsError: if it does not, or cannot be read.
        """
        if isinstance(self.network, EmmaeTraining):
            return
        facts = read_emmae(self.network).facts
        trained_for = facts.training.get("preset")
        if trained_for != self.settings.preset:
            raise SettingsError(f"{self.network} was trained with --preset {trained_for}: pick with the same")
        made_for = facts.preprocess.chain
        if self.chain not in (None, made_for):
            raise SettingsError(
                f"{self.network} was trained on images of --preprocess {made_for}, not {self.chain}: "
                "pick with the same, or train another"
            )


def learn(wanted: EmmaeWanted, sample: Sample, root: Path, progress: ProgressListener, draw: Draw) -> StoredEmmae:
    """Make what is missing of a network and of what it learns of the set.

    Args:
        wanted: what to learn, and how.
        sample: the micrographs to learn from.
        root: the folder to keep it in.
        progress: is told how the job goes on.
        draw: draws a figure into a file.

    Returns:
        The picker.

    Raises:
        SettingsError: if what is there cannot be understood.
        OSError: if results cannot be written.
    """
    weights = wanted.network
    if isinstance(weights, EmmaeTraining):
        weights = _trained_here(wanted, weights, sample, root / "mae", progress, draw)
    learned = root / "emmae.safetensors"
    if not learned.exists():
        _learn_set(wanted, weights, sample, learned, progress, draw)
    return StoredEmmae(wanted.settings, weights, learned, wanted.device)


def learned_facts(picker: StoredEmmae) -> EmmaeSetFacts | PaperEmmaeFacts:
    """Return what a picker has learned of its set."""
    return read_emmae_set(picker.learned).facts


def _trained_here(
    wanted: EmmaeWanted,
    training: EmmaeTraining,
    sample: Sample,
    folder: Path,
    progress: ProgressListener,
    draw: Draw,
) -> Path:
    folder.mkdir(exist_ok=True)
    if not (folder / WEIGHTS).exists():
        diameter = wanted.settings.diameter_angstrom
        prepared = [prepared_for(each, diameter, training, wanted.device) for each in sample()]
        how = NetworkTraining(training, None, wanted.cpus, Team(wanted.device))
        train_network(prepared, how, folder, progress, draw)
    return folder / WEIGHTS


def _learn_set(
    wanted: EmmaeWanted, weights: Path, sample: Sample, path: Path, progress: ProgressListener, draw: Draw
) -> None:
    settings, mae, device = wanted.settings, read_emmae(weights), torch.device(wanted.device)
    progress.info("learning what sets particles apart")
    learned: EmmaeSet | PaperEmmaeSet
    if isinstance(settings, EmmaeSettings):
        learned = fit_emmae(sample(), _blob_finder(wanted, sample), mae, device)
        seen = look_at_set(sample(), Emmae(settings, learned, mae, device))
    else:
        mask_of = _mask_of(wanted, sample)
        learned = fit_paper_emmae(sample(), settings, mae, mask_of, device)
        seen = look_at_paper_set(sample(), PaperEmmae(settings, learned, mae, device), mask_of)
    draw(path.with_suffix(".png"), latents_figure(seen, learned.facts))
    draw(path.with_name(CLUSTERS), clusters_figure(seen, learned.facts))
    write_emmae_set(path, learned)  # last: it tells that the pictures are there, too


def _blob_finder(wanted: EmmaeWanted, sample: Sample) -> LocalpickerModel:
    device = torch.device(wanted.device)
    return fit_localpicker(sample(), wanted.settings.diameter_angstrom, threads=wanted.cpus, device=device)


def _mask_of(wanted: EmmaeWanted, sample: Sample) -> MaskOf:
    """Return who knows which pixels are particle: the painted mask, or discs round blobs where there is none."""
    if wanted.reference is not None:
        return wanted.reference.of_micrograph
    return disc_painter(_blob_finder(wanted, sample), torch.device(wanted.device))


def disc_painter(model: LocalpickerModel, device: torch.device | None = None) -> MaskOf:
    """Return who paints discs round the picks of Localpicker, of the size that it found.

    Args:
        model: what Localpicker has learned of the set.
        device: where to compute; the CPU by default.
    """
    finder = Localpicker(EmmaeSettings(diameter_angstrom=model.diameter_angstrom), model, device)

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
