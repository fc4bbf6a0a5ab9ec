"""Cryo-EMMAE: picking in the latent space of a masked autoencoder (Zamanos et al., Cell Rep. Methods, 2025)."""

from pathlib import Path

from cryoglean.pickers.protocol import (
    SCORE_THRESHOLD,
    GivenFile,
    Implementation,
    PickerDescription,
    PickerOption,
    PictureDescription,
)

PRETRAINED = Path(__file__).parent / "pretrained.safetensors"
"""The network that ships with the program, trained on simulated micrographs; `docs/emmae.md` has its card."""

_TRAINED = Path("mae", "weights.safetensors")

_NETWORK = GivenFile(
    "weights",
    "--model",
    "the weights.safetensors of cryoglean mae train, or the word pretrained for the network that comes with the "
    "program; without it, a network is trained on a few of the micrographs",
    shipped={"pretrained": PRETRAINED},
    kept_as=_TRAINED,
)
_MASK = GivenFile(
    "reference_mask",
    "--reference-mask",
    "an image, not 0 where the micrograph of the same name shows particles",
    only_teaches=True,
)
_PREPROCESS = PickerOption(
    "preprocess",
    "--preprocess",
    str,
    "How micrographs are prepared: default, paper, or none for images that are filtered already; auto takes none where "
    "their power spectrum shows that they are, and is the default, but for --preset paper",
)
_FIT_FILES = (str(_TRAINED), "emmae.safetensors")
_RESULTS = (*_FIT_FILES, "emmae.png", "emmae_clusters.png", "mae/*")
_PICTURES = (
    PictureDescription(
        "emmae.png",
        "Particles and background in latent space",
        "Latents (the numbers by which the network describes a patch) along the two axes of most variance; what sets "
        "particles apart; the verdict.",
    ),
    PictureDescription(
        "emmae_clusters.png",
        "Clusters and picks, in place",
        "Micrographs as the network sees them; their clusters by k-means, orange that of particles; what is picked.",
    ),
    PictureDescription(
        "mae/curves.png",
        "Training of the network",
        "Loss over the steps, on the micrographs it was trained on and on held-out ones; learning rate.",
    ),
    PictureDescription(
        "mae/reconstructions.png",
        "Predictions of the network",
        "Tiles as they are, as shown to the network, and as it predicts them.",
    ),
)


def _load() -> Implementation:
    from cryoglean.pickers.emmae.preparation import DEFAULT  # late: loads torch

    return DEFAULT


def _load_paper() -> Implementation:
    from cryoglean.pickers.emmae.preparation import PAPER  # late: loads torch

    return PAPER


DESCRIPTIONS = (
    PickerDescription(
        method="emmae",
        preset="default",
        title="Cryo-EMMAE",
        load=_load,
        given=(_NETWORK,),
        options=(SCORE_THRESHOLD, _PREPROCESS),
        results=_RESULTS,
        fit_files=_FIT_FILES,
        pictures=_PICTURES,
    ),
    PickerDescription(
        method="emmae",
        preset="paper",
        title="Cryo-EMMAE",
        load=_load_paper,
        given=(_NETWORK, _MASK),
        options=(_PREPROCESS,),
        results=_RESULTS,
        fit_files=_FIT_FILES,
        pictures=_PICTURES,
        threshold_is_score=False,
    ),
)
