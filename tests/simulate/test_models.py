"""Models: what is read weighs and measures what it should; what cannot be understood is refused in one line."""

import gzip
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryoglean.errors import SettingsError
from cryoglean.simulate.density_map import read_density_map
from cryoglean.simulate.models import read_model
from cryoglean.simulate.orientation import view_matrix
from cryoglean.simulate.projection import Projector
from cryoglean.simulate.pseudo import test_particle as make_particle

STRUCTURES = Path(__file__).parents[3] / "shared" / "data" / "structures"
ATOM = "ATOM  {:5d}  {:<3s} ALA A{:4d}    {:8.3f}{:8.3f}{:8.3f}{:6.2f} 10.00          {:>2s}\n"


def scattering_length(particle):
    """Scattering length of the whole above the ice it displaces, in angstrom."""
    lengths = np.array([s.forward_angstrom for s in particle.scatterers])
    return float(particle.weights @ lengths[particle.kinds])


def pdb(places, element="C", occupancy=1.0):
    lines = [ATOM.format(i, "CA", i, *p, occupancy, element) for i, p in enumerate(places, 1)]
    return "".join(lines) + "END\n"


CROSS = np.array([[30, 0, 0], [-30, 0, 0], [0, 20, 0], [0, -20, 0]]) + 100.0


def test_a_pdb_file_is_read_and_centred(tmp_path):
    path = tmp_path / "a.pdb"
    path.write_text(pdb(CROSS))
    particle = read_model(str(path))
    assert particle.name == "a"
    np.testing.assert_allclose(particle.positions_angstrom, CROSS - 100, atol=1e-4)
    assert particle.mass_kda * 1e3 == pytest.approx(4 * (12.011 + 1.13 * 1.008), rel=1e-3)


def test_packed_files_give_the_same(tmp_path):
    (tmp_path / "a.pdb").write_text(pdb(CROSS))
    (tmp_path / "a.pdb.gz").write_bytes(gzip.compress(pdb(CROSS).encode()))
    one, other = (read_model(str(tmp_path / name)) for name in ("a.pdb", "a.pdb.gz"))
    np.testing.assert_array_equal(one.positions_angstrom, other.positions_angstrom)
    assert other.name == "a"


def test_hydrogens_are_not_added_to_a_model_that_has_them(tmp_path):
    path = tmp_path / "a.pdb"
    path.write_text(pdb(CROSS[:2]).removesuffix("END\n") + pdb(CROSS[2:], "H"))
    assert read_model(str(path)).mass_kda * 1e3 == pytest.approx(2 * 12.011 + 2 * 1.008, rel=1e-3)


def test_an_atom_that_is_there_half_of_the_time_counts_half(tmp_path):
    (tmp_path / "a.pdb").write_text(pdb(CROSS, occupancy=0.5))
    (tmp_path / "b.pdb").write_text(pdb(CROSS))
    half, whole = (read_model(str(tmp_path / name)) for name in ("a.pdb", "b.pdb"))
    assert scattering_length(half) == pytest.approx(scattering_length(whole) / 2)


def ball(size=32, radius=10):
    z, y, x = np.mgrid[:size, :size, :size] - size // 2
    return (np.hypot(np.hypot(x, y), z) <= radius).astype(np.float32)


def write_map(path, density, voxel_size):
    with mrcfile.new(path, density) as file:
        file.voxel_size = voxel_size
    return path


def test_a_map_of_a_ball_is_a_ball_of_protein(tmp_path):
    path = write_map(tmp_path / "ball.mrc", ball(), 4.0)
    particle = read_model(str(path))
    assert particle.outer_radius_angstrom == pytest.approx(40, abs=1)
    volume = 4 / 3 * np.pi * 40**3
    assert particle.mass_kda * 1e3 == pytest.approx(0.81 * volume, rel=0.05)
    reference = make_particle("test:217kDa")  # as much protein
    assert scattering_length(particle) == pytest.approx(scattering_length(reference), rel=0.1)


def test_a_map_projects_to_what_adding_its_layers_gives(tmp_path):
    density = ball() * (1 + np.mgrid[:32, :32, :32][2] / 32).astype(np.float32)
    path = write_map(tmp_path / "m.mrc", density, 3.0)
    image = Projector(read_model(str(path)), 3.0).project(view_matrix(0, 0, 0))
    layers, half = density.sum(axis=0), len(image) // 2
    best = max(
        np.corrcoef(
            layers[16 - 12 : 16 + 13, 16 - 12 + s : 16 + 13 + s].ravel(),
            image[half - 12 : half + 13, half - 12 : half + 13].ravel(),
        )[0, 1]
        for s in (0, 1)
    )
    assert best > 0.97


