"""Page of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.report.class_tiles import class_tiles
from cryoglean.report.html_page import audit_of, html_page
from cryoglean.report.round_charts import run_charts
from cryoglean.report.run_notices import key_numbers, notices

if TYPE_CHECKING:
    from cryoglean.report.run_facts import RunFacts


def run_page(facts: RunFacts, written: str) -> str:
    """Return the page as HTML.

    Args:
        facts: content of the page.
        written: when, as text.
    """
    audit = audit_of(facts)
    return html_page(
        "run.html",
        facts,
        audit,
        written,
        notices(facts, audit),
        run_charts(facts),
        key_numbers=key_numbers(facts, audit),
        galleries=[(gallery, class_tiles(gallery, facts.diameter_angstrom)) for gallery in facts.galleries],
    )
