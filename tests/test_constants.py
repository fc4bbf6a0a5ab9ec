"""Every numerical constant says where it comes from."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "constants.py"


@pytest.fixture(scope="module")
def constants():
    spec = importlib.util.spec_from_file_location("constants", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_numerical_constant_has_an_origin(constants):
    found = list(constants.find_constants())
    assert len(found) > 100
    silent = [f"{c.path}:{c.line} {', '.join(c.names)}" for c in found if c.origin is None]
    assert not silent, f"say below each, with one of {constants.ORIGINS}, where it comes from: {silent}"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('A = 1\n"""Chosen."""\n', ["A"]),
        ("A, _B = 1.0, 2", ["A", "_B"]),
        ("A: int = 2**3", ["A"]),
        ("A = (1, (2, 3))", ["A"]),
        ("A = tuple(round(0.1 * i, 2) for i in range(3))", ["A"]),
        ("A = np.arange(3)", ["A"]),
        ("A = {'low': (1, 2)}", ["A"]),
        ("A = B[1] - 1", ["A"]),
        ("A = 'text'", []),
        ("A = B", []),
        ("A = True", []),
        ("A = (1, 'text')", []),
        ("A = Path(__file__).parents[1]", []),
        ("a = 1", []),
        ("def f():\n    A = 1", []),
    ],
)
def test_what_counts_as_a_numerical_constant(constants, tmp_path, source, names):
    (tmp_path / "module.py").write_text(source)
    assert [name for c in constants.find_constants(tmp_path) for name in c.names] == names


@pytest.mark.parametrize(
    ("below", "origin"),
    [
        ('"""Chosen by hand."""', "Chosen"),
        ('"""A share.\n\nPublished (J. Feder 1980)."""', "Published"),
        ('"""A share."""', None),
        ('B = 2\n"""Derived."""', None),
        ("", None),
    ],
)
def test_the_origin_stands_right_below(constants, tmp_path, below, origin):
    (tmp_path / "module.py").write_text(f"A = 1\n{below}\n")
    assert next(constants.find_constants(tmp_path)).origin == origin
