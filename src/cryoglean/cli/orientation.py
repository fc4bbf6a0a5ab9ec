"""The option of commands that take coordinates which other programs may have written."""

from __future__ import annotations

from typing import Annotated

import typer

from cryoglean.evaluate.orientation import OrientationChoice

Orientation = Annotated[
    OrientationChoice,
    typer.Option(
        help="Turn of coordinates that this program has not written: auto (the micrographs decide), as-is, or a turn: "
        "x and y are swapped first, then flipped."
    ),
]
