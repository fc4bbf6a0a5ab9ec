"""Content of the report of a pick folder, gathered from the folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryoglean.errors import SettingsError
from cryoglean.findings import alarms_first
from cryoglean.jobs.fit_findings import findings_on_fits, findings_on_folder_fit
from cryoglean.jobs.grades import findings_on_grades
from cryoglean.jobs.learned import read_learned
from cryoglean.jobs.outliers import outliers
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.report_micrographs import (
    MICROGRAPHS_STAR,
    fit_options,
    given_files,
    given_masks,
    listed_in,
    picker_options,
    read_views,
    rejected_reasons,
    repick_command,
    table_height_px,
)
from cryoglean.jobs.survey import read_survey
from cryoglean.jobs.verdict import findings_on_micrographs
from cryoglean.limits import is_same_size, min_distance_angstrom
from cryoglean.micrograph import Contrast
from cryoglean.pickers.protocol import hidden_share_of
from cryoglean.pickers.registry import describe
from cryoglean.report.page_facts import MicrographFacts
from cryoglean.report.pick_facts import PickFacts, Picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.pickers.protocol import PickerDescription
    from cryoglean.report.page_facts import View


class PickedMicrographs:
    """The micrographs of a pick folder.

    Args:
        folder: the folder.
        settings: what the picks were made with.
    """

    def __init__(self, folder: PickFolder, settings: Mapping[str, Any]) -> None:
        self._folder, self._settings = folder, settings
        self.files = {key: Path(path) for key, path in folder.inputs().items()}
        self._tables = listed_in([folder.root / MICROGRAPHS_STAR])

    def path(self, key: str) -> Path:
        """Return the file of a micrograph."""
        return self.files[key]

    def size(self, key: str) -> tuple[int, int] | None:  # noqa: ARG002 (the folder does not tell)
        """Return nothing: sizes are not kept."""
        return None

    def diameter_px(self, key: str, header_angstrom: float | None) -> float:
        """Return the particle's diameter in a micrograph; where no pixel size is known, as if it were 1 Å."""
        told = self._told_pixel_size(key)
        return float(self._settings["diameter_angstrom"]) / (told or header_angstrom or 1.0)

    def left_out(self, key: str) -> NDArray[np.uint8] | None:
        """Return what is left out of a micrograph, as `PickFolder.left_out` does."""
        return self._folder.left_out(key)

    def pixel_size_angstrom(self, views: Sequence[View]) -> float | None:
        """Return the pixel size that all micrographs have, by what was told and by those that were read."""
        told = (self._told_pixel_size(key) for key in self.files)
        read = (self._settings["diameter_angstrom"] / view.diameter_px for view in views if view.grey is not None)
        sizes = [size for size in (*told, *read) if size is not None]
        return sizes[0] if sizes and is_same_size(min(sizes), max(sizes)) else None

    def listed(self) -> tuple[MicrographFacts, ...]:
        """Return all micrographs, in the order in which they were given; picks are those on disk."""
        known, left_out = self._folder.known_inputs(), self._folder.shares_left_out()
        grades = self._folder.grades()
        rejected = rejected_reasons(self._folder.rejected_path, known)
        picks = {key: None if key in rejected else self._folder.done_picks(key) for key in self.files}
        return tuple(
            MicrographFacts(
                key=key,
                path=str(path),
                picks=picks[key],
                candidates=None if picks[key] is None else self._folder.candidates(key),
                name=known[key].name,
                height_px=table_height_px(self._folder, key, known[key].name),
                rejected=rejected.get(key),
                defocus_angstrom=self._tables[key].defocus_angstrom if key in self._tables else None,
                left_out=left_out.get(key),
                grade=grades[key].grade if key in grades else "",
                doubt=grades[key].reason if key in grades else "",
            )
            for key, path in self.files.items()
        )

    def _told_pixel_size(self, key: str) -> float | None:
        given = self._settings.get("pixel_size_angstrom")
        if given is None and key in self._tables:
            return self._tables[key].pixel_size_angstrom
        return None if given is None else float(given)


