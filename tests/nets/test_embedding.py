"""Whole images through an encoder: the same wherever tiles are cut, each tile's own where there is one."""

import pytest
import torch

from cryoglean.nets.embedding import embed_image
from cryoglean.nets.mae import new_mae
from cryoglean.nets.mae_layers import MaeLayers
from cryoglean.nets.transformer import Blocks

pytestmark = pytest.mark.numerical

LAYERS = MaeLayers(
    tile_px=32,
    patch_px=4,
    encoder=Blocks(width=16, depth=2, heads=2),
    decoder=Blocks(width=8, depth=1),
)


def image(height=96, width=120, seed=0):
    smooth = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(smooth, 5, 1, 2)[0, 0]
    return smooth / smooth.std()


@pytest.fixture(scope="module")
def encoder():
    return new_mae(LAYERS, 0).encoder


@torch.no_grad()
def test_one_tile_is_the_encoders_own(encoder):
    tile = image(32, 32)
    torch.testing.assert_close(embed_image(encoder, tile), encoder.patch_latents(tile[None])[0])


@torch.no_grad()
def test_without_overlap_each_tile_is_its_own(encoder):
    whole = embed_image(encoder, image(64, 96), overlap_px=0)
    part = encoder.patch_latents(image(64, 96)[None, 32:, 64:])[0]
    torch.testing.assert_close(whole[8:, 16:], part, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(96, 120), (33, 47), (32, 200), (5, 9), (131, 64)])
@pytest.mark.parametrize("overlap", [0, 8, 24])
def test_every_patch_gets_a_latent(encoder, shape, overlap):
    latents = embed_image(encoder, image(*shape), overlap)
    assert latents.shape == (-(-shape[0] // 4), -(-shape[1] // 4), 16)
    assert torch.isfinite(latents).all()


def test_weights_sum_to_one(encoder, monkeypatch):
    """An encoder that says the same everywhere says it in every patch, however many tiles hold it."""
    even = torch.arange(16.0).expand(1, 8, 8, 16)
    monkeypatch.setattr(encoder, "patch_latents", lambda tiles: even.expand(len(tiles), -1, -1, -1))
    for overlap in (0, 12, 28):
        torch.testing.assert_close(embed_image(encoder, image(), overlap), even[0, :1, :1].expand(24, 30, 16))


def test_latents_hardly_depend_on_where_tiles_are_cut(encoder):
    def change(overlap):
        whole, shifted = embed_image(encoder, image(), overlap), embed_image(encoder, image()[12:, 20:], overlap)
        inside = (slice(6, -6), slice(6, -6))
        return float((shifted[inside] - whole[3:, 5:][inside]).square().mean().sqrt() / whole.std())

    assert change(16) < 0.15
    assert change(16) < change(0)


def test_overlap_takes_seams_away(encoder):
    """Across a seam of tiles that do not overlap, latents jump; blended ones do not, compared with elsewhere."""

    def jump(overlap):
        steps = embed_image(encoder, image(64, 64), overlap).diff(dim=1).square().mean((0, 2))
        return float(steps[7] / steps[torch.arange(15) != 7].mean())

    assert abs(jump(24) - 1) < 0.5
    assert jump(0) > jump(24)


@pytest.mark.parametrize("overlap", [8, 16])
def test_threads_change_nothing(encoder, overlap):
    wide = image(160, 200)
    assert torch.equal(embed_image(encoder, wide, overlap), embed_image(encoder, wide, overlap, threads=3))


def test_half_precision_is_close(encoder):
    exact, half = (embed_image(encoder, image(), precision=p) for p in (torch.float32, torch.bfloat16))
    assert half.dtype == torch.float32
    assert float((half - exact).square().mean().sqrt()) < 0.03 * float(exact.std())
