"""Help in plain words: PATH, TEXT and NUMBER for the types of options, and nothing for those that take no value."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

_WORDS = {
    "<bool>": "",
    "<str>": "TEXT",
    "<path>": "PATH",
    "<int>": "NUMBER",
    "<int range>": "NUMBER",
    "<float>": "NUMBER",
    "<float range>": "NUMBER",
    "<list[Path]>": "PATH",
    "<list[str]>": "TEXT",
}


class PlainCommand(TyperCommand):
    """A command whose help names types in plain words."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 (its type moved from one Typer to the next)
        """Return the parameters, with their types in plain words."""
        return [_in_plain_words(param) for param in super().get_params(ctx)]


class PlainGroup(TyperGroup):
    """A group of commands whose help names types in plain words."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 (as above)
        """Return the parameters, with their types in plain words."""
        return [_in_plain_words(param) for param in super().get_params(ctx)]


def _in_plain_words(param: Any) -> Any:  # noqa: ANN401 (as above)
    show = getattr(type(param), "display_type", None)
    if show is not None:  # an older Typer writes plain words itself
        param.display_type = lambda ctx: _WORDS.get(shown := show(param, ctx), shown.strip("<>"))
    return param