def gather(root: Path) -> PickFacts:
    """Read the content of the report of a pick folder as it is now.

    Args:
        root: the folder.

    Raises:
        SettingsError: if what is in it cannot be understood.
        TableError: if one of its tables is broken.
        OSError: if a file cannot be read.
    """
    folder = PickFolder(root)
    settings = _settings(folder)
    micrographs, picker = PickedMicrographs(folder, settings), describe(settings["method"], settings["preset"])
    fit = picker.load().read_fit(root)
    listed = micrographs.listed()
    picks = {m.key: m.picks for m in listed if m.picks is not None}
    views = read_views(micrographs, picks)
    diameter, contrast = float(settings["diameter_angstrom"]), settings.get("contrast")
    graded = findings_on_grades(folder.grades())
    survey, command = read_survey(root), folder.provenance().get("command")
    learned = read_learned(root)
    if settings.get("fit") is not None:
        shown = findings_on_folder_fit(folder, survey)
    else:
        shown = findings_on_micrographs(survey, diameter, None if contrast is None else Contrast(contrast), command)
    digest = "" if learned is None else learned.digest
    return PickFacts(
        name=root.resolve().name,
        status="running" if any(m.picks is None and m.rejected is None for m in listed) else "done",
        diameter_angstrom=diameter,
        pixel_size_angstrom=micrographs.pixel_size_angstrom(views),
        min_distance_angstrom=min_distance_angstrom(settings.get("min_distance_angstrom"), diameter),
        micrographs=listed,
        outliers=tuple(outliers({key: len(each) for key, each in picks.items()})),
        findings=alarms_first(
            [*shown, *graded, *findings_on_fits({key: p.fit for key, p in picks.items()}, digest, command)]
        ),
        views=views,
        settings=settings,
        provenance=folder.provenance(),
        pick_command=_pick_command(folder, picker, settings, listed),
        threshold=settings.get("threshold") if picker.threshold_is_score else None,
        tells_precision=picker.tells_precision,
        hidden_share=hidden_share_of(fit),
        method=picker.title,
        preset=picker.preset,
        is_fitted=picker.is_fitted,
        fit_digest=digest,
        fit_summary="" if fit is None else fit.summary(),
        found_particles=None if fit is None else fit.found_particles,
        pictures=tuple(
            Picture(each.file, each.title, each.caption, (root / each.file).read_bytes())
            for each in picker.pictures
            if (root / each.file).exists()
        ),
    )


def _settings(folder: PickFolder) -> Mapping[str, Any]:
    """Return what the picks were made with, as it was recorded."""
    record = folder.recorded()
    settings: Mapping[str, Any] = {} if record is None else record.settings
    missing = [name for name in ("method", "preset", "diameter_angstrom") if name not in settings]
    if missing:
        raise SettingsError(f"{folder.settings_path} does not tell {', '.join(missing)}: it is of another version")
    return settings


def _pick_command(
    folder: PickFolder, picker: PickerDescription, settings: Mapping[str, Any], listed: Sequence[MicrographFacts]
) -> str | None:
    """Return the command that picks with another threshold.

    None where no place has a score, where the threshold is none, and where a file that was given is not known any more.
    """
    micrographs = {Path(m.path): m.picks is not None for m in listed}
    given = given_files(folder, picker, settings, folder.root)
    if not any(m.picks or m.candidates for m in listed) or given is None or not picker.threshold_is_score:
        return None
    if settings.get("fit") is not None:  # it tells all that is not said here
        chosen = fit_options(folder, settings)
        return None if chosen is None else repick_command(folder.root, micrographs, chosen)
    options = {
        **picker_options(picker, settings),
        "--diameter": f"{settings['diameter_angstrom']:g}",
        **given,
        "--pixel-size": settings.get("pixel_size_angstrom"),
        "--contrast": settings.get("contrast"),
        "--mask": given_masks(folder),
    }
    return repick_command(folder.root, micrographs, options)
