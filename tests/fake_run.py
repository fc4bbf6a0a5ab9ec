"""A run folder as the loop leaves it, written by hand with known picks, in no time."""

from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
import tifffile
from PIL import Image

from cryoglean.io.relion import write_micrographs_star
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.result import MicrographResult
from cryoglean.loop.acceptance import Acceptance
from cryoglean.loop.decisions import AcceptanceDecision, ClassEvaluationDecision
from cryoglean.loop.outcomes import Outcome
from cryoglean.loop.settings import LoopJob, LoopSettings
from cryoglean.loop.stage_results import (
    CANDIDATES,
    MICROGRAPHS,
    MODEL,
    PICKS,
    MicrographsFound,
    NetworkFound,
    PicksFound,
    stage_folder,
)
from cryoglean.loop.state import Production, RunStatus, open_run
from cryoglean.loop.tables import write_round
from cryoglean.micrograph import MicrographFile
from cryoglean.picks import Picks

DIAMETER, PIXEL = 100.0, 2.0
SIZE = (600, 500)
CURVES = "step,rate,loss,accuracy,held_out_loss,held_out_accuracy\n10,0.1,1,0.5,1.2,0.6\n20,0.1,0.4,0.8,0.7,0.7\n"


def noise(seed, size=SIZE):
    return np.random.default_rng(seed).standard_normal(size).astype(np.float32)


def with_discs(picks, size=SIZE, radius_px=DIAMETER / PIXEL / 2):
    """A micrograph with a dark disc at each pick."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = 0.05 * noise(0, size)
    for x, y in picks.xy:
        image -= np.clip(radius_px - np.hypot(columns - x, rows - y) + 0.5, 0, 1).astype(np.float32)
    return image


def random_picks(seed, count, size=SIZE, kind="probability"):
    rng = np.random.default_rng(seed)
    return Picks(
        rng.uniform(0, size[1] - 1, count), rng.uniform(0, size[0] - 1, count), rng.uniform(0.4, 1, count), kind
    )


GIVEN = {
    "z.mrc": random_picks(1, 12),
    "a.tif": random_picks(2, 30),
    "bad.mrc": None,
    "c.png": Picks.empty("probability"),
}
"""By file name, in the order given; None is a micrograph that is set aside."""


def assert_as_given(facts):
    """See that a report tells of all `GIVEN`, in their order and where they are."""
    assert [m.key for m in facts.micrographs] == ["z", "a", "bad", "c"]
    assert facts.counts == {"z": 12, "a": 30, "c": 0}
    for name, key in (("z.mrc", "z"), ("a.tif", "a")):
        read, known = facts.picks[key].best_first(), GIVEN[name].best_first()
        assert np.allclose(read.xy, known.xy, atol=1e-5), "y of a TIFF counts from the other side in its file"


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, image)
    elif path.suffix == ".png":
        grey = 255 * (image - image.min()) / np.ptp(image)
        Image.fromarray(grey.astype(np.uint8)).save(path)
    else:
        mrcfile.write(path, image, voxel_size=PIXEL, overwrite=True)


@dataclass
class FakeRun:
    """A run of one round of training.

    Attributes:
        root: the run folder.
        picks: by file name of the micrograph, in the order given; None is a micrograph that is set aside.
        images: by file name, where it is not noise.
        settings: that differ.
        defocus: in angstrom, by file name.
    """

    root: Path
    picks: dict[str, Picks | None]
    images: dict[str, np.ndarray] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    defocus: dict[str, float] = field(default_factory=dict)

    def write(self, *, produced=True, **values):
        """Write the folder and return the state; `produced` tells whether all micrographs were picked."""
        files = [self._file(name) for name in self.picks]
        settings = LoopSettings(**{"diameter_angstrom": DIAMETER, "pixel_size_angstrom": PIXEL} | self.settings)
        run, files = open_run(self.root, settings, files)
        known = {file.key: picks for file, picks in zip(files, self.picks.values(), strict=True) if picks is not None}
        counts = {key: len(picks) for key, picks in known.items()}
        sizes = {file.key: (PIXEL, *self._image(file.name).shape) for file in files if file.key in known}
        run.set(subset=list(sizes), provenance=LoopJob(settings=settings, command="cryoglean run <x>").provenance())
        rejected = {file.key: "empty: the file has 0 bytes" for file in files if file.key not in known}
        run.add(0, MICROGRAPHS, MicrographsFound(usable=len(sizes), sizes=sizes, rejected=rejected), 1.0)
        picked = PicksFound(picks=sum(counts.values()), counts=counts)
        for number, stage, seconds in ((0, CANDIDATES, 2.0), (1, PICKS, 4.0)):
            self._write_picks(stage_folder(self.root, number, stage), files, known)
            run.add(number, stage, picked, seconds)
        compared = {"only_reference": 30, "only_reference_kept": 10, "only_new": 40, "only_new_kept": 35}
        run.decide(ClassEvaluationDecision(round=1, classified=80, kept=60, **compared))
        better = Acceptance.better
        run.decide(AcceptanceDecision(round=1, acceptance=better, reference=0, accepted=1, deviations=4.4))
        curves = stage_folder(self.root, 1, MODEL) / "curves.csv"
        curves.parent.mkdir(parents=True)
        curves.write_text(CURVES)
        run.add(1, MODEL, NetworkFound(particles=90, fit=None), 33.0)
        if produced:
            self._write_picks(self.root, files, known)
            production = Production(round=1, picks=picked.picks, micrographs=len(known))
            ended = {"status": RunStatus.done, "outcome": Outcome.converged, "message": "converged"}
            run.set(production=production, best=1, **ended)
        run.set(**values)
        return run

    def _image(self, name):
        return self.images.get(Path(name).name, noise(len(name)))

    def _file(self, name):
        path = self.root.parent / "images" / name
        if self.picks[name] is None:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
        else:
            write_image(path, self._image(name))
        row = {"rlnMicrographName": name, "rlnOpticsGroup": "1"}
        if name in self.defocus:
            row |= {"rlnDefocusU": str(self.defocus[name] + 100), "rlnDefocusV": str(self.defocus[name] - 100)}
        return MicrographFile(path, name, path.stem, row=row if self.defocus else {})

    def _write_picks(self, root, files, known):
        folder, done = PickFolder(root), [file for file in files if file.key in known]
        folder.claim({"method": "kpicker", "preset": "default", "min_distance_angstrom": None}, files, force=False)
        heights = {file.key: self._image(file.name).shape[0] for file in done}
        write_round(root, done, known, heights)
        bad = [MicrographResult(file, reason="empty: the file has 0 bytes") for file in files if file.key not in known]
        folder.record_results([*(MicrographResult(file, len(known[file.key])) for file in done), *bad])
        if self.defocus:
            write_micrographs_star(root / "micrographs.star", done)
