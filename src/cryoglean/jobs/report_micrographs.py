"""Images, tables, reasons and the command to pick again, for the reports of runs and of pick folders alike."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.images import read_image
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.micrograph_lists import RejectedRow, read_rows
from cryoglean.report.grey import picture_scale, resized, visible_grey
from cryoglean.report.page_facts import View
from cryoglean.report.score_steps import spread
from cryoglean.report.viewer_data import LONGEST_SIDE_PX, MAX_VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryoglean.jobs.known_inputs import KnownInput
    from cryoglean.micrograph import MicrographFile
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
    return View(key, height, width, grey, scale, diameter_px)


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


def repick_command(root: Path, files: Iterable[Path], options: Mapping[str, object]) -> str:
    """Return the command that picks micrographs with another threshold into a new folder, up to its value.

    Args:
        root: folder with the picks.
        files: the micrographs.
        options: values of `cryoglean pick` by option, as `--method`; what is None is left out.
    """
    words = ["cryoglean", "pick", _named_together(root, set(files))]
    for option, value in options.items():
        words += [] if value is None else [option, str(value)]
    root = root.resolve()
    return f"{shlex.join([*words, '--out', str(root.with_name(root.name + '-repicked'))])} --threshold"


def _named_together(root: Path, files: set[Path]) -> str:
    """Return one word that names all micrographs: their table, or their folder if it holds no others."""
    table = root / MICROGRAPHS_STAR
    if table.exists() and {file.real_path for file in find_micrographs([table])} == files:
        return str(table.resolve())
    folder = next(iter(files)).parent
    try:
        same = {file.real_path for file in find_micrographs([folder])} == files
    except SettingsError:
        same = False
    return str(folder) if same else "MICROGRAPHS"
