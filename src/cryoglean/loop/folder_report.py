"""Report of a folder, of a run or of a pick job: one page, and of a run figures, too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.errors import SettingsError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.jobs import pick_report
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.loop import run_report
from cryoglean.loop.state import NAME as RUN
from cryoglean.report import pick_notices, run_notices
from cryoglean.report.html_page import audit_of
from cryoglean.report.pick_page import pick_page
from cryoglean.report.run_figures import draw_figures
from cryoglean.report.run_page import run_page

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.report.page_notices import Notice

REPORT, FIGURES = "report.html", "figures"


def is_run(root: Path) -> bool:
    """Tell whether a folder is a run's, whose picks lie in it as those of a pick job do."""
    return (root / RUN).exists()


class Written(NamedTuple):
    """Report that was written.

    Attributes:
        page: its file.
        verdict: on top of it.
    """

    page: Path
    verdict: tuple[Notice, ...]


def write_report(root: Path) -> Written:
    """Write `report.html`, and `figures/` of a run, as things are; each file whole or not at all.

    Args:
        root: the folder of a run or of a pick job.

    Returns:
        The page, and the verdict on top of it.

    Raises:
        SettingsError: if the folder is neither, or of another version.
        TableError: if one of its tables is broken.
        OSError: if a file cannot be read or written.
    """
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if is_run(root):
        run = run_report.gather(root)
        draw_figures(root / FIGURES, run)
        html, verdict = run_page(run, written), run_notices.notices(run, audit_of(run))
    else:
        _refuse_other_folder(root)
        picks = pick_report.gather(root)
        html, verdict = pick_page(picks, written), pick_notices.notices(picks, audit_of(picks))
    write_atomic_text(root / REPORT, html)
    return Written(root / REPORT, tuple(verdict))


def report_or_reason(root: Path) -> Path | str:
    """Write the report at the end of a job; what goes wrong is returned as text, as the job itself is well."""
    try:
        return write_report(root).page
    except Exception as error:
        return f"the report could not be written ({str(error) or repr(error)})"


def _refuse_other_folder(root: Path) -> None:
    folder = PickFolder(root)
    recorded = folder.recorded()
    if recorded is not None and recorded.job == folder.job:
        return
    other = "" if recorded is None else f", but results of cryoglean {recorded.job}"
    raise SettingsError(
        f"{root} holds no {RUN} and no {folder.settings_path.name} of cryoglean {folder.job}{other}: "
        "give the folder that cryoglean run or cryoglean pick was given as --out"
    )
