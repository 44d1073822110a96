"""The channel-wise embedding is an ordinary one for whole images, and blind to what is hidden."""

import pytest
import torch
import torch.nn.functional as F

from revisit.nets.encoders.channel_vit import ChannelViT, patchify, position_code, unpatchify
from revisit.nets.load_save import architecture_name

BANDS = ["vv", "vh", "blue", "green", "red"]


@pytest.fixture
def encoder() -> ChannelViT:
    torch.manual_seed(0)
    settings = ChannelViT.Settings(patch_pixels=4, dim=16, depth=2, heads=2)
    return ChannelViT(settings, BANDS, image_pixels=16).eval()


def test_patchify_is_inverted() -> None:
    """Patches are cut row by row and put back in place, on images that are not square."""
    images = torch.arange(2 * 3 * 8 * 12.0).view(2, 3, 8, 12)
    patches = patchify(images, 4)
    assert patches.shape == (2, 6, 3, 16)
    assert torch.equal(patches[1, 4, 2].view(4, 4), images[1, 2, 4:8, 4:8])
    assert torch.equal(unpatchify(patches, rows=2), images)


def test_all_visible_is_a_patch_embedding(encoder: ChannelViT) -> None:
    """With every channel visible the embedding is one convolution over all channels."""
    images = torch.randn(3, 5, 16, 16)
    weight = encoder.embedding.permute(2, 0, 1).reshape(16, 5, 4, 4)
    expected = F.conv2d(images, weight, encoder.channel_bias.sum(0), stride=4).flatten(2).transpose(1, 2)
    patches = patchify(images, 4)
    torch.testing.assert_close(encoder.embed(patches), expected)
    everything = torch.ones(3, 16, 5, dtype=torch.bool)
    torch.testing.assert_close(encoder.embed(patches, visible=everything), expected)


def test_hidden_cells_do_not_leak(encoder: ChannelViT) -> None:
    """Changing hidden pixels changes no token; changing a visible one does."""
    patches = torch.randn(2, 16, 5, 16)
    visible = torch.rand(2, 16, 5) < 0.5
    tokens = encoder.embed(patches, visible=visible)
    other = torch.where(visible[..., None], patches, 99.0)
    assert torch.equal(encoder.embed(other, visible=visible), tokens)
    cell = tuple(visible.nonzero()[0])
    other[cell] += 1
    assert not torch.equal(encoder.embed(other, visible=visible), tokens)


def test_subset_of_bands(encoder: ChannelViT) -> None:
    """Images of some bands give what the whole image gives with the others hidden, in any order."""
    images = torch.randn(2, 5, 16, 16)
    visible = torch.tensor([True, False, False, True, False]).expand(2, 16, 5)
    hidden = encoder.embed(patchify(images, 4), visible=visible)
    tokens = encoder.norm(encoder.transform(hidden + position_code(4, 4, 16, images.device)))
    torch.testing.assert_close(encoder.forward_features(images[:, [3, 0]], ["green", "vv"]), tokens)
    torch.testing.assert_close(encoder.forward_features(images[:, [0, 3]], ["vv", "green"]), tokens)


def test_shapes_and_other_sizes(encoder: ChannelViT) -> None:
    """Features have their shapes, also for images larger than, and shaped unlike, those of pretraining."""
    images = torch.randn(2, 5, 24, 32)
    assert encoder.forward_features(images).shape == (2, 48, 16)
    assert encoder.pooled(images).shape == (2, 16)
    (level,) = encoder.pyramid(images)
    assert level.shape == (2, 16, 6, 8)
    torch.testing.assert_close(level.flatten(2).transpose(1, 2), encoder.forward_features(images))


def test_position_codes_differ() -> None:
    """Every position has its own code, and a larger grid keeps the codes of the smaller."""
    small = position_code(4, 4, 16, torch.device("cpu"))
    assert torch.cdist(small, small).fill_diagonal_(1).min() > 0.1
    large = position_code(6, 8, 16, torch.device("cpu")).view(6, 8, 16)
    assert torch.equal(large[:4, :4].reshape(16, 16), small)


def test_gradients_reach_everything(encoder: ChannelViT) -> None:
    """No weight is left out of the output."""
    (encoder.pooled(torch.randn(2, 5, 16, 16)) * torch.randn(16)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_layers_by_depth(encoder: ChannelViT) -> None:
    """Layer decay sees the embedding first, then each block, then the norm."""
    named = {id(parameter): name for name, parameter in encoder.named_parameters()}
    first, *blocks, last = [{named[id(p)] for p in group} for group in encoder.layers()]
    assert first == {"embedding", "channel_bias"}
    for number, block in enumerate(blocks):
        assert block and all(name.startswith(f"blocks.{number}.") for name in block)
    assert len(blocks) == 2 and last == {"norm.weight", "norm.bias"}


def test_name_holds_every_size() -> None:
    """The table's name changes with each size, and is the known one for the usual perceptron."""
    entry = {"name": "channel-vit", "dim": 96, "depth": 3, "heads": 4, "patch_pixels": 8}
    assert architecture_name(entry) == "channel-vit dim 96 depth 3 patch 8"
    assert architecture_name({**entry, "mlp_ratio": 2}) == "channel-vit dim 96 depth 3 mlp 2 patch 8"
