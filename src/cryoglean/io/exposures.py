"""Exposures by the names of their files: programs lay several versions and by-products of one micrograph side by side.

One exposure is picked once: the dose-weighted sum before the plain one, and what is no micrograph never.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.io.images import image_stem
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path


class Kind(NamedTuple):
    """Kind of an image, for the user: of one, and of several."""

    one: str
    several: str


_GAIN = Kind("gain reference", "gain references")
_PREVIEW = Kind("preview", "previews")
_SPECTRUM = Kind("power spectrum", "power spectra")
_HALF = Kind("half of the frames", "halves of the frames")
_BACKGROUND = Kind("background", "backgrounds")
_THUMBNAIL = Kind("thumbnail", "thumbnails")
_CTF = Kind("picture of a CTF", "pictures of a CTF")
_OTHER_VERSION = Kind("other version of a micrograph that is taken", "other versions of micrographs that are taken")

_BY_PRODUCTS = (
    (re.compile(r"_PS$"), _SPECTRUM),
    (re.compile(r"_(EVN|ODD)$"), _HALF),
    (re.compile(r"_background$"), _BACKGROUND),
    (re.compile(r"_thumb(nail)?(_?@?\d+x)?$"), _THUMBNAIL),
    (re.compile(r"_ctf_diag(_2D)?$"), _CTF),
    (re.compile(r"^(Super|Count|Dark)Ref_"), _GAIN),
    (re.compile(r"(^|[_-])gain(_?ref(erence)?)?$", re.IGNORECASE), _GAIN),
    (
        re.compile(r"^(GridSquare_\d{8}_\d{6}|FoilHole_\d+_\d{8}_\d{6}|Atlas_\d+|Tile(_\d+){3})$"),
        Kind("overview image", "overview images"),
    ),
)
"""*Format*: names of RELION's MotionCorr (`_PS`, `_EVN`, `_ODD`), MotionCor2's sums of split frames (`_EVN`, `_ODD`),
cryoSPARC's patch motion correction and CTF (`_background`, `_thumb_@1x`, `_ctf_diag_2D`), SerialEM's references
(`CountRef_`, `SuperRef_`) and EPU's grid squares, foil holes and atlases."""

_BESIDE = re.compile(
    r"[_-](ps|evn|even|odd|ctf|ctffind\d?|diag(nostics?)?|avrot|fft|mask|preview|power_?spec(trum)?|spectrum)$",
    re.IGNORECASE,
)
"""*Format*: endings that programs and people give to what they make of a micrograph (power spectra, halves, pictures of
a CTF, masks). A name of one's own may end so: they count only beside a micrograph of the name before the ending."""

_FOLDERS = (
    (re.compile(r"even|evn|odd", re.IGNORECASE), _HALF),
    (re.compile(r"thumb(nail)?s?", re.IGNORECASE), _THUMBNAIL),
    (re.compile(r"previews?|jpe?gs?|pngs?", re.IGNORECASE), _PREVIEW),
    (re.compile(r"ps|ffts?|avrot|power|(power_?)?spec(tr(um|a))?", re.IGNORECASE), _SPECTRUM),
    (re.compile(r"ctf(find\d?|s|_?estimat(ed|ion))?|diag(nostics?)?", re.IGNORECASE), _CTF),
    (re.compile(r"backgrounds?", re.IGNORECASE), _BACKGROUND),
    (re.compile(r"masks?", re.IGNORECASE), Kind("mask", "masks")),
    (re.compile(r"denoised|denoising|deconv(olved)?", re.IGNORECASE), _OTHER_VERSION),
)
"""*Format*: folders in which programs lay by-products under the name of their micrograph: sums of split frames, Warp's
`average/even`, `powerspectrum`, `deconv` and `mask`, cryoSPARC's `thumbnails` and `ctfestimated`, Topaz's `denoised`.
Micrographs may lie in a folder of such a name: they count only where one of that name lies outside, beside or above."""

_HALVES = ("even", "odd", "evn", "Even", "Odd", "EVEN", "ODD", "EVN")
"""*Format*: folders for sums of the even and of the odd frames. One beside the other tells what both are."""

_BY_PRODUCT = Kind("by-product of a micrograph that is taken", "by-products of micrographs that are taken")

_WEIGHTED = (
    (re.compile(r"(^|[_-])noDW$", re.IGNORECASE), 4),
    (re.compile(r"(^|[_-])DWS$", re.IGNORECASE), 1),
    (re.compile(r"(^|[_-])(DW|doseweighted)$", re.IGNORECASE), 0),
)
"""Endings of sums with and without weights by dose, of files and of folders, and their ranks. *Format*: as below."""

_VERSIONS = (
    (re.compile(r"_denoised$"), 5),
    *_WEIGHTED,
    (re.compile(r"_(patch|rigid)_aligned$"), 3),
    (re.compile(r"_[Ff]ractions$"), 6),
)
"""Endings of a micrograph's versions and their ranks, the first that applies. *Format*: MotionCor2 writes a plain sum,
`_DW` and `_DWS` (dose-weighted, of all frames and of some), RELION `_noDW` beside the dose-weighted sum, cryoSPARC
`_patch_aligned` beside `_patch_aligned_doseweighted` and `_denoised`, EPU the movie `_Fractions` beside its sum."""

_PLAIN, _MOVIE = 2, 6
"""Ranks of a name without an ending, and of a movie. Derived from `_VERSIONS`."""

_FORMATS = (".mrc", ".tif", ".tiff")
"""Suffixes in the order in which files of one name are taken; others, compressed ones among them, come last. Chosen by
hand: what the program of the microscope or the one that summed the frames has written, before what was made of it."""

