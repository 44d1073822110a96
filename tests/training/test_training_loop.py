"""The loop: exact after an interruption, honest about its rate, and stopped by a loss that is not finite."""

import copy
import os
import signal
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import Method, Moment
from revisit.patches.batch import Batch
from revisit.record import read
from revisit.training.checkpoint import Checkpoint
from revisit.training.device import mixed_precision
from revisit.training.loop import Progress, Trainer
from revisit.training.memory import largest
from revisit.training.monitor import Spread
from revisit.training.optimiser import Course
from revisit.training.settings import Training, derived_seed

STEPS, EPOCH = 20, 6
SETTINGS = {"steps": STEPS, "batch_size": 4, "learning_rate": 0.5, "gradient_clip": 1.0, "monitor_every": 3}


def batches_from(first: int) -> Generator[Batch[Tensor], None, None]:
    for step in range(first, STEPS):
        generator = torch.Generator().manual_seed(derived_seed("images", 0, step))
        images = torch.randint(0, 256, (4, 2, 8, 8), dtype=torch.uint8, generator=generator)
        numbers, present = torch.arange(4), torch.ones(4, 1, dtype=torch.bool)
        place = torch.zeros(4, 4, dtype=torch.float64)
        sensors = ("sentinel-1",)
        yield Batch(images, numbers, numbers, present.long(), present, place, numbers, ("vv", "vh"), sensors)


def train(method: Method, folder: Path, seed: int = 0, **changes: Any) -> Progress:
    training = read(Training, {**SETTINGS, **changes}, "training")
    course = Course(STEPS, EPOCH, torch.device("cpu"))
    trainer = Trainer(method, training, seed, course, lambda: Spread(1.0, 2.0, 0.0, 1.0, 1.0, 1.0))
    with Checkpoint(folder, {"settings": "same"}, training.checkpoint_minutes) as checkpoint:
        return trainer.run(batches_from, checkpoint)


def hook(method: Method, also: Callable[[int], Any]) -> None:
    """Call ``also`` after each step, beside what the method does."""
    own = method.after_step

    def both(moment: Moment) -> None:
        own(moment)
        also(moment.step)

    method.after_step = both  # type: ignore[method-assign]


def same(method: Method, other: Method) -> bool:
    ours, theirs = method.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("at", [1, 7, 12, STEPS])
