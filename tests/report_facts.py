"""Facts of a run that never was, with names and reasons that would break a careless page."""

import base64
import functools

import cv2
import numpy as np

from class_averages import DIAMETER, PIXEL, blobs, classification_of, half_plane
from cryoglean.classes2d.selection import automatic
from cryoglean.nets.training import Check
from cryoglean.picks import Picks
from cryoglean.report.grey import picture_scale, resized, visible_grey
from cryoglean.report.page_facts import THRESHOLD_MARK, MicrographFacts, View
from cryoglean.report.pick_facts import PickFacts, Picture
from cryoglean.report.run_facts import (
    ClassEvaluation,
    Decision,
    Gallery,
    KeptPicks,
    RoundSummary,
    RunFacts,
    StageTime,
)

NAMES = ("<b>x<b>&\"'", "µ ünï <script>alert(1)<!-- 照片", "{{ 7 * 7 }} %{y} &amp; </script> $'")
SIZE = (700, 900)
DIAMETER_PX = DIAMETER / PIXEL


def places(number):
    """Picks of a micrograph, clear of each other, with scores on both sides of each step."""
    across, down = np.meshgrid(np.arange(60, 860, 100), np.arange(60, 660, 120 - 10 * number))
    shift = np.random.default_rng(number).uniform(-10, 10, (2, across.size))
    score = np.round(np.random.default_rng(number).uniform(0.31, 1, across.size), 3)
    return Picks(across.ravel() + shift[0], down.ravel() + shift[1], score, "probability")


def micrograph(picks, size=SIZE):
    """Dark discs at the picks, in little noise."""
    image = np.random.default_rng(0).normal(0, 0.05, size)
    for x, y in picks.xy:
        near = tuple(slice(max(int(at - DIAMETER_PX), 0), int(at + DIAMETER_PX)) for at in (y, x))
        rows, columns = np.ogrid[: size[0], : size[1]]
        away = np.hypot(columns[:, near[1]] - x, rows[near[0]] - y)
        image[near] -= np.clip(DIAMETER_PX / 2 - away + 0.5, 0, 1)
    return image.astype(np.float32)


def view(key, picks, longest_px=400):
    """The micrograph as it is shown, binned or magnified."""
    image = micrograph(picks)
    scale = picture_scale(max(image.shape), longest_px)
    return View(key, *image.shape, visible_grey(resized(image, scale), DIAMETER_PX * scale), scale, DIAMETER_PX)


def gallery(title="Round 1", name="01"):
    found = classification_of([3 * blobs(), 3 * half_plane(), 0 * blobs()], [500, 300, 0], [12.0, 18.0, np.inf])
    return Gallery(title, name, found.classes, automatic(found, DIAMETER), PIXEL, is_open=True)


def listed():
    """Two micrographs with picks, and one that was rejected."""
    picked = [MicrographFacts(NAMES[n], f"/data/{NAMES[n]}", places(n), None, 1e4 * (n + 1), True) for n in range(2)]
    return (*picked, MicrographFacts(NAMES[2], f"/data/{NAMES[2]}", rejected=f"broken {NAMES[1]}"))


@functools.cache
def views():
    """The two with picks, to be looked at."""
    return tuple(view(NAMES[n], places(n)) for n in range(2))


def listed_with_candidates(names=NAMES[:2]):
    """Two micrographs with picks that reach 0.5, and candidates below; tables of the second may count from below."""
    return tuple(
        MicrographFacts(
            name,
            f"/data/{name}",
            everything.at_least(0.5),
            candidates=everything.take(everything.score < 0.5),
            name=name,
            height_px=SIZE[0],
        )
        for name, everything in zip(names, (places(0), places(1)), strict=True)
    )


def png(seed=0, size=(30, 40)):
    """A picture of noise, as a file."""
    return cv2.imencode(".png", np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8))[1].tobytes()


