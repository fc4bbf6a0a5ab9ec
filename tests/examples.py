"""Number of examples that hypothesis draws: a part of them in the fast tests, all of them with the slow ones."""

_PART = 5
_is_thorough = False


def draw_all(wanted):
    """Let all examples be drawn, or only a part."""
    global _is_thorough
    _is_thorough = wanted


def some(count):
    """Return how many examples to draw of those that are drawn with the slow tests."""
    return count if _is_thorough else max(count // _PART, 5)
