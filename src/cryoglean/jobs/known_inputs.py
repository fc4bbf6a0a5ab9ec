"""Micrographs that a folder knows from earlier calls: by their keys and what is in their files, wherever these lie.

A project may be moved or mounted elsewhere, and a micrograph called by another spelling of its path; both leave its
key, its name in tables and its results. Another image in the same file is noticed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError
from cryoglean.jobs.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryoglean.micrograph import MicrographFile

_SAMPLED_BYTES = 65_536
"""Bytes of the beginning, the middle and the end of a file that tell it from others. *Resource*: a thousandth of a
micrograph is read; its noise makes each such part unique."""


class KnownMask(Record):
    """A micrograph's mask as it was when it was given.

    Attributes:
        path: absolute, with links followed.
        size: in bytes.
        modified_ns: time of its last change in ns.
        sha256: of its content; "" where it could not be read.
    """

    path: str
    size: int
    modified_ns: int
    sha256: str

    @classmethod
    def of(cls, mask: Path, before: KnownMask | None) -> KnownMask:
        """Describe a mask; one that was not touched since is not read again."""
        path = Path(os.path.realpath(mask))
        now = _regular(path)
        stamp = (str(path), -1, 0) if now is None else (str(path), now.st_size, now.st_mtime_ns)
        if before is not None and (before.path, before.size, before.modified_ns) == stamp:
            return before
        from cryoglean.io.digests import file_digest  # late: most micrographs have none

        try:
            digest = file_digest(path)
        except SettingsError:  # reading it for its micrograph will say why
            digest = ""
        return cls(path=stamp[0], size=stamp[1], modified_ns=stamp[2], sha256=digest)


class KnownInput(Record):
    """A micrograph's file as it was when it was given.

    Attributes:
        path: absolute, with links followed.
        name: of the micrograph in tables.
        size: in bytes; -1 where there was no file.
        modified_ns: time of its last change in ns.
        sample: digest of parts of its content; "" where there was no file.
        mask: of it, if one was given.
    """

    path: str
    name: str
    size: int = -1
    modified_ns: int = 0
    sample: str = ""
    mask: KnownMask | None = None

    @property
    def mask_path(self) -> Path | None:
        """File of the mask, if one was given."""
        return None if self.mask is None else Path(self.mask.path)

    def is_still(self, path: Path) -> bool:
        """Tell whether a file holds what it held, or cannot tell as it is not there: then reading it will say so."""
        now = _regular(path)
        if now is None:
            return True
        if self.size != now.st_size:
            return False
        is_untouched = self.path == str(path) and self.modified_ns == now.st_mtime_ns
        return is_untouched or self.sample == _sample(path, now.st_size)


def with_known_keys(known: Mapping[str, KnownInput], files: Sequence[MicrographFile]) -> list[MicrographFile]:
    """Give micrographs the keys and names that they had in earlier calls.

    A key may depend on what else is named, and a name on the working folder.

    Args:
        known: micrographs of earlier calls by key.
        files: the micrographs as they are called now.
    """
    key_of = {each.path: key for key, each in known.items()}
    found = []
    for file in files:
        key = key_of.get(str(file.real_path))
        if key is None and file.key in known and _is_moved(known[file.key], file.real_path):
            key = file.key
        found.append(file if key is None else replace(file, key=key, name=known[key].name))
    return found


def describe_inputs(known: Mapping[str, KnownInput], files: Iterable[MicrographFile]) -> dict[str, KnownInput]:
    """Return the micrographs of all calls by key, those of this call as they are now."""
    return dict(known) | {file.key: _described(file, known.get(file.key)) for file in files}


def find_stranger(known: Mapping[str, KnownInput], files: Iterable[MicrographFile]) -> MicrographFile | None:
    """Return a micrograph that has the key of another one, if there is any: it lies elsewhere, and is another image."""
    for file in files:
        before = known.get(file.key)
        if before is not None and before.path != str(file.real_path) and not _is_moved(before, file.real_path):
            return file
    return None


def find_replaced(known: Mapping[str, KnownInput], files: Iterable[MicrographFile]) -> list[MicrographFile]:
    """Return the micrographs whose files hold other images than before; one that was not there before is none."""
    return [f for f in files if f.key in known and known[f.key].size >= 0 and not known[f.key].is_still(f.real_path)]


def find_masked_otherwise(known: Mapping[str, KnownInput], files: Iterable[MicrographFile]) -> MicrographFile | None:
    """Return a micrograph whose mask is not what it was, if there is any: it is new, another, or left out."""
    for file in files:
        if file.key in known:
            before, now = known[file.key].mask, _described_mask(file, known[file.key])
            if (before and before.sha256) != (now and now.sha256):
                return file
    return None


def _described_mask(file: MicrographFile, before: KnownInput | None) -> KnownMask | None:
    return None if file.mask is None else KnownMask.of(file.mask, None if before is None else before.mask)


def _is_moved(before: KnownInput, path: Path) -> bool:
    return before.size >= 0 and path.is_file() and before.is_still(path)


def _described(file: MicrographFile, before: KnownInput | None) -> KnownInput:
    path = file.real_path
    now, described = _regular(path), KnownInput(path=str(path), name=file.name, mask=_described_mask(file, before))
    if now is None:
        return described
    stamp = (described.path, now.st_size, now.st_mtime_ns)
    is_untouched = before is not None and (before.path, before.size, before.modified_ns) == stamp
    sample = before.sample if before is not None and is_untouched else _sample(path, now.st_size)
    return described.model_copy(update={"size": now.st_size, "modified_ns": now.st_mtime_ns, "sample": sample})


def _regular(path: Path) -> os.stat_result | None:
    """Return the status of a regular file; None of anything else."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _sample(path: Path, size: int) -> str:
    """Return the digest of parts of a file; "" where it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            for start in (0, size // 2, max(0, size - _SAMPLED_BYTES)):
                file.seek(start)
                digest.update(file.read(_SAMPLED_BYTES))
    except OSError:
        return ""
    return digest.hexdigest()
