"""Page about picks: one HTML file that holds all that it shows and loads nothing from a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from cryoglean import __version__
from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE
from cryoglean.report.page_notices import REJECTED, headline
from cryoglean.report.pick_charts import pick_charts
from cryoglean.report.score_steps import score_meaning
from cryoglean.report.spacing_audit import Audit, spacing_audit
from cryoglean.report.viewer_data import viewer_data
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryoglean.report.chart import Chart
    from cryoglean.report.page_facts import PageFacts
    from cryoglean.report.page_notices import Notice

_STATUS = {
    "done": "done",
    "stopped": "stopped",
    "review": "waiting for review",
    "running": "not finished",
}


def html_page(
    name: str,
    facts: PageFacts,
    audit: Audit,
    written: str,
    notices: Sequence[Notice],
    charts: Iterable[Chart] = (),
    **more: object,
) -> str:
    """Return a page as HTML.

    Args:
        name: of its template, which extends `report.html`.
        facts: content of the page.
        audit: of its picks, from `audit_of`.
        written: when, as text.
        notices: at its top.
        charts: besides those of picks.
        more: values of this template alone.
    """
    shown, viewer = [*pick_charts(facts, audit), *charts], viewer_data(facts)
    return _template(name).render(
        facts=facts,
        written=written,
        version=__version__,
        status=_STATUS.get(facts.status, facts.status),
        audit=audit,
        notices=notices,
        headline=headline(notices),
        charts=shown,
        groups={chart.group for chart in shown},
        charts_data=[asdict(chart) for chart in shown if not chart.nothing],
        viewer=viewer,
        saved=_saved(facts, viewer),
        meaning=score_meaning(facts.picks),
        settings=_flat(facts.settings),
        micrometre=ANGSTROM_PER_MICROMETRE,
        rejected_title=REJECTED,
        style=_text("report.css"),
        scripts=[_text(f"{script}.js") for script in ("charts", "places", "viewer", "star_file", "tables")],
        plotly=get_plotlyjs(),
        **more,
    )


def _saved(facts: PageFacts, viewer: Mapping[str, Any]) -> str:
    """Describe what a STAR file that is saved from the page holds."""
    number = len(viewer["micrographs"])
    which = f"all {number:,} micrographs" if number > 1 else "the micrograph"
    if not viewer["holds_all"]:
        shown = counted(len(facts.views), "micrograph")
        which = f"the {shown} shown here only, as a page cannot hold all places: the command below picks all"
    nameless = sum(each["cell"] is None for each in viewer["micrographs"])
    left_out = f"; without {nameless} whose names STAR cannot hold" if nameless else ""
    return f"Of {which}{left_out}: rlnMicrographName, coordinates as RELION counts them, and score."


def audit_of(facts: PageFacts) -> Audit:
    """Measure distances between picks; count those that are too close where the pixel size is known."""
    pixel_size = facts.pixel_size_angstrom
    return spacing_audit(facts.picks, facts.min_distance_angstrom / pixel_size if pixel_size else 0.0)


def _template(name: str) -> Template:
    loader = PackageLoader("cryoglean.report", "page")
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    environment = Environment(loader=loader, autoescape=True, **options)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # browsers do not read it
    environment.filters["counted"] = counted
    return environment.get_template(name)


def _text(name: str) -> str:
    """Return a file of the page's own as it is."""
    return files("cryoglean.report").joinpath("page", name).read_text(encoding="utf-8")


def _flat(settings: Mapping[str, Any], within: str = "") -> list[tuple[str, str]]:
    """Return settings with names for the user; nested ones follow the name of the outer one."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        words = within + name.replace("_angstrom", " (Å)").replace("_", " ")
        rows += _flat(value, f"{words}: ") if isinstance(value, Mapping) and value else [(words, _value_text(value))]
    return rows


def _value_text(value: object) -> str:
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
