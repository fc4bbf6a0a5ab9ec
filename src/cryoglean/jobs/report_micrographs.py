"""Images, tables, reasons and the command to pick again, for the reports of runs and of pick folders alike."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.coordinates.files import read_one_stored
from cryoglean.io.coordinates.y_convention import YConvention, relion_y_convention
from cryoglean.io.digests import file_digest
from cryoglean.io.images import read_image
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.particles import project_folder
from cryoglean.jobs.micrograph_lists import RejectedRow, read_rows
from cryoglean.pickers.registry import DEFAULT_PRESET
from cryoglean.report.grey import picture_scale, resized, visible_grey
from cryoglean.report.page_facts import THRESHOLD_MARK, View
from cryoglean.report.score_steps import spread
from cryoglean.report.viewer_data import LONGEST_SIDE_PX, MAX_VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from cryoglean.jobs.known_inputs import KnownInput
    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.micrograph import MicrographFile
    from cryoglean.pickers.protocol import PickerDescription
    from cryoglean.picks import Picks

MICROGRAPHS_STAR = "micrographs.star"


class Micrographs(Protocol):
    """Micrographs of a folder."""

    def path(self, key: str) -> Path:
        """Return the file of a micrograph."""
        ...

    def size(self, key: str) -> tuple[int, int] | None:
        """Return height and width of a micrograph, if the folder knows them."""
        ...

    def diameter_px(self, key: str, header_angstrom: float | None) -> float:
        """Return the particle's diameter in a micrograph whose header has this pixel size."""
        ...

    def left_out(self, key: str) -> NDArray[np.uint8] | None:
        """Return what is left out of a micrograph, as `PickFolder.left_out` does."""
        ...


def read_views(micrographs: Micrographs, picks: Mapping[str, Picks]) -> tuple[View, ...]:
    """Read micrographs for the viewer, spread over the set, or all if they are few."""
    counts = {key: len(each) for key, each in picks.items()}
    return tuple(_view(micrographs, key, picks[key]) for key in spread(counts, MAX_VIEWS))


def _view(micrographs: Micrographs, key: str, picks: Picks) -> View:
    """Read a micrograph; of one that is missing or cannot be read, only the picks are shown."""
    try:
        image, header_angstrom = read_image(micrographs.path(key))
    except MicrographError as error:
        diameter_px = micrographs.diameter_px(key, None)
        corner = np.max(picks.xy, axis=0) + diameter_px if len(picks) else np.full(2, 10 * diameter_px)
        width, height = (int(side) for side in np.ceil(corner))
        height, width = micrographs.size(key) or (height, width)
        return View(key, height, width, None, 1.0, diameter_px, error.reason)
    diameter_px = micrographs.diameter_px(key, header_angstrom)
    scale = picture_scale(max(image.shape), LONGEST_SIDE_PX)
    grey = visible_grey(resized(image, scale), diameter_px * scale)
    height, width = image.shape
    return View(key, height, width, grey, scale, diameter_px, left_out=micrographs.left_out(key))


def listed_in(tables: Iterable[Path]) -> dict[str, MicrographFile]:
    """Return the rows of the micrographs STAR files that exist, by key; the last file wins.

    Raises:
        TableError: if one cannot be understood.
    """
    return {file.key: file for table in tables if table.exists() for file in find_micrographs([table])}


def rejected_reasons(table: Path, known: Mapping[str, KnownInput]) -> dict[str, str]:
    """Return why micrographs were rejected, by key.

    Args:
        table: `rejected.csv`, which may be missing.
        known: the micrographs by key.

    Raises:
        TableError: if the table cannot be understood.
    """
    reasons = {row.micrograph: row.reason for row in read_rows(table, RejectedRow)}
    return {key: reasons[each.name] for key, each in known.items() if each.name in reasons}


def table_height_px(folder: PickFolder, key: str, name: str) -> int | None:
    """Return the number of rows of a micrograph whose tables need it, as its picks tell it; None of others."""
    path = folder.picks_path(key)
    if relion_y_convention(name) is YConvention.FIRST_ROW or not path.exists():
        return None
    return read_one_stored(path).height_px


