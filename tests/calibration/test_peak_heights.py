"""The threshold found with decoys is near the best there is, where particles are faint and where they crowd."""

import numpy as np
import pytest
from tests.fields import f1_score

from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from perturbations import jittered
from shells import ShellField

pytestmark = pytest.mark.numerical

DIAMETER, PIXEL = 120.0, 3.0


def fields(signal_to_noise, particles, seeds):
    for seed in seeds:
        field = ShellField(660, 720, particles, DIAMETER, PIXEL, signal_to_noise=signal_to_noise, seed=seed)
        micrograph, truth = field.render()
        yield Micrograph(jittered(micrograph.image), PIXEL, f"m{seed}"), truth


def f1_at(threshold, found, truths):
    """F1 of all micrographs together, from each one's own: hits are F1 times the mean of both numbers."""
    kept = [picks.xy[picks.score >= threshold] for picks in found]
    number = [len(xy) + len(truth) for xy, truth in zip(kept, truths, strict=True)]
    f1 = [f1_score(xy, truth.xy, DIAMETER / PIXEL / 4) for xy, truth in zip(kept, truths, strict=True)]
    return float(np.average(f1, weights=number))


def picker_at(fdr, model):
    return Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER, fdr=fdr), model)


def promised_at(threshold, found):
    return np.concatenate([picks.score[picks.score >= threshold] for picks in found]).mean()


def precision_at(threshold, found, truths):
    kept = [picks.xy[picks.score >= threshold] for picks in found]
    f1 = [f1_score(xy, truth.xy, DIAMETER / PIXEL / 4) for xy, truth in zip(kept, truths, strict=True)]
    hits = sum(f * (len(xy) + len(truth)) / 2 for f, xy, truth in zip(f1, kept, truths, strict=True))
    return hits / sum(map(len, kept))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal_to_noise", "particles"),
    [
        pytest.param(0.002, 40, id="faint"),
        pytest.param(0.004, 12, id="few", marks=pytest.mark.slow),
        pytest.param(0.01, 90, id="crowded", marks=pytest.mark.slow),
    ],
)
def test_the_threshold_is_near_the_best_and_scores_are_probabilities(signal_to_noise, particles):
    micrographs, truths = zip(*fields(signal_to_noise, particles, range(4)), strict=True)
    model = fit_localpicker(micrographs, DIAMETER, threads=2)
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER), model)
    found = [picker.pick_down_to(micrograph, 0.02) for micrograph in micrographs]
    scores = np.concatenate([picks.score for picks in found])
    best = max(f1_at(threshold, found, truths) for threshold in np.quantile(scores, np.linspace(0, 1, 40)))
    assert f1_at(picker.threshold, found, truths) > best - 0.05
    for threshold in (picker.threshold, picker_at(0.1, model).threshold):
        assert precision_at(threshold, found, truths) == pytest.approx(promised_at(threshold, found), abs=0.12)
