"""Output folder of `cryoglean pick`: where each file lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates import read_picks
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.pickers.localpicker.picker import LocalpickerModel
from cryoglean.pickers.matcher.picker import MatcherFacts

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.picks import Picks

_Model = TypeVar("_Model", bound=BaseModel)


PICK_RESULTS = (
    "picks/**/*_autopick.star",
    "csv/**/*.csv",
    "plots/**/*.png",
    "localpicker.*",
    "matcher.json",
    "emmae.*",
    "emmae_clusters.png",
    "mae/*",
    "autopick.star",
    "micrographs.star",
    "counts.png",
    "report.html",
)


class PickFolder(OutputFolder):
    """The output folder of `cryoglean pick`: where each file lies, and what is there already."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "pick", PICK_RESULTS)

    def picks_path(self, key: str) -> Path:
        """Where the picks of a micrograph lie."""
        return self.root / "picks" / f"{key}_autopick.star"

    def result_path(self, key: str) -> Path:
        """Do as `OutputFolder.result_path`."""
        return self.picks_path(key)

    def csv_path(self, key: str) -> Path:
        """Where the same picks lie as CSV, if asked for."""
        return self.root / "csv" / f"{key}.csv"

    def plot_path(self, key: str) -> Path:
        """Where the picture of a micrograph with its picks lies."""
        return self.root / "plots" / f"{key}.png"

    @property
    def model_path(self) -> Path:
        """What Localpicker learned from the set."""
        return self.root / "localpicker.json"

    @property
    def matcher_path(self) -> Path:
        """What Matcher learned from the set besides."""
        return self.root / "matcher.json"

    @property
    def autopick_path(self) -> Path:
        """The list of coordinate files for RELION 4 and 5."""
        return self.root / "autopick.star"

    def read_model(self) -> LocalpickerModel | None:
        """Return what Localpicker learned here before, or None.

        Raises:
            SettingsError: if the file is there and cannot be understood.
        """
        return self._learned(self.model_path, LocalpickerModel)

    def read_matcher(self) -> MatcherFacts | None:
        """Return what Matcher learned here before, or None.

        Raises:
            SettingsError: if the file is there and cannot be understood.
        """
        return self._learned(self.matcher_path, MatcherFacts)

    def done_picks(self, key: str) -> Picks | None:
        """Return the picks of a micrograph if they are there and whole."""
        try:
            return read_picks(self.picks_path(key))
        except (FileNotFoundError, TableError):
            return None

    @staticmethod
    def _learned(path: Path, kind: type[_Model]) -> _Model | None:
        try:
            return kind.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise SettingsError(f"{path} is damaged or of another version: --force makes it anew") from error
