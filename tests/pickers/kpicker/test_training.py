"""Training of Kpicker: what is drawn, what is held out, and that nothing else decides the result."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.fields import disc, f1_score, particle_field
from tests.pickers.kpicker.test_picker import DIAMETER, SMALL, STEPS, picks_at, trained

from cryoglean.errors import SettingsError
from cryoglean.micrograph import Micrograph
from cryoglean.nets.losses import Group
from cryoglean.pickers.kpicker.image import PARTICLE_PX
from cryoglean.pickers.kpicker.picker import Kpicker, KpickerSettings
from cryoglean.pickers.kpicker.sampling import BatchComposition, Examples, Sampler
from cryoglean.pickers.kpicker.training import KpickerTraining, train_kpicker
from cryoglean.picks import Picks

TINY = {"layers": {"filters": (2, 3, 4), "dense": 5}, "min_steps": 4, "max_steps": 4}


def short(fields, positives=None, negatives=None, threads=1, **settings):
    settings = KpickerTraining(**({"diameter_angstrom": DIAMETER} | TINY | settings))
    positives = positives or [picks_at(field.xy) for field in fields]
    micrographs = (Micrograph(field.image, 1.0, f"m{i}") for i, field in enumerate(fields))
    return train_kpicker(micrographs, positives, negatives, settings, threads=threads)


@pytest.fixture(scope="module")
def fields():
    return [particle_field((260, 300), DIAMETER, disc, n=25, noise=1.0, seed=seed) for seed in range(4)]


def weights(result):
    return torch.cat([p.detach().flatten() for p in result.model.net.parameters()])


@pytest.fixture(scope="module")
def once(fields):
    """One short training."""
    return short(fields)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_threads_change_nothing(fields, once):
    two = short(fields, threads=2)
    assert torch.equal(weights(once), weights(two))
    assert once.checks == two.checks
    assert once.model.facts == two.model.facts


@pytest.mark.slow
def test_another_seed_makes_another_network(fields, once):
    assert not torch.equal(weights(once), weights(short(fields, seed=2)))


def test_whole_micrographs_are_held_out(once):
    facts = once.model.facts
    assert len(facts.held_out) == 1
    assert set(facts.held_out) | set(facts.micrographs) == {"m0", "m1", "m2", "m3"}
    assert not set(facts.held_out) & set(facts.micrographs)


def test_grey_values_of_held_out_micrographs_never_reach_the_weights(fields, once):
    """Another image in their place may stop the training elsewhere, but each step is the same."""
    aside = int(once.model.facts.held_out[0][1:])
    other = list(fields)
    other[aside] = fields[aside]._replace(image=np.ascontiguousarray(fields[aside].image[::-1]))
    second = short(other)
    assert [c.loss for c in once.checks] == [c.loss for c in second.checks]
    assert [c.held_out_loss for c in once.checks] != [c.held_out_loss for c in second.checks]


def test_micrographs_without_particles_are_background_only(fields):
    positives = [picks_at(field.xy) for field in fields[:2]] + [Picks.empty()] * 2
    facts = short(fields, positives).model.facts
    assert facts.held_out == ("m1",)
    assert facts.micrographs == ("m0", "m2", "m3")


def test_one_micrograph_alone_is_enough():
    field = particle_field(n=60, seed=1, noise=1.0)
    result = short([field])
    assert result.model.facts.held_out == ()
    assert np.isnan(result.checks[-1].held_out_loss)


@pytest.mark.parametrize("n", [0, 5, 19])
def test_too_few_particles_are_refused_with_their_number(fields, n):
    positives = [picks_at(fields[0].xy[:n]), *[Picks.empty()] * 3]
    with pytest.raises(SettingsError, match=f"^{n} particles.*20"):
        short(fields, positives)


def test_picks_outside_the_exposed_area_are_left_out(fields, once):
    outside = np.array([[-50.0, 20.0], [1e6, 1e6], [10.0, -1.0]])
    positives = [picks_at(np.vstack([field.xy, outside])) for field in fields]
    assert torch.equal(weights(short(fields, positives)), weights(once))


@pytest.mark.numerical
@pytest.mark.slow
def test_it_learns_from_a_part_of_the_particles_to_find_the_others():
    field = particle_field((480, 540), DIAMETER, disc, noise=1.0, seed=3)
    half = [picks_at(particle_field((480, 540), DIAMETER, disc, noise=1.0, seed=s).xy[::2]) for s in (13, 14, 15)]
    images = [particle_field((480, 540), DIAMETER, disc, noise=1.0, seed=s).image for s in (13, 14, 15)]
    settings = KpickerTraining(
        diameter_angstrom=DIAMETER, layers=SMALL, missed_share=0.5, min_steps=STEPS, max_steps=STEPS
    )
    model = train_kpicker([Micrograph(i, 1.0) for i in images], half, None, settings).model
    picks = Kpicker(KpickerSettings(diameter_angstrom=DIAMETER), model).pick(Micrograph(field.image, 1.0))
    assert f1_score(picks.xy, field.xy, DIAMETER / 5) > 0.9


@pytest.mark.numerical
def test_scores_are_probabilities():
    """Of new micrographs' picks of each score, that share are particles."""
    model = trained().model
    picker = Kpicker(KpickerSettings(diameter_angstrom=DIAMETER * 1.4, threshold=0.02), model)
    scores, true = [], []
    for seed in range(30, 34):
        field = particle_field((480, 540), DIAMETER, disc, noise=1.0, seed=seed)
        picks = picker.pick(Micrograph(field.image, 1.4))
        nearest = np.hypot(*(picks.xy[:, None] - field.xy[None]).transpose(2, 0, 1)).min(1)
        scores.append(picks.score)
        true.append(nearest < DIAMETER / 4)
    score, hit = np.concatenate(scores), np.concatenate(true)
    assert abs(score.mean() - hit.mean()) < 0.1
    assert hit[score > 0.9].mean() > 0.9


