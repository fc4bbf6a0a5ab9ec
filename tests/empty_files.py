"""Files by their names alone, and by which keys they are found."""

from pathlib import Path

from cryoglean.io.inputs import find_micrographs


def make(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def keys(*inputs):
    return [file.key for file in find_micrographs([Path(i) for i in inputs])]
