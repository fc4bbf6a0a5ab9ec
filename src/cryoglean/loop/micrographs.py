"""Micrographs of a run as its folder tells of them: files, sizes, picks, defocus, and why some were rejected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.report_micrographs import (
    MICROGRAPHS_STAR,
    fit_options,
    given_files,
    given_masks,
    listed_in,
    picker_options,
    rejected_reasons,
    repick_command,
    table_height_px,
)
from cryoglean.jobs.select import TEMPLATES
from cryoglean.jobs.train import WEIGHTS
from cryoglean.limits import min_distance_angstrom
from cryoglean.loop.stage_results import (
    CANDIDATES,
    MICROGRAPHS,
    MODEL,
    PICKS,
    SELECTED,
    MicrographsFound,
    PicksFound,
    stage_folder,
)
from cryoglean.loop.stages import picks_stage
from cryoglean.loop.tables import read_round
from cryoglean.pickers.registry import describe
from cryoglean.report.page_facts import MicrographFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.loop.settings import LoopSettings
    from cryoglean.loop.state import RunFile
    from cryoglean.pickers.protocol import PickerDescription


class RunMicrographs:
    """The micrographs of a run.

    Args:
        run: its state.
        settings: of the run.
    """

    def __init__(self, run: RunFile, settings: LoopSettings) -> None:
        self._run, self._settings = run, settings
        self._files = {key: each.path for key, each in run.state.micrographs.items()}
        self._number = None if run.state.production is not None else _last_picked(run)
        self._folder = PickFolder(run.root if self._number is None else _picks_folder(run, self._number))

    @property
    def picks_are(self) -> str:
        """Origin of the picks, for the user."""
        if self._number is None:
            return "final"
        return "candidates, not final" if self._number == 0 else f"of round {self._number}, not final"

    @property
    def pixel_size_angstrom(self) -> float | None:
        """That of the micrographs, which do not differ by more than 1 %."""
        if self._settings.pixel_size_angstrom is not None:
            return self._settings.pixel_size_angstrom
        sizes = list(self._sizes().values())
        return sizes[0][0] if sizes else None

    @property
    def min_distance_angstrom(self) -> float:
        """Minimum distance between the picks."""
        return min_distance_angstrom(self._picker().get("min_distance_angstrom"), self._settings.diameter_angstrom)

    def path(self, key: str) -> Path:
        """Return the file of a micrograph."""
        return Path(self._files[key])

    def size(self, key: str) -> tuple[int, int] | None:
        """Return height and width of a micrograph of the subset."""
        found = self._sizes().get(key)
        return None if found is None else found[1:]

    def diameter_px(self, key: str, header_angstrom: float | None) -> float:  # noqa: ARG002 (the run knows it)
        """Return the particle's diameter in a micrograph."""
        found = self._sizes().get(key)
        pixel_size = found[0] if found else self.pixel_size_angstrom
        return self._settings.diameter_angstrom / (pixel_size or 1.0)

    def left_out(self, key: str) -> NDArray[np.uint8] | None:
        """Return what is left out of a micrograph, as `PickFolder.left_out` does."""
        return self._folder.left_out(key)

    def listed(self) -> tuple[MicrographFacts, ...]:
        """Return all micrographs, in the order given."""
        picked = self._picked()
        picks = read_round(self._folder.root, picked)
        defocus, rejected, subset = self._defocus(), self._rejected(), set(self._run.state.subset or ())
        left_out, grades = self._folder.shares_left_out(), self._folder.grades()
        names = {key: each.name for key, each in self._run.state.micrographs.items()}
        return tuple(
            MicrographFacts(
                key=key,
                path=path,
                picks=picks.get(key),
                candidates=self._folder.candidates(key) if key in picks else None,
                name=names[key],
                height_px=table_height_px(self._folder, key, names[key]),
                rejected=rejected.get(key),
                defocus_angstrom=defocus.get(key),
                is_of_subset=key in subset,
                left_out=left_out.get(key),
                grade=grades[key].grade if key in grades else "",
                doubt=grades[key].reason if key in grades else "",
            )
            for key, path in self._files.items()
        )

    def pick_command(self, best: int) -> str | None:
        """Return the command that picks all micrographs with another threshold, as the accepted round picks.

        None where nothing was picked, where no threshold is a score, and where a file that was given is not known.
        """
        settings = self._picker() if self._number is None else {}
        picked = set(self._picked())
        micrographs = {self.path(key): key in picked for key in self._files}
        if not settings or not any(micrographs.values()):
            return None
        picker, root = describe(settings["method"], settings["preset"]), self._run.root
        given = given_files(self._folder, picker, settings, stage_folder(root, 0, CANDIDATES))
        if given is None or not picker.threshold_is_score:
            return None
        if settings.get("fit") is not None:
            chosen = fit_options(self._folder, settings)
            return None if chosen is None else repick_command(root, micrographs, chosen)
        options = {
            **picker_options(picker, settings),
            "--diameter": f"{self._settings.diameter_angstrom:g}",
            **given,
            **self._made_here(picker, best),
            "--pixel-size": self._settings.pixel_size_angstrom,
            "--contrast": settings.get("contrast"),
            "--mask": given_masks(self._folder),
        }
        return repick_command(root, micrographs, options)

    def _made_here(self, picker: PickerDescription, best: int) -> dict[str, object]:
        """Return the file of the run that the accepted round's picker was given, where it is now, by its option."""
        root = self._run.root.resolve()
        of_round = {"weights": stage_folder(root, best, MODEL) / WEIGHTS}
        made = of_round if best else {"templates": stage_folder(root, 0, SELECTED) / TEMPLATES}
        return {file.option: made[file.name] for file in picker.given if file.name in made}

    @property
    def threshold(self) -> float | None:
        """Minimum score of the picks, if the settings tell it."""
        settings = self._picker()
        if not settings or not describe(settings["method"], settings["preset"]).threshold_is_score:
            return None
        return settings.get("threshold")

    @property
    def tells_precision(self) -> bool:
        """Whether the mean score of the picks tells how many are particles."""
        settings = self._picker()
        return bool(settings) and describe(settings["method"], settings["preset"]).tells_precision

    @property
    def hidden_share(self) -> float:
        """Share of all particles that dirt or others hide, as far as the picker tells."""
        return self._folder.hidden_share

    def _picker(self) -> Mapping[str, Any]:
        recorded = self._folder.recorded()
        return {} if recorded is None else recorded.settings

    def _picked(self) -> list[str]:
        """Return the keys of the micrographs that were picked, in the order given."""
        if self._number is None:
            done = set(self._folder.ledger())
        else:
            found = self._run.found(self._number, picks_stage(self._run, self._number), PicksFound)
            done = set() if found is None else set(found.counts)
        return [key for key in self._files if key in done]

    def _sizes(self) -> Mapping[str, tuple[float, int, int]]:
        found = self._run.found(0, MICROGRAPHS, MicrographsFound)
        return {} if found is None else found.sizes

    def _defocus(self) -> dict[str, float]:
        """Return the defocus in the tables of the run; in those of the subset where there is none of all."""
        tables = (folder / MICROGRAPHS_STAR for folder in (_picks_folder(self._run, 0), self._run.root))
        known = {key: file.defocus_angstrom for key, file in listed_in(tables).items()}
        return {key: value for key, value in known.items() if value is not None}

    def _rejected(self) -> dict[str, str]:
        """Return the rejected micrographs, with the reasons: of the rounds, and of the picking of all."""
        found = self._run.found(0, MICROGRAPHS, MicrographsFound)
        reasons = {} if found is None else dict(found.rejected)
        if self._number is not None:
            return reasons
        return rejected_reasons(self._folder.rejected_path, self._run.state.micrographs)


def _last_picked(run: RunFile) -> int:
    """Return the last round that has picks."""
    numbers = [each.round for each in run.state.stages if each.stage in (CANDIDATES, PICKS)]
    return max(numbers, default=0)


def _picks_folder(run: RunFile, number: int) -> Path:
    return stage_folder(run.root, number, picks_stage(run, number))
