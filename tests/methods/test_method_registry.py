"""Every method of the registry can be built, described and traced to its modules."""

from typing import Any

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods import registry
from revisit.methods.base import DataDescription, Method, check_keys
from revisit.nets.encoder import build_encoder

VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [2, 2], "heads": [1, 2], "window": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "3dmae": {"encoder": VIT, "decoder": {"dim": 16, "depth": 1, "heads": 2}},
    "stmim": {"encoder": SWIN, "alpha": 0.1, "beta": 0.1, "years_per_step": 2},
    "scratch": {"encoder": SWIN},
}


@pytest.mark.parametrize("name", registry.METHODS)
def test_every_method(name: str) -> None:
    """A method is built by its name, keeps a saveable encoder, and tells its source and choices."""
    settings = SETTINGS[name.split("-")[0]]
    data = DataDescription(("vv", "vh", "red", "nir"), 32, 3, "yearly", (2019, 2020))
    method = registry.build(name, settings, data)
    assert isinstance(method, Method)
    check_keys(settings, method.keys, name)
    assert build_encoder(method.encoder.architecture()).bands == data.bands
    assert registry.modules(name, settings)[1].startswith("revisit.nets.")
    source, choices = next(row[1:] for row in registry.describe() if row[0] == name)
    assert len(source) > 20 and len(choices) > 20
    if method.trains:
        shape = (2, 2, 4, 32, 32) if method.needs_series else (2, 4, 32, 32)
        images = torch.randint(0, 256, shape, dtype=torch.uint8)
        assert torch.isfinite(method.loss(method.views(images, torch.Generator()))["loss"])


def test_scratch_is_untouched() -> None:
    """The encoder of scratch is the one its architecture and seed give, and nothing trains it."""
    data = DataDescription(("vv", "vh"), 32, 3, "pairs")
    torch.manual_seed(7)
    method = registry.build("scratch", {"encoder": VIT}, data)
    torch.manual_seed(7)
    twin = build_encoder({**VIT, "bands": ["vv", "vh"], "image_pixels": 32})
    assert not method.trains
    for ours, expected in zip(method.encoder.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, expected)


def test_faults_are_named() -> None:
    """Unknown methods, architectures and settings raise one line."""
    with pytest.raises(RevisitError, match="no method named 'mae'"):
        registry.module("mae")
    with pytest.raises(RevisitError, match="choose from"):
        registry.modules("scratch", {"encoder": {"name": "vit"}})
    with pytest.raises(RevisitError, match=r"unknown settings \['alhpa'\]"):
        check_keys({"alhpa": 1}, {"alpha"}, "stmim")
    with pytest.raises(RevisitError, match="'encoder' is missing"):
        registry.build("scratch", {}, DataDescription(("vv",), 32, 3, "pairs"))
