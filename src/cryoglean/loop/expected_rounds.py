"""Rounds compared by the probabilities of the places that round 0 was picked from.

Classes tell which of two rounds is the purer at equal numbers of picks; how many particles a round lacks they do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.calibration.comparison import Places, lead_of
from cryoglean.errors import SettingsError
from cryoglean.jobs.compare import alarms_on_evidence, own_picks
from cryoglean.jobs.pick_folder import PickFolder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.calibration.comparison import Lead
    from cryoglean.picks import Picks


def lead_over(
    accepted: Mapping[str, Picks],
    new: Mapping[str, Picks],
    first: Path,
    survey: Path,
    diameter_angstrom: float,
    sizes: Mapping[str, tuple[float, int, int]],
) -> Lead | None:
    """Return how much higher the F1 of a new round is expected to be than that of the accepted one.

    Args:
        accepted: picks of the accepted round by micrograph.
        new: those of the new one.
        first: folder of the picks of round 0.
        survey: folder of the survey of the micrographs.
        diameter_angstrom: of the particles.
        sizes: pixel size in angstrom, height and width of each micrograph.

    Returns:
        The lead; None where the scores of round 0 are no probabilities, or its picks may be of something else.
    """
    if alarms_on_evidence(survey, diameter_angstrom):
        return None
    folder, places = PickFolder(first), dict[str, Places]()
    picked = [key for key in sizes if folder.done_picks(key) is not None]
    for key in picked:
        pixel_size, *shape = sizes[key]
        try:
            every = own_picks(folder, key)[1]
        except SettingsError:  # a picker that tells none, or coordinates of the user
            return None
        places[key] = Places(every, diameter_angstrom / pixel_size, (shape[0], shape[1]))
    return lead_of([new[key] for key in picked], [accepted[key] for key in picked], list(places.values()))
