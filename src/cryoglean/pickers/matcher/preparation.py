"""Preparation of Matcher: Localpicker's fit, and the threshold of the response to class averages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.models import read_model
from cryoglean.pickers.localpicker.preparation import localpicker_fit, read_localpicker_fit
from cryoglean.pickers.matcher.files import read_class_averages
from cryoglean.pickers.matcher.picker import Matcher, MatcherFit, MatcherSettings, fit_matcher
from cryoglean.pickers.protocol import Implementation, PreparedPicker

if TYPE_CHECKING:
    from cryoglean.pickers.matcher.class_averages import ClassAverages
    from cryoglean.pickers.protocol import Preparation

_FIT = "matcher.json"


def _averages(preparation: Preparation) -> ClassAverages:
    return read_class_averages(preparation.given["templates"], preparation.settings.diameter_angstrom)


def _check(preparation: Preparation) -> None:
    _averages(preparation)


def _prepare(preparation: Preparation) -> PreparedPicker:
    settings, device = preparation.settings_of(MatcherSettings), torch.device(preparation.device)
    averages, shape = _averages(preparation), localpicker_fit(preparation)
    fit = read_model(preparation.folder / _FIT, MatcherFit)
    if fit is None:
        preparation.info(f"searching with {len(averages.images)} class averages")
        fit = fit_matcher(preparation.sample(()), shape, averages, preparation.cpus, device)
        write_atomic_text(preparation.folder / _FIT, fit.model_dump_json(indent=2) + "\n")
    return PreparedPicker(Matcher(settings, fit.localpicker, fit.matched, averages, device), shape)


DEFAULT = Implementation(MatcherSettings, _prepare, _check, read_localpicker_fit)
