"""Training of a masked autoencoder into a folder: weights, curves and pictures, and how far it is until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from cryoglean.io.atomic import write_atomic_text
from cryoglean.pickers.curves import curves_csv
from cryoglean.pickers.emmae.figures import reconstructions_figure, training_figure
from cryoglean.pickers.emmae.network_files import read_progress, write_emmae, write_progress
from cryoglean.pickers.emmae.training import Prepared, train_emmae
from cryoglean.preprocess.mae_chain import mae_image
from cryoglean.scale.devices import fast_dtype
from cryoglean.scale.process_group import SINGLE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryoglean.micrograph import Micrograph
    from cryoglean.nets.mae import Mae
    from cryoglean.nets.mae_training import MaeProgress
    from cryoglean.pickers.emmae.training import EmmaeNetworkFit, EmmaeTrained, EmmaeTraining
    from cryoglean.pickers.figures import Figure
    from cryoglean.scale.process_group import ProcessGroup

WEIGHTS, PROGRESS = "weights.safetensors", "progress.safetensors"
"""Files that training makes; and its progress, until it is done."""

NETWORK_RESULTS = (WEIGHTS, PROGRESS, "curves.csv", "curves.png", "reconstructions.png")
"""All that training leaves in its folder."""


class NetworkTraining(NamedTuple):
    """Task of training a network.

    Attributes:
        settings: of the training.
        first: a network to start from, which is changed; None starts from random weights.
        cpus: processors to use; the result does not depend on it.
        group: who trains, and where each computes.
    """

    settings: EmmaeTraining
    first: Mae | None = None
    cpus: int = 1
    group: ProcessGroup = SINGLE_PROCESS


class _Start(NamedTuple):
    """All that a member of a group must be given."""

    prepared: Sequence[Prepared]
    first: Mae | None
    begin: MaeProgress | None


def prepared_for(micrograph: Micrograph, diameter_angstrom: float, training: EmmaeTraining, device: str) -> Prepared:
    """Prepare a micrograph to train on."""
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    image = mae_image(micrograph.image, diameter_px, training.preprocess, torch.device(device), micrograph.mask)
    return Prepared(micrograph.name, image.image)


def train_network(
    prepared: Sequence[Prepared],
    how: NetworkTraining,
    root: Path,
    info: Callable[[str], None],
    draw: Callable[[Path, Figure], None],
) -> EmmaeNetworkFit:
    """Train a network; one whose training was stopped goes on where it was last written down.

    Args:
        prepared: the micrographs, one or more.
        how: how; this process is the first of its group.
        root: the folder, which is there.
        info: shows one line to the user.
        draw: draws a figure into a file.

    Raises:
        ProcessGroupError: if another process of the group is gone.
        OSError: if results cannot be written; what was written is whole.
    """
    group, begin = how.group, read_progress(root / PROGRESS) if (root / PROGRESS).exists() else None
    info(f"training on {len(prepared)} micrographs, {_where(group)}, {fast_dtype(torch.device(group.device))}")
    if begin is not None:
        info(f"going on from step {begin.checks[-1].step}")

    def watch(state: MaeProgress) -> None:
        check = state.checks[-1]
        write_progress(root / PROGRESS, state)
        info(f"step {check.step}: loss {check.loss:.4f}, held-out loss {check.held_out_loss:.4f}")

    start = _Start([Prepared(each.name, each.image.cpu()) for each in prepared], how.first, begin)
    group.broadcast(start)
    trained = _train(start, how, watch)
    write_atomic_text(root / "curves.csv", curves_csv(trained.checks))
    draw(root / "curves.png", training_figure(trained.checks))
    draw(root / "reconstructions.png", reconstructions_figure(trained.model.net, trained.examples))
    write_emmae(root / WEIGHTS, trained.model)  # last: it tells that training is done
    (root / PROGRESS).unlink(missing_ok=True)
    return trained.model.facts


def join_training(how: NetworkTraining) -> None:
    """Take part in what the first process of the group trains, if it trains at all.

    Raises:
        ProcessGroupError: if another process of the group is gone.
    """
    start: _Start | None = how.group.broadcast(None)
    if start is not None:
        _train(start, how, None)


def _train(start: _Start, how: NetworkTraining, watch: Callable[[MaeProgress], None] | None) -> EmmaeTrained:
    device = torch.device(how.group.device)
    return train_emmae(
        [Prepared(each.name, each.image.to(device)) for each in start.prepared],
        how.settings,
        first=start.first,
        begin=start.begin,
        threads=how.cpus,
        precision=fast_dtype(device),
        watch=watch,
        group=how.group,
    )


def _where(group: ProcessGroup) -> str:
    return f"device {group.device}" + (f" and {group.size - 1} more" if group.size > 1 else "")
