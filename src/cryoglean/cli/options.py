"""Options that mean the same in every command, what they name, and help that says their types in plain words."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryoglean.io.inputs import FoundMicrographs
    from cryoglean.micrograph import MicrographFile


class AnyContrast(StrEnum):
    """Contrasts of protein, or the word by which the micrographs tell it."""

    auto = "auto"
    dark = "dark"
    bright = "bright"

    @property
    def given(self) -> str | None:
        """The contrast, if one was given."""
        return None if self is AnyContrast.auto else self.value


Micrographs = Annotated[
    list[Path], typer.Argument(help="A folder, images, a text list of images, or a micrographs STAR file.")
]
Pattern = Annotated[
    str | None, typer.Option(metavar="GLOB", help="Of folders take only images whose names match, as '*_DW.mrc'.")
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Search sub-folders of folders, too.")]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Masks: a folder of MRC, PNG or TIFF called as the micrographs, NAME or NAME_mask, or one for a single "
        "micrograph, of its size or smaller. Where a pixel is not 0 (of fractions: above 0.5), nothing is learned or "
        "picked.",
    ),
]
Out = Annotated[Path, typer.Option(help="Output folder; an existing one is resumed.")]
PixelSize = Annotated[
    float | None, typer.Option(help="Pixel size in Å; by default that of the STAR file or the image's header.")
]
Contrast = Annotated[
    AnyContrast, typer.Option(help="Contrast of protein: dark in ice, bright in stain or inverted images.")
]
Fit = Annotated[
    Path | None,
    typer.Option(help="A fit of cryoglean fit: its picker, diameter and all it has learned; nothing is learned anew."),
]
Cpus = Annotated[int | None, typer.Option(min=1, help="Processors to use; by default all that are free.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Force = Annotated[bool, typer.Option("--force", help="Redo everything, overwriting.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print a line per micrograph.")]
Seed = Annotated[int | None, typer.Option(help="Random seed; 0 by default.")]


def found_micrographs(
    inputs: Sequence[Path],
    pattern: str | None,
    mask: Path | None = None,
    *,
    recursive: bool,
    info: Callable[[str], None],
) -> FoundMicrographs:
    """Find the micrographs and their masks, and show what is left out, if anything is, and which have none.

    Raises:
        SettingsError: if there are none, or the masks are none of theirs.
        TableError: if a list or STAR file cannot be understood.
    """
    from cryoglean.io.inputs import find_inputs

    found = find_inputs(inputs, pattern, recursive=recursive)
    if found.left_out:
        from cryoglean.io.exposures import describe_left_out

        info(f"left out: {describe_left_out(found.left_out)}; --pattern chooses others")
    return found if mask is None else found._replace(files=_masked(found.files, mask, info))


def _masked(files: Sequence[MicrographFile], path: Path, info: Callable[[str], None]) -> list[MicrographFile]:
    from cryoglean.io.masks import with_masks
    from cryoglean.words import counted

    masked = with_masks(files, path)
    number = sum(file.mask is not None for file in masked)
    others = (
        "" if number == len(masked) else f"; {counted(len(masked) - number, 'micrograph')} without one, picked whole"
    )
    info(f"masks of {number} of {len(masked)} micrographs: {path}{others}")
    return masked


class Preset(StrEnum):
    """Ways to set a method: those of this program, or those that were published."""

    default = "default"
    paper = "paper"


_TYPES = {
    "<bool>": "",
    "<str>": "TEXT",
    "<path>": "PATH",
    "<int>": "NUMBER",
    "<int range>": "NUMBER",
    "<float>": "NUMBER",
    "<float range>": "NUMBER",
    "<list[Path]>": "PATH",
    "<list[str]>": "TEXT",
}


class PlainCommand(TyperCommand):
    """A command whose help names types in plain words."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 (its type moved from one Typer to the next)
        """Return the parameters, with their types in plain words."""
        return [_in_plain_words(param) for param in super().get_params(ctx)]


class PlainGroup(TyperGroup):
    """A group of commands whose help names types in plain words."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 (as above)
        """Return the parameters, with their types in plain words."""
        return [_in_plain_words(param) for param in super().get_params(ctx)]


def _in_plain_words(param: Any) -> Any:  # noqa: ANN401 (as above)
    show = getattr(type(param), "display_type", None)
    if show is not None:  # an older Typer writes plain words itself
        param.display_type = lambda ctx: _TYPES.get(shown := show(param, ctx), shown.strip("<>"))
    return param
