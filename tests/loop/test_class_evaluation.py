"""Which particle is which pick, and what counts when two rounds are compared."""

import numpy as np
import pandas as pd
import pytest

from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.errors import TableError
from cryoglean.io.particles import ParticleTable, write_particles
from cryoglean.loop.class_evaluation import contest
from cryoglean.loop.pick_union import pooled
from cryoglean.loop.tables import places_of_images
from cryoglean.micrograph import MicrographFile
from cryoglean.picks import Picks

FILES = [MicrographFile("a.mrc", "a.mrc", "a")]


def particles(path, picks, which, pixel_size=2.0):
    """Write the table of an extraction that left some places out."""
    whole = np.rint(picks.xy)
    rest = (whole - picks.xy) * pixel_size
    table = pd.DataFrame(
        {
            "rlnCoordinateX": [f"{v:.6f}" for v in whole[which, 0]],
            "rlnCoordinateY": [f"{v:.6f}" for v in whole[which, 1]],
            "rlnOriginXAngst": [f"{v:.6f}" for v in rest[which, 0]],
            "rlnOriginYAngst": [f"{v:.6f}" for v in rest[which, 1]],
            "rlnImageName": [f"{i + 1:06d}@a.mrcs" for i in range(len(which))],
            "rlnMicrographName": ["a.mrc"] * len(which),
            "rlnOpticsGroup": ["1"] * len(which),
        },
        dtype=object,
    )
    optics = pd.DataFrame([{"rlnOpticsGroup": "1", "rlnMicrographPixelSize": f"{pixel_size:.6f}"}], dtype=object)
    write_particles(path, ParticleTable(optics, table))
    return path


def two_rounds():
    """One hundred places of an earlier round, of which the new one has half, and fifty of its own."""
    random = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(np.arange(15), np.arange(10)), axis=-1).reshape(-1, 2) * 40.0
    xy = grid + random.uniform(0, 10, grid.shape)
    score = random.random(150)
    return Picks(*xy[:100].T, score[:100]), Picks(*xy[50:].T, score[50:])


def test_places_are_found_again_after_some_were_left_out(tmp_path):
    reference, new = two_rounds()
    pools = pooled({"a": reference}, {"a": new}, {"a": 20.0})
    which = np.flatnonzero(np.arange(150) % 7)
    star = particles(tmp_path / "particles.star", pools["a"].picks, which)
    found = places_of_images(star, FILES, pools)
    assert [place for _, place in found.values()] == which.tolist()


def test_a_particle_of_another_extraction_is_named(tmp_path):
    reference, new = two_rounds()
    star = particles(tmp_path / "particles.star", new, np.arange(100))
    with pytest.raises(TableError, match="at none of the places"):
        places_of_images(star, FILES, pooled({"a": reference}, {"a": reference}, {"a": 20.0}))


def test_only_what_one_round_has_counts_in_the_contest(tmp_path):
    reference, new = two_rounds()
    pools = pooled({"a": reference}, {"a": new}, {"a": 20.0})
    star = particles(tmp_path / "particles.star", pools["a"].picks, np.arange(150))
    images = list(places_of_images(star, FILES, pools))
    labels = {i: ClassVerdict.kept if n >= 50 else ClassVerdict.aligned_noise for n, i in enumerate(images)}
    result, judged, kept = contest(labels, star, FILES, pools)
    assert result == (50, 0, 50, 50)
    assert (judged, kept) == (100, 100)
    assert result.is_won
