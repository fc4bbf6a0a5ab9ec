"""Tables on standard output, of a terminal and of a log."""

from __future__ import annotations

from rich.console import Console

_LOG_COLUMNS = 160
"""Width of tables where the output is no terminal. Resource: of a line in a log."""


def table_console() -> Console:
    """Return what prints tables: as wide as the terminal, or as a log, which has no width of its own."""
    out = Console()
    return out if out.is_terminal else Console(width=_LOG_COLUMNS)
