"""From options to settings: a wrong value is named by its option, in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Checked = TypeVar("Checked", bound=BaseModel)

_UNIT = re.compile(r"_(angstrom|kv|mm|factor)$")


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
        field = str(first["loc"][0]) if first["loc"] else "settings"
        option = (options or {}).get(field, "--" + _UNIT.sub("", field).replace("_", "-"))
        said = first["msg"][:1].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            said = "has no effect with this method and preset"
        raise SettingsError(f"{option} {first['input']}: {said}") from error
