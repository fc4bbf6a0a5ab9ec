"""From what the user calls a model to a particle: a test particle, an atomic model or a density map."""

from __future__ import annotations

import re
from pathlib import Path

import gemmi
import numpy as np

from cryoglean.errors import SettingsError
from cryoglean.simulate.density_map import read_density_map
from cryoglean.simulate.particle import Particle
from cryoglean.simulate.pseudo import is_test_spec, test_particle
from cryoglean.simulate.scattering import atom_in_ice

_ATOMIC = re.compile(r"\.(cif|mmcif|pdb|ent|bcif)(\.gz)?$", re.IGNORECASE)
_MAP = re.compile(r"\.(mrc|map|ccp4)(\.gz)?$", re.IGNORECASE)
_WATERS = ("HOH", "WAT", "DOD")


def read_model(text: str, voxel_size_angstrom: float | None = None) -> Particle:
    """Read a particle.

    Args:
        text: path of an atomic model (mmCIF or PDB, also `.gz`) or of a density map (MRC), or `test:MASSkDa:GROUP`.
        voxel_size_angstrom: of a density map; None takes it from the header.

    Returns:
        The particle, its centre of mass at the origin.

    Raises:
        SettingsError: if there is no such file, it cannot be understood, or there is nothing in it.
    """
    if is_test_spec(text):
        return test_particle(text)
    path = Path(text)
    if not path.is_file():
        raise SettingsError(f"--model {text}: no such file, and not a test particle like test:480kDa:D2")
    if _MAP.search(path.name):
        return read_density_map(path, voxel_size_angstrom)
    if _ATOMIC.search(path.name):
        return _read_atoms(path)
    raise SettingsError(f"--model {text}: expected .cif, .pdb or .mrc (also .gz), or test:480kDa:D2")


def _read_atoms(path: Path) -> Particle:
    """Read the first biological model; water is left out, alternative places count by their occupancy."""
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else "unknown reason"
        raise SettingsError(f"--model {path}: cannot be understood as an atomic model: {reason}") from error
    symbols, places, occupancies = _atoms(structure)
    if not symbols:
        raise SettingsError(f"--model {path}: an atomic model without atoms")
    positions = np.array(places, np.float64)
    if not np.isfinite(positions).all():
        raise SettingsError(f"--model {path}: an atom has coordinates that are not finite")
    elements = sorted(set(symbols))
    bare = "H" not in elements and "D" not in elements
    kinds = np.array([elements.index(symbol) for symbol in symbols], np.intp)
    weights = np.array(occupancies, np.float32)
    scatterers = tuple(atom_in_ice(symbol, with_hydrogens=bare) for symbol in elements)
    middle = positions.mean(axis=0)  # float32 is for distances within the particle
    return Particle(_name(path), (positions - middle).astype(np.float32), kinds, weights, scatterers).centred()


def _atoms(structure: gemmi.Structure) -> tuple[list[str], list[list[float]], list[float]]:
    symbols, places, occupancies = [], [], []
    if len(structure) == 0:
        return [], [], []
    for chain in structure[0]:
        for residue in chain:
            if residue.name in _WATERS:
                continue
            for atom in residue:
                if atom.occ > 0:
                    symbols.append(atom.element.name)
                    places.append(atom.pos.tolist())
                    occupancies.append(atom.occ)
    return symbols, places, occupancies


def _name(path: Path) -> str:
    return re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE).rpartition(".")[0]
