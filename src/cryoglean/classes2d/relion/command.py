"""The command line of `relion_refine` for 2D classes: of RELION 3.1 to 5."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.errors import SettingsError
from cryoglean.scale.engines import ENGINES, probe_engines

if TYPE_CHECKING:
    from cryoglean.classes2d.settings import ClassifySettings

GRADIENT_ITERATIONS = 200
"""Format: the number of mini-batches that the VDAM jobs of RELION 4 and 5 suggest."""

PSI_STEP_DEGREES, OVERSAMPLING, OFFSET_STEP_PX = 12, 1, 2
"""Steps of angles and shifts, and how often each is halved. Published: in the scripts that the authors of McSweeney et
al., IUCrJ 7, 719 (2020), gave away with their programs; the paper itself does not say."""

_PROGRAM = "relion_refine"
_NUMBERS = re.compile(r"(\d+)\.(\d+)")
_FIRST_WITH_GRADIENT = (4, 0)
"""Format: RELION 4.0 brought the gradient-driven algorithm."""
_OF_GRADIENT = ("--grad", "--class_inactivity_threshold", "0.1", "--grad_write_iter", "10")


class RelionOptions(BaseModel):
    """Options of a run of RELION.

    Attributes:
        threads: of each process, `--j`.
        mpi: processes, by `mpirun`; None runs one, without MPI.
        gpu: graphics cards as RELION names them ("0:1"); "" for all; None for none.
        grad: gradient-driven (VDAM) instead of expectation and maximisation; RELION 4 and later, without MPI.
        arguments: further words of the command line, as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: Annotated[int, Field(ge=1)] = 1
    mpi: Annotated[int, Field(ge=2)] | None = None
    gpu: str | None = None
    grad: bool = False
    arguments: tuple[str, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values."""
        return {"grad": self.grad, "arguments": list(self.arguments)}


class RelionVersion(NamedTuple):
    """Version of the installed RELION.

    Attributes:
        numbers: major and minor number.
        text: all of it, as "3.1.3".
    """

    numbers: tuple[int, int]
    text: str


class Images(NamedTuple):
    """Facts about the images that a command depends on.

    Attributes:
        particles: how many.
        pixel_size_angstrom: of their images.
        has_ctf: whether their CTF is known.
        is_phase_flipped: whether the CTF's phases are turned back.
    """

    particles: int
    pixel_size_angstrom: float
    has_ctf: bool
    is_phase_flipped: bool


def installed_relion(options: RelionOptions) -> RelionVersion:
    """Return the version of RELION that is here.

    Raises:
        SettingsError: if a program that is needed is missing, or what is asked for does not go with its version.
    """
    (engine,) = probe_engines(tuple(e for e in ENGINES if e.name == _PROGRAM))
    if engine.path is None:
        raise SettingsError(
            f"{_PROGRAM} is not on PATH: install RELION (Debian: apt-get install relion) or use --engine native"
        )
    text = engine.version or ""
    match = _NUMBERS.match(text)
    if match is None:
        raise SettingsError(f"{engine.path} does not report its version: install RELION again, or use --engine native")
    version = RelionVersion((int(match[1]), int(match[2])), text)
    _refuse_misfits(options, version)
    return version


def _refuse_misfits(options: RelionOptions, version: RelionVersion) -> None:
    if options.grad and version.numbers < _FIRST_WITH_GRADIENT:
        raise SettingsError(f"--grad needs RELION 4 or later, and this is {version.text}: leave --grad out")
    if options.grad and options.mpi:
        raise SettingsError("--grad and --mpi: RELION's gradient-driven classification runs in one process only")
    needed = ("mpirun", f"{_PROGRAM}_mpi") if options.mpi else ()
    for name in needed:
        if shutil.which(name) is None:
            raise SettingsError(f"--mpi {options.mpi}: {name} is not on PATH: leave --mpi out, or install it")


def deciding_words(settings: ClassifySettings, images: Images, options: RelionOptions) -> list[str]:
    """Return the words that decide the result.

    CTF and sampling are those of the scripts of McSweeney et al., IUCrJ 7, 719 (2020): the CTF left as it is up to its
    first peak, steps of 12 degrees and 2 pixels, each halved once. Images are not checked for
    normalisation: the reader has done so.
    """
    shift_px = settings.max_shift_diameters * settings.diameter_angstrom / images.pixel_size_angstrom
    given: dict[str, object] = {
        "--iter": settings.iterations,
        "--K": settings.classes_for(images.particles),
        "--tau2_fudge": f"{settings.regularisation:g}",
        "--particle_diameter": f"{settings.diameter_angstrom:g}",
        "--psi_step": PSI_STEP_DEGREES,
        "--oversampling": OVERSAMPLING,
        "--offset_range": f"{shift_px:.3g}",
        "--offset_step": OFFSET_STEP_PX,
        "--random_seed": settings.seed + 1,  # at 0 RELION leaves the particles in the order of the file
        "--pad": 2,
    }
    if settings.resolution_limit_angstrom:
        given["--strict_highres_exp"] = f"{settings.resolution_limit_angstrom:g}"
    words = [str(word) for pair in given.items() for word in pair]
    words += ["--norm", "--scale", "--zero_mask", "--flatten_solvent", "--dont_check_norm"]
    if images.has_ctf:
        words += ["--ctf", "--ctf_intact_first_peak", *(["--ctf_phase_flipped"] if images.is_phase_flipped else [])]
    return [*words, *(_OF_GRADIENT if options.grad else ()), *options.arguments]


def launching_words(options: RelionOptions) -> tuple[list[str], list[str]]:
    """Return the words before those that say what to do, and those after them, which decide how it is computed."""
    first = ["mpirun", "-n", str(options.mpi), f"{_PROGRAM}_mpi"] if options.mpi else [_PROGRAM]
    graphics = [] if options.gpu is None else ["--gpu", options.gpu]
    return first, ["--j", str(options.threads), "--pool", "3", "--dont_combine_weights_via_disc", *graphics]


def continuing_words(optimiser: str, root: str, iterations: int) -> list[str]:
    """Return the words that go on from an iteration; RELION has the rest from its own files."""
    return ["--continue", optimiser, "--o", root, "--iter", str(iterations)]
