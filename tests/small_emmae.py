"""A Cryo-EMMAE with a small network that is trained in seconds, and what it needs to pick."""

import functools

from tests.fields import paint, particle_field, soft

from cryoglean.micrograph import Micrograph
from cryoglean.nets.mae import new_mae
from cryoglean.nets.mae_layers import MaeLayers
from cryoglean.nets.transformer import Blocks
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.network_training import prepared_for
from cryoglean.pickers.emmae.paper import PaperEmmae, fit_paper_emmae
from cryoglean.pickers.emmae.picker import Emmae
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.emmae.training import EmmaeModel, EmmaeNetworkFit, EmmaeTraining, train_emmae, training_values
from cryoglean.pickers.localpicker.picker import fit_localpicker
from cryoglean.preprocess.mae_chain import CHAIN_VERSION, MaePreprocess

DIAMETER, PIXEL_SIZE = 30.0, 1.4
DIAMETER_ANGSTROM = DIAMETER * PIXEL_SIZE

SMALL = MaeLayers(
    tile_px=16, patch_px=4, encoder=Blocks(width=32, depth=2, heads=4), decoder=Blocks(width=32, depth=1, heads=4)
)

SMALL_PAPER = SMALL.model_copy(update={"tile_px": 64, "patch_px": 8})


TINY = MaeLayers(
    tile_px=16, patch_px=4, encoder=Blocks(width=16, depth=1, heads=2), decoder=Blocks(width=8, depth=1, heads=2)
)


def micrograph_of(field, name="m", pixel_size=PIXEL_SIZE):
    return Micrograph(field.image, pixel_size, name)


@functools.cache
def fields():
    """Three fields of discs."""
    return tuple(particle_field(n=60, noise=1.0, seed=seed) for seed in (3, 4, 5))


@functools.cache
def untrained(chain="none"):
    """A network that has learned nothing: bright and dark patches differ in its latents all the same."""
    facts = EmmaeNetworkFit(
        layers=TINY,
        preprocess=MaePreprocess(chain=chain),
        preprocess_version=CHAIN_VERSION,
        mean=0.0,
        deviation=1.0,
        micrographs=(),
        held_out=(),
        steps=0,
        precision="float32",
        training={"preset": "default"},
    )
    return EmmaeModel(facts, new_mae(TINY, 0))


@functools.cache
def trained():
    """The network, trained on the three fields."""
    return _trained(EmmaeTraining(layers=SMALL, steps=90))


@functools.cache
def trained_as_published():
    """The same with the published images."""
    how = {"layers": SMALL_PAPER, "epochs": 4, "batch": 32, "base_rate": 8e-3}
    how["keys_as_queries"] = True  # as published, they need a longer training than a test has
    return _trained(EmmaeTraining(**training_values("paper", how)))


def _trained(training):
    micrographs = (micrograph_of(field, f"m{i}") for i, field in enumerate(fields()))
    return train_emmae([prepared_for(m, DIAMETER_ANGSTROM, training, "cpu") for m in micrographs], training).model


def learned_from(micrographs, diameter_angstrom=DIAMETER_ANGSTROM, mae=None):
    return fit_emmae(micrographs, fit_localpicker(micrographs, diameter_angstrom), mae or trained())


@functools.cache
def learned():
    """What is learned of the three fields."""
    return learned_from([micrograph_of(field, f"m{i}") for i, field in enumerate(fields())])


def picker(known=None, **settings):
    return Emmae(EmmaeSettings(**({"diameter_angstrom": DIAMETER_ANGSTROM} | settings)), known or learned(), trained())


def mask_of_particles(field):
    """Return which pixels the field's discs cover."""
    return paint(field.image.shape, field.xy, lambda r, diameter: soft(r, 0.4 * diameter), DIAMETER) > 0.5


def learned_as_published(fields, masks):
    micrographs = [micrograph_of(field, f"m{i}") for i, field in enumerate(fields)]
    known = {m.name: mask for m, mask in zip(micrographs, masks, strict=True)}
    settings = PaperEmmaeSettings(diameter_angstrom=DIAMETER_ANGSTROM)
    return fit_paper_emmae(micrographs, settings, trained_as_published(), lambda m: known[m.name])


@functools.cache
def learned_from_a_mask():
    """What is learned of the three fields, as published, with a mask of the first."""
    return learned_as_published(fields(), (mask_of_particles(fields()[0]), None, None))


def paper_picker(known=None, **settings):
    settings = PaperEmmaeSettings(**({"diameter_angstrom": DIAMETER_ANGSTROM} | settings))
    return PaperEmmae(settings, known or learned_from_a_mask(), trained_as_published())
