"""CryoPPP's CSV: columns X-Coordinate and Y-Coordinate, y counted from the last row.

CryoPPP's coordinates fit its MRC files turned upside down; let `check_orientation` confirm it for a data set.
"""

from __future__ import annotations

from functools import partial

from cryoglean.io.coordinates.csv_columns import has_csv_columns, read_csv_columns
from cryoglean.io.coordinates.format import CoordinateFormat
from cryoglean.io.coordinates.y_convention import YConvention

_X, _Y = "x-coordinate", "y-coordinate"

CRYOPPP_CSV = CoordinateFormat(
    name="cryoppp",
    title="CryoPPP's CSV with X-Coordinate and Y-Coordinate",
    suffixes=(".csv",),
    y_convention=YConvention.LAST_ROW,
    recognises=partial(has_csv_columns, x=_X, y=_Y),
    read=partial(read_csv_columns, x=_X, y=_Y),
)
