"""Our blocks are those of timm to the bit, so that weights and results keep their meaning."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from revisit.nets.shifted_windows import PatchMerging, SwinBlock
from revisit.nets.transformer import Block, DropPath

layers = pytest.importorskip("timm.layers")
swin = pytest.importorskip("timm.models.swin_transformer")
vit = pytest.importorskip("timm.models.vision_transformer")


def assert_same(ours: Callable[[], nn.Module], theirs: Callable[[], nn.Module], images: Tensor) -> None:
    """Same weights from the same seed, same output and gradients, in training mode."""
    made = []
    for make in (ours, theirs):
        torch.manual_seed(0)
        made.append(make().train())
    states = [module.state_dict() for module in made]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    outputs = []
    for module in made:
        torch.manual_seed(1)
        outputs.append(module(images))
        (outputs[-1] * torch.linspace(-1, 1, outputs[-1].numel()).view_as(outputs[-1])).sum().backward()
    assert torch.equal(*outputs)
    pairs = zip(made[0].parameters(), made[1].parameters(), strict=True)
    assert all(torch.equal(a.grad, b.grad) for a, b in pairs)


def test_block() -> None:
    """The transformer block, with another width of its perceptron too."""
    for ratio in (4.0, 2.0):
        assert_same(
            lambda ratio=ratio: Block(16, 4, ratio),
            lambda ratio=ratio: vit.Block(16, 4, ratio, qkv_bias=True),
            torch.randn(3, 5, 16),
        )


@pytest.mark.parametrize(
    ("grid", "window", "shifted"), [(8, 4, False), (8, 4, True), (4, 7, True), (8, 3, True)]
)
def test_swin_block(grid: int, window: int, shifted: bool) -> None:
    """Plain, shifted, in a single window, and with a border to pad; on an oblong map."""

    def theirs() -> nn.Module:
        return swin.SwinTransformerBlock(
            8,
            input_resolution=(grid, grid),
            num_heads=2,
            window_size=window,
            shift_size=window // 2 if shifted else 0,
            dynamic_mask=True,
        )

    assert_same(lambda: SwinBlock(8, 2, grid, window, shifted), theirs, torch.randn(2, grid, grid + 2, 8))


def test_merging() -> None:
    """Four tokens become one, in timm's order."""
    assert_same(lambda: PatchMerging(8, 16), lambda: swin.PatchMerging(8, 16), torch.randn(2, 4, 6, 8))


def test_stochastic_depth() -> None:
    """Branches are dropped by the same draws; none in evaluation."""
    assert_same(lambda: DropPath(0.4), lambda: layers.DropPath(0.4), torch.randn(32, 3, requires_grad=True))
    branch = torch.randn(32, 3)
    assert torch.equal(DropPath(0.4).eval()(branch), branch)
