"""`cryoglean size`: how large the particles are, and whether they are dark or bright."""

from __future__ import annotations

import json

import typer

from cryoglean.cli.options import AsJson, Cpus, Micrographs, PixelSize


def size(micrographs: Micrographs, pixel_size: PixelSize = None, cpus: Cpus = None, as_json: AsJson = False) -> int:
    """Estimate the particle diameter, and tell whether protein is dark or bright.

    Some micrographs of the set are looked at with discs of all sizes. The estimate is right for round particles; the
    longest extent of any is most probably within the range that is told. Micrographs that show no particles give exit
    status 6.

    For example:

        cryoglean size micrographs --pixel-size 1.77

        cryoglean pick micrographs --pixel-size 1.77 --diameter auto --out OUT
    """
    from cryoglean.cli.progress import echo_verdict
    from cryoglean.io.inputs import find_micrographs
    from cryoglean.jobs.result import ExitStatus
    from cryoglean.jobs.side_verdicts import verdict_on_size
    from cryoglean.jobs.survey import survey_files
    from cryoglean.scale.threads import available_cpus, limit_threads

    limit_threads(1)
    survey = survey_files(find_micrographs(micrographs), pixel_size, cpus or available_cpus())
    found, verdict = survey.size, verdict_on_size(survey, micrographs, pixel_size)
    if as_json:
        typer.echo(json.dumps(survey.model_dump(mode="json") | {"verdict": [each.as_dict() for each in verdict]}))
    elif not survey.micrographs:
        typer.echo("no micrograph could be used")
    else:
        typer.echo(f"contrast: {survey.contrast or 'cannot be told'}")
        typer.echo(f"diameter: {survey.size_in_words}")
        echo_verdict(verdict)
    if not survey.micrographs:
        return ExitStatus.nothing_usable
    return ExitStatus.done if found is not None else ExitStatus.nothing_found
