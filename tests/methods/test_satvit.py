"""SatViT hides whole patches, compares them over all channels, learns, and has the size of its releases."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.methods.satvit import SatViT
from revisit.nets.vision_transformer import patchify, position_code
from revisit.patches.batch import MISSING
from revisit.training.optimiser import decay_groups

BANDS = ("vv", "vh", "blue", "green", "red")
ENCODER = {"name": "vit", "patch_pixels": 4, "dim": 32, "depth": 2, "heads": 4, "qkv_bias": False}
ENTRY: dict[str, Any] = {"name": "satvit", "encoder": ENCODER, "decoder": {"dim": 16, "depth": 1, "heads": 2}}


def method(**settings: Any) -> SatViT:
    torch.manual_seed(0)
    made = build_method({**ENTRY, **settings}, DataDescription(BANDS, 16, 3.0, "pairs"))
    assert isinstance(made, SatViT)
    return made


def images(samples: int = 4) -> Tensor:
    """Smooth uint8 images, of which sample 0 lacks a corner in the optical bands."""
    coarse = torch.rand(samples, 5, 3, 3, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")
    pictures = (smooth * 255).to(torch.uint8)
    pictures[pictures == MISSING] += 1
    pictures[0, 2:, :6, :6] = MISSING
    return pictures


def views_of(own: SatViT) -> dict[str, Tensor]:
    return own.masked(images(), torch.Generator().manual_seed(0))


def test_views() -> None:
    """A quarter of the positions is kept, in all channels; all others are hidden."""
    views = views_of(method())
    assert views["patches"].shape == views["data"].shape == (4, 16, 5, 16)
    assert views["kept"].shape == (4, 4) and views["hidden"].sum(1).tolist() == [12] * 4
    assert not views["hidden"].gather(1, views["kept"]).any()
    assert torch.equal(views["data"], patchify(images() != MISSING, 4))


@pytest.mark.parametrize("normalise", [True, False])
def test_loss_in_numpy(normalise: bool) -> None:
    """Squared error over hidden pixels with data; a patch is normalised over all its channels at once."""
    own = method(normalise_targets=normalise).eval()
    views = views_of(own)
    predicted = own.predict(views).detach().numpy()
    patches, data = views["patches"].numpy(), views["data"].numpy()
    errors: list[float] = []
    for sample, position in np.argwhere(views["hidden"].numpy()):
        there = data[sample, position]
        target = patches[sample, position][there]
        if not len(target):
            continue
        if normalise:
            target = (target - target.mean()) / np.sqrt(target.var(ddof=1) + 1e-6)
        errors.extend((predicted[sample, position][there] - target) ** 2)
    assert not data.all()
    assert own.loss(views)["loss"].item() == pytest.approx(np.mean(errors), rel=1e-4)


def test_hidden_patches_do_not_leak() -> None:
    own = method().eval()
    views = views_of(own)
    before = own.predict(views)
    hidden = views["hidden"][..., None, None]
    assert torch.equal(own.predict({**views, "patches": views["patches"].masked_fill(hidden, 9.0)}), before)
    assert not torch.equal(own.predict({**views, "patches": views["patches"] + ~hidden}), before)


@pytest.mark.parametrize("pooling", ["mean", "class-token"])
def test_tokens_carry_the_codes_of_their_positions(pooling: str) -> None:
    """The prediction, step by step; a class token goes through the blocks and not to the decoder."""
    own = method(encoder={**ENCODER, "pooling": pooling}).eval()
    views = views_of(own)
    encoder, decoder, kept = own.encoder, own.decoder, views["kept"]
    coded = encoder.embed(views["patches"]) + position_code(4, 4, 32, kept.device)
    tokens = torch.stack([coded[sample][positions] for sample, positions in enumerate(kept)])
    if encoder.cls_token is not None:
        tokens = torch.cat([encoder.cls_token.expand(4, 1, 32), tokens], 1)
    for block in encoder.blocks:
        tokens = block(tokens)
    tokens = decoder.enter(encoder.norm(tokens)[:, -4:])
    full = decoder.mask_token.repeat(4, 16, 1)
    for sample, positions in enumerate(kept):
        full[sample, positions] = tokens[sample]
    full = full + position_code(4, 4, 16, kept.device)
    for block in decoder.blocks:
        full = block(full)
    expected = decoder.leave(decoder.norm(full)).view(4, 16, 5, 16)
    torch.testing.assert_close(own.predict(views), expected)


def test_learns() -> None:
    """A few images can be learnt by heart: the loss falls far below 1, the value of a blind guess."""
    own = method()
    optimiser = torch.optim.AdamW(decay_groups(own.named_parameters(), 0.0), lr=5e-3)
    views, losses = views_of(own), []
    for _ in range(80):
        loss = own.loss(views)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.9 and losses[-1] < 0.3
    assert all(parameter.grad is not None for parameter in own.parameters())


def test_shares_are_hidden_pixels() -> None:
    """The loss of a whole batch is that of its samples, weighed by their hidden pixels with data."""
    own = method().eval()
    views = views_of(own)
    singles = torch.stack(
        [own.loss({name: v[n : n + 1] for name, v in views.items()})["loss"] for n in range(4)]
    )
    weights = own.shares(views)
    assert len(weights.unique()) > 1
    torch.testing.assert_close((singles * weights).sum() / weights.sum(), own.loss(views)["loss"])


def test_reconstruct() -> None:
    """For the report: seen pixels stand, hidden ones are predicted; nothing is flipped."""
    own, picture = method().eval(), images()
    result = own.reconstruct(picture, torch.Generator().manual_seed(0))
    assert int(result.pop("moments_given")) == 4
    torch.testing.assert_close(result["input"], own.standardised(picture))
    seen = result["masked"] != 0
    assert 0.2 < seen.float().mean() < 0.3
    assert torch.equal(result["reconstruction"][seen], result["input"][seen])
    assert not torch.equal(result["reconstruction"], result["input"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratio": 0.99}, "keeps 0 of 16"),
        ({"encoder": {"name": "channel-vit", "patch_pixels": 4, "dim": 8, "depth": 1, "heads": 1}}, "be vit"),
        ({"decoder": {"dim": 18, "depth": 1, "heads": 2}}, "dim 18"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        method(**settings)


def block_weights(dim: int) -> int:
    """Two norms, queries, keys and values without bias, their projection, a perceptron of 4 dim."""
    return 4 * dim + 3 * dim**2 + (dim**2 + dim) + (4 * dim**2 + 4 * dim) + (4 * dim**2 + dim)


@pytest.mark.parametrize(
    ("patch", "tokens", "values", "dim", "depth", "heads"),
    [(16, 256, 3840, 384, 2, 6), (8, 1024, 960, 512, 1, 8)],
)
def test_at_their_size(patch: int, tokens: int, values: int, dim: int, depth: int, heads: int) -> None:
    """Versions 1 and 2 on 256 pixels of 15 channels: shapes, and weights counted layer by layer."""
    bands = ("vv", "vh", *(f"b{number}" for number in range(13)))
    encoder = {"name": "vit", "dim": 768, "depth": 12, "heads": 12, "patch_pixels": patch, "qkv_bias": False}
    entry = {"name": "satvit", "encoder": encoder, "decoder": {"dim": dim, "depth": depth, "heads": heads}}
    with torch.device("meta"):
        own = build_method(entry, DataDescription(bands, 256, 3.0, "pairs"))
        assert isinstance(own, SatViT)
        patches = torch.empty(2, tokens, 15, patch**2)
        predicted = own.predict({"patches": patches, "kept": torch.zeros(2, tokens // 4, dtype=torch.int64)})
        features = own.encoder.forward_features(torch.empty(2, 15, 256, 256))
    assert own.keep == tokens // 4 and predicted.flatten(2).shape == (2, tokens, values)
    assert features.shape == (2, tokens, 768)

    def weights(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert weights(own.encoder) == values * 768 + 768 + 12 * block_weights(768) + 2 * 768
    ends = (768 * dim + dim) + dim + 2 * dim + (dim * values + values)
    assert weights(own.decoder) == ends + depth * block_weights(dim)
