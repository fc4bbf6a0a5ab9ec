"""The page of a run: it tells what is so, holds all that it shows, and breaks on no name."""

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from cryoglean.picks import Picks
from cryoglean.report.page_facts import MicrographFacts
from cryoglean.report.pick_charts import pick_charts
from cryoglean.report.pick_page import pick_page
from cryoglean.report.round_charts import run_charts
from cryoglean.report.run_notices import key_numbers, notices
from cryoglean.report.run_page import run_page
from cryoglean.report.score_steps import score_meaning
from cryoglean.report.spacing_audit import spacing_audit
from cryoglean.report.viewer_data import MAX_IMAGE_BYTES, MAX_VIEWS, jpeg, viewer_data
from html_page import Page
from report_facts import NAMES, facts, gallery, nothing, pick_facts, places, places_in


def audit():
    return spacing_audit({}, 5)


def charts(known):
    return [*pick_charts(known, spacing_audit(known.picks, 5)), *run_charts(known)]


@pytest.fixture(scope="module")
def page():
    return Page(run_page(facts(), "2026-01-01"))


def test_all_elements_are_closed_in_order(page):
    assert page.wrong == []
    assert page.open == []
    assert "</script" not in get_plotlyjs().lower()


def test_nothing_is_asked_of_a_network(page):
    assert page.asked_of_network() == []
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy
    style = re.search(r"<style>(.*?)</style>", run_page(nothing(), ""), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("made", [lambda: run_page(facts(), ""), lambda: pick_page(pick_facts(), "")])
def test_nothing_in_a_page_leads_out_of_the_machine(made):
    """Not one address besides those in plotly's own text, whose controls that send something are off."""
    html = made()
    own = html.replace(get_plotlyjs(), "")
    assert re.findall(r"(?:https?|wss?|ftp):|[\"'(=]//\w", own) == []
    assert not re.search(r"fetch\(|XMLHttpRequest|sendBeacon|WebSocket|EventSource|window\.open|\bimport\(", own)
    assert not {"form", "iframe", "object", "embed"} & {tag for tag, _ in Page(html).elements}
    config = re.search(r"const config = \{(.*?)\n  \};", own, re.DOTALL)[1]
    told = dict(re.findall(r"^    (\w+): (.*),$", config, re.MULTILINE))
    assert told["showSendToCloud"] == "false"
    assert told["plotlyServerURL"] == '""'
    assert told["topojsonURL"] == '"data:,"'
    assert own.count("Plotly.react(") == own.count(", config)") == 1
    addresses = set(re.findall(r"(\w*(?:URL|Url|Server|Cloud)\w*):\{valType", get_plotlyjs()))
    assert addresses <= told.keys(), "plotly has another setting of an address, or another control that sends"


def test_every_name_is_shown_letter_by_letter(page):
    text = " ".join(page.text)
    for name in NAMES:
        assert name in text
    tags = [tag for tag, _ in page.elements]
    scripts = [tag for tag in tags if tag == "script"]
    assert len(scripts) == 8, "the page's own: two of data, plotly, five of its own"
    assert "49" not in text


def test_charts_show_names_letter_by_letter(page):
    texts = next(c for c in page.data["charts-data"] if c["name"] == "counts")["data"][0]["text"]
    assert texts[0] == "&lt;b&gt;x&lt;b&gt;&amp;\"'"


def test_the_viewer_has_the_picks_themselves(page):
    told, known = page.data["viewer-data"], facts()
    assert [view["name"] for view in told["views"]] == list(NAMES[:2])
    for number, picks in enumerate(known.picks.values()):
        held, below = places_in(told, number)
        np.testing.assert_allclose(held.xy, picks.best_first().xy, atol=0.00051)
        np.testing.assert_allclose(held.score, picks.best_first().score, atol=2e-5)
        assert len(below) == 0
    assert told["remaining"][0] == sum(known.counts.values())


@pytest.mark.parametrize("which", [facts, nothing, lambda: facts(converged_share=0.5, best=0)])
def test_plotly_takes_every_chart(which):
    found = charts(which())
    assert len({chart.name for chart in found}) == len(found)
    for chart in found:
        plain = json.loads(
            re.sub(r"var\(--[\w-]+\)", "#123456", json.dumps([chart.data, chart.layout], allow_nan=False))
        )
        go.Figure(data=plain[0], layout=plain[1])


def test_what_is_not_known_has_no_chart():
    names = {chart.name for chart in charts(facts())}
    assert {
        "counts",
        "defocus",
        "scores",
        "distances",
        "round-kept",
        "round-comparison",
        "training-1",
        "times",
    } <= names
    empty = charts(nothing())
    assert {chart.name for chart in empty} == {"counts", "scores", "distances"}
    assert all(chart.nothing and not chart.data for chart in empty)


def test_what_would_have_empty_axes_is_said_in_words():
    none = tuple(MicrographFacts(name, f"/{name}", Picks.empty()) for name in ("a", "b"))
    one = (MicrographFacts("a", "/a", Picks([5.0], [5.0], [0.9])),)
    for known, said in (
        (facts(micrographs=none, views=()), {"counts": "No picks in 2 micrographs", "scores": "no scores"}),
        (facts(micrographs=one, views=()), {"distances": "No micrograph has two picks"}),
        (facts(pixel_size_angstrom=None), {"distances": "no pixel size"}),
    ):
        page = Page(run_page(known, ""))
        drawn = {chart["name"] for chart in page.data["charts-data"]}
        for name, words in said.items():
            assert name not in drawn
            assert words in page.words
        assert page.wrong == page.open == []


@pytest.mark.parametrize("count", [1, 2, 5, 24, 25, 400])
def test_ticks_of_counts_are_whole_numbers(count):
    known = tuple(MicrographFacts(str(n), f"/{n}", Picks([5.0], [5.0], [0.9])) for n in range(count))
    (chart,) = (each for each in pick_charts(facts(micrographs=known), audit()) if each.name == "counts")
    for axis in (chart.layout["xaxis"], chart.layout["yaxis"]):
        assert axis.get("dtick", 1) % 1 == 0
        assert "dtick" in axis or axis["tickformat"] == ",d"
    assert (chart.layout["xaxis"].get("dtick") == 1) == (count <= 24)


def test_a_run_with_nothing_has_a_page():
    page = Page(run_page(nothing(), ""))
    text = " ".join(" ".join(page.text).split())
    for said in ("There are no picks yet", "No micrograph has been picked", "no classes yet", "No round has begun"):
        assert said in text
    assert page.data["viewer-data"]["views"] == []


def test_missing_defocus_is_said():
    known = facts()
    without = replace(known, micrographs=tuple(replace(m, defocus_angstrom=None) for m in known.micrographs))
    assert "CTF of these micrographs is not known" in run_page(without, "")
    assert "CTF of these micrographs is not known" not in run_page(known, "")


def test_alarms_come_first_and_in_plain_sight():
    crowd = Picks(100 + 0.1 * np.arange(5), np.full(5, 100.0), np.full(5, 0.9))
    stopped = facts(status="stopped", micrographs=(MicrographFacts("m", "/m", crowd), *facts().micrographs))
    said = notices(stopped, spacing_audit(stopped.picks, 10))
    assert [n.level for n in said[:3]] == ["alarm"] * 3
    assert "picks flood" not in said[0].text
    assert said[0].text.endswith(NAMES[0])
    assert said[2].text == "Picks closer to another pick than the minimum distance of 64 Å in 1 micrograph: m."
    html = run_page(stopped, "")
    assert html.index('class="notice-alarm"') < html.index('id="micrographs"')


def test_key_numbers_are_those_of_the_run():
    known = facts()
    numbers = {n.label: n.value for n in key_numbers(known, spacing_audit(known.picks, 1))}
    assert numbers["picks"] == str(sum(map(len, known.picks.values())))
    assert numbers["micrographs picked"] == "2"
    assert numbers["of its picks are in kept classes"] == "80%"
    nearest = spacing_audit(known.picks, 1).smallest_px * known.pixel_size_angstrom
    assert numbers["smallest distance between picks"] == f"{nearest:.1f} Å"


def test_classes_are_shown_with_what_was_decided(page):
    figures = [a for tag, a in page.elements if tag == "figure" and a.get("class") in ("kept", "rejected")]
    assert [a["class"] for a in figures] == ["kept", "rejected", "rejected"]
    assert [a["data-number"] for a in figures] == ["1", "2", "3"]
    text = " ".join(" ".join(page.text).split())
    why = [why.replace(" A", " Å") for why in gallery().selection.explanations[1:]]
    for said in ("500 · 62.5 %", "12.0 Å · %/Res 5.2", "no resolution", *why):
        assert said in text


def test_pictures_are_bounded_even_of_pure_noise():
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000)).astype(np.uint8)
    encoded = jpeg(noise)
    assert len(encoded) <= MAX_IMAGE_BYTES
    assert cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE).shape == noise.shape
    assert MAX_VIEWS * MAX_IMAGE_BYTES * 4 / 3 < 12e6, "beside plotly and the picks"


def test_scores_of_another_program_have_a_scale_of_their_own():
    foreign = Picks([10, 300], [10, 300], [-4.0, 8.0], "foreign")
    told = viewer_data(facts(micrographs=(MicrographFacts("m", "/m", foreign),), views=()))
    assert (told["thresholds"][0], told["thresholds"][-1]) == (-4.0, 8.0)
    assert "another program" in score_meaning({"m": foreign})


@pytest.mark.slow
def test_many_micrographs_make_no_large_page():
    many = tuple(MicrographFacts(f"grid/m{i:05d}", "/m", places(0)) for i in range(3000))
    assert len(run_page(facts(micrographs=many, views=()), "")) < 8e6


def test_class_evaluations_are_a_table_with_a_caption(page):
    text = " ".join(" ".join(page.text).split())
    assert "Class evaluation Picks in kept classes" in text
    assert "80 of 100 (80%) 10 of 30 (33%) 0 of 0" in text