def test_interrupted_run_ends_with_the_same_bits(tiny: Method, tmp_path: Path, at: int) -> None:
    """Weights, moving average, optimiser, dropout, order and log all survive SIGTERM at any step."""
    fresh, whole = copy.deepcopy(tiny), copy.deepcopy(tiny)
    reference = train(whole, tmp_path / "whole")

    hook(tiny, lambda step: step == at and os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(RevisitError, match=f"after step {at} of {STEPS}"):
        train(tiny, tmp_path / "part")
    again: list[int] = []
    hook(fresh, again.append)
    progress = train(fresh, tmp_path / "part")
    assert again == list(range(at + 1, STEPS + 1))  # no step twice
    assert same(fresh, whole)
    assert progress.rows == reference.rows
    assert [row["step"] for row in progress.rows] == [3, 6, 9, 12, 15, 18, 20]


def test_seed_changes_the_result(tiny: Method, tmp_path: Path) -> None:
    other = copy.deepcopy(tiny)
    train(tiny, tmp_path / "0", seed=0)
    train(other, tmp_path / "1", seed=1)
    assert not same(tiny, other)


def test_views_differ_by_step_and_seed(tiny: Any, tmp_path: Path) -> None:
    """A generator seeded alike at every step would show the network one mask for ever."""
    noise: list[float] = []
    views = tiny.views

    def noting(batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        result = views(batch, generator)
        noise.append(float((result["noisy"] - result["clean"])[0, 0, 0, 0]))
        return result

    tiny.views = noting
    for seed in range(2):
        train(tiny, tmp_path / str(seed), seed)
    assert len(set(noise)) == 2 * STEPS


def test_logged_rate_is_the_one_used(tiny: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule that is logged but never reaches the optimiser leaves training in its warm-up."""
    used: list[float] = []
    update = torch.optim.AdamW.step

    def noting(self: torch.optim.AdamW, *arguments: Any) -> Any:
        used.append(self.param_groups[0]["lr"])
        return update(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", noting)
    rows = train(tiny, tmp_path, monitor_every=1).rows
    assert [row["learning_rate"] for row in rows] == used
    assert used[0] == pytest.approx(max(used) / 2)  # two warm-up steps
    assert max(used) == pytest.approx(0.5 * 4 / 256) and used[-1] < 0.02 * max(used)


def test_rows_hold_means_and_parts(tiny: Method, tmp_path: Path) -> None:
    """A row is the mean of the steps since the last one, not the last step alone."""
    single = train(copy.deepcopy(tiny), tmp_path / "1", monitor_every=1).rows
    triple = train(tiny, tmp_path / "3", monitor_every=3).rows
    for part in ("loss", "error", "size"):
        assert triple[0][part] == pytest.approx(sum(row[part] for row in single[:3]) / 3)
    assert [row["epoch"] for row in single[:7]] == [1] * 6 + [2]
    assert [*triple[0]][-7:] == ["learning_rate", *Spread._fields]


def test_loss_that_is_not_finite_stops_at_its_step(tiny: Any, tmp_path: Path) -> None:
    tiny.explode_at = 5
    with pytest.raises(RevisitError, match=r"not finite at step 6 of 20 \(loss nan, error nan, size nan\)"):
        train(tiny, tmp_path)


def test_hooks_are_called(tiny: Method, tmp_path: Path) -> None:
    """Momentum encoders and cluster estimates hang on these; each is told where training stands."""
    calls: list[tuple[str, int, int, int]] = []

    def hook_into(name: str) -> None:
        own = getattr(tiny, name)

        def noting(moment: Moment) -> None:
            own(moment)
            calls.append((name, moment.step, moment.steps, moment.epoch))
            assert moment.descents[0].rate > 0

        setattr(tiny, name, noting)

    for name in ("before_step", "after_backward", "after_step", "after_epoch"):
        hook_into(name)
    train(tiny, tmp_path)
    assert calls[:3] == [
        ("before_step", 0, 20, 0),
        ("after_backward", 0, 20, 0),
        ("after_step", 1, 20, 0),
    ]
    assert [call[1:] for call in calls if call[0] == "after_epoch"] == [
        (6, 20, 1),
        (12, 20, 2),
        (18, 20, 3),
    ]
    assert tiny.average != 0  # type: ignore[comparison-overlap]


def test_parts_may_come_and_go(tiny: Any, tmp_path: Path) -> None:
    """In a method with stages, a row is the mean over the steps that had the part."""
    losses, stage = tiny.loss, [0]

    def staged(views: dict[str, Tensor]) -> dict[str, Tensor]:
        stage[0] += 1
        return losses(views) | ({"odd": torch.full((), float(stage[0]))} if stage[0] % 2 else {})

    tiny.loss = staged
    rows = train(tiny, tmp_path, monitor_every=2).rows
    assert [row["odd"] for row in rows[:3]] == [1, 3, 5]


def test_accumulated_parts_give_the_step_of_the_whole(tiny: Any, tmp_path: Path) -> None:
    """A batch done in two halves moves the weights as the whole does, also where samples count unequally."""

    def weighed(views: dict[str, Tensor]) -> dict[str, Tensor]:
        found = tiny_now.leave[1](tiny_now.encoder.pooled(views["noisy"]))
        error = (found - views["clean"].mean((2, 3))).square().mean(1)
        return {"loss": (error * views["weight"]).sum() / views["weight"].sum()}

    ends = []
    for parts in (1, 2):
        tiny_now = copy.deepcopy(tiny)
        views = tiny_now.views
        tiny_now.views = lambda batch, generator, views=views: {
            **views(batch, generator),
            "weight": torch.tensor([1.0, 2.0, 5.0, 0.5]),
        }
        tiny_now.loss, tiny_now.shares = weighed, lambda views: views["weight"]
        progress = train(tiny_now, tmp_path / str(parts), accumulate=parts)
        ends.append((tiny_now.leave[1].weight.detach(), progress.rows[-1]["loss"]))
    torch.testing.assert_close(ends[0][0], ends[1][0], rtol=1e-3, atol=1e-5)
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-4)


def test_too_large_a_batch_is_told_with_what_fits(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the line says how many samples would fit, instead of a traceback of the allocator."""
    losses = tiny.loss
    made: list[weakref.ref[Tensor]] = []

    def greedy(views: dict[str, Tensor]) -> dict[str, Tensor]:
        # What a failed try had made must be free again, or every try after it fails too.
        assert not any(reference() is not None for reference in made)
        activations = views["clean"] * 2
        made.append(weakref.ref(activations))
        if len(activations) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        del activations
        return losses(views)

    tiny.loss = greedy
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a small one")
    with pytest.raises(RevisitError, match="batch_size 4 does not fit in the memory of a small one, about 3"):
        train(tiny, tmp_path)


@pytest.mark.parametrize("step", [2, 3])
def test_second_step_may_not_fit_either(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The optimiser's averages are there from the second step on; a later step needs nothing new."""
    losses, steps = tiny.loss, [0]

    def greedy(views: dict[str, Tensor]) -> dict[str, Tensor]:
        steps[0] += 1
        if steps[0] >= step and len(views["clean"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return losses(views)

    tiny.loss = greedy
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a small one")
    expected = RevisitError if step == 2 else torch.OutOfMemoryError
    with pytest.raises(expected):
        train(tiny, tmp_path)


def test_one_sample_is_too_few_for_a_batch_norm() -> None:
    """On the way to what fits a single sample may be tried, of which a batch norm has no statistics."""
    norm = torch.nn.BatchNorm1d(3)

    def tries(count: int) -> None:
        norm(torch.zeros(count, 3))
        if count > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert largest(tries, 8) == 0


@pytest.mark.parametrize(("emulated_only", "mixed"), [(True, False), (False, True)])
def test_bfloat16_is_for_gpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch, emulated_only: bool, mixed: bool
) -> None:
    """Older ones only emulate it, slower than float32."""
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or not emulated_only,
    )
    monkeypatch.setattr(torch, "autocast", lambda device, dtype, enabled: enabled)
    assert mixed_precision(torch.device("cuda")) == mixed


def test_views_are_laid_out_by_the_network_alone(tiny: Any, tmp_path: Path) -> None:
    """Not every view of four dimensions is an image, nor every image of four dimensions."""
    losses = tiny.loss

    def noting(views: dict[str, Tensor]) -> dict[str, Tensor]:
        assert all(values.is_contiguous() for values in views.values())
        return losses(views)

    tiny.loss = noting
    train(tiny, tmp_path, channels_last=True)
