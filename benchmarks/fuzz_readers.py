"""Damage valid micrographs and STAR files in many ways and see that the readers answer clearly every time.

Claim: a damaged file gives a one-line error, or an image of the size its header announces with finite pixels (or
micrographs with safe keys), within a second of the processor and without asking for absurd memory; never another
exception. A picture that ends early, or has zeros or nothing in place of a piece, is refused or gives the image that
it had before, but for pieces that no format can miss: of TIFF, and a piece cut out of a JPEG. Those are counted as
altered.

    python benchmarks/fuzz_readers.py --count 10000

Exit status 1 if any file breaks the claim; its bytes are then kept in the folder of `--keep`.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE  # type: ignore[import-untyped]
from PIL import Image

from cryoglean.errors import CryogleanError
from cryoglean.io.images import MAX_VALUE, read_image
from cryoglean.io.inputs import find_micrographs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TIME_LIMIT_S = 1.0
HANG_S = 20
MRC_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2", 101: "u1"}
STAMPS = {"<": (0x44, 0x44, 0, 0), ">": (0x11, 0x11, 0, 0)}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
HEADER_WORDS = {"nx": 0, "ny": 4, "nz": 8, "mode": 12, "mx": 28, "cella": 40, "dmax": 80, "nsymbt": 92, "machst": 212}
EXTREMES = (0, 1, -1, 2, 3, 4, 12, 15, 16, 101, 255, 1023, 4096, 65536, 99_999, 2**24, 2**30, 2**31 - 1, -(2**31))
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    (".png", "PNG", {}),
    (".jpg", "JPEG", {"quality": 90}),
    (".jpg", "JPEG", {"quality": 75, "optimize": True}),
    (".jpg", "JPEG", {"quality": 90, "progressive": True}),
    (".tif", "TIFF", {}),
    (".tif", "TIFF", {"compression": "tiff_lzw"}),
    (".tif", "TIFF", {"compression": "tiff_adobe_deflate"}),
]
STAR = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
opticsGroup1 1 1.770000
opticsGroup2 2 0.885000


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
MotionCorr/job002/Movies/a.mrc 1 10863.857422 10575.793945
MotionCorr/job002/Movies/b.mrc 2 9836.475586 9586.718750
"MotionCorr/job002/Movies/c d.mrc" 2 10641.925781 10364.789062
"""
STAR_PIECES = (
    "data_",
    "loop_",
    "_rln",
    "#",
    '"',
    "'",
    "\n",
    "\0",
    "nan",
    "1e999",
    "../",
    "@",
    "\t",
    "é",
    "\r",
    "data_micrographs\n",
)