_PICTURES = (".png", ".jpg", ".jpeg")


class LeftOut(NamedTuple):
    """An image that is not taken.

    Attributes:
        path: its file.
        kind: what it is.
    """

    path: Path
    kind: Kind


class _Image(NamedTuple):
    path: Path
    exposure: tuple[Path, str]
    by_product: Kind | None
    rank: tuple[bool, int, int]


def choose_exposures(paths: Sequence[Path], *, is_strict: bool) -> tuple[list[Path], list[LeftOut]]:
    """Choose one file of each exposure.

    Args:
        paths: images of any folders; versions are told apart within one folder, and by the folders that programs make
            for one version or by-product.
        is_strict: leave out by-products even where there is nothing else; otherwise the user has asked for them.

    Returns:
        The files that are taken, in their order, and those that are not. Files of one exposure, equal version and
        equal format are all taken: their names alone do not tell which is meant.
    """
    images = _in_folders(_with_by_products([_image(path) for path in paths]))
    if is_strict or any(image.by_product is None for image in images):
        left_out = [LeftOut(image.path, image.by_product) for image in images if image.by_product is not None]
        images = [image for image in images if image.by_product is None]
    else:
        left_out = []
    best: dict[tuple[Path, str], tuple[bool, int, int]] = {}
    for image in images:
        best[image.exposure] = min(image.rank, best.get(image.exposure, image.rank))
    taken = [image.path for image in images if image.rank == best[image.exposure]]
    left_out += [_worse(image, best[image.exposure]) for image in images if image.rank != best[image.exposure]]
    return taken, left_out


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """Say how many images of each kind are left out: "2 power spectra, 1 thumbnail"."""
    counts = Counter(each.kind for each in left_out)
    return ", ".join(counted(number, *kind) for kind, number in counts.most_common())


def _with_by_products(images: Sequence[_Image]) -> list[_Image]:
    """Tell by-products that are such only beside a micrograph of which they were made."""
    exposures = {image.exposure for image in images if image.by_product is None}
    found = []
    for image in images:
        folder, own = image.exposure
        is_beside = image.by_product is None and (folder, _BESIDE.sub("", own)) in exposures - {image.exposure}
        found.append(image._replace(by_product=_BY_PRODUCT) if is_beside else image)
    return found


def _in_folders(images: Sequence[_Image]) -> list[_Image]:
    """Tell by-products by the folders in which they lie, where a micrograph of their name lies outside of them."""
    kinds = {above: _kind_of(above) for folder in {image.path.parent for image in images} for above in _up(folder)}
    if not any(kinds.values()):
        return [*images]
    outside = {
        (folder, image.exposure[1])
        for image in images
        if image.by_product is None
        for folder in _up_to_first(image.path.parent, kinds)
    }
    return [_judged_by_folder(image, kinds, outside) if image.by_product is None else image for image in images]


def _judged_by_folder(
    image: _Image, kinds: Mapping[Path, Kind | None], outside: AbstractSet[tuple[Path, str]]
) -> _Image:
    own = image.exposure[1]
    for folder in _up(image.path.parent):
        kind = kinds[folder]
        others = [folder.parent, *(folder.with_name(name) for name in _HALVES if kind is _HALF and name != folder.name)]
        if kind and any((other, name) in outside for other in others for name in (own, _BESIDE.sub("", own))):
            return image._replace(by_product=kind)
    return image


def _kind_of(folder: Path) -> Kind | None:
    return next((kind for pattern, kind in _FOLDERS if pattern.fullmatch(folder.name)), None)


def _up(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _up_to_first(folder: Path, kinds: Mapping[Path, Kind | None]) -> Iterator[Path]:
    """List a folder and those above it, up to the first one of by-products."""
    for above in _up(folder):
        yield above
        if kinds[above]:
            return


def _image(path: Path) -> _Image:
    """Take a name apart: the exposure's own, and what programs have put behind it."""
    own = image_stem(path.name)
    by_product, rank = None, None
    while (found := _ending(own)) is not None:
        own, kind, level = found
        by_product, rank = by_product or kind, level if rank is None else rank
    folder, level = _version_of_folder(path.parent)
    ranks = [each for each in (rank, level, _PLAIN) if each is not None]
    suffix = path.suffix.lower()
    form = _FORMATS.index(suffix) if suffix in _FORMATS else len(_FORMATS)
    return _Image(path, (folder, own), by_product, (suffix in _PICTURES, ranks[0], form))


def _version_of_folder(folder: Path) -> tuple[Path, int | None]:
    """Return a folder of one version of micrographs as it is called without that, and the version's rank."""
    for pattern, rank in _WEIGHTED:
        if match := pattern.search(folder.name):
            own = folder.name[: match.start()]
            return folder.with_name(own) if own else folder.parent, rank
    return folder, None


def _ending(own: str) -> tuple[str, Kind | None, int | None] | None:
    """Return a name without its last ending, and what that tells; None where there is none, or nothing before it."""
    for pattern, kind in _BY_PRODUCTS:
        if match := pattern.search(own):
            return own[: match.start()], kind, None
    for pattern, rank in _VERSIONS:
        match = pattern.search(own)
        if match and match.start():
            return own[: match.start()], None, rank
    return None


def _worse(image: _Image, best: tuple[bool, int, int]) -> LeftOut:
    if image.rank[0] and not best[0]:
        return LeftOut(image.path, _PREVIEW)
    return LeftOut(image.path, Kind("movie", "movies") if image.rank[1] == _MOVIE else _OTHER_VERSION)
