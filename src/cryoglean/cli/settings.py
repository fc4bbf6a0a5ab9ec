"""From options to settings: defaults come from the settings, and a wrong value is named by its option in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

Checked = TypeVar("Checked", bound=BaseModel)

_UNIT = re.compile(r"_(angstrom|square_angstrom|kv|mm|factor)$")
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "yes or no",
    "path": "a path",
}
_OUT_OF_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the default values of settings by field, for options that show them."""
    return {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}


def checked(kind: type[Checked], values: Mapping[str, object], options: Mapping[str, str] | None = None) -> Checked:
    """Build settings.

    Args:
        kind: the settings' class.
        values: their values by field.
        options: the option of a field, where it is not the field's name without its unit.

    Raises:
        SettingsError: if a value is not allowed; names the option, the value and what is allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        fields = [part for part in first["loc"] if isinstance(part, str) and not part.startswith("function-")]
        if first["type"] == "value_error" and (not fields or isinstance(first["input"], dict)):
            raise SettingsError(said[:1].lower() + said[1:]) from error  # of several settings: the text names them
        field = fields[-1] if fields else "settings"
        option = (options or {}).get(field, "--" + _UNIT.sub("", field).replace("_", "-"))
        raise SettingsError(_complaint(option, first, kind)) from error


def _complaint(option: str, error: ErrorDetails, kind: type[BaseModel]) -> str:
    got = f"(got {_plain(error['input'])})"
    if error["type"] in _OUT_OF_BOUNDS:
        return f"{option} must be {_range(kind, error)} {got}"
    if error["type"] == "extra_forbidden":
        return f"{option} {_plain(error['input'])}: has no effect with this method and preset"
    if error["type"] in ("literal_error", "enum"):
        return f"{option} must be {error['ctx']['expected']} {got}"
    for name, words in _KINDS.items():
        if error["type"].startswith(name):
            return f"{option} must be {words} {got}"
    said = error["msg"].removeprefix("Value error, ")
    return f"{option} {_plain(error['input'])}: {said[:1].lower()}{said[1:]}"


def _range(kind: type[BaseModel], error: ErrorDetails) -> str:
    """Say which values a field may have: both ends, where both are known, of which an error names only one."""
    bounds = _bounds(kind.model_json_schema(), error["loc"]) or {}
    low, high = bounds.get("minimum"), bounds.get("maximum")
    above, below = bounds.get("exclusiveMinimum"), bounds.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"between {low:,.10g} and {high:,.10g}"
    said = [("at least", low), ("more than", above), ("at most", high), ("less than", below)]
    return " and ".join(f"{words} {bound:,.10g}" for words, bound in said if bound is not None)


def _bounds(schema: Mapping[str, Any], loc: Sequence[int | str]) -> Mapping[str, Any] | None:
    """Return the part of a JSON schema that bounds the number at a place in the settings."""
    nodes: list[Mapping[str, Any]] = [schema]
    for part in (*loc, None):
        nodes = [each for node in nodes for each in _alternatives(schema, node)]
        if isinstance(part, int):
            nodes = [node["items"] for node in nodes if "items" in node]
        elif part is not None:
            nodes = [node["properties"][part] for node in nodes if part in node.get("properties", {})]
    return next((node for node in nodes if any("imum" in key.lower() for key in node)), None)


def _alternatives(schema: Mapping[str, Any], node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "$ref" in node:
        return _alternatives(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    return [each for one in node["anyOf"] for each in _alternatives(schema, one)] if "anyOf" in node else [node]


def _plain(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
