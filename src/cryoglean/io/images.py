"""Reading of micrographs: one file in, one checked float32 image out, or one line that says why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import MicrographError
from cryoglean.io.mrc import read_noted_mrc
from cryoglean.io.mrc_header import unit_remedy
from cryoglean.io.regular import irregularity
from cryoglean.limits import is_same_size
from cryoglean.micrograph import Contrast, Micrograph

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryoglean.micrograph import MicrographFile

    Reader = Callable[[Path], tuple[NDArray[np.float32], float | None]]

MIN_SIDE_PX = 16
"""Minimum side of a micrograph. Chosen by hand: a particle of `MIN_DIAMETER_PX` and its surroundings."""

MAX_VALUE = 1e15
"""Maximum magnitude of a pixel. Derived: its square still fits into float32."""

_NAME_BYTES = 255
"""Maximum length of a file name. Resource: that of the usual file systems."""

_LONGEST_ENDING = "_autopick.star"

_STRIP_PIXELS = 2**20
"""Pixels that are checked at once. Resource: the mask of a strip takes 1 MiB."""

_KINDS = {
    ".mrc": "MRC",
    ".mrc.gz": "gzip",
    ".mrc.bz2": "bzip2",
    ".mrc.xz": "xz",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
}
SUFFIXES = tuple(_KINDS)
"""Suffixes of micrographs, in lower case, for which folders are searched."""

_RASTERS = ("TIFF", "PNG", "JPEG")
_OTHER_MRC = (".mrcs", ".map", ".st", ".rec", ".ali")
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"(\xb5/\xfd", "Zstandard"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"PK\x03\x04", "zip"),
    (b"%PDF", "PDF"),
    (b"GIF8", "GIF"),
)
_OF_HEADER = "header"
_OF_MOVIE = "movie in the STAR file"
_MOTION_CORRECTION = "motion-correct it first, e.g. with relion_run_motioncorr, and give the average"
_HINTS = {
    ".eer": f"an EER movie: {_MOTION_CORRECTION}",
    ".gain": f"the gain reference of movies: {_MOTION_CORRECTION}",
    ".dm4": "a Digital Micrograph file: convert it to MRC first, e.g. with IMOD dm2mrc",
    ".dm3": "a Digital Micrograph file: convert it to MRC first, e.g. with IMOD dm2mrc",
    ".zst": "Zstandard compression is not read: decompress it first (zstd -d)",
    ".hdf": "an HDF file: convert it to MRC first, e.g. with e2proc2d.py",
    ".h5": "an HDF file: convert it to MRC first, e.g. with e2proc2d.py",
    ".mdoc": "SerialEM's notes about an image: give the image itself",
}


def image_suffix(name: str) -> str:
    """Return the suffix by which a file name is recognised as an image, as it is written there, or ""."""
    lower = name.lower()
    found = [suffix for suffix in SUFFIXES if lower.endswith(suffix) and len(lower) > len(suffix)]
    return name[-len(found[0]) :] if found else ""


def may_be_image(name: str) -> bool:
    """Tell whether a file of this name is read when it is named by itself."""
    return bool(image_suffix(name)) or Path(name).suffix.lower() in _OTHER_MRC


def reason_for_suffix(name: str) -> str | None:
    """Return why a file of this name, or suffix, cannot be read, and what to do, if that is known."""
    return _HINTS.get(Path(f"name{name}").suffix.lower())


def image_stem(name: str) -> str:
    """Return a file name without its image suffix: "a.b.mrc.gz" -> "a.b"; an unknown suffix goes too."""
    suffix = image_suffix(name) or Path(name).suffix
    return name[: -len(suffix)] if suffix else name


def read_image(path: Path) -> tuple[NDArray[np.float32], float | None]:
    """Read a micrograph of any recognised format.

    Args:
        path: MRC (also compressed), TIFF, PNG or JPEG, told by its suffix; its content must agree.

    Returns:
        The image, (h, w) float32, C-contiguous, all values finite, row 0 first as stored; and the pixel size in
        angstrom that the file gives, or None.

    Raises:
        MicrographError: if it is missing, unreadable, damaged, not one grey image, constant, too small, or holds
            values that are not finite. Nothing else is raised for a bad file.
    """
    return _read(Path(path))[:2]


def read_pixels(path: Path) -> NDArray[np.float32]:
    """Read an image as `read_image` does, of whatever size and values.

    Raises:
        MicrographError: as there, but for its size and values.
    """
    return _decoded(path, lambda _: None)[0]


def _read(path: Path) -> tuple[NDArray[np.float32], float | None, str | None]:
    """Read as `read_image`, and return a line for the user, if there is something to say."""
    return _decoded(path, lambda image: _check_content(path, image))


def _decoded(
    path: Path, check: Callable[[NDArray[np.float32]], None]
) -> tuple[NDArray[np.float32], float | None, str | None]:
    try:
        kind = _kind(path)
        image, pixel_size, note = read_noted_mrc(path) if kind not in _RASTERS else (*_raster_reader(kind)(path), None)
        check(image)
    except OSError as error:
        raise MicrographError(path, _os_reason(error)) from error
    except MemoryError as error:
        raise MicrographError(path, "not enough memory to read it") from error
    return image, pixel_size, note


def _raster_reader(kind: str) -> Reader:
    from cryoglean.io.raster import read_jpeg, read_png, read_tiff  # late: their libraries take time that MRC need not

    return {"TIFF": read_tiff, "PNG": read_png, "JPEG": read_jpeg}[kind]


def _os_reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing: no such file"
    return f"cannot be read: {error.strerror or error}"


def _kind(path: Path) -> str:
    """Return the kind of file by its suffix; refuse what is not readable or holds something else."""
    status = path.stat()
    reason = irregularity(status)
    if reason is not None:
        if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
            reason = "a folder that cannot be listed: see its permissions"
        raise MicrographError(path, reason)
    if status.st_size == 0:
        raise MicrographError(path, "empty: the file has 0 bytes")
    suffix = path.suffix.lower()
    if suffix in _HINTS:
        raise MicrographError(path, _HINTS[suffix])
    kind = "MRC" if suffix in _OTHER_MRC else _KINDS.get(image_suffix(path.name).lower(), "")
    content = _content(path)
    if not kind:
        raise MicrographError(path, f"not a micrograph by its name: recognised are {' '.join(SUFFIXES)}")
    if content != kind and (content or kind != "MRC"):  # old MRC files cannot be told by their first bytes
        inside = content or "something else"
        raise MicrographError(path, f"named as {kind}, but it holds {inside}: {_rename_hint(content)}")
    return kind


def _rename_hint(content: str) -> str:
    suffixes = [suffix for suffix, kind in _KINDS.items() if kind == content]
    return f"name it {suffixes[0]}" if suffixes else "give an image"


def _content(path: Path) -> str:
    """Return the kind of file by its first bytes, or "" where they do not show it."""
    with path.open("rb") as stream:
        head = stream.read(212)
    known = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")
    return known or ("MRC" if head[208:211] == b"MAP" else "")


def _check_content(path: Path, image: NDArray[np.float32]) -> None:
    height, width = image.shape
    if min(height, width) < MIN_SIDE_PX:
        raise MicrographError(
            path, f"{width} x {height} px: too small for a micrograph (at least {MIN_SIDE_PX} a side)"
        )
    rows = max(1, _STRIP_PIXELS // width)
    strips = [image[top : top + rows] for top in range(0, height, rows)]
    bad = sum(strip.size - int(np.isfinite(strip).sum()) for strip in strips)
    if bad:
        raise MicrographError(path, f"{bad} of {image.size} pixels are NaN or infinite")
    lowest, highest = float(image.min()), float(image.max())
    if lowest == highest:
        raise MicrographError(path, f"constant: every pixel is {lowest:g}")
    if max(-lowest, highest) > MAX_VALUE:
        raise MicrographError(path, f"corrupt: pixels from {lowest:.3g} to {highest:.3g} are not intensities")


def pixel_size_of(
    file: MicrographFile, option_angstrom: float | None, header_angstrom: float | None
) -> tuple[float, str | None]:
    """Choose the pixel size of a micrograph: that given by the user, else that of its table, else of its header.

    That of the movie comes last: motion correction may have binned it, and the header would know.

    Args:
        file: the micrograph, with the pixel size of its STAR file in angstrom if there is one.
        option_angstrom: pixel size given by the user, or None.
        header_angstrom: pixel size in the header of the image, or None.

    Returns:
        The pixel size in angstrom, and one line about sources that differ from it by more than
        `PIXEL_SIZE_TOLERANCE`, or None.

    Raises:
        MicrographError: if no source has it, or the header alone, in another unit than angstrom by its look.
    """
    sources = {
        "--pixel-size": option_angstrom,
        "STAR file": file.pixel_size_angstrom,
        _OF_HEADER: header_angstrom,
        _OF_MOVIE: file.original_pixel_size_angstrom,
    }
    known = {name: value for name, value in sources.items() if value is not None}
    if not known:
        raise MicrographError(file.path, "pixel size unknown: give --pixel-size", by_settings=True)
    (chosen, size), *others = known.items()
    if chosen == _OF_HEADER and (remedy := unit_remedy(size)):
        raise MicrographError(file.path, remedy, by_settings=True)
    differing = [f"{name} {value:.4g}" for name, value in others if not is_same_size(value, size)]
    if chosen == _OF_MOVIE:
        return size, f"pixel size {size:.4g} Å is the movie's: if motion correction binned it, give --pixel-size"
    if not differing:
        return size, None
    return size, f"pixel sizes disagree: {chosen} {size:.4g}, {', '.join(differing)} Å; {chosen} is used"


def _refuse_long_name(file: MicrographFile) -> None:
    size = len(os.fsencode(file.key.rpartition("/")[2]))
    if size > _NAME_BYTES - len(_LONGEST_ENDING):
        raise MicrographError(
            file.path,
            f"a name of {size} bytes is too long for {_LONGEST_ENDING} behind it: rename it, to at most "
            f"{_NAME_BYTES - len(_LONGEST_ENDING)}",
        )


def read_micrograph(file: MicrographFile, pixel_size_angstrom: float | None = None) -> tuple[Micrograph, str | None]:
    """Read a micrograph, protein dark, and choose its pixel size (see `pixel_size_of`).

    Args:
        file: the micrograph.
        pixel_size_angstrom: pixel size given by the user, or None.

    Returns:
        The micrograph, and one line about pixel sizes that disagree or how it was read, or None.

    Raises:
        MicrographError: if the image or its mask is unusable, its name leaves no room for those of results, or its
            pixel size is unknown.
    """
    _refuse_long_name(file)
    image, header_angstrom, of_reading = _read(file.path)
    size, of_size = pixel_size_of(file, pixel_size_angstrom, header_angstrom)
    note = "; ".join(each for each in (of_reading, of_size) if each is not None) or None
    dark = -image if file.contrast is Contrast.bright else image
    return Micrograph(dark, size, file.name, file.defocus_angstrom, _mask_of(file, dark.shape)), note


def _mask_of(file: MicrographFile, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if file.mask is None:
        return None
    from cryoglean.io.mask_pixels import mask_from  # late: most micrographs have none

    try:
        return mask_from(file.mask, read_pixels(file.mask), shape)
    except MicrographError as error:
        raise MicrographError(file.path, f"its mask {error}", by_settings=True) from error
