"""Examples: a part of them in the fast tests, all of them with the slow ones."""

import pytest

_PART = 10
_is_thorough = False


def draw_all(wanted):
    """Let all examples be drawn, or only a part."""
    global _is_thorough
    _is_thorough = wanted


def some(count):
    """Return how many examples hypothesis draws of those that it draws with the slow tests."""
    return count if _is_thorough else max(count // _PART, 3)


def with_slow(*fast, slow):
    """Return the values of a parameter (tuples: of several), the latter ones only with the slow tests."""
    return [*fast, *(pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow) for v in slow)]
