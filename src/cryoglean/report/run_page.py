"""The page of a run: one HTML file with all that it shows inside, which asks no network for anything."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from cryoglean import __version__
from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE
from cryoglean.report.class_tiles import class_tiles
from cryoglean.report.run_charts import charts
from cryoglean.report.run_notices import key_numbers, notices
from cryoglean.report.score_steps import score_meaning
from cryoglean.report.spacing_audit import spacing_audit
from cryoglean.report.viewer_data import viewer_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryoglean.report.run_facts import RunFacts

_STATUS = {
    "done": "done",
    "stopped": "stopped",
    "review": "waits for review",
    "running": "not ended",
}


def run_page(facts: RunFacts, written: str) -> str:
    """Return the page as HTML.

    Args:
        facts: what to tell.
        written: when, as text.
    """
    audit = spacing_audit(facts.picks, _least_px(facts))
    shown = charts(facts, audit)
    return _template().render(
        facts=facts,
        written=written,
        version=__version__,
        status=_STATUS.get(facts.status, facts.status),
        notices=notices(facts, audit),
        key_numbers=key_numbers(facts, audit),
        audit=audit,
        charts=shown,
        groups={chart.group for chart in shown},
        charts_data=[asdict(chart) for chart in shown],
        viewer=viewer_data(facts),
        meaning=score_meaning(facts.picks),
        galleries=[(gallery, class_tiles(gallery, facts.diameter_angstrom)) for gallery in facts.galleries],
        settings=_flat(facts.settings),
        micrometre=ANGSTROM_PER_MICROMETRE,
        style=_text("report.css"),
        scripts=[_text("charts.js"), _text("viewer.js"), _text("tables.js")],
        plotly=get_plotlyjs(),
    )


def _template() -> Template:
    loader = PackageLoader("cryoglean.report", "page")
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    environment = Environment(loader=loader, autoescape=True, **options)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # browsers do not read it
    return environment.get_template("report.html")


def _text(name: str) -> str:
    """Return a file of the page's own as it is."""
    return files("cryoglean.report").joinpath("page", name).read_text(encoding="utf-8")


def _least_px(facts: RunFacts) -> float:
    return facts.least_distance_angstrom / facts.pixel_size_angstrom if facts.pixel_size_angstrom else 0.0


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings as they are told to a user."""
    return [(name.replace("_angstrom", " (Å)").replace("_", " "), _in_words(value)) for name, value in settings.items()]


def _in_words(value: object) -> str:
    if value is None:
        return "not given"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