def valid_mrc(rng: np.random.Generator) -> tuple[str, bytes]:
    """Make a small valid MRC file of a random mode, byte order, extended header and compression."""
    suffix, order = str(rng.choice(["", *PACKERS])), str(rng.choice(["<", ">"]))
    mode = int(rng.choice(list(MRC_DTYPES)))
    height, width, extended = int(rng.integers(16, 48)), int(rng.integers(16, 48)), (0, 0, 128, 1000)[rng.integers(4)]
    header = np.zeros((), HEADER_DTYPE.newbyteorder(order))
    fields: dict[str, object] = {"nx": width, "ny": height, "nz": 1, "mx": width, "my": height, "mz": 1, "mode": mode}
    fields |= {"nsymbt": extended, "map": b"MAP ", "machst": STAMPS[order]}
    for name, value in fields.items():
        header[name] = value
    header["cella"]["x"], header["cella"]["y"] = 1.5 * width, 1.5 * height
    shape = (height, (width + 1) // 2 if mode == 101 else width)
    body = rng.integers(0, 120, shape).astype(order + MRC_DTYPES[mode])
    return f".mrc{suffix}", header.tobytes() + bytes(extended) + body.tobytes()


def valid_picture(rng: np.random.Generator) -> tuple[str, bytes]:
    """Make a small valid PNG, JPEG or TIFF file."""
    suffix, options = [(".png", {}), (".jpg", {}), (".tif", {}), (".tif", {"compression": "tiff_lzw"})][rng.integers(4)]
    stream = io.BytesIO()
    stored = rng.integers(0, 250, (30, 41)).astype(np.uint16 if suffix == ".png" else np.uint8)
    Image.fromarray(stored).save(stream, {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF"}[suffix], **options)
    return suffix, stream.getvalue()


def valid_body(rng: np.random.Generator) -> tuple[str, bytes]:
    """Make a picture like a micrograph in small, most of which is body."""
    suffix, format_, options = BODIES[rng.integers(len(BODIES))]
    smooth = rng.normal(size=(12, 16)).repeat(10, 0).repeat(10, 1)
    stored = np.clip(128 + 20 * smooth + 12 * rng.normal(size=smooth.shape), 0, 255)
    deep = format_ == "PNG" and rng.random() < 0.5
    stream = io.BytesIO()
    Image.fromarray((stored * 200).astype(np.uint16) if deep else stored.astype(np.uint8)).save(
        stream, format_, **options
    )
    return suffix, stream.getvalue()


def damage_body(rng: np.random.Generator, data: bytes) -> tuple[str, bytes]:
    """Cut the rest off, or zero or remove a piece of at least 100 bytes, in the middle; return what was done."""
    start = int(rng.integers(len(data) // 3, len(data) * 9 // 10))
    stop = min(start + int(rng.integers(100, 2000)), len(data) * 19 // 20)
    match int(rng.integers(3)):
        case 0:
            return "cut", data[:start]
        case 1:
            return "zeroed", data[:start] + bytes(stop - start) + data[stop:]
    return "removed", data[:start] + data[stop:]


def must_tell(suffix: str, damage: str) -> bool:
    """Tell whether no such damage may go unnoticed: PNG has checksums, codes of JPEG end and are seldom all zeros."""
    return suffix == ".png" or damage == "cut" or (suffix == ".jpg" and damage == "zeroed")


def damage_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    """Flip bits, cut, insert, delete or repeat somewhere."""
    spoiled = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(spoiled) + 1 if rng.random() < 0.5 else min(len(spoiled) + 1, 256)))
        match int(rng.integers(5)):
            case 0 if at < len(spoiled):
                spoiled[at] ^= 1 << int(rng.integers(8))
            case 1 if at < len(spoiled):
                spoiled[at] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                spoiled[at:at] = rng.bytes(int(rng.integers(1, 40)))
            case 3:
                del spoiled[at : at + int(rng.integers(1, 40))]
            case _ if rng.random() < 0.3:
                del spoiled[at:]
    return bytes(spoiled)


def damage_header(rng: np.random.Generator, data: bytes) -> bytes:
    """Put extreme numbers into one to three header words."""
    spoiled = bytearray(data)
    for name in rng.choice(list(HEADER_WORDS), int(rng.integers(1, 4))):
        struct.pack_into(str(rng.choice(["<i", ">i"])), spoiled, HEADER_WORDS[str(name)], int(rng.choice(EXTREMES)))
    return bytes(spoiled)


def damage_text(rng: np.random.Generator, data: bytes) -> bytes:
    """Insert, remove, double and swap words and lines."""
    words = data.decode().split(" ")
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(words)))
        match int(rng.integers(4)):
            case 0:
                words.insert(at, str(rng.choice(STAR_PIECES)))
            case 1:
                words[at] = words[at] + str(rng.choice(STAR_PIECES))
            case 2 if len(words) > 1:
                del words[at]
            case _:
                words[at] = words[int(rng.integers(len(words)))]
    return " ".join(words).encode()


class Case(NamedTuple):
    """Damaged file.

    Attributes:
        suffix: of its name.
        data: its bytes.
        whole: its bytes before, where the damage is in its body.
        damage: what was done to the body.
    """

    suffix: str
    data: bytes
    whole: bytes | None = None
    damage: str = ""


def make_case(rng: np.random.Generator) -> Case:
    """Make one damaged file."""
    draw = rng.random()
    if draw < 0.25:
        return Case(".star", (damage_text if rng.random() < 0.6 else damage_bytes)(rng, STAR.encode()))
    if draw < 0.35:
        suffix, data = valid_picture(rng)
        return Case(suffix, damage_bytes(rng, data))
    if draw < 0.6:
        suffix, whole = valid_body(rng)
        damage, data = damage_body(rng, whole)
        return Case(suffix, data, whole, damage)
    suffix, data = valid_mrc(rng)
    packer = PACKERS[suffix.removeprefix(".mrc")]
    if rng.random() < 0.4:
        return Case(suffix, packer(damage_header(rng, data)))
    return Case(suffix, damage_bytes(rng, packer(data)) if rng.random() < 0.6 else packer(damage_bytes(rng, data)))


def announced_sizes(data: bytes) -> set[tuple[int, int]]:
    """Return (ny, nx) of an uncompressed MRC header in both byte orders."""
    return {tuple(reversed(struct.unpack_from(f"{order}2i", data))) for order in "<>"}


def judge(path: Path, case: Case) -> tuple[str, str | None]:
    """Read one damaged file; return the result, and what was wrong with the answer if anything was."""
    data = case.data
    try:
        if path.suffix == ".star":
            keys = [file.key for file in find_micrographs([path])]
            safe = all(key and not key.startswith("/") and ".." not in key.split("/") for key in keys)
            return "read", None if safe else f"unsafe keys {keys}"
        image, pixel_size = read_image(path)
    except CryogleanError as error:
        return "refused", None if len(str(error).splitlines()) == 1 else f"not one line: {error}"
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"
    whole = np.isfinite(image).all() and abs(image).max() <= MAX_VALUE and image.dtype == np.float32
    sized = path.suffix != ".mrc" or image.shape in announced_sizes(data)
    known = pixel_size is None or pixel_size > 0
    if case.whole is not None and not np.array_equal(image, read_whole(path, case.whole)):
        return "altered", f"{case.damage}, and not noticed" if must_tell(case.suffix, case.damage) else None
    return "read", None if whole and sized and known else f"a bad image: {image.shape} {image.dtype} {pixel_size}"


def read_whole(path: Path, data: bytes) -> NDArray[np.float32]:
    """Read a file as it was before it was damaged."""
    path.write_bytes(data)
    return read_image(path)[0]


def on_alarm(*_: object) -> None:
    raise TimeoutError(f"no answer in {HANG_S} s")


def fuzz(count: int, seed: int, keep: Path) -> int:
    """Judge `count` files; print the table; return the number of violations."""
    results: Counter[tuple[str, str]] = Counter()
    seconds: list[tuple[float, str, int]] = []
    violations = 0
    signal.signal(signal.SIGPROF, on_alarm)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            case = make_case(np.random.default_rng([seed, number]))
            suffix, data = case.suffix, case.data
            path = Path(folder) / f"case{suffix}"
            path.write_bytes(data)
            signal.setitimer(signal.ITIMER_PROF, HANG_S)
            start = time.process_time()
            result, complaint = judge(path, case)
            seconds.append((time.process_time() - start, suffix, number))
            signal.setitimer(signal.ITIMER_PROF, 0)
            results[suffix, result] += 1
            if complaint is None and seconds[-1][0] > TIME_LIMIT_S:
                complaint = f"slow: {seconds[-1][0]:.2f} s"
            if complaint:
                violations += 1
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"case{number}{suffix}").write_bytes(data)
                print(f"VIOLATION case {number}{suffix}: {complaint}")
            path.unlink()
    report(results, seconds, violations)
    return violations


def report(results: Counter[tuple[str, str]], seconds: list[tuple[float, str, int]], violations: int) -> None:
    kinds = ("refused", "read", "altered", "crashed")
    print(f"{'file':10}" + "".join(f"{kind:>9}" for kind in kinds))
    for suffix in sorted({suffix for suffix, _ in results}):
        print(f"{suffix:10}" + "".join(f"{results[suffix, kind]:9d}" for kind in kinds))
    print(f"{'all':10}" + "".join(f"{sum(n for (_, o), n in results.items() if o == kind):9d}" for kind in kinds))
    slowest, suffix, number = max(seconds)
    total = sum(s for s, _, _ in seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(seconds)} files in {total:.1f} s, {1e3 * total / len(seconds):.2f} ms a file, ", end="")
    print(
        f"slowest {1e3 * slowest:.0f} ms (case {number}{suffix}); peak memory {peak:.0f} MB; violations: {violations}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "cryoglean-fuzz")
    options = parser.parse_args()
    warnings.simplefilter("error")  # no library may complain past the errors of ours
    return 1 if fuzz(options.count, options.seed, options.keep) else 0


if __name__ == "__main__":
    sys.exit(main())
