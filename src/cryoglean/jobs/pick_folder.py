"""Output folder of `cryoglean pick`: where each file lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.errors import TableError
from cryoglean.io.candidates import read_candidates
from cryoglean.io.coordinates import read_picks
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.survey import SURVEY
from cryoglean.pickers.registry import descriptions

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.picks import Picks

_PICK_RESULTS = (
    "picks/**/*_autopick.star",
    "candidates/**/*.npz",
    "csv/**/*.csv",
    "plots/**/*.png",
    "autopick.star",
    "micrographs.star",
    "counts.png",
    SURVEY,
    "report.html",
)


class PickFolder(OutputFolder):
    """The output folder of `cryoglean pick`: where each file lies, and what is there already."""

    def __init__(self, root: Path) -> None:
        of_pickers = dict.fromkeys(pattern for each in descriptions() for pattern in each.results)
        super().__init__(root, "pick", (*_PICK_RESULTS, *of_pickers))

    def picks_path(self, key: str) -> Path:
        """Return the file of a micrograph's picks."""
        return self.root / "picks" / f"{key}_autopick.star"

    def result_path(self, key: str) -> Path:
        """Return the file that shows that a micrograph is done."""
        return self.picks_path(key)

    def results_of(self, key: str) -> tuple[Path, ...]:
        """Return all files of a micrograph."""
        return self.picks_path(key), self.candidates_path(key), self.csv_path(key), self.plot_path(key)

    def candidates_path(self, key: str) -> Path:
        """Return the file of a micrograph's candidates below the threshold, which are no picks."""
        return self.root / "candidates" / f"{key}.npz"

    def csv_path(self, key: str) -> Path:
        """Return the file of the same picks as CSV, if asked for."""
        return self.root / "csv" / f"{key}.csv"

    def plot_path(self, key: str) -> Path:
        """Return the picture of a micrograph with its picks."""
        return self.root / "plots" / f"{key}.png"

    @property
    def autopick_path(self) -> Path:
        """The list of coordinate files for RELION 4 and 5."""
        return self.root / "autopick.star"

    def done_picks(self, key: str) -> Picks | None:
        """Return the picks of a micrograph if they are there and whole."""
        try:
            return read_picks(self.picks_path(key))
        except (FileNotFoundError, TableError):
            return None

    def candidates(self, key: str) -> Picks | None:
        """Return the candidates of a micrograph below the threshold; None where none were kept.

        Raises:
            TableError: if their file is damaged.
        """
        return read_candidates(self.candidates_path(key))

    def forget_picks(self, key: str) -> None:
        """Remove the picks of a micrograph with its candidates, to be made again."""
        for path in (self.picks_path(key), self.candidates_path(key)):
            path.unlink(missing_ok=True)
