"""Coordinate files: one module for each format, and a registry of them."""

from cryoglean.io.coordinates.files import read_pick_tables as read_pick_tables
from cryoglean.io.coordinates.files import read_picks as read_picks
from cryoglean.io.coordinates.files import write_picks as write_picks
from cryoglean.io.coordinates.y_convention import YConvention as YConvention
from cryoglean.io.coordinates.y_convention import relion_y_convention as relion_y_convention
