"""Simulated sets that stay as they are: what Auto finds in them must not drift from version to version unseen."""

from typing import NamedTuple

import numpy as np
import pytest
from tests.fields import f1_score

from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.auto.smaller import auto_picker, find_smaller
from cryoglean.pickers.localpicker.picker import fit_localpicker
from cryoglean.simulate.pseudo import test_particle as make_particle
from cryoglean.simulate.render import Renderer
from cryoglean.simulate.settings import NUISANCES, Ice, Microscope, Nuisances, Simulation, Specimen

SHAPE, PIXEL, MICROGRAPHS = (720, 800), 2.5, 3


class Frozen(NamedTuple):
    """A set, and what was found in it: F1, and picks off the edge in all micrographs."""

    models: tuple[str, ...]
    particles: int
    f1: float
    picks: int
    dose: float = 40.0
    spacing: float = 1.2
    nuisances: Nuisances = Nuisances()


SETS = {
    "round": Frozen(("test:480kDa:O",), 40, 0.995, 106),
    "crowded": Frozen(("test:480kDa:D2",), 150, 0.993, 362, spacing=0.75),
    "faint": Frozen(("test:90kDa",), 70, 0.920, 187, dose=15.0),
    "two sizes": Frozen(("test:90kDa", "test:800kDa:D7"), 70, 0.970, 162),
    "dirty": Frozen(("test:480kDa:D2",), 40, 0.873, 88, nuisances=NUISANCES["some"]),
    "nothing": Frozen(("test:480kDa:O",), 0, 0.0, 0),
}
"""As found by the version that learned of smaller species; "faint" by the one that begins with twice as many class
averages: over five seeds its F1 was 0.909 before and after."""

F1_MARGIN, COUNT_MARGIN = 0.03, 0.05
"""What another processor, or another sample of class averages, may change."""


def simulated(frozen, seed=5):
    """Return the micrographs, the centres in each, and the largest diameter in angstrom."""
    simulation = Simulation(
        specimen=Specimen(models=frozen.models, particles=frozen.particles, spacing_diameters=frozen.spacing),
        microscope=Microscope(pixel_size_angstrom=PIXEL, dose_electrons_per_square_angstrom=frozen.dose),
        ice=Ice(),
        nuisances=frozen.nuisances,
        height_px=SHAPE[0],
        width_px=SHAPE[1],
        seed=seed,
    )
    renderer = Renderer(simulation, [make_particle(model) for model in frozen.models])
    plans = [renderer.plan(number) for number in range(MICROGRAPHS)]
    centres = [np.array([[p.x, p.y] for p in plan.particles]).reshape(-1, 2) for plan in plans]
    return [renderer.render(plan) for plan in plans], centres, 2 * max(s.radius_angstrom for s in renderer.species)


def off_the_edge(xy, margin):
    return xy[((xy >= margin) & (xy <= np.array(SHAPE[::-1]) - 1 - margin)).all(1)]


def measured(frozen):
    """Return F1 and the number of picks, both off the edge."""
    micrographs, centres, diameter = simulated(frozen)
    fitted = fit_auto(micrographs, fit_localpicker(micrographs, diameter))
    picker = auto_picker(AutoSettings(diameter_angstrom=diameter), find_smaller(lambda: micrographs, fitted))
    margin = diameter / PIXEL / 2
    picks = [off_the_edge(picker.pick(each).xy, margin) for each in micrographs]
    truth = [off_the_edge(each, margin) for each in centres]
    scores = [f1_score(*pair, diameter / PIXEL / 4) for pair in zip(picks, truth, strict=True)]
    return float(np.mean(scores)), sum(map(len, picks))


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_as_much_is_found_as_before(name):
    f1, picks = measured(SETS[name])
    assert f1 == pytest.approx(SETS[name].f1, abs=F1_MARGIN)
    assert picks == pytest.approx(SETS[name].picks, rel=COUNT_MARGIN)
