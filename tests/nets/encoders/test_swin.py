"""The Swin encoder gives the maps a decoder needs, and hides masked tokens."""

import pytest
import torch

from revisit.errors import RevisitError
from revisit.nets.encoders.swin import SwinEncoder


@pytest.fixture
def encoder() -> SwinEncoder:
    torch.manual_seed(0)
    settings = SwinEncoder.Settings(patch_pixels=4, dim=8, depths=(2, 2, 2), heads=(1, 2, 4), window=4)
    return SwinEncoder(settings, ["vv", "vh"], image_pixels=64).eval()


def test_maps(encoder: SwinEncoder) -> None:
    """Maps entering each stage but the last, then the last stage's output; the first is the embedding."""
    images = torch.randn(2, 2, 64, 64)
    maps = encoder.maps(images)
    assert [tuple(m.shape) for m in maps] == [(2, 16, 16, 8), (2, 8, 8, 16), (2, 4, 4, 32)]
    embedded = encoder.embedding_norm(encoder.embedding(images).permute(0, 2, 3, 1))
    assert torch.equal(maps[0], embedded)
    assert torch.equal(maps[1], encoder.merges[0](encoder.stages[0](embedded)))
    assert [tuple(m.shape) for m in encoder.pyramid(images)] == [(2, 8, 16, 16), (2, 16, 8, 8), (2, 32, 4, 4)]
    assert encoder.pooled(images).shape == (2, encoder.feature_dim)


def test_masked_tokens_do_not_leak(encoder: SwinEncoder) -> None:
    """Pixels under the mask change nothing; pixels beside it do."""
    images = torch.randn(1, 2, 64, 64)
    masked = torch.zeros(1, 16, 16, dtype=torch.bool)
    masked[0, 3, 5] = True
    before = encoder.maps(images, masked=masked.flatten(1))[-1]
    images[0, :, 12:16, 20:24] = 99
    assert torch.equal(encoder.maps(images, masked=masked.flatten(1))[-1], before)
    images[0, 0, 12, 24] = 99
    assert not torch.equal(encoder.maps(images, masked=masked.flatten(1))[-1], before)


def test_other_sizes(encoder: SwinEncoder) -> None:
    """Larger, smaller and oblong images are taken; sides that stages cannot halve are refused."""
    assert encoder.maps(torch.randn(1, 2, 96, 128))[-1].shape == (1, 6, 8, 32)
    assert encoder.maps(torch.randn(1, 2, 32, 32))[-1].shape == (1, 2, 2, 32)
    with pytest.raises(RevisitError, match="multiples of 16"):
        encoder.maps(torch.randn(1, 2, 40, 40))


def test_every_second_block_is_shifted(encoder: SwinEncoder) -> None:
    """Windows exchange what they see where there are several; a single window is not cut."""
    assert [block.shift for block in encoder.stages[0]] == [0, 2]
    assert [block.shift for block in encoder.stages[2]] == [0, 0]


def test_gradients_reach_everything(encoder: SwinEncoder) -> None:
    """No weight is left out, the mask token included."""
    masked = torch.rand(2, 256) < 0.8
    (encoder.maps(torch.randn(2, 2, 64, 64), masked=masked)[-1] * torch.randn(32)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_layers_by_depth(encoder: SwinEncoder) -> None:
    """Layer decay counts blocks through the stages; a merging goes with the block before it, as in SimMIM."""
    named = {id(parameter): name for name, parameter in encoder.named_parameters()}
    groups = [{named[id(p)] for p in group} for group in encoder.layers()]
    assert len(groups) == 1 + 6 + 1
    assert "mask_token" in groups[0] and "embedding.weight" in groups[0]
    assert "merges.0.reduction.weight" in groups[2] and "stages.0.1.norm1.weight" in groups[2]
    assert groups[7] == {"norm.weight", "norm.bias"}