def repick_command(root: Path, micrographs: Mapping[Path, bool], options: Mapping[str, object]) -> str:
    """Return the command that picks micrographs with another threshold, `THRESHOLD_MARK`, into a new folder.

    Args:
        root: folder with the picks.
        micrographs: files of all that were given, absolute, and whether each was picked.
        options: values of `cryoglean pick` by option, as `--method`; what is None is left out.
    """
    words = ["cryoglean", "pick", *words_for(root, micrographs)]
    for option, value in options.items():
        words += [] if value is None else [option, str(value)]
    root = root.resolve()
    out = root.with_name(f"{root.name}-{THRESHOLD_MARK}")
    return shlex.join([*words, "--out", str(out), "--threshold", THRESHOLD_MARK])


def given_files(
    folder: PickFolder, picker: PickerDescription, settings: Mapping[str, Any], kept_in: Path
) -> dict[str, str] | None:
    """Return the files that the picker was given, by option, as a command names them; None if one is not known.

    Args:
        folder: with the picks.
        picker: that made them.
        settings: what they were made with.
        kept_in: the folder in which the picker has left what it made itself.
    """
    said, given = folder.provenance(), dict[str, str]()
    for file in picker.given:
        digest = settings.get(f"{file.name}_sha256")
        kept = None if file.kept_as is None else kept_in / file.kept_as
        if digest is not None:
            word = next((word for word, path in file.shipped.items() if digest == file_digest(path)), None)
            if word is None and file.name not in said:
                return None
            given[file.option] = word or said[file.name]
        elif kept is not None and kept.exists():
            given[file.option] = str(kept.resolve())
    return given


def fit_options(folder: PickFolder, settings: Mapping[str, Any]) -> dict[str, object] | None:
    """Return the options of a command that picks by the fit that was given; None where its folder is not known.

    Args:
        folder: with the picks.
        settings: what they were made with.
    """
    fit = folder.provenance().get("fit")
    if fit is None:
        return None
    return {"--fit": fit, "--min-distance": settings.get("min_distance_angstrom"), "--mask": given_masks(folder)}


def given_masks(folder: PickFolder) -> Path | None:
    """Return the folder of the masks that were given, or the mask of the only micrograph; None without any."""
    known = folder.known_inputs().values()
    masks = [each.mask_path for each in known if each.mask_path is not None]
    if len(known) == len(masks) == 1:
        return masks[0]
    return Path(os.path.commonpath([mask.parent for mask in masks])) if masks else None


def picker_options(picker: PickerDescription, settings: Mapping[str, Any]) -> dict[str, object]:
    """Return the options by which a command repeats what a picker was told, but for files and what chooses picks."""
    defaults = picker.load().settings.model_fields
    own = {each.option: settings.get(each.field) for each in picker.options if each.decides_fit}
    changed = {option: value for option, value in own.items() if value != defaults[_field(picker, option)].default}
    return {
        "--method": picker.method,
        "--preset": None if picker.preset == DEFAULT_PRESET else picker.preset,
        "--min-distance": settings.get("min_distance_angstrom"),
        **changed,
    }


def _field(picker: PickerDescription, option: str) -> str:
    return next(each.field for each in picker.options if each.option == option)


def words_for(root: Path, micrographs: Mapping[Path, bool]) -> list[str]:
    """Return the fewest words that name all that were picked: their table, their folder, or each of them."""
    table, picked = root.resolve() / MICROGRAPHS_STAR, [file for file, is_picked in micrographs.items() if is_picked]
    sources = [table] if table.exists() and _is_found_from_anywhere(table) else []
    for source in (*sources, picked[0].parent):
        if set(picked) <= _found(source) <= micrographs.keys():
            return [str(source)]
    return [str(file) for file in picked]


def _found(source: Path) -> set[Path]:
    try:
        return {file.real_path for file in find_micrographs([source])}
    except SettingsError:
        return set()


def _is_found_from_anywhere(table: Path) -> bool:
    """Tell whether the names in a table are found from it alone, whatever the working folder."""
    names = (file.name for file in find_micrographs([table]))
    folders = (None if Path(name).is_absolute() else project_folder(name, table) for name in names)
    return all(folder is None or table.is_relative_to(folder.resolve()) for folder in folders)