def examples(n=40, negatives=(), shape=(300, 360), seed=0):
    xy = particle_field(shape, PARTICLE_PX, n=n, seed=seed).xy
    image = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Examples(image, xy, xy, np.array(negatives, dtype=float).reshape(-1, 2))


def distances(places, xy):
    return np.hypot(*(places[:, None] - xy[None]).transpose(2, 0, 1)).min(1)


def test_each_kind_of_patch_is_where_it_should_be():
    known = examples(negatives=[(20, 20), (340, 280)])
    sampler = Sampler([known], 0, 1)
    n = BatchComposition(positives=40, unlabelled=200, off_centre=200, known_negatives=4)
    batch = sampler.batch(0, n)
    kinds = torch.tensor([Group.POSITIVE] * 40 + [Group.UNLABELLED] * 200 + [Group.NEGATIVE] * 202)  # two are known
    assert torch.equal(batch.groups, kinds)
    assert batch.patches.shape == (442, 64, 64)
    anywhere = sampler._anywhere(np.random.default_rng(0), 200)
    assert (distances(anywhere.xy, known.picks) >= 0.5 * PARTICLE_PX).all()
    beside = distances(sampler._off_centre(np.random.default_rng(0), 200).xy, known.picks)
    assert (beside >= 0.299 * PARTICLE_PX).all()
    assert (beside <= 0.6 * PARTICLE_PX).all()


def test_every_particle_is_seen_as_often_as_the_others():
    sampler = Sampler([examples(n=10), examples(n=7, seed=1)], 0, 1)
    total = len(sampler.positives.image)
    seen = [sampler._in_turn(sampler.positives, step, 5) for step in range(total)]
    rows = np.concatenate([np.column_stack([p.image, p.xy]) for p in seen])
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == total
    assert (counts == 5).all()


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    sampler = Sampler([examples()], 0, 1)
    first = sampler.batch(7)
    sampler.batch(8)
    again = sampler.batch(7)
    assert torch.equal(first.patches, again.patches)
    assert not torch.equal(first.patches, Sampler([examples()], 0, 2).batch(7).patches)
    assert not torch.equal(first.patches, Sampler([examples()], 1, 1).batch(7).patches)


def test_a_micrograph_without_free_room_still_gives_patches():
    grid = np.stack(np.meshgrid(np.arange(0, 120, 12.0), np.arange(0, 100, 12.0)), axis=-1).reshape(-1, 2)
    full = Examples(torch.zeros(100, 120), grid, grid, np.zeros((0, 2)))
    batch = Sampler([full], 0, 1).batch(0)
    assert (batch.groups == Group.UNLABELLED).sum() == 32


def test_the_prior_grows_with_what_is_missed_and_stays_a_probability():
    sampler = Sampler([examples()], 0, 1)
    priors = [sampler.unlabelled_prior(share) for share in (0.0, 0.2, 0.5, 0.9)]
    assert priors[0] == 0
    assert sorted(priors) == priors
    assert priors[-1] <= 0.5


@pytest.mark.parametrize(
    "wrong", [{"certain_share": 0}, {"missed_share": 1}, {"held_out_share": 1}, {"seed": -1}, {"epochs": 3}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        KpickerTraining(**({"diameter_angstrom": 30} | wrong))


def test_particles_are_shown_up_to_half_a_stride_off_their_centres_and_inside():
    known = examples(n=10)
    corner = known._replace(positives=np.zeros((20, 2)), picks=np.zeros((20, 2)))
    sampler = Sampler([known, corner], 0, 1)
    around = sampler._jittered(np.random.default_rng(0), sampler.positives)
    off = around.xy - sampler.positives.xy
    assert np.abs(off).max() <= 2
    assert np.abs(off[:10]).max() > 1
    assert (around.xy >= 0).all()
