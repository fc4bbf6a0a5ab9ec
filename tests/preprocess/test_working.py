"""The working image: scale, coordinates, borders and outliers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label
from tests.fields import disc, noise_field, paint

from cryoglean.preprocess.working import CLIP_SIGMAS, WORKING_DIAMETER_PX, working_image
from examples import with_slow


@given(diameter=st.floats(1, 400))
def test_a_particle_is_24_to_48_working_pixels_across_unless_it_is_smaller(diameter):
    working = working_image(noise_field((40, 50)), diameter)
    assert working.diameter_px * working.bin_factor == pytest.approx(diameter)
    if diameter >= WORKING_DIAMETER_PX:
        assert WORKING_DIAMETER_PX <= working.diameter_px < 2 * WORKING_DIAMETER_PX + 1e-9
    else:
        assert working.bin_factor == 1


@pytest.mark.parametrize("diameter", [30.0, 50.0, 75.0, 110.0])
@pytest.mark.parametrize("border", [(0, 0), (37, 20)])
def test_coordinates_lead_back_to_the_particle(diameter, border):
    x, y = 301.0, 254.0
    image = 20 * paint((500, 620), [(x, y)], disc, diameter) + noise_field((500, 620))
    working = working_image(np.pad(image, ((border[0], 9), (border[1], 9))).astype(np.float32), diameter)
    parts, _ = label(working.image.numpy() > 2)  # protein is bright there
    rows, columns = np.nonzero(parts == np.bincount(parts.ravel())[1:].argmax() + 1)
    back_x, back_y = working.to_stored(torch.tensor(columns.mean()), torch.tensor(rows.mean()))
    assert working.left in {border[1], border[1] + 1}
    assert working.top in {border[0], border[0] + 1}
    assert abs(float(back_x) - x - border[1]) < 1.0
    assert abs(float(back_y) - y - border[0]) < 1.0


@pytest.mark.parametrize("shape", [(500, 620), (621, 500)])
def test_halves_are_all_of_it_and_lead_to_the_same_places(shape):
    image = noise_field(shape)
    image[:90, :100] = 0  # unexposed
    whole = working_image(image, 50.0)
    halves = whole.halves()
    across = int(shape[1] > shape[0])
    for part in ("image", "contrast", "exposed"):
        torch.testing.assert_close(torch.cat([getattr(half, part) for half in halves], across), getattr(whole, part))
    start = torch.tensor([0.0, halves[0].image.shape[across]])
    there = whole.to_stored(*((start, 0 * start) if across else (0 * start, start)))
    here = [half.to_stored(torch.zeros(()), torch.zeros(())) for half in halves]
    torch.testing.assert_close(torch.tensor(here).T, torch.stack(there))


@pytest.mark.parametrize("value", [-1e9, 1e4, 1e9])
def test_one_hot_pixel_changes_little_but_itself(value):
    image = noise_field((300, 320))
    hot = image.copy()
    hot[150, 160] = value
    plain, other = (working_image(i, 30.0).image.numpy() for i in (image, hot))
    change = np.abs(other - plain)
    change[145:156, 155:166] = 0
    assert change.max() < 0.2
    assert np.abs(other).max() <= CLIP_SIGMAS


@pytest.mark.parametrize("view", [lambda i: i[::-1], lambda i: i[:, ::-1], lambda i: i.T, np.asfortranarray])
def test_any_memory_layout_will_do_and_read_only_too(view):
    image = noise_field((120, 130))
    expected = working_image(np.ascontiguousarray(view(image)), 30.0).image
    viewed = view(image)
    viewed.flags.writeable = False
    torch.testing.assert_close(working_image(viewed, 30.0).image, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_it_is_the_same_on_a_gpu():
    image = noise_field((300, 320))
    here, there = working_image(image, 50.0), working_image(image, 50.0, torch.device("cuda"))
    assert there.image.is_cuda
    assert there.contrast.is_cuda
    torch.testing.assert_close(there.image.cpu(), here.image, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("diameter", "factor"), with_slow((25.0, 2), slow=[(12.0, 1), (60.0, 2), (80.0, 3)]))
def test_a_large_micrograph_of_small_particles_is_binned_further_but_particles_keep_ten_pixels(diameter, factor):
    working = working_image(noise_field((2100, 2400)), diameter)
    assert working.bin_factor == factor
    assert working.diameter_px >= min(diameter, 10)
