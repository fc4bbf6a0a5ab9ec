"""Micrographs found from folders, files, lists and STAR files, each with a unique key."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.errors import SettingsError
from cryoglean.io.images import SUFFIXES, image_stem, image_suffix, may_be_image, reason_for_suffix
from cryoglean.io.relion_project import path_from_project, project_above
from cryoglean.micrograph import MicrographFile
from cryoglean.words import UNWRITABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.io.exposures import LeftOut

_LIST_SUFFIXES = (".txt", ".lst")
_NO_NAMES = ("", ".", "..")
_JOB = re.compile(r"(?:^|/)(job\d{3}[^/]*)/")


class FoundMicrographs(NamedTuple):
    """What inputs name.

    Attributes:
        files: the micrographs.
        left_out: images that are none by their names, or other versions of one that is taken.
    """

    files: list[MicrographFile]
    left_out: list[LeftOut]


def find_micrographs(inputs: Sequence[Path]) -> list[MicrographFile]:
    """Find the micrographs that the inputs name, as `find_inputs`."""
    return find_inputs(inputs).files


def find_inputs(inputs: Sequence[Path], pattern: str | None = None, *, recursive: bool = False) -> FoundMicrographs:
    """Find the micrographs that the inputs name.

    An input is a folder (its images, and those of its sub-folders if they are wanted), an image, a path with wildcards,
    a text list (`.txt`, `.lst`: a path a line, relative to the working folder or else to the list's, `#` starts a
    comment, also behind a path), or a micrographs STAR of RELION 3.0 to 5 (names relative to the project folder: the
    working folder, or else the nearest one above the STAR file in which they exist). Images are not opened; those named
    by themselves, by a list or a STAR file may be missing. Of several images that are not from a STAR file one of each
    exposure is taken (`choose_exposures`); one image that is named by itself is taken whatever its name.

    Args:
        inputs: paths as the user gave them.
        pattern: what the names of files of folders must match, as `Choice` has it.
        recursive: search sub-folders, too.

    Returns:
        The micrographs, each file once, in the order of the inputs; folders are sorted by name. Keys: for a STAR file
        RELION's rule (everything up to `jobNNN/` and the extension dropped), with the job's folder, or all folders,
        where two jobs have a micrograph of one name; else the name without suffix where these differ, or the path below
        the common folder. With the suffix where two files differ by that alone.

    Raises:
        SettingsError: if an input is missing, nothing is found, or two micrographs would get the same key all the same.
        TableError: if a list or STAR file cannot be understood.
    """
    found: list[MicrographFile] = []
    loose: list[Path] = []
    left_out: list[LeftOut] = []
    for path in map(Path, inputs):
        if path.suffix.lower() == ".star" and os.path.lexists(path) and not path.is_dir():
            from cryoglean.io.listed_micrographs import micrographs_in_star  # for start-up time: pandas

            enabled, disabled = micrographs_in_star(path)
            found, left_out = found + enabled, left_out + disabled
        elif path.is_dir():
            from cryoglean.io.image_folders import Choice, images_in  # for start-up time, where an image is named

            taken, left = images_in(path, Choice(pattern, recursive))
            loose, left_out = loose + taken, left_out + left
        else:
            loose += _loose(path)
    if not found and not loose:
        raise SettingsError("no micrographs given: name a folder, files, a list or a micrographs STAR file")
    _refuse_no_images(found, loose)
    if len(loose) > 1:
        from cryoglean.io.exposures import choose_exposures  # as above

        loose, left = choose_exposures(loose, is_strict=False)
        left_out += left
    found = _each_once([*_apart(found), *_from_paths(loose)])
    _refuse_equal_keys(found)
    return FoundMicrographs(found, left_out)


def _loose(path: Path) -> list[Path]:
    """List the images of an input that is neither a STAR file nor a folder."""
    if not os.path.lexists(path):
        if has_magic(str(path)):
            from cryoglean.io.image_folders import expanded  # as above

            return expanded(path)
        if not image_suffix(path.name):  # a missing image is one bad micrograph
            raise SettingsError(f"{path}: no such file or folder")
    if path.suffix.lower() not in _LIST_SUFFIXES:
        return [path]
    from cryoglean.io.listed_micrographs import images_in_list  # for start-up time: pandas

    return images_in_list(path)


def _refuse_no_images(found: Sequence[MicrographFile], loose: Sequence[Path]) -> None:
    """Refuse inputs among which not one is an image, so that no output folder is made for them."""
    if not found and all(path.is_dir() for path in loose):
        raise SettingsError(f"{loose[0]}: a folder that cannot be listed: see its permissions")
    if not found and not any(path.is_dir() or may_be_image(path.name) for path in loose):
        reason = reason_for_suffix(loose[0].name) or "not a micrograph by its name"
        raise SettingsError(f"{loose[0]}: {reason}; recognised are {' '.join(SUFFIXES)}")


def _from_paths(paths: list[Path]) -> list[MicrographFile]:
    """Make micrographs of image files, with the shortest keys that tell them apart."""
    paths = _distinct(paths)
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 (resolve() would follow links)
    keys = [image_stem(path.name) for path in absolute]
    if len(set(keys)) < len(keys):
        common = Path(os.path.commonpath([path.parent for path in absolute]))
        keys = [(path.parent / image_stem(path.name)).relative_to(common).as_posix() for path in absolute]
    counts = Counter(keys)
    keys = [f"{key}{_suffix(path)}" if counts[key] > 1 else key for path, key in zip(paths, keys, strict=True)]
    names = _names(paths)
    return [
        MicrographFile(path, name, _checked_key(path, key)) for path, name, key in zip(paths, names, keys, strict=True)
    ]


def _suffix(path: Path) -> str:
    """Return what follows the stem of an image's name, as it is written."""
    return path.name[len(image_stem(path.name)) :]


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the names in tables: from the folder of the RELION project, or as they were given where there is none."""
    projects = {folder: project_above(folder / "any") for folder in {path.parent for path in paths}}
    given = [(path, projects[path.parent]) for path in paths]
    return [path.as_posix() if project is None else path_from_project(path, project) for path, project in given]


def _checked_key(path: Path, key: str) -> str:
    """Return the key, or refuse a name that no table can hold or that is none."""
    if UNWRITABLE.search(str(path)):
        raise SettingsError(f"{str(path)!r}: control or undecodable characters in a file name: rename it")
    if key.rpartition("/")[2] in _NO_NAMES:
        raise SettingsError(f"{path}: not a name for a micrograph: rename it")
    return key


def _distinct(paths: list[Path]) -> list[Path]:
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def _each_once(files: list[MicrographFile]) -> list[MicrographFile]:
    first: dict[str, MicrographFile] = {}
    for file in files:
        first.setdefault(os.path.realpath(file.path), file)
    return list(first.values())


def _apart(files: list[MicrographFile]) -> list[MicrographFile]:
    """Give micrographs that would have one key longer ones: with the folder of the job, or all folders, or a suffix."""
    files = _each_once(files)
    for longer in (_job_key, _folder_key, _full_key):
        counts = Counter(file.key for file in files)
        files = [file if counts[file.key] == 1 else replace(file, key=longer(file)) for file in files]
    return files


def _job_key(file: MicrographFile) -> str:
    job = _JOB.search(file.name)
    return f"{job[1]}/{file.key}" if job else file.key


def _folder_key(file: MicrographFile) -> str:
    folders = (part for part in PurePosixPath(file.name).parts[:-1] if part not in (*_NO_NAMES, "/"))
    return "/".join((*folders, image_stem(PurePosixPath(file.name).name)))


def _full_key(file: MicrographFile) -> str:
    return _folder_key(file) + _suffix(file.path)


def _refuse_equal_keys(files: list[MicrographFile]) -> None:
    by_key: dict[str, MicrographFile] = {}
    for file in files:
        other = by_key.setdefault(file.key, file)
        if other is not file:
            raise SettingsError(
                f'{other.path} and {file.path} would both be "{file.key}" in the output folder: '
                "rename one, or give them to runs of their own"
            )
