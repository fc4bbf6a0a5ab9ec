"""A Class2D job that RELION has run by itself, read like one of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryoglean.classes2d.relion.outputs import RelionRun
from cryoglean.errors import TableError
from cryoglean.io.particles import read_particles
from cryoglean.io.relion_columns import IMAGE

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.classes2d.classification import Classification
    from cryoglean.io.particles import ParticleTable

_OPTIMISER = re.compile(r"^(?P<root>.+)_it(?P<number>\d{3,})_optimiser\.star$")


def read_relion_run(optimiser: Path) -> tuple[Classification, ParticleTable]:
    """Read classes and particles of an iteration.

    Args:
        optimiser: `run_itNNN_optimiser.star`, beside which the other files of the iteration are.

    Returns:
        What `RelionRun.read` gives, and the particles' table, in the same order.

    Raises:
        TableError: if a file is missing or not whole, or the name is not of this form.
    """
    match = _OPTIMISER.match(optimiser.name)
    if match is None:
        raise TableError(optimiser, "not of the form run_itNNN_optimiser.star")
    run, number = RelionRun(optimiser.parent, match["root"]), int(match["number"])
    data = run.path(number, "data.star")
    table = read_particles(data)
    if IMAGE not in table.particles.columns:
        raise TableError(data, f"no column {IMAGE}")
    return run.read(number, list(table.particles[IMAGE])), table
