"""The page of a pick folder: picks, what was learned with its pictures as they are, and no name that breaks it."""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cryoglean.picks import Picks
from cryoglean.report.html_page import audit_of
from cryoglean.report.packed_places import MAX_PLACES, packed
from cryoglean.report.page_facts import MicrographFacts
from cryoglean.report.pick_facts import Picture
from cryoglean.report.pick_notices import key_numbers, notices
from cryoglean.report.pick_page import MAX_PICTURES_BYTES, embedded, pick_page
from cryoglean.report.score_steps import ScoreSteps
from cryoglean.report.viewer_data import MAX_IMAGE_BYTES, MAX_VIEWS
from html_page import Page
from report_facts import NAMES, listed, pick_facts, places_in, png, views


@pytest.fixture(scope="module")
def page():
    return Page(pick_page(pick_facts(), "2026-01-01"))


def places_of_noise(count):
    rng = np.random.default_rng(0)
    return Picks(rng.uniform(0, 5000, count), rng.uniform(0, 5000, count), rng.uniform(0, 1, count))


def said(facts):
    return [(notice.level, notice.text) for notice in notices(facts, audit_of(facts))]


def test_elements_are_closed_in_order_and_nothing_is_asked_of_a_network(page):
    assert page.wrong == page.open == []
    assert page.asked_of_network() == []


def test_the_viewer_has_every_pick(page):
    told, known = page.data["viewer-data"], pick_facts()
    assert [view["name"] for view in told["views"]] == list(NAMES[:2])
    for number, picks in enumerate(known.picks.values()):
        held, below = places_in(told, number)
        np.testing.assert_allclose(held.xy, picks.best_first().xy, atol=0.00051)
        np.testing.assert_allclose(held.score, picks.best_first().score, atol=2e-5)
        assert len(below) == 0
    assert told["remaining"][0] == sum(known.counts.values())
    assert told["pick_command"] == known.pick_command


def test_pictures_are_those_of_the_folder_byte_for_byte(page):
    shown = [a for tag, a in page.elements if tag == "img"]
    known = pick_facts().pictures
    assert [base64.b64decode(a["src"].removeprefix("data:image/png;base64,")) for a in shown] == [p.data for p in known]
    assert [a["alt"] for a in shown] == [p.says for p in known]


def test_every_name_is_shown_letter_by_letter(page):
    text = " ".join(page.text)
    for name in NAMES:
        assert name in text
    for picture in pick_facts().pictures:
        assert picture.title in text
        assert picture.name in text
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 8, "the page's own"
    assert "49" not in text
    assert "Particle signal found (skewness 1 ± 0.1)" in page.words


def test_the_page_has_the_parts_that_apply_and_no_others(page):
    sections = [a["id"] for tag, a in page.elements if tag == "section"]
    assert sections == ["micrographs", "counts", "scores", "fit", "rejected", "provenance"]
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    assert links == [f"#{name}" for name in sections]
    assert [c["name"] for c in page.data["charts-data"]] == ["counts", "defocus", "scores", "distances"]
    assert "round" not in re.sub(r"background|round the", "", page.words)


def test_settings_within_settings_are_told_one_by_one(page):
    assert "training: layers: tile px 32" in page.words
    assert "Cryo-EMMAE, default preset" in page.words


@pytest.mark.parametrize(
    ("candidates", "said"),
    [(None, "were not kept here"), (Picks.empty("uncalibrated"), "there are no candidates: nothing else has a score")],
)
def test_candidates_that_were_not_kept_are_told_from_none_found(candidates, said):
    micrographs = tuple(replace(each, candidates=candidates) for each in pick_facts().micrographs)
    assert said in " ".join(pick_page(pick_facts(micrographs=micrographs), "").split())


def test_key_numbers_are_those_of_the_picks():
    known = pick_facts()
    numbers = {n.label: n.value for n in key_numbers(known, audit_of(known))}
    assert numbers["picks"] == str(sum(known.counts.values()))
    assert numbers["micrographs picked"] == "2"
    assert numbers["micrographs rejected"] == "1"
    assert numbers["picks per micrograph (median)"] == f"{np.median(list(known.counts.values())):g}"