def pick_facts(**changes):
    """A whole pick folder; the last micrograph was rejected."""
    values = {
        "name": f"picks {NAMES[0]}",
        "status": "done",
        "diameter_angstrom": DIAMETER,
        "pixel_size_angstrom": PIXEL,
        "min_distance_angstrom": DIAMETER / 2,
        "micrographs": listed(),
        "outliers": (NAMES[0],),
        "views": views(),
        "settings": {"method": "emmae", "training": {"layers": {"tile_px": 32}, "of": NAMES[1]}},
        "provenance": {"cryoglean": "0.1.0", "command": f"cryoglean pick {NAMES[0]}"},
        "pick_command": f"cryoglean pick '{NAMES[0]}' --threshold {THRESHOLD_MARK}",
        "method": "Cryo-EMMAE",
        "preset": "default",
        "is_fitted": True,
        "fit_summary": f"particle signal found (skewness 1 ± 0.1), says {NAMES[2]}",
        "found_particles": True,
        "pictures": tuple(Picture(f"{n}{NAMES[n]}.png", NAMES[n], f"what {NAMES[n]} says", png(n)) for n in range(2)),
    }
    return PickFacts(**values | changes)


def facts(**changes):
    """A whole run; the last micrograph was rejected."""
    checks = tuple(Check(10 * i, 0.1, 1 / i, 0.9, 1.5 / i if i < 4 else np.nan, 0.8) for i in range(1, 5))
    evaluation = ClassEvaluation(KeptPicks(100, 80), KeptPicks(30, 10), KeptPicks(0, 0))
    values = {
        "name": f"run {NAMES[0]}",
        "status": "done",
        "reason": f"converged, says {NAMES[2]}",
        "best": 1,
        "picks_are": "final",
        "diameter_angstrom": DIAMETER,
        "pixel_size_angstrom": PIXEL,
        "min_distance_angstrom": DIAMETER / 2,
        "converged_share": 0.7,
        "acceptance_rule": f"the rule, says {NAMES[2]}",
        "micrographs": listed(),
        "outliers": (NAMES[0],),
        "views": views(),
        "rounds": (
            RoundSummary(0, "Round 0", 90, 45.0, 90, 80, 80, 70, 0.5, 14.0),
            RoundSummary(1, "Round 1", 100, 50.0, 120, 110, 110, 90, 0.8, None, evaluation, True, checks),
        ),
        "galleries": (gallery(),),
        "stages": (StageTime(f"Round 0: {NAMES[1]}", 12.0),),
        "decisions": (Decision("Round 1", NAMES[0], f"{NAMES[1]}: {NAMES[2]}"),),
        "alarms": (f"round 1: {NAMES[0]}",),
        "settings": {"seed": 0, "rule": None, "start_from": NAMES[1]},
        "provenance": {"cryoglean": "0.1.0", "command": f"cryoglean run {NAMES[0]}"},
        "pick_command": f"cryoglean pick '{NAMES[0]}' --threshold {THRESHOLD_MARK}",
    }
    return RunFacts(**values | changes)


def nothing():
    """A run in which nothing was found yet."""
    empty = ("micrographs", "outliers", "views", "rounds", "galleries", "stages", "decisions", "alarms")
    unknown = {"pixel_size_angstrom": None, "pick_command": None, "settings": {}, "provenance": {}}
    return facts(**dict.fromkeys(empty, ()) | unknown)


def places_in(data, number):
    """Picks and candidates of a micrograph as a page's data hold them."""
    held = data["micrographs"][number]
    packed, count = base64.b64decode(held["packed"]), held["count"]
    x, y = (np.frombuffer(packed, "<i4", count, at * count) / data["places"] for at in (0, 4))
    parts = np.frombuffer(packed, "<u2", count, 8 * count) / data["parts"] / (len(data["thresholds"]) - 1)
    both = Picks(x, y, data["low"] + (data["high"] - data["low"]) * parts, data["score_kind"])
    is_pick = np.arange(count) < held["picks"]
    return both.take(is_pick), both.take(~is_pick)
