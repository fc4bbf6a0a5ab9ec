"""Verdict at the end of a command: one short block on screen, what is wrong first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cryoglean.report.findings import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.report.findings import Finding

_MARKS = {Level.alarm: "!!", Level.note: " !", Level.fact: "  "}


def echo_verdict(findings: Sequence[Finding]) -> None:
    """Print the findings of a verdict, each with the command to go on with."""
    if not findings:
        return
    width = max(len(each.topic) for each in findings)
    typer.echo("verdict:")
    for each in findings:
        typer.echo(f"{_MARKS[each.level]} {each.topic:<{width}}  {each.text}")
        if each.command:
            typer.echo(f"   {'':<{width}}  {each.remedy}: {each.command}")
