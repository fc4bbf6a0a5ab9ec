"""Folders of a RELION project, and paths as its lists have them: from that folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PROJECT_MARKS = ("default_pipeline.star", ".gui_projectdir")
"""Files in the folder of a project. *Format*: of RELION 3 to 5."""

_JOB_NAME = re.compile(r"job\d{3,}")
_JOB_FOLDER = re.compile(r"(?:^|/)job\d{3}[^/]*/")
_PACKED = re.compile(r"\.(gz|bz2|xz)$", re.IGNORECASE)
_EXTENSION = re.compile(r"\.[^./]*$")


def pipeline_stem(micrograph_name: str) -> str:
    """Return the path at which RELION expects the files of a micrograph below a job's folder, without extension.

    Everything up to and with the first folder `jobNNN` goes (`MotionCorr/job002/Movies/a.mrc` gives `Movies/a`); a name
    without such a folder stays whole, as relative path. That is RELION's `decomposePipelineFileName`, as seen from the
    outside with 3.1.3. Steps upwards (`../`) stay, too: they lead out of the job's folder.
    """
    job = _JOB_FOLDER.search(micrograph_name)
    rest = micrograph_name[job.end() :] if job else micrograph_name
    return _EXTENSION.sub("", _PACKED.sub("", rest)).removeprefix("./").lstrip("/")


def project_above(path: Path) -> Path | None:
    """Return the folder of the RELION project that a file or folder lies in; None if it is in none.

    It holds RELION's list of jobs or its mark, or a job's folder (as `MotionCorr/job002`) two levels below it.
    """
    path = path.absolute()
    for folder in path.parents:
        if any((folder / mark).exists() for mark in _PROJECT_MARKS):
            return folder
    job = next((folder for folder in path.parents if _JOB_NAME.fullmatch(folder.name)), None)
    return None if job is None or len(job.parents) < 2 else job.parents[1]


def path_from_project(path: Path, project: Path | None = None) -> str:
    """Return a path as RELION wants it: from the folder of the project, if it lies below, else from the root.

    Args:
        path: the file.
        project: its folder; None takes that of RELION above the file, else the working folder.
    """
    project = project or project_above(path) or Path.cwd()
    plain, whole = Path(os.path.abspath(path)), path.resolve()  # noqa: PTH100 (resolve() follows links)
    for each, folder in ((plain, project), (whole, project.resolve())):
        if each.is_relative_to(folder):
            return each.relative_to(folder).as_posix()
    return str(whole)
