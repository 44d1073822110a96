"""The channel-wise embedding is an ordinary one for whole images, and blind to what is hidden."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from revisit.nets.encoders.channel_vit import ChannelViT
from revisit.nets.vision_transformer import patchify, position_code, unpatchify

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


def code_of_mae(row: int, column: int, dim: int) -> np.ndarray:
    """The code of one position as MAE's code makes it: quarters sin x, cos x, sin y, cos y."""
    quarter = dim // 4
    frequencies = 1 / 10000 ** (np.arange(quarter) / quarter)
    waves = [wave(place * frequencies) for place in (column, row) for wave in (np.sin, np.cos)]
    return np.concatenate(waves)


@pytest.mark.parametrize("dim", [16, 64])
def test_position_codes_are_those_of_mae(dim: int) -> None:
    """Halves, their order, sines before cosines, and the base, so that MAE's weights keep their meaning."""
    code = position_code(3, 5, dim, torch.device("cpu"))
    expected = np.array([code_of_mae(row, column, dim) for row in range(3) for column in range(5)])
    np.testing.assert_allclose(code.numpy(), expected, atol=1e-6)


def test_takes_the_weights_of_a_vit() -> None:
    """With the weights of timm's ViT and MAE's position codes the features are that ViT's."""
    vit = pytest.importorskip("timm.models.vision_transformer")
    torch.manual_seed(0)
    theirs = vit.VisionTransformer(
        img_size=24, patch_size=8, embed_dim=16, depth=2, num_heads=4, num_classes=0, class_token=False,
        global_pool="avg", fc_norm=False,
    ).eval()  # fmt: skip
    codes = [code_of_mae(row, column, 16) for row in range(3) for column in range(3)]
    theirs.pos_embed.data = torch.tensor(np.array(codes), dtype=torch.float32)[None]
    settings = ChannelViT.Settings(patch_pixels=8, dim=16, depth=2, heads=4)
    ours = ChannelViT(settings, ["red", "green", "blue"], 24).eval()
    state = {n: v for n, v in theirs.state_dict().items() if n.startswith(("blocks.", "norm."))}
    state["embedding"] = theirs.patch_embed.proj.weight.detach().permute(1, 2, 3, 0).flatten(1, 2)
    state["channel_bias"] = theirs.patch_embed.proj.bias.detach().expand(3, 16) / 3
    ours.load_state_dict(state, strict=True)
    norms = [module.eps for module in ours.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert norms == [1e-6] * 5
    images = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(
        ours.forward_features(images), theirs.forward_features(images), atol=1e-5, rtol=1e-4
    )


def test_features_depend_on_where(encoder: ChannelViT) -> None:
    """Visible tokens have position codes: the same patches elsewhere are another image."""
    images = torch.randn(1, 5, 16, 16)
    assert (encoder.pooled(images.transpose(2, 3).flip(2)) - encoder.pooled(images)).abs().max() > 1e-3
    turned = torch.cat([images[..., 8:], images[..., :8]], 3)
    assert (encoder.pooled(turned) - encoder.pooled(images)).abs().max() > 1e-3


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
