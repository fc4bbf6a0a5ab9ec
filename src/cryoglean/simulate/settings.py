"""Settings of a simulation: one small frozen class for each thing in the microscope."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=100_000)]

DOSES = {"low": 80.0, "medium": 40.0, "high": 12.0}
"""Electrons per square angstrom of each level of noise. Chosen by hand: the middle one is an ordinary exposure."""

ICE_FREE_PATH_ANGSTROM = 3_950.0
"""Mean free path of losing electrons in ice, with an energy filter at 300 kV. Published (Rice et al., J. Struct. Biol.
204, 38, 2018)."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Microscope(_Settings):
    """The microscope: how the image is formed.

    Attributes:
        pixel_size_angstrom: size of a pixel.
        voltage_kv: acceleration voltage.
        spherical_aberration_mm: Cs.
        amplitude_contrast: share of amplitude contrast.
        defocus_min_angstrom: least defocus of a micrograph; positive is underfocus.
        defocus_max_angstrom: largest defocus.
        astigmatism_angstrom: largest difference between the defoci along and across the axis.
        b_factor_square_angstrom: of the envelope exp(-B k^2 / 4): motion, damage, coherence, and the detector.
        dose_electrons_per_square_angstrom: electrons that arrive before ice takes its part.
    """

    pixel_size_angstrom: Annotated[float, Field(gt=0.05, le=50)] = 1.0
    voltage_kv: Annotated[float, Field(ge=20, le=1000)] = 300.0
    spherical_aberration_mm: Annotated[float, Field(ge=0, le=20)] = 2.7
    amplitude_contrast: Share = 0.1
    defocus_min_angstrom: Annotated[float, Field(ge=-100_000, le=100_000)] = 8_000.0
    defocus_max_angstrom: Annotated[float, Field(ge=-100_000, le=100_000)] = 20_000.0
    astigmatism_angstrom: Annotated[float, Field(ge=0, le=20_000)] = 200.0
    b_factor_square_angstrom: NotNegative = 100.0
    dose_electrons_per_square_angstrom: Annotated[float, Field(gt=0, le=1e5)] = DOSES["medium"]

    @model_validator(mode="after")
    def _ordered(self) -> Microscope:
        if self.defocus_min_angstrom > self.defocus_max_angstrom:
            raise ValueError(
                f"defocus from {self.defocus_min_angstrom:g} to {self.defocus_max_angstrom:g}: least first"
            )
        return self


class Ice(_Settings):
    """The ice that the particles lie in.

    Attributes:
        thickness_angstrom: mean thickness.
        gradient: difference of thickness from side to side, as a share of the mean.
        mean_free_path_angstrom: of losing electrons in ice; that of an energy filter at 300 kV by default.
        noise: strength of the ice's structural noise; 1 is that of water, 0 none.
        solute_phase_rad: standard deviation of the phase by what is dissolved in the water or lies on it.
        solute_length_angstrom: correlation length of that.
    """

    thickness_angstrom: Annotated[float, Field(ge=0, le=10_000)] = 400.0
    gradient: Annotated[float, Field(ge=0, le=1.5)] = 0.3
    mean_free_path_angstrom: Positive = ICE_FREE_PATH_ANGSTROM
    noise: Annotated[float, Field(ge=0, le=100)] = 1.0
    solute_phase_rad: Annotated[float, Field(ge=0, le=1)] = 0.03
    solute_length_angstrom: Positive = 20.0


class Specimen(_Settings):
    """The particles.

    Attributes:
        models: what each species is: a file or `test:MASSkDa:GROUP`.
        shares: relative numbers of the species; equal where it is empty.
        voxel_size_angstrom: of density maps whose header does not say it.
        particles: how many centres lie in a micrograph, as far as there is room.
        spacing_diameters: minimum distance of two particles, in mean diameters of the two.
        overlapping_share: share of particles that are laid over another one.
        preferred_share: share of particles in the preferred orientation; the others are turned at random.
        preferred_rot_deg: rot of the preferred view.
        preferred_tilt_deg: tilt of the preferred view.
        preferred_spread_deg: standard deviation around it.
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    shares: tuple[Positive, ...] = ()
    voxel_size_angstrom: Positive | None = None
    particles: Count = 300
    spacing_diameters: Annotated[float, Field(ge=0, le=20)] = 1.05
    overlapping_share: Share = 0.0
    preferred_share: Share = 0.0
    preferred_rot_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    preferred_tilt_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    preferred_spread_deg: Annotated[float, Field(ge=0, le=180)] = 10.0

    @model_validator(mode="after")
    def _share_for_each(self) -> Specimen:
        if self.shares and len(self.shares) != len(self.models):
            raise ValueError(f"{len(self.shares)} shares for {len(self.models)} models: give one for each, or none")
        return self


class Nuisances(_Settings):
    """Things that are no particles: how many of each in every micrograph.

    Attributes:
        ice_blobs: round drops of ice on the surface.
        ice_crystals: facetted crystals with lattice fringes.
        ethane: patches of frozen ethane, mottled.
        gold_beads: fiducials.
        aggregates: clumps of particles.
        fragments: denatured pieces of particles.
        dead_stripes: bands of rows or columns that the detector did not record.
        carbon_share: share of micrographs with the edge of the carbon film in them.
    """

    ice_blobs: Count = 0
    ice_crystals: Count = 0
    ethane: Count = 0
    gold_beads: Count = 0
    aggregates: Count = 0
    fragments: Count = 0
    dead_stripes: Count = 0
    carbon_share: Share = 0.0


NUISANCES = {
    "none": Nuisances(),
    "some": Nuisances(ice_blobs=3, gold_beads=1, aggregates=1, fragments=10, carbon_share=0.2),
    "many": Nuisances(
        ice_blobs=8,
        ice_crystals=2,
        ethane=1,
        gold_beads=4,
        aggregates=4,
        fragments=40,
        dead_stripes=1,
        carbon_share=0.5,
    ),
}
"""Levels of dirt."""


class Simulation(_Settings):
    """All that decides what a micrograph looks like.

    Attributes:
        microscope: how the image is formed.
        ice: what the particles lie in.
        specimen: the particles.
        nuisances: what is no particle.
        height_px: rows.
        width_px: columns.
        seed: of everything that is drawn by lot.
    """

    microscope: Microscope = Microscope()
    ice: Ice = Ice()
    specimen: Specimen
    nuisances: Nuisances = Nuisances()
    height_px: Annotated[int, Field(ge=16, le=32_768)] = 4096
    width_px: Annotated[int, Field(ge=16, le=32_768)] = 4096
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
