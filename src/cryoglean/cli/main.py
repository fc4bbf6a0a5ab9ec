"""`cryoglean`: the sub-commands, and how errors become one line and an exit status."""

from __future__ import annotations

import signal
import sys
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

import cryoglean
from cryoglean.cli.options import PlainCommand, PlainGroup
from cryoglean.cli.streams import outlive_readers
from cryoglean.errors import CryogleanError, NothingKeptError, SettingsError, TableError
from cryoglean.jobs.result import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")


def guarded(command: Callable[Arguments, int | None]) -> Callable[Arguments, None]:
    """Turn what a command returns or raises into an exit status, and an error into one line on standard error."""

    @wraps(command)
    def run_guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except KeyboardInterrupt:
            complaint = "interrupted: what is finished is kept; give the same command again"
            status = ExitStatus.interrupted
        except NothingKeptError as error:
            complaint, status = str(error), ExitStatus.nothing_usable
        except (SettingsError, TableError) as error:
            complaint, status = str(error), ExitStatus.refused
        except (CryogleanError, OSError) as error:
            complaint, status = str(error), ExitStatus.failed
        else:
            complaint = ""
        if complaint:
            sys.stderr.write(f"cryoglean: {complaint}\n")
        raise typer.Exit(status or 0)

    return run_guarded


class _Commands(PlainGroup):
    """The sub-commands, each in a module of its name that is loaded only when it is needed."""

    names = (
        *(
            "run",
            "report",
            "pick",
            "fit",
            "size",
            "ctf",
            "extract",
            "classify",
            "select",
            "train",
            "evaluate",
            "compare",
            "simulate",
        ),
        *("doctor", "mae"),
    )

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 (Typer gives it)
        """Return the names in the order of the help."""
        return list(self.names)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 (its type moved between Typers)
        """Load a sub-command; None if there is none of that name."""
        if cmd_name not in self.names:
            return None
        module = import_module(f"cryoglean.cli.{cmd_name}")
        if cmd_name == "mae":
            group = typer.Typer(name="mae", cls=PlainGroup, help=module.GROUP_HELP, no_args_is_help=True)
            group.command("train", cls=PlainCommand)(guarded(module.train))
            return typer.main.get_group(group)
        only = typer.Typer(add_completion=False)
        only.command(cls=PlainCommand)(guarded(getattr(module, cmd_name)))
        return typer.main.get_command(only)


app = typer.Typer(
    cls=_Commands,
    name="cryoglean",
    help="Find particles in cryo-EM micrographs without labels.",
    epilog="Exit status: 0 all done, 1 internal error, 2 refused before any work, 3 some micrographs rejected, "
    "4 all rejected or nothing to work on, 5 stopped on purpose (review, alarm), 6 done and nothing found, "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cryoglean {cryoglean.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line, and leave with its exit status; a request to end (of a batch system) is an interrupt."""
    outlive_readers()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
