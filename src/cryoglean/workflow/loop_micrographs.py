"""The micrographs of a run as its folder tells of them: files, sizes, picks, defocus, and why some were set aside."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryoglean.classes2d.select_job import TEMPLATES
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.inputs import find_micrographs
from cryoglean.report.run_facts import MicrographFacts
from cryoglean.workflow.loop_spacing import LEAST_SPACING_DIAMETERS
from cryoglean.workflow.loop_stages import CANDIDATES, MODEL, PICKS, SELECTED, picks_stage, stage_folder
from cryoglean.workflow.loop_tables import read_round
from cryoglean.workflow.output_folder import PickFolder
from cryoglean.workflow.train_job import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryoglean.workflow.loop_settings import LoopSettings
    from cryoglean.workflow.loop_state import RunFile

_MICROGRAPHS_STAR = "micrographs.star"


class RunMicrographs:
    """The micrographs of a run.

    Args:
        run: its state.
        settings: what it was told.
    """

    def __init__(self, run: RunFile, settings: LoopSettings) -> None:
        self._run, self._settings = run, settings
        self._files: Mapping[str, str] = run.data["micrographs"]
        self._number = None if "production" in run.data else _last_picked(run)
        self._folder = PickFolder(run.root if self._number is None else _picks_folder(run, self._number))

    @property
    def picks_are(self) -> str:
        """What the picks are that there are, for the user."""
        if self._number is None:
            return "all that count"
        return "candidates, not final" if self._number == 0 else f"of round {self._number}, not final"

    @property
    def pixel_size_angstrom(self) -> float | None:
        """That of the micrographs, which do not differ by more than 1 %."""
        if self._settings.pixel_size_angstrom is not None:
            return self._settings.pixel_size_angstrom
        sizes = list(self._sizes().values())
        return float(sizes[0][0]) if sizes else None

    @property
    def least_distance_angstrom(self) -> float:
        """That which the picks were told to keep."""
        told = self._picker().get("min_distance_angstrom")
        return LEAST_SPACING_DIAMETERS * self._settings.diameter_angstrom if told is None else float(told)

    def path(self, key: str) -> Path:
        """Return the file of a micrograph."""
        return Path(self._files[key])

    def size(self, key: str) -> tuple[int, int] | None:
        """Return height and width of a micrograph of the subset."""
        found = self._sizes().get(key)
        return None if found is None else (int(found[1]), int(found[2]))

    def diameter_px(self, key: str) -> float:
        """Return the particle's diameter in a micrograph."""
        found = self._sizes().get(key)
        pixel_size = float(found[0]) if found else self.pixel_size_angstrom
        return self._settings.diameter_angstrom / (pixel_size or 1.0)

    def listed(self) -> tuple[MicrographFacts, ...]:
        """Return all micrographs, in the order given."""
        picked = self._picked()
        picks = read_round(self._folder.root, picked)
        defocus, rejected, subset = self._defocus(), self._rejected(), set(self._run.data["subset"] or ())
        return tuple(
            MicrographFacts(
                key=key,
                path=path,
                picks=picks.get(key),
                rejected=rejected.get(key),
                defocus_angstrom=defocus.get(key),
                is_of_subset=key in subset,
            )
            for key, path in self._files.items()
        )

    def pick_command(self, best: int) -> str | None:
        """Return the command that picks all micrographs with another threshold, up to its value.

        None where nothing was picked, and with the paper's Localpicker, whose threshold is no score.
        """
        picker = self._picker() if self._number is None else {}
        method, preset = picker.get("method"), picker.get("preset")
        if not picker or (method, preset) == ("localpicker", "paper"):
            return None
        root = self._run.root.resolve()
        words = ["cryoglean", "pick", self._named_together(), "--method", str(method)]
        words += ["--diameter", f"{self._settings.diameter_angstrom:g}"]
        if best:
            words += ["--model", str(stage_folder(root, best, MODEL) / WEIGHTS)]
        elif method == "matcher":
            words += ["--templates", str(stage_folder(root, 0, SELECTED) / TEMPLATES)]
        for option, value in (
            ("--preset", None if preset == "default" else preset),
            ("--pixel-size", self._settings.pixel_size_angstrom),
            ("--min-distance", picker.get("min_distance_angstrom")),
        ):
            words += [] if value is None else [option, str(value)]
        return f"{shlex.join([*words, '--out', str(root.with_name(root.name + '-recut'))])} --threshold"

    def _named_together(self) -> str:
        """Return one word that names all micrographs: their table, or their folder if it holds no others."""
        table = self._run.root / _MICROGRAPHS_STAR
        if table.exists():
            return str(table.resolve())
        files = {self.path(key) for key in self._files}
        folder = next(iter(files)).parent
        try:
            same = {file.path.resolve() for file in find_micrographs([folder])} == files
        except SettingsError:
            same = False
        return str(folder) if same else "MICROGRAPHS"

    def _picker(self) -> Mapping[str, Any]:
        recorded = self._folder.recorded()
        return {} if recorded is None else recorded[1]

    def _picked(self) -> list[str]:
        """Return the keys of the micrographs that were picked, in the order given."""
        if self._number is None:
            done = set(self._folder.ledger())
        else:
            done = set((self._run.found(self._number, picks_stage(self._run, self._number)) or {}).get("counts", {}))
        return [key for key in self._files if key in done]

    def _sizes(self) -> Mapping[str, Any]:
        sizes: Mapping[str, Any] = (self._run.found(0, "micrographs") or {}).get("sizes", {})
        return sizes

    def _defocus(self) -> dict[str, float]:
        """Return the defocus that the tables of the run tell; those of the subset where there is none of all."""
        known: dict[str, float] = {}
        for folder in (_picks_folder(self._run, 0), self._run.root):
            if (folder / _MICROGRAPHS_STAR).exists():
                files = find_micrographs([folder / _MICROGRAPHS_STAR])
                known |= {f.key: f.defocus_angstrom for f in files if f.defocus_angstrom is not None}
        return known

    def _rejected(self) -> dict[str, str]:
        """Return the micrographs set aside, with the reasons: by the rounds, and by the picking of all."""
        reasons = dict((self._run.found(0, "micrographs") or {}).get("rejected", {}))
        if self._number is not None:
            return reasons
        said, done = _rejected_rows(self._folder.rejected_path), set(self._folder.ledger())
        left = {key: Path(path) for key, path in self._files.items() if key not in done}
        found = {key: said.get(str(path)) or _by_name(path, said) for key, path in left.items()}
        return {key: reason for key, reason in found.items() if reason is not None}


def _last_picked(run: RunFile) -> int:
    """Return the last round that has picks."""
    numbers = [int(s["round"]) for s in run.data["stages"] if s["stage"] in (CANDIDATES, PICKS)]
    return max(numbers, default=0)


def _picks_folder(run: RunFile, number: int) -> Path:
    return stage_folder(run.root, number, picks_stage(run, number))


def _by_name(path: Path, reasons: Mapping[str, str]) -> str | None:
    """Return the reason of the only file of this name: the list tells paths from where the run was called."""
    same = [reason for other, reason in reasons.items() if Path(other).name == path.name]
    return same[0] if len(same) == 1 else None


def _rejected_rows(path: Path) -> dict[str, str]:
    """Return the reasons by file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {str(Path(row["path"]).resolve()): row["reason"] for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError, csv.Error) as error:
        raise TableError(path, f"not a list of rejected micrographs: {error!r}") from error
