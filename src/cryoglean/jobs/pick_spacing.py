"""Finding on picks that overlap, as picks changed by hand may: no picker makes two closer than the minimum distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.findings import findings_on_spacing
from cryoglean.io.inputs import find_micrographs
from cryoglean.limits import min_distance_angstrom
from cryoglean.report.spacing_audit import is_too_near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.findings import Finding
    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.jobs.pick_job import PickJob
    from cryoglean.jobs.result import MicrographResult


def findings_on_overlaps(folder: PickFolder, job: PickJob, done: Sequence[MicrographResult]) -> tuple[Finding, ...]:
    """Return what is to be said of micrographs with picks too close to each other, where the pixel size is known.

    Args:
        folder: of the job, which knows the pixel sizes of micrographs that were picked before.
        job: with the minimum distance.
        done: results of micrographs.

    Raises:
        TableError: if the folder's table of micrographs cannot be understood.
    """
    pairs = [each for each in done if each.nearest_px is not None]
    sizes = {each.file.key: job.pixel_size_angstrom or each.file.pixel_size_angstrom for each in pairs}
    if not all(sizes.values()) and folder.micrographs_path.exists():
        listed = folder.with_known_keys(find_micrographs([folder.micrographs_path]))
        known = {file.key: file.pixel_size_angstrom for file in listed}
        sizes = {key: size or known.get(key) for key, size in sizes.items()}
    least = min_distance_angstrom(job.picker.min_distance_angstrom, job.picker.diameter_angstrom)
    crowded = [
        each.file.key
        for each in pairs
        if each.nearest_px is not None
        and (size := sizes[each.file.key]) is not None
        and is_too_near(each.nearest_px, least / size)
    ]
    return tuple(findings_on_spacing(crowded, least))
