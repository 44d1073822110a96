"""Modality names stand for fixed bands in a fixed order; scaled values for standard deviations."""

import pytest
import torch

from revisit.errors import RevisitError
from revisit.patches.modality import bands_of, sensor_of
from revisit.patches.standardise import standardise

STORED = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red", "nir"]}


def test_bands() -> None:
    """The order of bands is part of every encoder."""
    assert bands_of("s1+rgb", STORED) == ("vv", "vh", "red", "green", "blue")
    assert bands_of("s1+s2", STORED) == ("vv", "vh", "blue", "green", "red", "nir")
    assert [sensor_of(band) for band in bands_of("s1+s2", STORED)] == ["sentinel-1"] * 2 + ["sentinel-2"] * 4


def test_elevation_goes_with_images() -> None:
    """Its band comes last, and is of no sensor."""
    stored = {"dem": ["elevation"], **STORED}
    assert bands_of("s1+rgb+dem", stored) == ("vv", "vh", "red", "green", "blue", "elevation")
    assert bands_of("s2+dem", stored) == (*STORED["sentinel-2"], "elevation")
    assert sensor_of("elevation") == "dem"
    with pytest.raises(RevisitError, match=r"'s2\+dem': no dem is stored, .*; add it to search"):
        bands_of("s2+dem", STORED)


@pytest.mark.parametrize("name", ["s3", "rgb+s1", "s1+s1", "s1+s2+rgb", "", "dem", "dem+s1", "s1+dem+s2"])
def test_unknown(name: str) -> None:
    """Another spelling is no modality."""
    with pytest.raises(RevisitError, match="choose from"):
        bands_of(name, STORED)


def test_a_sensor_that_is_not_stored() -> None:
    """Half a modality is not silently the whole."""
    with pytest.raises(RevisitError, match="no sentinel-1 is stored"):
        bands_of("s1+s2", {"sentinel-2": ["red"]})


def test_standardise() -> None:
    """0 and 255 are the limits; the input is left as it was."""
    scaled = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert torch.allclose(standardise(scaled, 3.0), torch.tensor([-3.0, -1.8, 3.0]))
    already = scaled.float()
    standardise(already, 3.0)
    assert torch.equal(already, scaled.float())
