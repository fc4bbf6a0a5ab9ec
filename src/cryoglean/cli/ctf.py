"""`cryoglean ctf`: micrographs in, their contrast transfer functions out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.cli.options import (
    AsJson,
    Cpus,
    Force,
    Micrographs,
    Out,
    Pattern,
    PixelSize,
    Recursive,
    Verbose,
    found_micrographs,
)
from cryoglean.cli.settings import checked, defaults
from cryoglean.errors import SettingsError
from cryoglean.jobs.ctf_settings import CtfJob
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.jobs.ctf import CtfSummary

_DEFAULT = defaults(CtfJob)


def ctf(
    micrographs: Micrographs,
    out: Out,
    voltage: Annotated[float, typer.Option(help="Acceleration voltage in kV, unless the STAR file has it.")] = _DEFAULT[
        "voltage_kv"
    ],
    cs: Annotated[float, typer.Option(help="Spherical aberration in mm, unless the STAR file has it.")] = _DEFAULT[
        "spherical_aberration_mm"
    ],
    amplitude_contrast: Annotated[
        float, typer.Option(help="Amplitude contrast as a fraction, unless the STAR file has it.")
    ] = _DEFAULT["amplitude_contrast"],
    pixel_size: PixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    min_defocus: Annotated[float, typer.Option(help="Minimum defocus in Å.")] = _DEFAULT["min_defocus_angstrom"],
    max_defocus: Annotated[float, typer.Option(help="Maximum defocus in Å.")] = _DEFAULT["max_defocus_angstrom"],
    resolution_limit: Annotated[
        float | None, typer.Option(help="Select micrographs whose CTF fits to this resolution in Å or better.")
    ] = None,
    defocus_range: Annotated[
        str | None, typer.Option(metavar="MIN,MAX", help="Select micrographs with a mean defocus in this range in Å.")
    ] = None,
    subset: Annotated[
        int | None,
        typer.Option(help="Select so many to begin with: fit to 4 Å or better, half of them below 1 µm, half to 2 µm."),
    ] = None,
    plots: Annotated[bool, typer.Option(help="Draw each power spectrum with its fit.")] = True,
    cpus: Cpus = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Estimate the contrast transfer function of micrographs.

    Writes OUT/micrographs_ctf.star (RELION 3.1 layout) and a picture of each power spectrum. A CTF that a STAR file
    gives is taken as it is. Micrographs without Thon rings, such as denoised ones, are named in OUT/rejected.csv.

    For example:

        cryoglean ctf micrographs --pixel-size 1.5 --out CTF

        cryoglean ctf corrected_micrographs.star --voltage 200 --cs 1.4 --out CTF --resolution-limit 4 --subset 20
    """
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.ctf import run_ctf_job
    from cryoglean.jobs.micrograph_lists import write_left_out
    from cryoglean.scale.threads import available_cpus, limit_threads

    job = checked(
        CtfJob,
        {
            "voltage_kv": voltage,
            "spherical_aberration_mm": cs,
            "amplitude_contrast": amplitude_contrast,
            "min_defocus_angstrom": min_defocus,
            "max_defocus_angstrom": max_defocus,
            "pixel_size_angstrom": pixel_size,
            "resolution_limit_angstrom": resolution_limit,
            "selected_defocus_angstrom": None if defocus_range is None else _pair(defocus_range),
            "subset": subset,
            "plots": plots,
            "cpus": cpus or available_cpus(),
            "force": force,
        },
        {"spherical_aberration_mm": "--cs", "selected_defocus_angstrom": "--defocus-range"},
    )
    limit_threads(1)  # work is split by micrographs
    with JobProgress("estimating CTF", "CTF found", verbose=verbose) as progress:
        files, left_out = found_micrographs(micrographs, pattern, recursive=recursive, info=progress.info)
        progress.info(f"{counted(len(files), 'micrograph')}, {counted(job.cpus, 'CPU')}")
        summary = run_ctf_job(files, job, out, progress)
        write_left_out(out, left_out)
    _show(summary, out, as_json=as_json)
    return summary.exit_status


def _pair(text: str) -> tuple[float, float]:
    """Read "5000,10000".

    Raises:
        SettingsError: if it is not two numbers in order.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"--defocus-range {text}: two numbers are expected, as in 5000,20000") from None
    if not low < high:
        raise SettingsError(f"--defocus-range {text}: the first must be below the second")
    return low, high


def _show(summary: CtfSummary, out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.jobs.step_verdicts import verdict_on_ctf

    verdict = verdict_on_ctf(summary, summary.known, out)
    if as_json:
        said = {
            "out": str(out),
            "known": [o.file.key for o in summary.done],
            "rejected": {o.file.name: o.reason for o in summary.rejected},
            "verdict": [finding.as_dict() for finding in verdict],
        }
        typer.echo(json.dumps(said))
        return
    if summary.done:
        typer.echo(f"CTF of {counted(len(summary.done), 'micrograph')}: {out / 'micrographs_ctf.star'}")
    echo_rejected(summary, out)
    echo_verdict(verdict)
