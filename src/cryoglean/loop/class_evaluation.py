"""Evaluation of a round by 2D classes of its picks and of the accepted ones together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryoglean.classes2d.purify import PurifySettings
from cryoglean.classes2d.selection import select
from cryoglean.classes2d.selection_file import edited
from cryoglean.classes2d.selection_source import read_source
from cryoglean.classes2d.settings import MAX_DEFAULT_CLASSES, ClassifySettings
from cryoglean.errors import SettingsError
from cryoglean.io.relion_columns import IMAGE
from cryoglean.jobs.classify import ClassifyJob, run_classify_job
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.jobs.purify import run_purify_job
from cryoglean.jobs.select import SELECTION, SelectFolder, SelectJob, run_select_job
from cryoglean.loop.acceptance import RoundComparison
from cryoglean.loop.tables import picks_of_images, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.classes2d.purify import Pass
    from cryoglean.classes2d.selection import Selection
    from cryoglean.classes2d.selection_source import Source
    from cryoglean.classes2d.verdicts import ClassVerdict
    from cryoglean.jobs.select import Selected
    from cryoglean.loop.pick_union import PickUnion
    from cryoglean.loop.progress import LoopProgressAdapter
    from cryoglean.loop.settings import LoopJob
    from cryoglean.micrograph import MicrographFile

JUNK = "junk.star"
"""Particles of classes that are junk by what they show; those dropped for want of evidence may be particles."""


def extract_job(job: LoopJob) -> ExtractJob:
    """Return the settings by which particles of the loop are extracted."""
    settings = job.settings
    return ExtractJob(
        diameter_angstrom=settings.diameter_angstrom,
        pixel_size_angstrom=settings.pixel_size_angstrom,
        contrast=settings.contrast,
        cpus=job.cpus,
    )


def classify(star: Path, job: LoopJob, out: Path, progress: LoopProgressAdapter) -> dict[str, Any]:
    """Classify the particles of a round.

    Args:
        star: their table.
        job: the run.
        out: output folder.
        progress: listens to the job.

    Returns:
        Counts, for `run.json`.
    """
    limit = None if job.settings.is_paper else MAX_DEFAULT_CLASSES
    settings = ClassifySettings(
        diameter_angstrom=job.settings.diameter_angstrom, max_classes=limit, seed=job.settings.seed
    )
    how = ClassifyJob(settings=settings, engine=job.settings.engine, device=job.device, cpus=job.cpus)
    summary = run_classify_job(star, how, out, progress)
    found = summary.classification
    counts = [] if found is None else [int(n) for n in found.classes.counts]
    return {"particles": sum(counts), "classes": len(counts), "rejected": len(summary.rejected)}


def select_classes(
    classes: Path, job: LoopJob, out: Path, progress: LoopProgressAdapter, *, purify: bool
) -> dict[str, Any]:
    """Select classes by the rule, and write what is kept, what is dropped, and what is junk.

    Args:
        classes: folder of the classification.
        job: the run.
        out: output folder.
        progress: listens to the job.
        purify: classify what is kept again until nearly all is kept; left out where nothing would remain.

    Returns:
        Counts, reasons and passes, for `run.json`.
    """
    settings, source = job.settings, read_source(classes)
    how = SelectJob(
        rule=settings.class_rule, threshold=settings.threshold, pixel_size_angstrom=settings.pixel_size_angstrom
    )
    chosen = select(
        source.classification, how.rule, diameter_angstrom=settings.diameter_angstrom, threshold=how.threshold
    )
    passes: tuple[Pass, ...] = ()
    notes: tuple[str, ...] = ()
    done: Selected | None = None
    if purify and chosen.kept.any():
        try:
            limits = PurifySettings(keep_share=settings.keep_share, max_passes=settings.max_passes)
            folder = SelectFolder(out, classes, force=True)
            done, passes = run_purify_job(source, how, limits, folder, job.device, job.cpus)
        except SettingsError as error:
            notes = (f"not purified: {error}",)
    if done is None:
        done = run_select_job(source, how, SelectFolder(out, classes, force=True))
    for note in (*notes, *done.notes):
        progress.info(note)
    write_rows(out / JUNK, source.table, _junk(source, chosen, passes))
    return _record(source, done, passes, chosen, (*notes, *done.notes))


def select_by_hand(classes: Path, job: LoopJob, out: Path) -> dict[str, Any]:
    """Select by the table of decisions that lies in `out`, edited or not; return the same as `select_classes`.

    Raises:
        TableError: if it cannot be understood.
    """
    settings, source = job.settings, read_source(classes)
    how = SelectJob(
        rule=settings.class_rule,
        threshold=settings.threshold,
        pixel_size_angstrom=settings.pixel_size_angstrom,
        selection=out / SELECTION,
    )
    done = run_select_job(source, how, SelectFolder(out, classes, force=False))
    write_rows(out / JUNK, source.table, _junk(source, done.selection, ()))
    return _record(source, done, (), done.selection, done.notes)


def _junk(source: Source, first: Selection, passes: Sequence[Pass]) -> NDArray[np.bool_]:
    """Mask of the (n,) particles that were in a class of junk in any pass."""
    junk = first.junk[source.classification.particles.class_index]
    for each in passes[1:]:
        junk[each.which[each.selection.junk[each.classification.particles.class_index]]] = True
    return junk


def _record(
    source: Source, done: Selected, passes: Sequence[Pass], first: Selection, notes: Sequence[str]
) -> dict[str, Any]:
    """Return the record of a selection for `run.json`."""
    classes = source.classification.classes
    resolution = classes.resolution_angstrom[first.kept & np.isfinite(classes.resolution_angstrom)]
    return {
        "particles": len(done.kept),
        "kept": int(done.kept.sum()),
        "kept_in_first_classes": int(classes.counts[first.kept].sum()),
        "classes": len(classes),
        "classes_kept": int(first.kept.sum()),
        "best_resolution_angstrom": float(resolution.min()) if len(resolution) else None,
        "junk": int(_junk(source, first, passes).sum()),
        "passes": [{"input": len(each.which), "kept": len(each.kept)} for each in passes],
        "reasons": list(first.reasons),
        "notes": list(notes),
    }


def particle_labels(classes: Path, job: LoopJob, by_hand: Path | None) -> dict[str, ClassVerdict]:
    """Return the verdict on each image's first class: purification drops more, which convergence does not count.

    Args:
        classes: folder of the classification.
        job: the run.
        by_hand: a table of decisions that goes before the rule.
    """
    source, settings = read_source(classes), job.settings
    selection = select(
        source.classification,
        settings.class_rule,
        diameter_angstrom=settings.diameter_angstrom,
        threshold=settings.threshold,
    )
    if by_hand is not None:
        selection, _ = edited(by_hand, selection)
    index = source.classification.particles.class_index
    images = source.table.particles[IMAGE].astype(str)
    return {image: selection.verdicts[k] for image, k in zip(images, index, strict=True)}


def compare_rounds(
    labels: Mapping[str, ClassVerdict], star: Path, files: Sequence[MicrographFile], unions: Mapping[str, PickUnion]
) -> tuple[RoundComparison, int, int]:
    """Compare the new round with the accepted one.

    Args:
        labels: of each image.
        star: `particles.star` of the extraction.
        files: the micrographs.
        unions: what was extracted.

    Returns:
        The comparison; how many picks of the new round are in classes; how many of these are in kept ones.
    """
    only_reference, only_new, of_new = list[bool](), list[bool](), list[bool]()
    for image, (key, place) in picks_of_images(star, files, unions).items():
        if image not in labels:
            continue  # rejected by the classification
        union, is_kept = unions[key], labels[image].is_kept
        if union.of_new[place]:
            of_new.append(is_kept)
        if union.is_best_reference[place] and not union.is_best_new[place]:
            only_reference.append(is_kept)
        if union.is_best_new[place] and not union.is_best_reference[place]:
            only_new.append(is_kept)
    result = RoundComparison(len(only_reference), sum(only_reference), len(only_new), sum(only_new))
    return result, len(of_new), sum(of_new)
