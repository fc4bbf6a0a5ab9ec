"""What the report of a pick folder tells, gathered from the folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryoglean.errors import SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.jobs.folder import PickFolder
from cryoglean.jobs.outliers import outliers
from cryoglean.jobs.report_micrographs import (
    MICROGRAPHS_STAR,
    listed_in,
    read_views,
    recut_command,
    rejected_reasons,
)
from cryoglean.pickers.emmae.fit_files import read_emmae_set
from cryoglean.pickers.emmae.network_files import PRETRAINED
from cryoglean.pickers.emmae.network_training import WEIGHTS
from cryoglean.pickers.emmae.preparation import CLUSTERS
from cryoglean.report.page_facts import MicrographFacts
from cryoglean.report.pick_facts import PickFacts, Picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryoglean.jobs.pick import Learned
    from cryoglean.report.page_facts import View

METHODS = {"localpicker": "Localpicker", "kpicker": "Kpicker", "matcher": "Matcher", "emmae": "Cryo-EMMAE"}

PICTURES = (
    (
        "localpicker.png",
        "What was taken for a particle",
        "The template as it would look in a micrograph; its radial "
        "profile; heights of the response's peaks with the cut; whether particles stand out.",
    ),
    (
        "emmae.png",
        "Particles and background in latent space",
        "Latents of patches along the two axes of most variance; what sets particles apart; the verdict.",
    ),
    (
        CLUSTERS,
        "Clusters and what is picked, in place",
        "Micrographs as the network sees them; their clusters by k-means, orange that of particles; what is picked.",
    ),
    (
        "mae/curves.png",
        "How the network was trained",
        "Loss over the steps, on what was trained on and on held-out micrographs; learning rate.",
    ),
    (
        "mae/reconstructions.png",
        "What the network predicts",
        "Tiles as they are, as shown to the network, and as it predicts them.",
    ),
)
"""Pictures that pickers draw of what they learned: file, title, what is to be seen."""

_SAME_SIZE = 0.01
"""Pixel sizes that differ by no more of themselves are one."""


class PickedMicrographs:
    """The micrographs of a pick folder.

    Args:
        folder: the folder.
        settings: what the picks were made with.
    """

    def __init__(self, folder: PickFolder, settings: Mapping[str, Any]) -> None:
        self._folder, self._settings = folder, settings
        self.files = {key: Path(path) for key, path in folder.inputs().items()}
        self._tables = listed_in([folder.root / MICROGRAPHS_STAR])

    def path(self, key: str) -> Path:
        """Return the file of a micrograph."""
        return self.files[key]

    def size(self, key: str) -> tuple[int, int] | None:  # noqa: ARG002 (the folder does not tell)
        """Return nothing: sizes are not kept."""
        return None

    def diameter_px(self, key: str, header_angstrom: float | None) -> float:
        """Return the particle's diameter in a micrograph; where no pixel size is known, as if it were 1 A."""
        told = self._told_pixel_size(key)
        return float(self._settings["diameter_angstrom"]) / (told or header_angstrom or 1.0)

    def pixel_size_angstrom(self, views: Sequence[View]) -> float | None:
        """Return the pixel size that all micrographs have, by what was told and by those that were read."""
        told = (self._told_pixel_size(key) for key in self.files)
        read = (self._settings["diameter_angstrom"] / view.diameter_px for view in views if view.grey is not None)
        sizes = [size for size in (*told, *read) if size is not None]
        return sizes[0] if sizes and max(sizes) <= min(sizes) * (1 + _SAME_SIZE) else None

    def listed(self) -> tuple[MicrographFacts, ...]:
        """Return all micrographs, in the order in which they were given; picks are those on disk."""
        picks = {key: self._folder.done_picks(key) for key in self.files}
        left = {key: path for key, path in self.files.items() if picks[key] is None}
        rejected = rejected_reasons(self._folder.rejected_path, left)
        return tuple(
            MicrographFacts(
                key=key,
                path=str(path),
                picks=picks[key],
                rejected=rejected.get(key),
                defocus_angstrom=self._tables[key].defocus_angstrom if key in self._tables else None,
            )
            for key, path in self.files.items()
        )

    def _told_pixel_size(self, key: str) -> float | None:
        given = self._settings.get("pixel_size_angstrom")
        if given is None and key in self._tables:
            return self._tables[key].pixel_size_angstrom
        return None if given is None else float(given)


