"""`cryoglean`: the sub-commands, and how errors become one line and an exit status."""

from __future__ import annotations

import signal
import sys
from functools import wraps
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

import cryoglean
from cryoglean.cli.classify import classify
from cryoglean.cli.ctf import ctf
from cryoglean.cli.doctor import doctor
from cryoglean.cli.evaluate import evaluate
from cryoglean.cli.extract import extract
from cryoglean.cli.mae import train as train_mae
from cryoglean.cli.pick import pick
from cryoglean.cli.report import report
from cryoglean.cli.run import run
from cryoglean.cli.select import select
from cryoglean.cli.simulate import simulate
from cryoglean.cli.train import train
from cryoglean.errors import CryogleanError, NothingKeptError, SettingsError, TableError
from cryoglean.jobs.result import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")

app = typer.Typer(
    name="cryoglean",
    help="Find particles in cryo-EM micrographs without labels.",
    epilog="Exit status: 0 all done, 1 internal error, 2 refused before any work, 3 some micrographs rejected, "
    "4 all rejected or nothing to work on, 5 stopped on purpose (review, alarm), 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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


for each in (run, report, pick, ctf, extract, classify, select, train, evaluate, simulate, doctor):
    app.command()(guarded(each))

mae = typer.Typer(help="Masked autoencoders, which learn from micrographs alone.", no_args_is_help=True)
mae.command("train")(guarded(train_mae))
app.add_typer(mae, name="mae")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cryoglean {cryoglean.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line, and leave with its exit status; a request to end (of a batch system) is an interrupt."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