def test_nothing_found_is_said_first_with_the_picture_that_shows_why():
    empty = tuple(MicrographFacts(m.key, m.path, Picks.empty()) for m in listed())
    nothing = pick_facts(found_particles=False, micrographs=empty, views=(), outliers=())
    level, text = said(nothing)[0]
    assert level == "alarm"
    assert "No particle signal" in text
    assert nothing.pictures[0].name in text
    assert any("No picks in 3 micrographs" in text for _, text in said(nothing))
    page = Page(pick_page(nothing, ""))
    assert page.wrong == page.open == []
    assert "none are too close" in page.words


def test_all_rejected_has_a_page_that_says_why():
    bad = tuple(MicrographFacts(name, f"/{name}", rejected=f"broken {name}") for name in NAMES)
    facts = pick_facts(micrographs=bad, views=(), outliers=(), fit_summary="", found_particles=None, pictures=())
    assert said(facts)[0] == (
        "alarm",
        "No micrograph could be used: the reasons are in Rejected micrographs and edge picks.",
    )
    page = Page(pick_page(facts, ""))
    assert page.wrong == page.open == []
    for name in NAMES:
        assert f"broken {name}" in " ".join(page.text)
    assert "has not been fitted to these micrographs yet" in page.words


def test_micrographs_that_wait_are_counted():
    facts = pick_facts(micrographs=(*listed(), MicrographFacts("later", "/later")), status="running")
    assert (
        "note",
        "1 micrograph not picked yet, or rejected by an earlier call: run the same command again to go on.",
    ) in said(facts)
    assert "not finished" in Page(pick_page(facts, "")).words
    assert not any("not picked yet" in text for _, text in said(pick_facts()))


def test_distances_are_judged_only_where_the_pixel_size_is_known():
    crowd = (MicrographFacts("m", "/m", Picks([10, 11], [10, 10], [0.5, 0.6])),)
    known, unknown = (pick_facts(micrographs=crowd, pixel_size_angstrom=size, views=()) for size in (1.0, None))
    assert any("closer to another" in text for _, text in said(known))
    assert not any("closer to another" in text for _, text in said(unknown))
    assert any("no pixel size" in text for _, text in said(unknown))
    assert "closer than that" not in Page(pick_page(unknown, "")).words


def test_pickers_that_learn_nothing_say_so():
    facts = pick_facts(
        is_fitted=False, fit_summary="", found_particles=None, pictures=(), method="Kpicker", preset="paper"
    )
    assert "Kpicker, paper preset, is not fitted" in Page(pick_page(facts, "")).words


def test_pictures_that_are_too_large_become_smaller_and_damaged_ones_are_left_out():
    large = Picture("a.png", "", "", png(size=(1100, 1000)))
    small, broken = Picture("b.png", "", "", png()), Picture("c.png", "", "", bytes(MAX_PICTURES_BYTES + 1))
    assert len(large.data) > MAX_PICTURES_BYTES
    shown = embedded([large, small, broken])
    reduced = base64.b64decode(shown[0].removeprefix("data:image/jpeg;base64,"))
    assert len(reduced) <= MAX_IMAGE_BYTES
    assert cv2.imdecode(np.frombuffer(reduced, np.uint8), cv2.IMREAD_COLOR).shape == (1100, 1000, 3)
    assert base64.b64decode(shown[1].removeprefix("data:image/png;base64,")) == small.data
    assert shown[2] == ""
    assert "damaged" in Page(pick_page(pick_facts(pictures=(broken,)), "")).words


def test_the_largest_page_stays_below_24_mb():
    bare = len(pick_page(pick_facts(views=(), pictures=()), ""))
    places = len(packed(*[places_of_noise(MAX_PLACES // 2)] * 2, ScoreSteps()))
    assert bare + (MAX_VIEWS * MAX_IMAGE_BYTES + MAX_PICTURES_BYTES) * 4 / 3 + places < 23.5e6


def test_fifty_micrographs_of_a_thousand_places_take_less_than_a_megabyte():
    assert 50 * len(packed(*[places_of_noise(500)] * 2, ScoreSteps())) < 1e6


def test_a_page_of_too_many_places_holds_those_of_the_micrographs_that_it_shows(monkeypatch):
    known = pick_facts(views=views()[1:])
    monkeypatch.setattr("cryoglean.report.viewer_data.MAX_PLACES", 10)
    page = Page(pick_page(known, ""))
    told = page.data["viewer-data"]
    assert [each["picks"] for each in told["micrographs"]] == [len(known.picks[NAMES[1]])]
    assert told["picked"] == told["remaining"][told["first"]] == sum(known.counts.values())
    assert "the 1 micrograph shown here only" in page.words
