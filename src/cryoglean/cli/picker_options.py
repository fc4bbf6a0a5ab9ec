"""Options of the pickers on the command line, as the registry of pickers has them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from cryoglean.cli.settings import checked
from cryoglean.errors import SettingsError
from cryoglean.pickers.registry import describe, descriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryoglean.pickers.protocol import PickerDescription
    from cryoglean.pickers.settings import PickerSettings

Command = TypeVar("Command", bound="Callable[..., Any]")


def with_picker_options(command: Command) -> Command:
    """Give a command the options of all pickers in place of its `**of_picker`; one that is not given is None."""
    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    parameters = [*own, *_parameters()]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def picker_from(
    method: str, preset: str, common: dict[str, object], of_picker: Mapping[str, Any]
) -> tuple[PickerSettings, dict[str, Path]]:
    """Build a picker's settings, and the files that it is given, from the options.

    Args:
        method: name of the picker.
        preset: one of its ways.
        common: values of the settings that all pickers share, by field; None where not given.
        of_picker: values of the options of all pickers, by `name_of` the option.

    Raises:
        SettingsError: if there is no such picker, or an option is missing, wrong or has no effect.
    """
    description = describe(method, preset)
    given_by_option = {option: value for option, value in of_picker.items() if value is not None}
    files = {
        file.name: file.resolve(given_by_option.pop(name_of(file.option)))
        for file in description.given
        if name_of(file.option) in given_by_option
    }
    fields = {
        each.field: given_by_option.pop(name_of(each.option))
        for each in description.options
        if name_of(each.option) in given_by_option
    }
    for name, value in given_by_option.items():
        option = "--" + name.replace("_", "-")
        raise SettingsError(f"{option} {value}: has no effect with --method {method} --preset {preset}")
    description.check_given(files)
    implementation = description.load()
    values = {field: value for field, value in (common | fields).items() if value is not None}
    if "diameter_angstrom" not in values:
        values["diameter_angstrom"] = _known_diameter(description, files)
    options = {each.field: each.option for each in description.options}
    return checked(implementation.settings, values, options), files


def name_of(option: str) -> str:
    """Return the name of an option's parameter."""
    return option.strip("-").replace("-", "_")


def _known_diameter(description: PickerDescription, files: Mapping[str, Path]) -> float:
    known = description.load().known_diameter(files)
    if known is None:
        raise SettingsError("the size of the particle is unknown: give --diameter")
    return known


def _parameters() -> Iterator[inspect.Parameter]:
    """Yield a parameter for each option of any picker."""
    for option, (kind, said) in _all_options().items():
        lines = [f"{', '.join(who)}: {what}" for what, who in said.items()]
        annotation = Annotated[Optional[kind], typer.Option(option, help=". ".join(lines) + ".")]  # type: ignore[valid-type]  # noqa: UP045
        yield inspect.Parameter(name_of(option), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _all_options() -> dict[str, tuple[type, dict[str, list[str]]]]:
    """Return the type of each option, and who says what of it."""
    found: dict[str, tuple[type, dict[str, list[str]]]] = {}
    for each in descriptions():
        who = each.method if each.preset == "default" else f"{each.method}'s {each.preset} preset"
        entries: list[tuple[str, type, str]] = [(file.option, Path, file.help) for file in each.given]
        entries += [(option.option, option.kind, option.help) for option in each.options]
        for option, kind, said in entries:
            who_says = found.setdefault(option, (kind, {}))[1].setdefault(said, [])
            if each.method not in who_says:
                who_says.append(who)
    return found
