"""The figures of a run: one for each thing that is known, none for what is not, and none breaks on a name."""

import warnings

from cryoglean.report.run_figures import draw_figures
from report_facts import facts, nothing

ALL = {"counts.png", "defocus.png", "scores.png", "convergence.png", "training.png", "classes_01.png"}


def test_each_known_thing_has_its_figure(tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a name in a script it does not have
        drawn = draw_figures(tmp_path, facts())
    assert {path.name for path in drawn} == {path.name for path in tmp_path.iterdir()} == ALL
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_a_run_with_nothing_has_its_empty_counts(tmp_path):
    assert [path.name for path in draw_figures(tmp_path, nothing())] == ["counts.png"]
