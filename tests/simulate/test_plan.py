"""Plans: as many particles as there is room for, where they may be, with flags that are true."""

import numpy as np
import pytest

from cryoglean.simulate.contamination import keeps_out
from cryoglean.simulate.plan import Kind
from cryoglean.simulate.planning import plan_micrograph
from cryoglean.simulate.settings import Microscope, Nuisances, Simulation, Specimen

RADII = (60.0, 90.0)


def simulation(particles=80, seed=0, nuisances=None, shape=(1000, 1300), microscope=None, **specimen):
    return Simulation(
        specimen=Specimen(models=("test:480kDa:O", "test:900kDa"), particles=particles, **specimen),
        microscope=microscope or Microscope(pixel_size_angstrom=2.0),
        nuisances=nuisances or Nuisances(),
        height_px=shape[0],
        width_px=shape[1],
        seed=seed,
    )


def places(particles):
    return np.array([[p.x, p.y] for p in particles]).reshape(-1, 2)


def test_a_plan_depends_on_seed_and_number_and_nothing_else():
    same = [plan_micrograph(simulation(), RADII, 3) for _ in range(2)]
    assert same[0] == same[1]
    assert plan_micrograph(simulation(), RADII, 4).particles != same[0].particles
    assert plan_micrograph(simulation(seed=1), RADII, 3).particles != same[0].particles


@pytest.mark.parametrize("count", [0, 1, 50])
def test_there_are_as_many_particles_as_asked_for_all_inside(count):
    plan = plan_micrograph(simulation(count), RADII, 0)
    assert len(plan.particles) == count
    assert (places(plan.particles) >= 0).all()
    assert (places(plan.particles) <= [1299, 999]).all()


@pytest.mark.slow
def test_a_full_micrograph_takes_no_more():
    plan = plan_micrograph(simulation(800), RADII, 0)
    assert 60 < len(plan.particles) < 400


def test_no_two_are_nearer_than_the_spacing():
    plan = plan_micrograph(simulation(spacing_diameters=1.2), RADII, 0)
    everyone = [*plan.particles, *plan.outside]
    radius = np.array([RADII[p.species] / 2 for p in everyone])
    apart = np.hypot(*(places(everyone)[:, None] - places(everyone)[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert (apart >= 1.2 * (radius[:, None] + radius[None]) - 1e-3).all()
    assert not any(p.overlapped for p in plan.particles)


def test_overlapping_ones_are_flagged_with_those_they_lie_over():
    plan = plan_micrograph(simulation(60, overlapping_share=0.2), RADII, 0)
    flagged = sum(p.overlapped for p in plan.particles)
    assert 12 < flagged <= 30


def test_those_at_the_edge_are_flagged():
    plan = plan_micrograph(simulation(), RADII, 0)
    for p in plan.particles:
        gap = min(p.x, p.y, 1299 - p.x, 999 - p.y)
        assert p.at_edge == (gap < RADII[p.species] / 2)
    assert any(p.at_edge for p in plan.particles)
    assert plan.outside


def test_species_come_in_the_shares_asked_for():
    plan = plan_micrograph(simulation(400, shares=(3, 1), shape=(4000, 4000)), RADII, 0)
    share = np.mean([p.species == 0 for p in plan.particles])
    assert share == pytest.approx(0.75, abs=0.08)


def test_preferred_particles_show_their_top():
    plan = plan_micrograph(simulation(preferred_share=1.0, preferred_spread_deg=5), RADII, 0)
    assert np.abs([p.tilt_deg for p in plan.particles]).max() < 25
    assert np.ptp([p.psi_deg for p in plan.particles]) > 270


def test_defocus_lies_in_its_range_and_u_is_the_larger():
    microscope = Microscope(defocus_min_angstrom=9_000, defocus_max_angstrom=11_000, astigmatism_angstrom=300)
    for number in range(20):
        transfer = plan_micrograph(simulation(0, microscope=microscope), RADII, number).transfer
        mean = (transfer.defocus_u_angstrom + transfer.defocus_v_angstrom) / 2
        assert 9_000 <= mean <= 11_000
        assert 0 <= transfer.defocus_u_angstrom - transfer.defocus_v_angstrom <= 300


def test_each_nuisance_is_there_as_often_as_asked_and_spoils_no_particle():
    wanted = Nuisances(
        ice_blobs=3, ice_crystals=1, ethane=1, gold_beads=2, aggregates=1, fragments=5, dead_stripes=2, carbon_share=1
    )
    plan = plan_micrograph(simulation(60, nuisances=wanted, shape=(2000, 2000)), RADII, 0)
    kinds = [n.kind for n in plan.nuisances]
    expected = {
        Kind.ice_blob: 3,
        Kind.ice_crystal: 1,
        Kind.ethane: 1,
        Kind.gold_bead: 2,
        Kind.aggregate: 1,
        Kind.fragment: 5,
        Kind.carbon_edge: 1,
    }
    assert {kind: kinds.count(kind) for kind in expected} == expected
    assert kinds.count(Kind.dead_rows) + kinds.count(Kind.dead_columns) == 2
    for p in plan.particles:
        assert not any(keeps_out(n, p.x, p.y, RADII[p.species] / 2) for n in plan.nuisances)


def test_a_particle_under_a_blob_of_ice_says_so():
    plan = plan_micrograph(simulation(100, nuisances=Nuisances(ice_blobs=40)), RADII, 0)
    blobs = [n for n in plan.nuisances if n.kind == Kind.ice_blob]
    for p in plan.particles:
        assert (p.covered == "ice_blob") == any(np.hypot(p.x - n.x, p.y - n.y) <= n.radius_px for n in blobs)
    assert any(p.covered for p in plan.particles)
