"""Settings of an extraction."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.micrograph import Contrast

PAPER_BACKGROUND_RADIUS = 25 / 32
"""Radius of the particle's circle as a share of half a box: 25 px of 64. Published: in the scripts that the authors of
McSweeney et al., IUCrJ 7, 719 (2020), gave away with their programs; the paper itself says only 64 px."""

_NOT_RECORDED = {"cpus", "force", "orientation"}  # what the picks are in the end is recorded with each result


class ExtractJob(BaseModel):
    """Settings of an extraction and how it is run.

    Attributes:
        diameter_angstrom: particle diameter; None if the box is given in pixels.
        box_diameters: side of a box in diameters; rounded to even pixels.
        box_size_px: side of a box in pixels of the micrograph, instead.
        scale_to: side of the boxes written, in pixels; None leaves them as cut.
        background_radius: radius outside which a box is background, as a share of half a box.
        ramp: subtract a plane fitted to the background, not only its mean.
        invert: make protein bright.
        phase_flip: turn the phases that the CTF has turned.
        pad: keep particles whose box leaves the micrograph, which is reflected at its edge.
        float16: write half-precision stacks.
        orientation: of coordinates that this program has not written.
        species: of the picks that are extracted; None takes all.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        contrast: of protein in the micrographs; None is that by which they were picked, or as they show it.
        cpus: worker processes.
        force: redo everything, overwriting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    diameter_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    box_diameters: float = Field(default=1.5, ge=1, le=10)
    box_size_px: int | None = Field(default=None, ge=8, le=4096)
    scale_to: int | None = Field(default=64, ge=8, le=4096)
    background_radius: float = Field(default=PAPER_BACKGROUND_RADIUS, gt=0, le=1.2)
    ramp: bool = False
    invert: bool = True
    phase_flip: bool = False
    pad: bool = False
    float16: bool = False
    orientation: OrientationChoice = OrientationChoice.auto
    species: int | None = Field(default=None, ge=1)
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    contrast: Contrast | None = None
    cpus: int = Field(default=1, ge=1)
    force: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values."""
        return self.model_dump(mode="json", exclude=_NOT_RECORDED)

    def box_px(self, pixel_size_angstrom: float) -> int:
        """Return the side of a box in pixels of a micrograph: even, unless it was given.

        Raises:
            ValueError: if neither a box nor a diameter is known.
        """
        if self.box_size_px is not None:
            return self.box_size_px
        if self.diameter_angstrom is None:
            raise ValueError("neither a box nor a diameter is known")
        return 2 * max(4, round(self.box_diameters * self.diameter_angstrom / pixel_size_angstrom / 2))

    def particle_angstrom(self, pixel_size_angstrom: float) -> float:
        """Return the particle's diameter: that given, or the one that such a box would be made for."""
        if self.diameter_angstrom is not None:
            return self.diameter_angstrom
        return self.box_px(pixel_size_angstrom) * pixel_size_angstrom / self.box_diameters