def gather(root: Path) -> PickFacts:
    """Read all that the report of a pick folder tells, as it stands.

    Args:
        root: the folder.

    Raises:
        SettingsError: if what is in it cannot be understood.
        TableError: if one of its tables is broken.
        OSError: if a file cannot be read.
    """
    folder = PickFolder(root)
    settings = _settings(folder)
    micrographs, learned = PickedMicrographs(folder, settings), _learned(folder)
    listed = micrographs.listed()
    picks = {m.key: m.picks for m in listed if m.picks is not None}
    views = read_views(micrographs, picks)
    diameter = float(settings["diameter_angstrom"])
    least = settings.get("min_distance_angstrom")
    return PickFacts(
        name=root.resolve().name,
        status="running" if any(m.picks is None and m.rejected is None for m in listed) else "done",
        diameter_angstrom=diameter,
        pixel_size_angstrom=micrographs.pixel_size_angstrom(views),
        min_distance_angstrom=diameter / 2 if least is None else float(least),
        micrographs=listed,
        outliers=tuple(outliers({key: len(each) for key, each in picks.items()})),
        views=views,
        settings=settings,
        provenance=folder.provenance(),
        pick_command=_pick_command(folder, settings, list(micrographs.files.values())) if any(picks.values()) else None,
        method=METHODS.get(settings["method"], settings["method"]),
        preset=settings["preset"],
        learns=settings["method"] != "kpicker" and (settings["method"], settings["preset"]) != ("localpicker", "paper"),
        learned="" if learned is None else learned.in_words(),
        found_particles=None if learned is None else learned.found_particles,
        pictures=tuple(
            Picture(name, title, says, (root / name).read_bytes())
            for name, title, says in PICTURES
            if (root / name).exists()
        ),
    )


def _settings(folder: PickFolder) -> Mapping[str, Any]:
    """Return what the picks were made with, as it was recorded."""
    record = folder.recorded()
    settings: Mapping[str, Any] = {} if record is None else record.settings
    missing = [name for name in ("method", "preset", "diameter_angstrom") if name not in settings]
    if missing:
        raise SettingsError(f"{folder.settings_path} does not tell {', '.join(missing)}: it is of another version")
    return settings


def _learned(folder: PickFolder) -> Learned | None:
    emmae = folder.root / "emmae.safetensors"
    return read_emmae_set(emmae).facts if emmae.exists() else folder.read_model()


def _pick_command(folder: PickFolder, settings: Mapping[str, Any], files: Sequence[Path]) -> str | None:
    """Return the command that picks with another threshold, up to its value.

    None where the picker has none that is a score, and where a file that was given is not known any more.
    """
    method, preset = settings["method"], settings["preset"]
    given = _given_files(folder, settings)
    if not files or given is None or "threshold" not in settings or (method, preset) == ("localpicker", "paper"):
        return None
    options = {
        "method": method,
        "diameter": f"{settings['diameter_angstrom']:g}",
        "model": given.get("weights"),
        "templates": given.get("templates"),
        "preset": None if preset == "default" else preset,
        "pixel-size": settings.get("pixel_size_angstrom"),
        "min-distance": settings.get("min_distance_angstrom"),
    }
    return recut_command(folder.root, files, options)


def _given_files(folder: PickFolder, settings: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the files that the picker was given, as the command names them; None if one is not known."""
    said, trained_here = folder.provenance(), folder.root / "mae" / WEIGHTS
    given = {"weights": str(trained_here.resolve())} if trained_here.exists() else {}
    for name in ("weights", "templates"):
        digest = settings.get(f"{name}_sha256")
        if digest is None:
            continue
        if name == "weights" and digest == file_digest(PRETRAINED):
            given[name] = "pretrained"
        elif name in said:
            given[name] = said[name]
        else:
            return None
    return given
