"""Masks of micrographs, found by their names; `mask_pixels` reads them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError
from cryoglean.io.images import image_stem, image_suffix
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryoglean.micrograph import MicrographFile

ENDING = "_mask"
"""What the name of a mask may have behind that of its micrograph."""

_LOSSY = (".jpg", ".jpeg")


def with_masks(files: Sequence[MicrographFile], path: Path) -> list[MicrographFile]:
    """Return micrographs with their masks; one without is left as it is.

    Args:
        files: the micrographs.
        path: a folder of masks called as their micrographs, with or without `ENDING`, those of keys with folders in
            such folders; or the mask of the only micrograph.

    Raises:
        SettingsError: if there is no mask of any, two of one, or one file for several.
    """
    if path.is_file():
        if len(files) > 1:
            raise SettingsError(f"--mask {path}: one mask, and {len(files)} micrographs: give a folder of masks")
        return [replace(file, mask=path) for file in files]
    if not path.is_dir():
        raise SettingsError(f"--mask {path}: no such file or folder")
    stems = Counter(image_stem(file.path.name) for file in files)
    listed = cache(_masks_by_name)
    found = [replace(file, mask=_mask_of(file, path, stems, listed)) for file in files]
    if files and not any(file.mask for file in found):
        stem = image_stem(files[0].path.name)
        raise SettingsError(
            f"--mask {path}: no mask of any of {counted(len(files), 'micrograph')}; that of {files[0].path.name} would "
            f"be called {stem}.png or {stem}{ENDING}.png, .mrc or .tif"
        )
    return found


def _mask_of(
    file: MicrographFile, folder: Path, stems: Counter[str], listed: Callable[[Path], dict[str, list[Path]]]
) -> Path | None:
    stem = image_stem(file.path.name)
    for name in dict.fromkeys([file.key] + [stem] * (stems[stem] == 1)):
        place = folder / name
        found = [path for path in listed(place.parent).get(place.name, []) if not _is_same(path, file.path)]
        if len(found) > 1:
            raise SettingsError(
                f"--mask {folder}: {found[0].name} and {found[1].name} are both of {file.name}: keep one"
            )
        if found:
            return found[0]
    return None


def _masks_by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the images of a folder by the names of micrographs that they may be masks of."""
    found: dict[str, list[Path]] = {}
    for path in sorted(_images(folder)):
        stem = image_stem(path.name)
        for name in {stem, stem.removesuffix(ENDING)}:
            found.setdefault(name, []).append(path)
    return found


def _images(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        suffix = image_suffix(path.name).lower()
        if suffix and suffix not in _LOSSY and not path.name.startswith("."):
            yield path


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)
