"""The particles table of one micrograph, in RELION's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cryoglean.io.particles import ParticleTable
from cryoglean.io.relion_columns import (
    DIMENSIONALITY,
    GROUP,
    GROUP_NAME,
    IMAGE,
    IMAGE_PIXEL_SIZE,
    IMAGE_SIZE,
    MICROGRAPH,
    ORIGIN_X,
    ORIGIN_Y,
    SCORE,
    X,
    Y,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.micrograph import MicrographFile
    from cryoglean.particles.boxes import Anchors

PICK_ID = "cryogleanPickId"
"""Column with the number of the pick among those of its micrograph, counted from 1. RELION has no label that fits: its
`rlnParticleId` and `rlnImageId` are unique in a table. Programs of RELION 3.1.3 keep the column and say that they do
not know it."""

_OF_OPTICS = (
    "rlnMicrographOriginalPixelSize",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnMtfFileName",
)
_OF_PARTICLES = (
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnDefocusAngle",
    "rlnPhaseShift",
    "rlnCtfBfactor",
    "rlnCtfScalefactor",
    "rlnCtfMaxResolution",
    "rlnCtfFigureOfMerit",
)


def particle_table(
    file: MicrographFile,
    stack_name: str,
    places: Anchors,
    scores: NDArray[np.float64],
    pick_ids: NDArray[np.int64],
    pixel_size_angstrom: float,
    image_pixel_size_angstrom: float,
    image_size_px: int,
    is_phase_flipped: bool,
) -> ParticleTable:
    """Build the table of the particles of one micrograph.

    Args:
        file: the micrograph; CTF and optics are taken from its STAR file, as far as that has them.
        stack_name: the stack as the table names it.
        places: (n,) centres in whole pixels and what that leaves over.
        scores: (n,) figures of merit.
        pick_ids: (n,) number of each particle's pick, counted from 1.
        pixel_size_angstrom: of the micrograph.
        image_pixel_size_angstrom: of the boxes as written.
        image_size_px: side of the boxes as written.
        is_phase_flipped: whether the CTF's phases are turned back.
    """
    known = {**file.optics, **file.row}
    optics = {
        GROUP_NAME: "opticsGroup1",
        GROUP: "1",
        "rlnMicrographPixelSize": f"{pixel_size_angstrom:.6f}",
        **{column: known[column] for column in _OF_OPTICS if column in known},
        **({"rlnCtfDataArePhaseFlipped": "1"} if is_phase_flipped else {}),
        IMAGE_PIXEL_SIZE: f"{image_pixel_size_angstrom:.6f}",
        IMAGE_SIZE: str(image_size_px),
        DIMENSIONALITY: "2",
    }
    xy, rest = places.xy.numpy(), places.rest_px.numpy() * pixel_size_angstrom
    columns = {
        X: [f"{v:.6f}" for v in xy[:, 0]],
        Y: [f"{v:.6f}" for v in xy[:, 1]],
        ORIGIN_X: [f"{v:.6f}" for v in rest[:, 0]],
        ORIGIN_Y: [f"{v:.6f}" for v in rest[:, 1]],
        SCORE: [f"{v:.9g}" for v in scores],
        IMAGE: [f"{number:06d}@{stack_name}" for number in range(1, len(xy) + 1)],
        MICROGRAPH: [file.name] * len(xy),
        GROUP: ["1"] * len(xy),
        PICK_ID: [str(number) for number in pick_ids],
        **{column: [known[column]] * len(xy) for column in _OF_PARTICLES if column in known},
    }
    return ParticleTable(pd.DataFrame([optics], dtype=object), pd.DataFrame(columns, dtype=object))
