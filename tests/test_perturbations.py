"""Perturbations reach what they are to perturb, and margins are told from what pytest explains."""

import subprocess
import sys

import numpy as np
import pytest

import perturbations
from examples import with_slow
from margins import compared, distance_of

PROGRAM = "import torch; from cryoglean.scale.devices import fast_dtype; print(fast_dtype(torch.device('cpu')))"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", with_slow("bfloat16", slow=["float32"]))
def test_a_program_that_a_test_starts_takes_this_processor_for_another(dtype):
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=perturbations.fast(dtype), capture_output=True, text=True, check=True
    )
    assert said.stdout == f"torch.{dtype}\n"


def test_jitter_changes_the_last_bits_and_nothing_else(monkeypatch):
    image = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    monkeypatch.setattr(perturbations, "CHOSEN", frozenset())
    assert perturbations.jittered(image) is image
    monkeypatch.setattr(perturbations, "CHOSEN", frozenset({"jitter"}))
    moved = perturbations.jittered(image)
    np.testing.assert_allclose(moved, image, rtol=2**-21)
    assert moved.dtype == np.float32
    assert (moved != image).mean() > 0.5
    np.testing.assert_array_equal(moved, perturbations.jittered(image))


def test_a_name_that_is_no_perturbation_is_refused(monkeypatch):
    monkeypatch.setattr(perturbations, "CHOSEN", frozenset({"bfloat61"}))
    with pytest.raises(ValueError, match="known are avx2, bfloat16"):
        perturbations.apply()


@pytest.mark.parametrize(
    ("explanation", "found"),
    [
        ("0.75 > 0.5\n +  where 0.75 = f1_score()", (0.75, 0.5, 0.25)),
        ("np.float64(2.5) <= 3", (2.5, 3.0, 0.5)),
        ("tensor(2.5, dtype=torch.float64) > (0.5 * 4)", (2.5, 2.0, 0.5)),
        ("np.int64(-1) < 0", (-1.0, 0.0, 1.0)),
        ("1e-07 < 0.25", (1e-7, 0.25, 0.25 - 1e-7)),
        ("'a' > 0.5", None),
        ("3 == 3", None),
    ],
)
def test_a_comparison_of_numbers_tells_its_distance(explanation, found):
    assert distance_of(explanation) == found


def test_runs_are_compared_law_by_law():
    runs = [{"t": {"x > 1": [3.0, 1.0, 2.0]}}, {"t": {"x > 1": [2.5, 1.0, 1.5], "y": [1, 0, 1]}}, {}]
    assert list(compared(runs)) == [(1.5, 0.5, 2.5, 1.0, "t", "x > 1"), (1, 0, 1, 0, "t", "y")]
