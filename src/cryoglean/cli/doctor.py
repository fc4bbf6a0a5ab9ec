"""`cryoglean doctor`: what is installed here, what is missing, and how to get it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape as _plain  # square brackets would be read as markup
from rich.table import Table

from cryoglean.cli.tables import table_console

if TYPE_CHECKING:
    from cryoglean.scale.engines import Engine
    from cryoglean.scale.environment import Environment, Package
    from cryoglean.scale.machine import Place


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> int:
    """Show versions, devices, threads and engines, what is missing, and how to get it.

    Ends with status 0 when everything that is required is there, else with 1.

    For example:

        cryoglean doctor

        cryoglean doctor --json
    """
    from cryoglean.scale.environment import probe_environment

    environment = probe_environment()
    if as_json:
        typer.echo(json.dumps(environment.as_dict()))
    else:
        _show(environment)
    return 1 if environment.problems else 0


def _show(environment: Environment) -> None:
    out = table_console()
    for table in (
        _table("this machine", _machine_rows(environment)),
        _table("required packages", [_package_row(p) for p in environment.required]),
        _table("optional packages", [_package_row(p) for p in environment.optional]),
        _table("optional engines", [_engine_row(e) for e in environment.engines]),
    ):
        out.print(table, "", sep="\n")
    for line in environment.remarks:
        out.print(f"[yellow]note:[/] {_plain(line)}")
    for line in environment.problems:
        out.print(f"[bold red]problem:[/] {_plain(line)}")
    if not environment.problems:
        out.print("[bold green]everything required is here[/]")


def _table(title: str, rows: list[tuple[str, str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*row)
    return table


def _machine_rows(environment: Environment) -> list[tuple[str, str, str]]:
    threads = [("", _plain(name), f"{number} threads") for name, number in environment.threads.items()]
    devices = [(d.name, _plain(d.description), _bytes(d.memory_bytes)) for d in environment.devices]
    return [
        ("Python", environment.python, _plain(environment.system)),
        *devices,
        ("processors", str(environment.available_cpus), f"available, of {environment.machine_cpus}"),
        *threads,
        ("memory", _bytes(environment.memory_bytes), ""),
        _place_row("temporary files", environment.temporary_folder),
        _place_row("this folder", environment.current_folder),
    ]


def _place_row(name: str, place: Place) -> tuple[str, str, str]:
    return (
        name,
        _plain(place.path),
        f"{'writable' if place.writable else 'not writable'}, {_bytes(place.free_bytes)} free",
    )


def _package_row(package: Package) -> tuple[str, str, str]:
    if package.version is None:
        return package.name, "[yellow]missing[/]", _plain(_joined(package.purpose, package.remedy))
    if package.fault:
        return package.name, "[red]does not load[/]", _plain(package.fault)
    return package.name, package.version, _plain(package.purpose)


def _engine_row(engine: Engine) -> tuple[str, str, str]:
    if engine.path is None:
        return engine.name, "[yellow]missing[/]", _plain(_joined(engine.purpose, engine.remedy))
    return engine.name, _plain(engine.version or "found"), _plain(_joined(engine.purpose, engine.path))


def _joined(purpose: str, rest: str) -> str:
    return f"{purpose}: {rest}" if purpose else rest


def _bytes(number: int | None) -> str:
    if number is None:
        return ""
    return f"{number / 2**30:.1f} GiB"
