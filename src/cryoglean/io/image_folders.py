"""Images in folders and behind wildcards: which files there are micrographs, and what a folder without any holds."""

from __future__ import annotations

import glob
import os
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError
from cryoglean.io.exposures import Kind, LeftOut, choose_exposures, describe_left_out
from cryoglean.io.images import SUFFIXES, image_suffix, reason_for_suffix
from cryoglean.words import UNWRITABLE, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UNWRITABLE = Kind(
    "file to be renamed, with control or undecodable characters in its name",
    "files to be renamed, with control or undecodable characters in their names",
)

_MAX_KINDS = 2
"""Kinds of other files that a message names. *Resource*: a line of a terminal."""


@dataclass(frozen=True)
class Choice:
    """Which files of a folder are wanted.

    Attributes:
        pattern: what their names must match, with wildcards; with "/" in it, their paths from the folder; None takes
            all images.
        recursive: search sub-folders, too.
    """

    pattern: str | None = None
    recursive: bool = False

    def takes(self, path: Path, folder: Path) -> bool:
        """Tell whether a file of a folder is wanted."""
        if self.pattern is None:
            return True
        name = path.relative_to(folder).as_posix() if "/" in self.pattern else path.name
        return fnmatchcase(name, self.pattern)


def images_in(folder: Path, choice: Choice) -> tuple[list[Path], list[LeftOut]]:
    """List the micrographs of a folder, one file of each exposure, and the images that are none.

    A folder that may not be listed stands for itself, to be rejected by its name. A file whose name no table can hold
    is left out, unless there are no others.

    Raises:
        SettingsError: if there are none, or it cannot be listed.
    """
    try:
        files = list(_walk(folder)) if choice.recursive else _listed(folder)
    except PermissionError:
        return [folder], []
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be listed: {error.strerror or error}") from error
    images = [path for path in files if image_suffix(path.name) and not is_folder(path)]
    wanted = [path for path in images if choice.takes(path, folder)]
    strange = [path for path in wanted if UNWRITABLE.search(str(path))]
    named = [path for path in wanted if path not in strange] if len(strange) < len(wanted) else wanted
    taken, left_out = choose_exposures(named, is_strict=choice.pattern is None)
    if named is not wanted:
        left_out = [*left_out, *(LeftOut(Path(written(str(path))), _UNWRITABLE) for path in strange)]
    if not taken:
        raise SettingsError(f"{folder}: {_nothing(files, images, left_out, choice)}")
    return taken, left_out


def expanded(path: Path) -> list[Path]:
    """Return the images that a path with wildcards matches, sorted; the shell leaves them where it is told to.

    Raises:
        SettingsError: if there are none.
    """
    found = sorted(Path(each) for each in glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute ones)
    images = [each for each in found if image_suffix(each.name) and not is_folder(each)]
    if not images:
        raise SettingsError(f"{path}: no image matches it; looked for {' '.join(SUFFIXES)}")
    return images


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder."""
    try:
        return path.is_dir()
    except OSError:  # nothing can be said of it: reading it will say why
        return False


def _listed(folder: Path) -> list[Path]:
    """List what is in a folder; hidden files are other programs' (macOS leaves ._a.mrc beside a.mrc)."""
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _walk(folder: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """List what is in a folder and below it; a link to where one has come from, or above it, is not followed."""
    seen |= {Path(os.path.realpath(folder))}
    for path in _listed(folder):
        if not is_folder(path):
            yield path
        elif os.access(path, os.R_OK | os.X_OK):
            target = Path(os.path.realpath(path))
            if not any(each.is_relative_to(target) for each in seen):
                yield from _walk(path, seen)


def _nothing(files: Sequence[Path], images: Sequence[Path], left_out: Sequence[LeftOut], choice: Choice) -> str:
    """Say what a folder holds instead of micrographs, and what to do."""
    if left_out:
        return f"by their names no micrographs, but {describe_left_out(left_out)}: --pattern takes them all the same"
    if images:
        return f"none of its {len(images)} images matches --pattern {choice.pattern}"
    nothing = "no micrographs in this folder" + (" or below it" if choice.recursive else "")
    others = Counter(path.suffix.lower() for path in files if reason_for_suffix(path.name))
    if others:
        said = [f"{number} {suffix} ({reason_for_suffix(suffix)})" for suffix, number in others.most_common(_MAX_KINDS)]
        return f"{nothing}, but {', '.join(said)}"
    nothing += f"; looked for {' '.join(SUFFIXES)}"
    for below in (path for path in files if is_folder(path) and os.access(path, os.R_OK | os.X_OK)):
        if any(image_suffix(path.name) for path in _walk(below)):
            return f"{nothing}; sub-folders are not searched, but {below} has some: name it, or give --recursive"
    return nothing
