"""Output folder of `cryoglean pick`: where each file lies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from cryoglean.errors import TableError
from cryoglean.io.candidates import read_candidates
from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.mask_files import MaskFormat, read_written_mask
from cryoglean.jobs.grades import Evidence, GradeRow, grade_micrographs
from cryoglean.jobs.learned import LEARNED
from cryoglean.jobs.micrograph_lists import LIST_DIGITS, PickedRow, read_rows, write_rows
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.survey import SURVEY
from cryoglean.pickers.protocol import hidden_share_of
from cryoglean.pickers.registry import describe, descriptions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.jobs.micrograph_lists import LedgerRow
    from cryoglean.jobs.result import MicrographResult
    from cryoglean.micrograph import MicrographFile
    from cryoglean.picks import Picks

_PICK_RESULTS = (
    "picks/**/*_autopick.star",
    "candidates/**/*.npz",
    "masks/**/*.png",
    "masks/**/*.mrc",
    "csv/**/*.csv",
    "grades.csv",
    "plots/**/*.png",
    "autopick.star",
    "micrographs.star",
    "counts.png",
    SURVEY,
    LEARNED,
    "report.html",
)


class PickFolder(OutputFolder):
    """The output folder of `cryoglean pick`: where each file lies, and what is there already."""

    row: ClassVar[type[LedgerRow]] = PickedRow

    def __init__(self, root: Path) -> None:
        of_pickers = dict.fromkeys(pattern for each in descriptions() for pattern in each.results)
        super().__init__(root, "pick", (*_PICK_RESULTS, *of_pickers))

    @property
    def hidden_share(self) -> float:
        """Share of all particles that dirt or others hide; 0 where the picker did not tell."""
        recorded = self.recorded()
        if recorded is None:
            return 0.0
        picker = describe(recorded.settings["method"], recorded.settings["preset"])
        return hidden_share_of(picker.load().read_fit(self.root))

    def picks_path(self, key: str) -> Path:
        """Return the file of a micrograph's picks."""
        return self.root / "picks" / f"{key}_autopick.star"

    def result_path(self, key: str) -> Path:
        """Return the file that shows that a micrograph is done."""
        return self.picks_path(key)

    def results_of(self, key: str) -> tuple[Path, ...]:
        """Return all files of a micrograph."""
        return self.picks_path(key), *self.shown_of(key)

    def shown_of(self, key: str) -> tuple[Path, ...]:
        """Return the files of a micrograph that belong to its picks."""
        masks = (self.mask_path(key, each) for each in MaskFormat)
        return self.candidates_path(key), self.csv_path(key), self.plot_path(key), *masks

    def candidates_path(self, key: str) -> Path:
        """Return the file of a micrograph's candidates below the threshold, which are no picks."""
        return self.root / "candidates" / f"{key}.npz"

    def mask_path(self, key: str, written_as: MaskFormat) -> Path:
        """Return the file of what was left out of a micrograph."""
        return self.root / "masks" / f"{key}.{written_as}"

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

    @property
    def micrographs_path(self) -> Path:
        """The micrographs as RELION has them."""
        return self.root / "micrographs.star"

    def fits(self) -> dict[str, str]:
        """Return the short digest of the fit that made the picks of each micrograph, by key.

        Raises:
            TableError: in one line, if the list of micrographs is there and cannot be understood.
        """
        return {row.key: row.fit for row in read_rows(self.ledger_path, PickedRow)}

    def shares_left_out(self) -> dict[str, float]:
        """Return the share of each micrograph that is left out, by key, as the list of micrographs tells it.

        Raises:
            TableError: in one line, if it is there and cannot be understood.
        """
        rows = read_rows(self.ledger_path, PickedRow)
        return {row.key: row.left_out for row in rows if row.left_out is not None}

    @property
    def grades_path(self) -> Path:
        """The list of all micrographs with their grades, and what these are by."""
        return self.root / "grades.csv"

    def grades(self) -> dict[str, GradeRow]:
        """Return the graded micrographs by key.

        Raises:
            TableError: in one line, if their list is there and cannot be understood.
        """
        return {row.key: row for row in read_rows(self.grades_path, GradeRow)}

    def grade_all(self, results: Iterable[MicrographResult]) -> dict[str, GradeRow]:
        """Grade all micrographs with picks, those of earlier calls too, and write the list.

        Args:
            results: of this call; what they do not tell is as it was.

        Raises:
            OSError: if it cannot be written.
        """
        before, now = self.grades(), {each.file.key: each for each in results}
        rows = read_rows(self.ledger_path, PickedRow)
        graded = grade_micrographs([_evidence(row, before.get(row.key), now.get(row.key)) for row in rows])
        write_rows(self.grades_path, GradeRow, graded)
        return {row.key: row for row in graded}

    def earlier_files(self, files: Iterable[MicrographFile]) -> list[MicrographFile]:
        """Return the micrographs that earlier calls have picked, but for those given now.

        Raises:
            TableError: if the table of micrographs is there and cannot be understood.
        """
        if not self.micrographs_path.exists():
            return []
        given, known = {file.key for file in files}, self.known_inputs()
        earlier = self.with_known_keys(find_micrographs([self.micrographs_path]))
        return [
            replace(file, mask=known[file.key].mask_path)
            for file in earlier
            if file.key in known and file.key not in given
        ]

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

    def left_out(self, key: str) -> NDArray[np.uint8] | None:
        """Return what was left out of a micrograph, as `preprocess.left_out` has it; None where it was not kept."""
        kept = (read_written_mask(self.mask_path(key, each)) for each in MaskFormat)
        return next((each for each in kept if each is not None), None)


def _evidence(row: PickedRow, before: GradeRow | None, now: MicrographResult | None) -> Evidence:
    """Return the evidence on a micrograph: what this call tells, else what was known."""
    uneven, reached = (None, None) if before is None else (before.unevenness, before.ctf_resolution_angstrom)
    if now is not None:
        uneven = uneven if now.unevenness is None else round(now.unevenness, LIST_DIGITS)
        reached = now.file.ctf_resolution_angstrom or reached
    return Evidence(
        key=row.key, picks=row.picks, left_out=row.left_out, unevenness=uneven, ctf_resolution_angstrom=reached
    )
