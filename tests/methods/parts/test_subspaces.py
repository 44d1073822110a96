"""The views that SeCo compares, and who is whose negative over time."""

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods.parts.augmentation import Augmentation
from revisit.methods.parts.subspaces import check_one_sensor, kinship, seasonal_views

SHIFT = Augmentation(scale=(1.0, 1.0), jitter=1.0, gain=0.0, offset=0.4, blur=0.0)


def test_each_key_differs_in_its_own_way() -> None:
    """Of flat images t0, t1, t2: query t0, keys t1 augmented, t2 plain, t0 augmented (SeCo, section 3)."""
    levels = torch.tensor([10.0, 20.0, 30.0])
    images = levels.view(1, 3, 1, 1, 1).expand(5, 3, 2, 8, 8)
    views = seasonal_views(images, SHIFT, ("red", "nir"), 6, torch.Generator().manual_seed(0))
    assert all(view.shape == (5, 2, 6, 6) for view in views.values())
    torch.testing.assert_close(views["query"], torch.full((5, 2, 6, 6), 10.0))
    torch.testing.assert_close(views["season"], torch.full((5, 2, 6, 6), 30.0))
    for name, level in (("both", 20.0), ("augmentation", 10.0)):
        off = views[name].mean((2, 3)) - level
        assert off.abs().max() <= 0.4001 and off.abs().min() > 0


def test_plain_views_are_not_flipped() -> None:
    """Flips belong to the augmentation, from which one subspace is to tell seasons apart."""
    ramp = torch.linspace(-1, 1, 8).view(1, 1, 1, 1, 8).expand(60, 3, 1, 8, 8)
    views = seasonal_views(ramp, SHIFT, ("red",), 8, torch.Generator().manual_seed(0))
    rises = {name: (view[..., -1] > view[..., 0]).all((1, 2)) for name, view in views.items()}
    assert rises["query"].all() and rises["season"].all()
    assert 10 < rises["both"].sum() < 50 and 10 < rises["augmentation"].sum() < 50


def test_leading_dimensions_stay() -> None:
    images = torch.arange(6.0).view(2, 3, 1, 1, 1, 1).expand(2, 3, 3, 1, 8, 8)
    views = seasonal_views(images, SHIFT, ("red",), 4, torch.Generator().manual_seed(0))
    assert views["query"].shape == (2, 3, 1, 4, 4)
    assert views["query"].mean((2, 3, 4)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_kinship_by_hand() -> None:
    own = torch.tensor([[7, 0], [7, 1]])
    others = torch.tensor([[7, 0], [7, 1], [8, 0], [8, 1], [-1, 0]])
    kin = kinship(own, others, torch.tensor([True, False]))
    assert kin.era.int().tolist() == [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0]]
    assert kin.same.int().tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    assert kin.spared.int().tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_several_sensors_are_refused() -> None:
    check_one_sensor("seco", ("red", "nir"))
    check_one_sensor("seco", ("red", "elevation"))
    with pytest.raises(RevisitError, match="dates of one sensor, not of sentinel-1 and sentinel-2"):
        check_one_sensor("seco", ("vv", "red"))
