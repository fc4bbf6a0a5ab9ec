"""`cryoglean extract`: picks and micrographs in, a stack of particles out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.cli.options import (
    AnyContrast,
    AsJson,
    Contrast,
    Cpus,
    Force,
    Pattern,
    Recursive,
    found_micrographs,
)
from cryoglean.cli.orientation import Orientation
from cryoglean.cli.settings import checked, defaults
from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.jobs.extract import ExtractSummary

_DEFAULT = defaults(ExtractJob)


BoxSize = Annotated[int | None, typer.Option(help="Box size in pixels of the micrograph, instead of --box-diameters.")]
BackgroundRadius = Annotated[
    float, typer.Option(help="Radius outside which a box is background, as a share of half the box.")
]
Pad = Annotated[
    bool,
    typer.Option("--pad", help="Keep particles whose box leaves the micrograph, which is mirrored at its edges."),
]
OwnPixelSize = Annotated[
    float | None,
    typer.Option(help="Pixel size in angstrom; by default that given to pick, or of the STAR file or header."),
]


def extract(
    picks: Annotated[
        Path, typer.Argument(help="Output folder with picks, folder of coordinate files, or a STAR file of particles.")
    ],
    micrographs: Annotated[
        list[Path], typer.Option(help="A folder, an image, a list or a micrographs STAR file; may be given repeatedly.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder; an existing folder is resumed.")],
    diameter: Annotated[
        float | None, typer.Option(help="Particle diameter in angstrom; by default that of the picks' folder.")
    ] = None,
    box_diameters: Annotated[float, typer.Option(help="Box size in diameters.")] = _DEFAULT["box_diameters"],
    box_size_px: BoxSize = None,
    scale_to: Annotated[
        int, typer.Option(help="Size of the boxes written, in pixels; 0 leaves them as cut.")
    ] = _DEFAULT["scale_to"],
    background_radius: BackgroundRadius = _DEFAULT["background_radius"],
    ramp: Annotated[
        bool, typer.Option("--ramp", help="Subtract a plane fitted to the background, not only its mean.")
    ] = False,
    invert: Annotated[bool, typer.Option(help="Make protein bright.")] = True,
    phase_flip: Annotated[bool, typer.Option("--phase-flip", help="Flip phases by the CTF.")] = False,
    pad: Pad = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half-precision stacks (RELION 4 and later).")] = False,
    pixel_size: OwnPixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    contrast: Contrast = AnyContrast.auto,
    orientation: Orientation = OrientationChoice.auto,
    species: Annotated[
        int | None, typer.Option(help="Only picks of this species, where pick has found several; all by default.")
    ] = None,
    cpus: Cpus = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print a line per micrograph.")] = False,
) -> int:
    """Extract particles from micrographs, for 2D classification.

    Writes OUT/particles.star (RELION 3.1 layout) and a stack for each micrograph, OUT/particles/NAME.mrcs: boxes scaled
    by Fourier cropping, background of mean 0 and standard deviation 1, protein bright. Running it again does only what
    is missing. Given a STAR file of aligned particles, boxes are centred again.

    For example:

        cryoglean extract PICKED --micrographs micrographs --out PARTICLES

        cryoglean extract PICKED --micrographs CtfFind/job003/micrographs_ctf.star --phase-flip --out PARTICLES

        cryoglean extract PICKED --micrographs micrographs --species 2 --diameter 110 --out SMALL_PARTICLES

        cryoglean extract run_it025_data.star --micrographs micrographs --box-size-px 256 --scale-to 128 --out AGAIN
    """
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.extract import run_extract_job
    from cryoglean.jobs.micrograph_lists import write_left_out
    from cryoglean.jobs.pick_sources import diameter_of, pixel_size_of
    from cryoglean.scale.threads import available_cpus, limit_threads

    job = checked(
        ExtractJob,
        {
            "diameter_angstrom": diameter_of(picks) if diameter is None else diameter,
            "box_diameters": box_diameters,
            "box_size_px": box_size_px,
            "scale_to": scale_to or None,
            "background_radius": background_radius,
            "ramp": ramp,
            "invert": invert,
            "phase_flip": phase_flip,
            "pad": pad,
            "float16": float16,
            "pixel_size_angstrom": pixel_size_of(picks) if pixel_size is None else pixel_size,
            "contrast": contrast.given,
            "orientation": orientation,
            "species": species,
            "cpus": cpus or available_cpus(),
            "force": force,
        },
    )
    limit_threads(1)  # work is split by micrographs
    with JobProgress("extracting", "{n} particles", verbose=verbose) as progress:
        files, left_out = found_micrographs(micrographs, pattern, recursive=recursive, info=progress.info)
        summary = run_extract_job(picks, files, job, out, progress)
        write_left_out(out, left_out)
    options = {"--pattern": pattern, "--pixel-size": job.pixel_size_angstrom}
    given = [word for each in options.items() if each[1] is not None for word in each]
    _show(job, summary, [*micrographs, *given, *["--recursive"] * recursive], out, as_json=as_json)
    return summary.exit_status


def _show(job: ExtractJob, summary: ExtractSummary, named: Sequence[object], out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.jobs.step_verdicts import verdict_on_particles

    total = summary.total
    verdict = verdict_on_particles(summary, summary.without_ctf, named, out, summary.on_places)
    if as_json:
        said = {
            "out": str(out),
            "particles": total,
            "extracted": summary.counts,
            "rejected": {result.file.name: result.reason for result in summary.rejected},
            "settings": job.recorded(),
            "verdict": [finding.as_dict() for finding in verdict],
        }
        typer.echo(json.dumps(said))
        return
    typer.echo(f"{counted(total, 'particle')} of {counted(len(summary.done), 'micrograph')}: {out / 'particles.star'}")
    echo_rejected(summary, out)
    echo_verdict(verdict)
