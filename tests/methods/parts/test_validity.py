"""What holds no data is told by the fill value in all bands of its sensor."""

import torch

from revisit.methods.parts.validity import holds_data
from revisit.patches.batch import MISSING

BANDS = ("red", "vv", "green", "vh")


def test_a_sensor_sees_a_pixel_in_all_its_bands_or_in_none() -> None:
    """One sensor's gap is no other's, and a single band that happens to hold the value is data."""
    images = torch.zeros(2, 3, 4, 5, 5, dtype=torch.uint8)
    images[0, 1, [0, 2], 2, 3] = MISSING  # no optical data
    images[1, 2, 1, 4, 4] = MISSING  # VV alone
    images[1, 0, :, 0] = MISSING  # neither sensor, a row
    data = holds_data(images, BANDS)
    assert data.shape == images.shape and data.dtype == torch.bool
    expected = torch.ones_like(data)
    expected[0, 1, [0, 2], 2, 3] = False
    expected[1, 0, :, 0] = False
    assert torch.equal(data, expected)


def test_without_a_time_axis() -> None:
    images = torch.full((3, 2, 4, 4), MISSING, dtype=torch.uint8)
    assert not holds_data(images, ("vv", "vh")).any()
    images[:, 0] = 5
    assert holds_data(images, ("vv", "vh")).all()
    assert holds_data(images, ("vv", "red")).any((2, 3)).tolist() == [[True, False]] * 3
