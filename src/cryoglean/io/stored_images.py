"""Images of a particles STAR that stay on disk until they are asked for, so that any number of them can be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.mrc_stack import read_stack, stack_shape
from cryoglean.io.particles import image_places, located

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.io.particles import ParticleTable


@dataclass(frozen=True)
class StoredImages:
    """Images in MRC stacks, indexed as an array is by rows.

    Attributes:
        stacks: the files.
        stack: (n,) which of them holds each image.
        number: (n,) of the image in its stack, counted from 0.
        height: of an image, in pixels.
        width: of an image, in pixels.
    """

    stacks: tuple[Path, ...]
    stack: NDArray[np.int64]
    number: NDArray[np.int64]
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """As of an array: (n, height, width)."""
        return len(self.number), self.height, self.width

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Read some images, `(m, height, width)`; values may not be finite.

        Raises:
            TableError: if a stack can no longer be read.
        """
        stack, number = self.stack[rows], self.number[rows]
        images = np.empty((len(number), self.height, self.width), np.float32)
        for which in np.unique(stack):
            at = np.flatnonzero(stack == which)
            several = read_stack(self.stacks[which], number[at].tolist(), must_be_finite=False)
            if several.shape[1:] != images.shape[1:]:
                raise TableError(self.stacks[which], f"has changed: images of {_size(several.shape)} now")
            images[at] = several
        return images

    def only(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> StoredImages:
        """Return some of the images, unread."""
        return replace(self, stack=self.stack[rows], number=self.number[rows])


def stored_images(table: ParticleTable, star_path: Path) -> StoredImages:
    """Find the images of all particles of a table, and see that they are there, and of one size.

    Args:
        table: particles with `rlnImageName`, paths relative to the project folder: the working folder, or the nearest
            one above the STAR file in which they exist.
        star_path: file of the table.

    Raises:
        TableError: if a name or a stack is not usable, a stack has not as many images, or images differ in size.
    """
    places = image_places(table, star_path)
    names = list(dict.fromkeys(name for _, name in places))
    index = {name: n for n, name in enumerate(names)}
    number = np.array([place for place, _ in places], np.int64)
    stack = np.array([index[name] for _, name in places], np.int64)
    paths, last = tuple(located(name, star_path) for name in names), np.zeros(len(names), np.int64)
    np.maximum.at(last, stack, number)
    sizes: dict[tuple[int, int], Path] = {}
    for path, highest in zip(paths, last, strict=True):
        frames, height, width = stack_shape(path)
        if highest >= frames:
            raise TableError(path, f"has {frames} images, but number {highest + 1} is asked for")
        sizes.setdefault((height, width), path)
    if len(sizes) > 1:
        raise TableError(star_path, f"images of different sizes: {_each(sizes)}")
    height, width = next(iter(sizes), (0, 0))
    return StoredImages(paths, stack, number, height, width)


def _each(sizes: dict[tuple[int, int], Path]) -> str:
    return ", ".join(f"{_size(size)} in {path}" for size, path in sizes.items())


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[-1]} x {shape[-2]} px"
