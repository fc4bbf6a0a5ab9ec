"""Other processors, played by this one: numerical laws must hold under each of these perturbations.

`CRYOGLEAN_TEST_PERTURBATION` names some, with commas between; programs and workers that tests start are perturbed, too.
Processors differ in what they round, and in which order they add:

bfloat16, float32: what `fast_dtype` says of this processor. Only products of networks and of the search for classes
    are computed with it, as on a processor that has the instructions; all else stays as exact as it is.
threads: sums are shared out among three threads.
default, avx2: torch, oneDNN, MKL and OpenBLAS use no more than the instructions of an old processor.
jitter: the last bits of the images that tests make are changed, which stands for whatever else rounds differently.
"""

import os
import runpy
from pathlib import Path

import numpy as np

_VARIABLE, _FAST = "CRYOGLEAN_TEST_PERTURBATION", "CRYOGLEAN_TEST_FAST_DTYPE"
_FOLDER = Path(__file__).with_name("perturbed")
VALUE = os.environ.get(_VARIABLE, "")
CHOSEN = frozenset(filter(None, VALUE.split(",")))
THREADS = 3 if "threads" in CHOSEN else 1
_KNOWN = {"bfloat16", "float32", "threads", "default", "avx2", "jitter"}
_INSTRUCTIONS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE")
_OLD = {"default": ("default", "SSE41", "SSE4_2", "Nehalem"), "avx2": ("avx2", "AVX2", "AVX2", "Haswell")}
_MAX_STEPS = 2  # of the last bit


def apply():
    """Perturb this process, before torch is loaded, and all that it starts."""
    if not CHOSEN <= _KNOWN:
        raise ValueError(f"{_VARIABLE}={VALUE}: known are {', '.join(sorted(_KNOWN))}")
    for name in CHOSEN & _OLD.keys():
        os.environ.update(zip(_INSTRUCTIONS, _OLD[name], strict=True))
    for name in CHOSEN & {"bfloat16", "float32"}:
        os.environ.update(fast(name))
        runpy.run_path(str(_FOLDER / "sitecustomize.py"))  # as a new interpreter does


def fast(dtype):
    """Return the environment of a program to which this processor is one that is fast with this type."""
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(_FOLDER)]
    return os.environ | {_FAST: dtype, "PYTHONPATH": os.pathsep.join([str(_FOLDER), *inherited])}


def jittered(image):
    """Return an image of float32 with its last bits changed, always in the same way, if that is asked for."""
    if "jitter" not in CHOSEN:
        return image
    steps = np.random.default_rng(image.shape).integers(-_MAX_STEPS, _MAX_STEPS + 1, image.shape)
    return (image * (1 + steps * 2.0**-23)).astype(np.float32)
