"""CryoPPP's CSV: columns X-Coordinate and Y-Coordinate, y counted from the last row.

CryoPPP's coordinates fit its MRC files turned upside down, and JPEGs made of these as they are: the image decides
(`check_placement`).
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
