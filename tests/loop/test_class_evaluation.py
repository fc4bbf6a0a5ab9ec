"""Which particle is which pick, and what counts when two rounds are compared."""

import numpy as np
import pandas as pd
import pytest

from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.errors import TableError
from cryoglean.io.particles import ParticleTable, write_particles
from cryoglean.loop.acceptance import Acceptance, AcceptanceRule
from cryoglean.loop.class_evaluation import compare_rounds
from cryoglean.loop.pick_union import merge_rounds
from cryoglean.loop.tables import picks_of_images
from cryoglean.micrograph import MicrographFile
from cryoglean.picks import Picks

FILES = [MicrographFile("a.mrc", "a.mrc", "a")]


def particles(path, which, name="a.mrc"):
    """Write the table of an extraction that left some picks out."""
    table = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@a.mrcs" for i in range(len(which))],
            "rlnMicrographName": [name] * len(which),
            "cryogleanPickId": [str(number + 1) for number in which],
        },
        dtype=object,
    )
    write_particles(path, ParticleTable(pd.DataFrame(), table))
    return path


def two_rounds():
    """One hundred places of an earlier round, of which the new one has half, and fifty of its own."""
    random = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(np.arange(15), np.arange(10)), axis=-1).reshape(-1, 2) * 40.0
    xy = grid + random.uniform(0, 10, grid.shape)
    score = random.random(150)
    return Picks(*xy[:100].T, score[:100]), Picks(*xy[50:].T, score[50:])


def test_particles_are_known_by_the_id_of_their_pick_whatever_was_left_out(tmp_path):
    reference, new = two_rounds()
    unions = merge_rounds({"a": reference}, {"a": new}, {"a": 20.0})
    which = np.flatnonzero(np.arange(150) % 7)
    found = picks_of_images(particles(tmp_path / "particles.star", which), FILES, unions)
    assert [place for _, place in found.values()] == which.tolist()


@pytest.mark.parametrize(("which", "name"), [([0, 100], "a.mrc"), ([-1], "a.mrc"), ([0], "b.mrc")])
def test_a_particle_of_another_extraction_is_named(tmp_path, which, name):
    reference, _ = two_rounds()
    star = particles(tmp_path / "particles.star", which, name)
    with pytest.raises(TableError, match="none of the picks"):
        picks_of_images(star, FILES, merge_rounds({"a": reference}, {"a": reference}, {"a": 20.0}))


def test_a_table_without_ids_is_refused_with_what_to_do(tmp_path):
    star = particles(tmp_path / "particles.star", [0])
    star.write_text(star.read_text().replace("cryogleanPickId", "rlnClassNumber"))
    with pytest.raises(TableError, match="--force"):
        picks_of_images(star, FILES, {})


def test_only_what_one_round_has_counts_in_the_contest(tmp_path):
    reference, new = two_rounds()
    unions = merge_rounds({"a": reference}, {"a": new}, {"a": 20.0})
    star = particles(tmp_path / "particles.star", np.arange(150))
    images = list(picks_of_images(star, FILES, unions))
    labels = {i: ClassVerdict.kept if n >= 50 else ClassVerdict.aligned_noise for n, i in enumerate(images)}
    result, judged, kept = compare_rounds(labels, star, FILES, unions)
    assert result == (50, 0, 50, 50)
    assert (judged, kept) == (100, 100)
    assert AcceptanceRule.earlier_in_doubt.verdict(result) is Acceptance.better
