"""A project of three small micrographs with picks, extracted from."""

import mrcfile
import numpy as np
import tifffile

from cryoglean.io.coordinates import write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.extract import run_extract_job
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.picks import Picks
from fields import paint, soft
from listeners import Listener

SHAPE, PIXEL = (220, 260), 2.0
XY = np.array([[60.25, 70.75], [130.0, 60.5], [200.4, 90.6], [70.5, 150.5], [160.1, 160.2], [3.0, 100.0], [255.0, 4.0]])
CTF = {"rlnDefocusU": "15000", "rlnDefocusV": "14000", "rlnDefocusAngle": "30"}


def image(seed=0):
    dark = paint(SHAPE, XY, lambda r, d: -8 * soft(r, 0.3 * d), 20)
    return (dark + np.random.default_rng(seed).normal(0, 0.3, SHAPE)).astype(np.float32)


def write_project(folder):
    """Write three micrographs, one of them TIFF, with picks as `cryoglean pick` writes them; return the folder."""
    (folder / "mics").mkdir()
    for seed, name in enumerate(["a.mrc", "b.mrc", "c.tif"]):
        if name.endswith("mrc"):
            with mrcfile.new(folder / "mics" / name) as file:
                file.set_data(image(seed))
                file.voxel_size = PIXEL
        else:
            tifffile.imwrite(folder / "mics" / name, image(seed))
        path = folder / "out" / "picks" / f"{name[0]}_autopick.star"
        picks = Picks(XY[:, 0], XY[:, 1], np.linspace(0.9, 0.3, len(XY)), "probability")
        write_picks(path, picks, name, height_px=SHAPE[0])
    return folder


def run(project, listener=None, picks="out", files=None, out="boxes", **job):
    job = ExtractJob(**{"box_size_px": 40, "scale_to": 20, "pixel_size_angstrom": PIXEL, **job})
    files = find_micrographs([project / "mics"]) if files is None else files
    return run_extract_job(project / picks, files, job, project / out, listener or Listener())


def true_centres(table, micrograph):
    """Coordinate minus origin, in pixels of the micrograph, for one micrograph of a particles table."""
    rows = table.particles[table.particles["rlnMicrographName"].str.endswith(micrograph)]
    xy = rows[["rlnCoordinateX", "rlnCoordinateY"]].to_numpy(float)
    return xy - rows[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float) / PIXEL
