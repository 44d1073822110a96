"""Our blocks are those of timm to the bit, so that weights and results keep their meaning.

Swin blocks on maps that are no multiple of the window are torchvision's instead, which pads before it shifts.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from revisit.nets.shifted_windows import PatchMerging, SwinBlock, shift_mask
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
    ("grid", "window", "shifted"),
    [(8, 4, False), (8, 4, True), (4, 7, True), (8, 2, True), (8, 3, False)],
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

    wide = grid + 2 if grid % window or window > grid else grid + window
    assert_same(lambda: SwinBlock(8, 2, grid, window, shifted), theirs, torch.randn(2, grid, wide, 8))


@pytest.mark.parametrize("shape", [(8, 8), (8, 11), (9, 10), (7, 13), (12, 9)])
@pytest.mark.parametrize("shifted", [False, True])
def test_border_is_padded_before_the_shift(shape: tuple[int, int], shifted: bool) -> None:
    """Attention is torchvision's on any map, so tokens of opposite edges never see each other."""
    reference = pytest.importorskip("torchvision.models.swin_transformer")
    torch.manual_seed(0)
    block = SwinBlock(8, 2, grid=8, window=3, shifted=shifted)
    tokens = torch.randn(2, *shape, 8)
    own = block.attn
    expected = reference.shifted_window_attention(
        tokens,
        own.qkv.weight,
        own.proj.weight,
        own._bias(9),
        [3, 3],
        2,
        [block.shift, block.shift],
        qkv_bias=own.qkv.bias,
        proj_bias=own.proj.bias,
    )
    torch.testing.assert_close(block._attend(tokens), expected)
    if shifted:
        other = tokens.clone()
        other[:, -1] += 1  # the last row; a shift by one lays it beside the first
        assert torch.equal(block._attend(other)[:, 0], block._attend(tokens)[:, 0])


def test_merging() -> None:
    """Four tokens become one, in timm's order."""
    assert_same(lambda: PatchMerging(8, 16), lambda: swin.PatchMerging(8, 16), torch.randn(2, 4, 6, 8))


def test_stochastic_depth() -> None:
    """Branches are dropped by the same draws; none in evaluation."""
    assert_same(lambda: DropPath(0.4), lambda: layers.DropPath(0.4), torch.randn(32, 3, requires_grad=True))
    branch = torch.randn(32, 3)
    assert torch.equal(DropPath(0.4).eval()(branch), branch)


def test_shift_mask_is_made_once() -> None:
    """Blocks of one shape share it, whatever the batch; made in inference, it serves training too."""
    shift_mask.cache_clear()
    tokens = torch.randn(2, 8, 8, 8)
    blocks = [SwinBlock(8, 2, 8, 4, shifted=True) for _ in range(2)]
    with torch.inference_mode():
        blocks[0](tokens)
    for block in blocks:
        block(tokens).sum().backward()
    assert shift_mask.cache_info().misses == 1 and shift_mask.cache_info().hits == 2
    for block in blocks:
        block(torch.randn(1, 8, 12, 8))
        block.double()(tokens.double())
    assert shift_mask.cache_info().misses == 3
    assert not any("mask" in name for name in blocks[0].state_dict())


def test_blocks_compile_whole() -> None:
    """Nothing that is kept between passes breaks the compiler's graph."""
    block, tokens = SwinBlock(8, 2, 8, 4, shifted=True), torch.randn(2, 8, 8, 8)
    compiled = torch.compile(block, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(tokens), block(tokens))
