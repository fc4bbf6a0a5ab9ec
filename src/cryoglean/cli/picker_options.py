"""Options of the pickers on the command line, as the registry of pickers has them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from cryoglean.cli.settings import checked
from cryoglean.errors import SettingsError
from cryoglean.pickers.registry import DEFAULT_PRESET, default_method, describe, descriptions, methods, presets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryoglean.jobs.given_fit import GivenFit
    from cryoglean.pickers.protocol import PickerDescription
    from cryoglean.pickers.settings import PickerSettings

DEFAULT_METHODS = ", ".join(
    [default_method(DEFAULT_PRESET)]
    + [f"with --preset {preset} {default_method(preset)}" for preset in presets() if preset != DEFAULT_PRESET]
)
"""The picker of each preset where none is named, for the user."""

Diameter = Annotated[
    str | None,
    typer.Option(help="Particle diameter in angstrom, or auto; by default that of the model, if it tells one."),
]
Method = Annotated[
    str | None,
    typer.Option(help=f"Picker; {DEFAULT_METHODS} by default.", metavar="|".join(methods()), show_default=False),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        help="default: finds shape and threshold by itself; paper: as published.",
        metavar="|".join(presets()),
        show_default=False,
    ),
]
MinDistance = Annotated[
    float | None, typer.Option(help="Minimum distance between picks in angstrom; half a diameter by default.")
]

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
    method: str | None, preset: str | None, common: dict[str, object], of_picker: Mapping[str, Any]
) -> tuple[PickerSettings, dict[str, Path]]:
    """Build a picker's settings, and the files that it is given, from the options.

    Args:
        method: name of the picker; None is the default one.
        preset: one of its ways; None is the default one.
        common: values of the settings that all pickers share, by field; None where not given.
        of_picker: values of the options of all pickers, by `name_of` the option.

    Raises:
        SettingsError: if there is no such picker, or an option is missing, wrong or has no effect.
    """
    preset = preset or DEFAULT_PRESET
    description = describe(method or default_method(preset), preset)
    fields, files = _of_this_picker(description, of_picker)
    description.check_given(files)
    values = {field: value for field, value in (common | fields).items() if value is not None}
    if "diameter_angstrom" not in values:
        values["diameter_angstrom"] = _known_diameter(description, files)
    return checked(description.load().settings, values, _options(description)), files


def picker_of_fit(
    fit: GivenFit, asked: Mapping[str, object], common: dict[str, object], of_picker: Mapping[str, Any]
) -> PickerSettings:
    """Return the settings of the picker of a fit, with those options that may be others than the fit's.

    Args:
        fit: the fit.
        asked: method, preset, contrast and pixel size, as far as they are given.
        common: as of `picker_from`.
        of_picker: as of `picker_from`.

    Raises:
        SettingsError: in one line, if an option is wrong, has no effect, or the fit was made with another value.
    """
    fit.refuse_others(asked)
    fields, files = _of_this_picker(fit.description, of_picker)
    given = {field: value for field, value in (common | fields).items() if value is not None}
    fit.refuse_others(given)
    fit.refuse_other_files(files)
    chosen = {field: value for field, value in given.items() if field in fit.choosing}
    return checked(type(fit.picker), fit.picker.model_dump() | chosen, _options(fit.description))


def _of_this_picker(
    description: PickerDescription, of_picker: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the settings by field, and the files by name, that options give a picker; others are refused."""
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
        option, picker = "--" + name.replace("_", "-"), f"--method {description.method} --preset {description.preset}"
        raise SettingsError(f"{option} {value}: has no effect with {picker}")
    return fields, files


def _options(description: PickerDescription) -> dict[str, str]:
    return {each.field: each.option for each in description.options}


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
