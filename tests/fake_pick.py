"""A pick folder as a job leaves it, written by hand with known picks, in no time."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cryoglean.io.relion import write_micrographs_star
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.result import MicrographResult
from cryoglean.loop.tables import write_round
from cryoglean.micrograph import MicrographFile
from cryoglean.picks import Picks
from fake_run import DIAMETER, PIXEL, noise, write_image

SETTINGS = {
    "method": "localpicker",
    "preset": "default",
    "diameter_angstrom": DIAMETER,
    "min_distance_angstrom": None,
    "threshold": 0.5,
    "pixel_size_angstrom": PIXEL,
}


@dataclass
class FakePick:
    """A pick job that is done.

    Attributes:
        root: the folder.
        picks: by file name of the micrograph, in the order given; None is a micrograph that is set aside.
        images: by file name, where it is not noise.
        settings: that differ.
        provenance: as in the folder; None leaves it out.
        defocus: in angstrom, by file name; with a table.
    """

    root: Path
    picks: dict[str, Picks | None]
    images: dict[str, np.ndarray] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    provenance: dict[str, object] | None = None
    defocus: dict[str, float] = field(default_factory=dict)

    def write(self):
        """Write images and folder, and return the folder."""
        folder, files = PickFolder(self.root), [self._file(name) for name in self.picks]
        folder.claim(SETTINGS | self.settings, files, force=False, provenance=self.provenance)
        done = [file for file in files if self.picks[file.name] is not None]
        heights = {file.key: self._image(file.name).shape[0] for file in done}
        write_round(self.root, done, {file.key: self.picks[file.name] for file in done}, heights)
        bad = [MicrographResult(file, reason="empty: the file has 0 bytes") for file in files if file not in done]
        folder.record_results([*(MicrographResult(file, len(self.picks[file.name])) for file in done), *bad])
        if self.defocus:
            write_micrographs_star(self.root / "micrographs.star", done)
        return folder

    def _image(self, name):
        return self.images.get(name, noise(len(name)))

    def _file(self, name):
        path = self.root.parent / "images" / name
        if self.picks[name] is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        else:
            write_image(path, self._image(name))
        row = {}
        if name in self.defocus:
            row = {"rlnMicrographName": name, "rlnOpticsGroup": "1", "rlnDefocusU": str(self.defocus[name])}
            row |= {"rlnDefocusV": str(self.defocus[name])}
        return MicrographFile(path, name, path.stem, row=row)
