"""Settings of the estimation of CTFs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class CtfJob(BaseModel):
    """Settings of a CTF job.

    Attributes:
        voltage_kv: acceleration voltage, where the micrograph's table does not say it.
        spherical_aberration_mm: likewise.
        amplitude_contrast: likewise.
        min_defocus_angstrom: minimum of the mean defocus that is looked for.
        max_defocus_angstrom: maximum.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        resolution_limit_angstrom: micrographs with a fit to here or better are selected; None selects all.
        selected_defocus_angstrom: minimum and maximum of the mean defocus of those selected; None for any.
        subset: how many to choose as the paper does; None for no choice.
        plots: draw each power spectrum with its fit.
        cpus: worker processes.
        force: redo everything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    voltage_kv: float = Field(default=300.0, ge=20, le=3000)
    spherical_aberration_mm: float = Field(default=2.7, ge=-10, le=10)
    amplitude_contrast: float = Field(default=0.1, ge=0, lt=1)
    min_defocus_angstrom: float = Field(default=3_000.0, gt=0, allow_inf_nan=False)
    max_defocus_angstrom: float = Field(default=60_000.0, gt=0, le=200_000)
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    resolution_limit_angstrom: float | None = Field(default=None, gt=0)
    selected_defocus_angstrom: tuple[float, float] | None = None
    subset: int | None = Field(default=None, ge=1)
    plots: bool = True
    cpus: int = Field(default=1, ge=1)
    force: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return the settings that decide the estimates, as JSON values; selections can be made again at any time."""
        later = {"plots", "cpus", "force", "resolution_limit_angstrom", "selected_defocus_angstrom", "subset"}
        return self.model_dump(mode="json", exclude=later)
