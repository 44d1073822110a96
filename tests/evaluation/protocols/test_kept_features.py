"""Features of a frozen encoder: what is kept is what the encoder says, and it is asked once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from revisit.evaluation.features import Reader
from revisit.evaluation.protocols.fine_tune import WholeNetwork
from revisit.evaluation.protocols.frozen import FrozenEncoder
from revisit.evaluation.protocols.frozen_adapting import AdaptingEncoder
from revisit.evaluation.protocols.kept_features import kept_features
from revisit.evaluation.protocols.recipes import Recipe
from revisit.evaluation.scene_network import SceneNetworks
from revisit.evaluation.task import Data
from revisit.evaluation.tasks.multi_label import TASK
from revisit.nets.encoder import Encoder
from revisit.nets.encoders.swin import SwinEncoder
from revisit.nets.load_save import load_encoder
from revisit.patches.store import PatchStore

S1 = ("vv", "vh")
ENCODERS = {
    "resnet": {"name": "resnet", "depth": 18, "width": 8, "stem": "small"},
    "swin": {"name": "swin", "dim": 16, "depths": [2, 2], "heads": [2, 4], "window": 4, "patch_pixels": 4},
    "channel-vit": {"name": "channel-vit", "dim": 32, "depth": 1, "heads": 2, "patch_pixels": 4},
}


def count(encoder: Encoder) -> list[int]:
    """A list to which each batch that really enters the encoder adds its size."""
    sizes: list[int] = []
    enter = encoder.enter

    def counted(images: Tensor, *rest: object) -> tuple[Tensor, list[int]]:
        sizes.append(len(images))
        return enter(images, *rest)

    encoder.enter = counted  # type: ignore[method-assign, assignment]
    return sizes


@pytest.mark.parametrize("name", ENCODERS)
def test_they_are_what_the_encoder_says(name: str, encoder_of: Callable[..., Path], tmp_path: Path) -> None:
    """By each method, after another method on the same images, in batches old and new images share."""
    encoder = load_encoder(encoder_of(tmp_path, ENCODERS[name], "s1", list(S1), 0)).eval()
    encoder.requires_grad_(False)
    images = torch.rand(6, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    sizes = count(encoder)
    for batch in (images[:4], images[2:], images[[1, 1, 5]]):
        for method in ("pooled", "pyramid", "forward_features", "skips"):
            expected = getattr(encoder, method)(batch)
            with kept_features([encoder]):
                sizes.clear()
                with torch.inference_mode():
                    getattr(encoder, method)(batch[:1])
                found = [getattr(encoder, method)(batch) for _ in range(2)]
                assert sum(sizes) == len({image.numpy().tobytes() for image in batch})
            for again in found:
                alone = isinstance(again, Tensor)
                pairs = zip([again] if alone else again, [expected] if alone else expected, strict=True)
                for one, other in pairs:
                    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
                    assert not one.is_inference()
                    if name == "resnet":  # a decoder of convolutions is slower on another layout
                        assert one.stride() == other.stride()
    assert not set(vars(encoder)) & {"pooled", "pyramid", "forward_features", "skips"}


def test_what_is_said_of_a_batch_by_name(encoder_of: Callable[..., Path], tmp_path: Path) -> None:
    """Bands given by name are part of what is asked; a mask of the batch's own cells is asked anew."""
    encoder = load_encoder(encoder_of(tmp_path, ENCODERS["swin"], "s1", list(S1), 0)).eval()
    assert isinstance(encoder, SwinEncoder)
    images = torch.rand(3, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    masked = torch.zeros(3, 64, dtype=torch.bool)
    masked[1] = True
    expected = encoder.pooled(images), encoder.maps(images, None, masked)
    sizes = count(encoder)
    with kept_features([encoder]), torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(encoder.pooled(images, bands=S1), expected[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(encoder.maps(images, None, masked), expected[1], rtol=1e-4, atol=1e-5)
    assert sum(sizes) == 3 + 2 * 3


def test_no_more_than_so_many_bytes(encoder_of: Callable[..., Path], tmp_path: Path) -> None:
    encoder = load_encoder(encoder_of(tmp_path, ENCODERS["resnet"], "s1", list(S1), 0)).eval()
    images = torch.rand(4, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    sizes = count(encoder)
    with kept_features([encoder], most_bytes=3 * 4 * encoder.feature_dim):
        for _ in range(2):
            encoder.pooled(images)
    assert sizes == [4, 1]


@pytest.mark.parametrize("protocol", [FrozenEncoder, AdaptingEncoder])
def test_a_frozen_training_encodes_each_image_once_in_each_symmetry(
    protocol: type[WholeNetwork],
    pairs: Path,
    encoder_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And ends as without them; an encoder whose batch norms adapt sees all images anew."""
    store, few = PatchStore(pairs), np.arange(24)
    targets = store.multi_label(np.arange(store.samples))[:, :2]

    def labels(indices: np.ndarray) -> np.ndarray:
        return targets[indices]

    data = Data(store, S1, None, labels, labels, ("a", "b"), store.positions, few, few, few)
    images = Reader(store, S1, torch.device("cpu"))
    recipe = Recipe(batch_size=24, learning_rate=3e-3, max_steps=30, validate_every=5)
    path = encoder_of(tmp_path, ENCODERS["resnet"], "s1", list(S1), 0)

    def train() -> tuple[list[float], int]:
        encoder = load_encoder(path, bands=S1)
        sizes = count(encoder)
        networks = SceneNetworks(encoder, S1, 2)
        _, learned = protocol(TASK, data, images, networks, recipe).train(few, few, seed=0)
        return [record["validation_loss"] for record in learned.record["curve"]], sum(sizes)

    found, encoded = train()
    all_images = (30 + 7) * 24
    if protocol is AdaptingEncoder:
        assert encoded == all_images
        return
    assert 24 < encoded <= 8 * 24
    monkeypatch.setattr(FrozenEncoder, "adapts", True)
    expected, encoded = train()
    assert encoded == all_images
    assert found == pytest.approx(expected, rel=1e-4)
