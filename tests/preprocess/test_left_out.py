"""What is left out is told to the pixel, with the reason; nothing else is."""

import numpy as np
import pytest
from tests.fields import noise_field

from cryoglean.micrograph import Micrograph
from cryoglean.preprocess.left_out import Reason, left_out

DIAMETER = 60.0


def reasons(image, mask=None):
    """Reasons by stored pixel, and how far they were binned."""
    found = left_out(Micrograph(image.astype(np.float32), 1.0, mask=mask), DIAMETER)
    factor = -(-image.shape[0] // found.shape[0])
    whole = found.repeat(factor, 0).repeat(factor, 1)[: image.shape[0], : image.shape[1]]
    return whole, factor


def test_of_noise_nothing_is_left_out():
    found, factor = reasons(noise_field((301, 402)))
    assert factor == 2
    assert not found.any()


@pytest.mark.parametrize("widths", [((0, 0), (0, 0)), ((7, 0), (0, 5)), ((8, 12), (4, 6)), ((0, 31), (3, 0))])
def test_dead_lines_at_the_edges_are_left_out_to_the_line(widths):
    found, _ = reasons(np.pad(noise_field((300, 400)), widths))
    wanted = np.pad(np.zeros((300, 400)), widths, constant_values=Reason.unexposed)
    np.testing.assert_array_equal(found, wanted)


def test_what_glares_and_a_disc_without_noise_are_told_apart():
    image = noise_field((600, 640))
    rows, columns = np.indices(image.shape)
    image[np.hypot(rows - 150, columns - 150) < 40] *= 30
    image[np.hypot(rows - 400, columns - 400) < 120] = 3
    found, _ = reasons(image)
    assert (found[np.hypot(rows - 150, columns - 150) < 40] == Reason.glaring).all()
    assert (found[np.hypot(rows - 400, columns - 400) < 118] == Reason.unexposed).all()
    far = (np.hypot(rows - 150, columns - 150) > 110) & (np.hypot(rows - 400, columns - 400) > 170)
    assert not found[far].any()


def test_a_mask_is_all_there_and_no_more_than_a_binned_pixel_wider():
    mask = np.zeros((300, 402), bool)
    mask[31:120, 200:333] = True
    found, factor = reasons(noise_field(mask.shape), mask)
    assert (found[mask] == Reason.masked).all()
    rows, columns = np.nonzero(found)
    assert (rows.min(), columns.min()) >= (31 - factor, 200 - factor)
    assert rows.max() < 120 + factor
    assert columns.max() < 333 + factor
