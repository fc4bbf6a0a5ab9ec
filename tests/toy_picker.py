"""A picker of one file, for the law that a picker is a package and a line in the registry.

As a program it is `cryoglean` with that picker: dark blobs of a blurred micrograph, above a threshold that it learns.
"""

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from cryoglean.detect.peaks import find_peaks
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.models import read_model
from cryoglean.pickers.figures import Figure, Panel
from cryoglean.pickers.protocol import (
    Implementation,
    PickerDescription,
    PickerOption,
    PictureDescription,
    PreparedPicker,
)
from cryoglean.pickers.settings import PickerSettings
from cryoglean.picks import Picks


class ToySettings(PickerSettings):
    method: Literal["toy"] = "toy"
    preset: Literal["default"] = "default"
    threshold: float = 0.5
    blur_diameters: float = 0.25


class ToyFit(PickerSettings):
    """What is learned: the height of a blob, in standard deviations."""

    method: Literal["toy"] = "toy"
    preset: Literal["default"] = "default"
    height: float
    micrographs: tuple[str, ...] = ()

    @property
    def found_particles(self):
        return self.height > 0

    def summary(self):
        return f"dark blobs of {self.height:.2f} standard deviations"


@dataclass(frozen=True)
class Toy:
    settings: ToySettings
    height: float

    @property
    def threshold(self):
        return self.settings.threshold

    def pick(self, micrograph):
        return self.pick_down_to(micrograph, self.threshold)

    def pick_down_to(self, micrograph, min_score):
        peaks = blobs(micrograph, self.settings)
        score = expit(peaks.height - self.height)
        kept = score >= min_score
        return Picks(peaks.x[kept], peaks.y[kept], score[kept])


def blobs(micrograph, settings):
    diameter_px = settings.diameter_angstrom / micrograph.pixel_size_angstrom
    response = -gaussian_filter(micrograph.image, settings.blur_diameters * diameter_px)
    response = (response - response.mean()) / response.std()
    return find_peaks(torch.from_numpy(response), settings.min_distance_px(micrograph))


def prepare(preparation):
    settings, path = preparation.settings_of(ToySettings), preparation.folder / "toy.json"
    fit = read_fit(preparation.folder)
    if fit is None:
        preparation.info("learning how dark a blob is")
        seen = {each.name: blobs(each, settings).height for each in preparation.sample(())}
        height = float(np.quantile(np.concatenate(list(seen.values())), 0.7))
        fit = ToyFit(diameter_angstrom=settings.diameter_angstrom, height=height, micrographs=tuple(seen))
        preparation.draw(
            preparation.folder / "toy.png", Figure("Toy", (Panel("Heights"),), columns=1, size_inches=(3, 2))
        )
        write_atomic_text(path, json.dumps(fit.model_dump(mode="json")))
    return PreparedPicker(Toy(settings, fit.height), fit)


def read_fit(folder):
    return read_model(folder / "toy.json", ToyFit)


DESCRIPTIONS = (
    PickerDescription(
        method="toy",
        preset="default",
        title="Toy picker",
        load=lambda: Implementation(ToySettings, prepare, read_fit=read_fit),
        options=(
            PickerOption("threshold", "--threshold", float, "Minimum score", decides_fit=False),
            PickerOption("blur_diameters", "--blur", float, "Blur in diameters"),
        ),
        results=("toy.json", "toy.png"),
        fit_files=("toy.json",),
        pictures=(PictureDescription("toy.png", "How dark a blob is", "Nothing much."),),
    ),
)


if __name__ == "__main__":
    from cryoglean.pickers import registry

    registry.PACKAGES.append("toy_picker")  # the one line

    from cryoglean.cli.main import main

    main()
