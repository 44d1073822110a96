"""ImageNet is a pretraining entry like any other, of which nothing is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.nets.imagenet_weights import widened

BANDS = ("vv", "vh", "red", "green", "blue")
DATA = DataDescription(BANDS, 64, clip_sigma=3.0, kind="pairs")


def entry(weights: Path, **others: Any) -> dict[str, Any]:
    return {
        "name": "imagenet",
        "encoder": {"name": "resnet", "depth": 18},
        "weights": str(weights),
        **others,
    }


@pytest.mark.parametrize(("depth", "kind"), [(18, "pairs"), (50, "series")])
def test_the_encoder_has_the_files_weights(depth: int, kind: str, tmp_path: Path) -> None:
    """Its weights are the file's, its first layer widened as the entry says; it takes no step."""
    torch.manual_seed(0)
    models = pytest.importorskip("torchvision.models")
    state = models.get_model(f"resnet{depth}").state_dict()
    torch.save(state, tmp_path / "resnet.pth")
    own = entry(tmp_path / "resnet.pth", widen="mean", encoder={"name": "resnet", "depth": depth})
    method = build_method(own, DataDescription(BANDS, 64, clip_sigma=3.0, kind=kind))
    assert method.baseline
    own = method.encoder.state_dict()
    assert torch.equal(own["layer4.1.bn2.weight"], state["layer4.1.bn2.weight"])
    assert torch.equal(own["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])
    assert torch.equal(own["conv1.weight"], widened(state["conv1.weight"], DATA.bands, "mean"))
    assert method.encoder.origin is not None and method.encoder.origin["widen"] == "mean"


def test_refused_at_planning(tmp_path: Path) -> None:
    """A missing file and an encoder that has no such weights are refused before anything is trained."""
    with torch.device("meta"):
        with pytest.raises(RevisitError, match="no such file; download"):
            build_method(entry(tmp_path / "nowhere.pth"), DATA)
        vit = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 8}
        with pytest.raises(RevisitError, match="taken by a resnet"):
            build_method(entry(tmp_path / "nowhere.pth", encoder=vit), DATA)
        with pytest.raises(RevisitError, match="widen"):
            build_method(entry(tmp_path / "nowhere.pth", widen="stretch"), DATA)