def test_the_voxel_size_of_the_user_goes_before_the_header(tmp_path):
    path = write_map(tmp_path / "m.mrc", ball(), 4.0)
    assert read_density_map(path, 2.0).outer_radius_angstrom == pytest.approx(20, abs=1)


@pytest.mark.parametrize("group", ["C1", "C3", "D2", "T", "O", "I"])
def test_a_test_particle_has_its_mass_and_its_symmetry(group):
    particle = make_particle(f"test:480kDa:{group}")
    assert particle.mass_kda == pytest.approx(480, rel=1e-5)
    places = particle.positions_angstrom
    sums = np.linalg.norm(places, axis=1).sum()
    assert sums > 0
    for matrix in Rotation.create_group(group).as_matrix():
        turned = places @ matrix.T
        moments = [np.einsum("ni,nj,nk->ijk", p, p, p) for p in (places.astype(float), turned.astype(float))]
        np.testing.assert_allclose(*moments, atol=1e-5 * sums**3 / len(places) ** 2)


def test_test_particles_are_about_as_large_as_protein_of_that_mass():
    for kda in (30, 480, 3_000):
        radius = (3 * kda * 1e3 / 0.81 / 4 / np.pi) ** (1 / 3)
        assert radius < make_particle(f"test:{kda}kDa:C2").radius_angstrom < 2.2 * radius


def test_the_name_alone_makes_a_test_particle():
    one, other = (make_particle("test:100kDa:C2") for _ in range(2))
    np.testing.assert_array_equal(one.positions_angstrom, other.positions_angstrom)


@pytest.mark.parametrize(
    "spec",
    ["test:", "test:480", "test:480kDa:Q", "test:480kDa:C0", "test:0kDa", "test:-5kDa", "test:1kDa", "test:1e9kDa"],
)
def test_what_is_no_test_particle_is_refused_in_one_line(spec):
    with pytest.raises(SettingsError) as caught:
        read_model(spec)
    assert "\n" not in str(caught.value)
    assert spec in str(caught.value)


def bad_files(folder):
    (folder / "noise.pdb").write_bytes(bytes(range(256)) * 40)
    (folder / "empty.pdb").write_text("")
    (folder / "words.cif").write_text("this is no model\n")
    (folder / "nothing.cif").write_text("data_x\n_cell.length_a 1\n")
    (folder / "broken.pdb.gz").write_bytes(b"\x1f\x8b not gzip")
    (folder / "words.mrc").write_text("no map")
    (folder / "model.xyz").write_text("3\n")
    write_map(folder / "flat.mrc", np.zeros((8, 8, 8), np.float32), 4.0)
    write_map(folder / "image.mrc", np.zeros((8, 8), np.float32), 4.0)
    write_map(folder / "sizeless.mrc", ball(), 0.0)
    infinite = bytearray(write_map(folder / "nan.mrc", ball(), 4.0).read_bytes())
    infinite[1024:1028] = np.float32(np.nan).tobytes()
    (folder / "nan.mrc").write_bytes(infinite)
    return sorted(folder.iterdir())


def test_what_is_no_model_is_refused_in_one_line_with_its_name(tmp_path):
    for path in [*bad_files(tmp_path), tmp_path / "missing.cif", tmp_path]:
        with pytest.raises(SettingsError) as caught:
            read_model(str(path))
        assert "\n" not in str(caught.value), path
        assert str(path) in str(caught.value)


@pytest.mark.skipif(not STRUCTURES.is_dir(), reason=f"{STRUCTURES} is not there")
@pytest.mark.parametrize(
    ("name", "kda", "diameter"),
    [
        ("apoferritin_432kDa_4v1w.cif.gz", 460, 128),
        ("bgal_465kDa_5a1a.pdb.gz", 466, 172),
        ("groel_740kDa_1mnf.pdb.gz", 790, 178),
        ("unc18_syntaxin_83kDa_2xhe.cif.gz", 88, 110),
    ],
)
def test_published_structures_have_their_mass_and_size(name, kda, diameter):
    particle = read_model(str(STRUCTURES / name))
    assert particle.mass_kda == pytest.approx(kda, rel=0.03)
    assert 2 * particle.radius_angstrom == pytest.approx(diameter, rel=0.03)


@pytest.mark.skipif(not STRUCTURES.is_dir(), reason=f"{STRUCTURES} is not there")
def test_the_ribosome_map_needs_a_voxel_size_and_is_then_a_ribosome_across():
    path = STRUCTURES / "ribosome70S_65vox.mrc"
    assert 230 < 2 * read_density_map(path, 5.0).radius_angstrom < 280
