"""`cryoglean select`: classes in, the particles of the good ones out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.classes2d.selection import Rule
from cryoglean.classes2d.settings import KEEP_SHARE, MAX_PASSES
from cryoglean.cli.options import AsJson
from cryoglean.cli.settings import checked
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.classes2d.purify import Pass
    from cryoglean.jobs.select import Selected


def select(
    classes: Annotated[
        Path,
        typer.Argument(
            help="Output folder of cryoglean classify or of a Class2D job of RELION, or a file of such a job."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Output folder; an earlier selection from the same classes is replaced.")],
    rule: Annotated[Rule, typer.Option(help="Rule by which classes are kept.")] = Rule.automatic,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Class-score threshold for --rule literal (%/Res) or normalised (the same for any number of classes)."
        ),
    ] = None,
    selection: Annotated[
        Path | None, typer.Option(help="A selection.csv whose column keep was edited; it overrules the rule.")
    ] = None,
    diameter: Annotated[
        float | None, typer.Option(help="Particle diameter in angstrom; by default that of the classes.")
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(help="Pixel size of the micrographs in angstrom; by default that of the particles' table."),
    ] = None,
    purify: Annotated[
        bool, typer.Option("--purify", help="Classify what is kept again, until nearly all is kept.")
    ] = False,
    keep_share: Annotated[
        float, typer.Option(help="With --purify: stop when more than this share of a pass is kept.")
    ] = KEEP_SHARE,
    max_passes: Annotated[
        int, typer.Option(help="With --purify: maximum number of passes, the given classes included.")
    ] = MAX_PASSES,
    device: Annotated[str, typer.Option(help="With --purify: auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    cpus: Annotated[int | None, typer.Option(min=1, help="With --purify: processors to use.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also replace results of other classes, and an edited selection.csv.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Select 2D classes, and with them particles.

    Writes OUT/particles.star (kept), OUT/dropped.star, picks of each micrograph at the particles' true centres,
    gallery.png to look at, and selection.csv: change its column keep and give it back with --selection.

    For example:

        cryoglean select CLASSES --out SELECTED

        cryoglean select Class2D/job010 --out SELECTED --rule literal --threshold 0.1

        cryoglean select CLASSES --out SELECTED --selection SELECTED/selection.csv

        cryoglean select CLASSES --out PURE --purify
    """
    from cryoglean.classes2d.purify import PurifySettings
    from cryoglean.classes2d.selection_source import read_source
    from cryoglean.jobs.purify import run_purify_job
    from cryoglean.jobs.select import SelectFolder, SelectJob, run_select_job
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus, limit_threads

    values = {
        "rule": rule,
        "threshold": threshold,
        "diameter_angstrom": diameter,
        "pixel_size_angstrom": pixel_size,
        "selection": selection,
    }
    job = checked(SelectJob, values)
    how = checked(PurifySettings, {"keep_share": keep_share, "max_passes": max_passes})
    source, folder = read_source(classes), SelectFolder(out, classes, force)
    passes: tuple[Pass, ...] = ()
    if purify:
        threads = cpus or available_cpus()
        limit_threads(threads)
        done, passes = run_purify_job(source, job, how, folder, choose_device(device), threads, _print_pass)
    else:
        done = run_select_job(source, job, folder)
    _show(done, passes, classes, out, as_json=as_json)
    return 0 if done.kept.any() else 4


def _print_pass(number: int, done: Pass) -> None:
    typer.echo(f"pass {number}: {done}", err=True)


def _show(done: Selected, passes: tuple[Pass, ...], source: Path, out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_verdict
    from cryoglean.jobs.step_verdicts import verdict_on_selection

    kept, classes = done.kept, done.selection.kept
    verdict = verdict_on_selection(int(kept.sum()), len(kept), (int(classes.sum()), len(classes)), source, out)
    if as_json:
        said = {
            "out": str(out),
            "particles": int(kept.sum()),
            "dropped": int((~kept).sum()),
            "classes_kept": [int(k) + 1 for k in classes.nonzero()[0]],
            "verdicts": {str(k + 1): verdict.value for k, verdict in enumerate(done.selection.verdicts)},
            "reasons": {str(k + 1): reason for k, reason in enumerate(done.selection.reasons)},
            "passes": [{"input": len(each.which), "kept": len(each.kept)} for each in passes],
            "notes": list(done.notes),
            "verdict": [finding.as_dict() for finding in verdict],
        }
        typer.echo(json.dumps(said))
        return
    for note in done.notes:
        typer.echo(note, err=True)
    typer.echo(f"{counted(int(kept.sum()), 'particle')} kept: {out / 'particles.star'}")
    echo_verdict(verdict)
