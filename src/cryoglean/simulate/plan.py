"""Plan of a micrograph, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryoglean.simulate.ctf import ContrastTransfer


class Kind(StrEnum):
    """Kinds of nuisances."""

    ice_blob = "ice_blob"
    ice_crystal = "ice_crystal"
    ethane = "ethane"
    gold_bead = "gold_bead"
    aggregate = "aggregate"
    fragment = "fragment"
    dead_rows = "dead_rows"
    dead_columns = "dead_columns"
    carbon_edge = "carbon_edge"


@dataclass(frozen=True)
class Nuisance:
    """One thing that is no particle.

    Attributes:
        kind: what it is.
        x: column of its middle, in pixels; of `carbon_edge` the middle of the hole.
        y: row of its middle.
        radius_px: its reach; of `carbon_edge` the hole's radius, of dead rows and columns half their number.
        item: number by which its details are drawn.
    """

    kind: Kind
    x: float
    y: float
    radius_px: float
    item: int


@dataclass(frozen=True)
class PlacedParticle:
    """One particle in a micrograph.

    Attributes:
        x: column of its centre, in pixels.
        y: row of its centre.
        rot_deg: Euler angle of RELION.
        tilt_deg: Euler angle of RELION.
        psi_deg: Euler angle of RELION.
        species: number of its model.
        overlapped: it and another particle come closer than the sum of their radii.
        at_edge: part of it is outside the micrograph.
        covered: kind of the nuisance that lies over its centre, if any.
    """

    x: float
    y: float
    rot_deg: float
    tilt_deg: float
    psi_deg: float
    species: int
    overlapped: bool = False
    at_edge: bool = False
    covered: str = ""


@dataclass(frozen=True)
class Plan:
    """One micrograph.

    Attributes:
        number: of the micrograph.
        transfer: its contrast transfer function.
        slope_deg: direction in which its ice becomes thicker, from the x axis towards y.
        particles: those whose centre lies in it.
        outside: those whose centre lies outside, but not all of them.
        nuisances: the rest.
    """

    number: int
    transfer: ContrastTransfer
    slope_deg: float
    particles: tuple[PlacedParticle, ...]
    outside: tuple[PlacedParticle, ...] = ()
    nuisances: tuple[Nuisance, ...] = ()
