"""UniFeat and CoRe, the two steps of SSCL, against their equations and on images that can be solved."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import Method, Moment
from revisit.methods.parts.degradation import Degradation
from revisit.nets.load_save import build_encoder
from revisit.patches.batch import MISSING, Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

NET = {"name": "channel-unet", "channel_width": 6, "width": 8}
UNIFEAT: dict[str, Any] = {"name": "unifeat", "encoder": NET, "dim": 8, "pixels": 32, "temperature": 0.3}
CORE: dict[str, Any] = {"name": "core", "encoder": NET}
BANDS = ("vv", "vh", "blue", "green", "red")
AsBatch = Callable[[Tensor], Batch[Tensor]]
Build = Callable[..., Any]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(samples: int = 6, seed: int = 3) -> Tensor:
    """Noise below what stands for no data, so that every pixel holds some."""
    return torch.randint(0, MISSING, (samples, 5, 16, 16), dtype=torch.uint8, generator=generator(seed))


def train(own: Method, draw: Callable[[int], Batch[Tensor]], steps: int, rate: float) -> list[float]:
    """Losses of so many steps, each on a batch of its own."""
    training = Training(steps=steps, batch_size=256, learning_rate=rate, warmup_fraction=0.1)
    (descent,) = own.optimisers(training, Course(steps, steps, torch.device("cpu")))
    views, losses = generator(), []
    own.train()
    for step in range(steps):
        descent.set(step)
        loss = own.loss(own.views(draw(step), views))["loss"]
        descent.optimiser.zero_grad()
        loss.backward()
        descent.optimiser.step()
        own.after_step(Moment(step + 1, steps, steps, None, [descent]))
        losses.append(loss.item())
    return losses


def contrast(first: NDArray[Any], second: NDArray[Any], temperature: float) -> float:
    """-log of what each feature's partner has of all others' exp(cosine / T), mean of both views."""
    rows = np.concatenate([first, second])
    powers = np.exp(rows @ rows.T / temperature)
    np.fill_diagonal(powers, 0)
    partner = np.roll(np.arange(len(rows)), len(first))
    return float(-np.log(powers[np.arange(len(rows)), partner] / powers.sum(1)).mean())


def test_unifeat_by_hand(build: Build, as_batch: AsBatch) -> None:
    """The pixel of the other channel is found among all pixels of both channels of all images."""
    own = build(UNIFEAT).eval()
    views = own.views(as_batch(images()), generator())
    both = []
    for channel in range(2):
        maps = own.encoder.extractor(views["channels"][:, channel, None])
        rows = [maps[sample].flatten(1).T[views["pixels"][sample]] for sample in range(6)]
        found = own.projector(torch.cat(rows)).detach().numpy()
        both.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    assert both[0].shape == (6 * 32, 8)
    assert own.loss(views)["loss"].item() == pytest.approx(contrast(*both, 0.3), rel=1e-4)


def test_unifeat_of_pairs_made_by_hand(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pixels at right angles, alike in both channels: e^(1/T) against two others of e^0."""
    own = build(UNIFEAT)
    pixels = torch.eye(2)[None, None].expand(1, 2, 2, 2)
    monkeypatch.setattr(own, "features", lambda views: pixels)
    assert own.loss({})["loss"].item() == pytest.approx(np.log(1 + 2 * np.exp(-1 / 0.3)))
    # The channels of an image exchanged are the same pairs; the pixels of one exchanged are wrong ones.
    monkeypatch.setattr(own, "features", lambda views: torch.stack([pixels[:, 0], pixels[:, 1].flip(1)], 1))
    assert own.loss({})["loss"].item() == pytest.approx(np.log(2 + np.exp(1 / 0.3)))


def test_unifeat_compares_one_pixel_of_two_channels(build: Build, as_batch: AsBatch) -> None:
    """Whatever is cut and flipped, both channels have the same part; which two they are changes."""
    where = 1 + torch.arange(16 * 16).view(1, 1, 16, 16) % 50
    stored = (where + 50 * torch.arange(5).view(1, 5, 1, 1)).expand(8, 5, 16, 16).to(torch.uint8)
    own, seen = build({**UNIFEAT, "crop_pixels": 16}), set()
    for seed in range(12):
        views = own.views(as_batch(stored), generator(seed))
        values = (views["channels"] / 3 + 1) * 255 / 2  # of the 8 bit again
        codes = values.round().long() - 1
        assert torch.equal(codes[:, 0] % 50, codes[:, 1] % 50)
        seen |= {tuple(pair) for pair in (codes // 50)[:, :, 0, 0].tolist()}
        assert all(len(set(row)) == 32 for row in views["pixels"].tolist())
    assert seen == {(one, other) for one in range(5) for other in range(one + 1, 5)}


def test_unifeat_looks_at_pixels_with_data(build: Build, as_batch: AsBatch) -> None:
    """A sensor that saw nothing has one value in all of its bands there, of which nothing could be learnt."""
    stored = images()
    stored[:, :2, :, 4:] = MISSING  # the radar saw a quarter
    stored[:, 2:, :8] = MISSING
    for seed in range(5):
        views = build(UNIFEAT).views(as_batch(stored), generator(seed))
        for channels, pixels in zip(views["channels"].flatten(2), views["pixels"], strict=True):
            there = (((channels / 3 + 1) * 255 / 2).round() != MISSING).all(0)
            assert there.sum() >= 32 and there[pixels].all()


def test_unifeat_trains_the_extractor_alone(build: Build, as_batch: AsBatch) -> None:
    own = build(UNIFEAT)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    train(own, lambda step: as_batch(images(seed=step)), steps=2, rate=0.1)
    changed = {
        name.split(".")[0] if name.startswith("projector") else ".".join(name.split(".")[:2])
        for name, value in own.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"encoder.extractor", "projector"}


def field(samples: int, seed: int) -> Tensor:
    """Noise that has two faces: each band shows it, every other one with black and white exchanged."""
    noise = torch.randint(1, 255, (samples, 1, 16, 16), dtype=torch.uint8, generator=generator(seed))
    return torch.cat([noise if band % 2 else 255 - noise for band in range(5)], 1)


def test_unifeat_finds_a_pixel_in_a_channel_that_looks_otherwise(build: Build, as_batch: AsBatch) -> None:
    """Solved on images it has not seen: what is dark in one channel is bright in the other."""
    own = build(UNIFEAT)
    losses = train(own, lambda step: as_batch(field(4, step)), steps=80, rate=0.02)
    assert losses[0] > 0.9 * np.log(255) and np.mean(losses[-5:]) < 0.75 * np.log(255)
    own.eval()
    first, second = own.features(own.views(as_batch(field(4, 999)), generator(7))).unbind(1)
    found = [(one @ other.T).argmax(1) == torch.arange(32) for one, other in zip(first, second, strict=True)]
    assert torch.stack(found).float().mean() > 0.5


@pytest.mark.parametrize(
    ("entry", "bands", "message"),
    [
        ({**UNIFEAT, "encoder": {"name": "resnet", "depth": 18}}, BANDS, "use the encoder channel-unet"),
        (UNIFEAT, ("vv",), "unifeat: compares two channels, vv is one"),
        ({**UNIFEAT, "pixels": 257}, BANDS, "pixels is 257, an image has 256; lower it"),
        ({**UNIFEAT, "temperature": 0}, BANDS, r"method\.temperature"),
        ({**CORE, "encoder": {"name": "resnet", "depth": 18, "stem": "small"}}, BANDS, "restores single pix"),
        ({**CORE, "degradation": {"boxes": [3, 1]}}, BANDS, r"boxes \[3, 1\] must be two numbers"),
        ({**CORE, "degradation": {"band_drop": [0.5, 1.5]}}, BANDS, r"band_drop .* from 0 to 1"),
        ({**CORE, "degradation": {"blur_sigma": [0, 1]}}, BANDS, "must be two lengths"),
    ],
)
def test_faults_are_named(build: Build, entry: dict[str, Any], bands: tuple[str, ...], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        build(entry, bands=bands)


def test_degradation_drops_bands_and_cuts_squares() -> None:
    """As many bands and squares, as large, as said; the rest is as it was where nothing is blurred."""
    clean = torch.randn(200, 10, 32, 32, generator=generator())
    settings = Degradation(band_drop=(0.3, 0.5), boxes=(1, 1), box_area=(0.1, 0.25), blur=0)
    shown, hidden = settings.degrade(clean, generator(1))
    assert torch.equal(shown, clean * ~hidden)
    whole = hidden.flatten(2).all(2)  # bands that are hidden altogether
    assert {int(count) for count in whole.sum(1)} == {3, 4, 5}
    for one, bands in zip(hidden, whole, strict=True):
        rest = one[~bands]
        assert (rest == rest[0]).all()  # a square of all bands
        rows, columns = (rest[0].any(axis).sum().item() for axis in (1, 0))
        assert rows == columns and rest[0].sum() == rows * columns and 0.09 < (rows / 32) ** 2 < 0.26
    covered = Degradation(band_drop=(0, 0), boxes=(3, 3), box_area=(0.1, 0.1), blur=0)
    shares = covered.degrade(clean, generator(2))[1].float().mean((1, 2, 3))
    assert shares.max() > 0.25 and shares.max() <= 0.31 and shares.min() > 0.09
    untouched = Degradation(band_drop=(0, 0), boxes=(0, 0), blur=0)
    assert torch.equal(untouched.degrade(clean, generator())[0], clean)


def test_blur_carries_nothing_from_what_is_hidden_or_into_it() -> None:
    clean = torch.randn(4, 3, 16, 16, generator=generator())
    settings = Degradation(blur=1, band_drop=(0.5, 0.5))
    shown, hidden = settings.degrade(clean, generator(1))
    assert (shown[hidden] == 0).all() and not torch.isclose(shown, clean)[~hidden].any()


def test_one_band_always_stays() -> None:
    settings = Degradation(band_drop=(1, 1), boxes=(0, 0))
    hidden = settings.degrade(torch.randn(20, 4, 16, 16), generator())[1]
    assert (hidden.flatten(2).all(2).sum(1) == 3).all()


def test_core_by_hand(build: Build, as_batch: AsBatch) -> None:
    """The mean absolute error of all values with data, whether they were shown or not."""
    own = build(CORE).eval()
    stored = images()
    stored[0, 2:, :8] = MISSING
    views = own.views(as_batch(stored), generator())
    restored = own.restore(own.encoder.pyramid(views["shown"])[0]).detach().numpy()
    image, data = views["image"].numpy(), views["data"].numpy()
    errors = np.abs(restored - image)[data]
    assert errors.size == 6 * 5 * 256 - 3 * 8 * 16
    assert own.loss(views)["loss"].item() == pytest.approx(errors.mean(), rel=1e-5)
    shares = own.shares(views)
    parts = [own.loss({name: values[[n]] for name, values in views.items()})["loss"] for n in range(6)]
    whole = sum(part * share / shares.sum() for part, share in zip(parts, shares, strict=True))
    assert whole.item() == pytest.approx(errors.mean(), rel=1e-5)


def test_core_restores_the_spectrum_of_a_batch(build: Build, as_batch: AsBatch) -> None:
    """Overfitted: what a band shows where it was dropped is told from the others."""
    stored = field(2, seed=1)
    own = build({**CORE, "degradation": {"boxes": [0, 0], "blur": 0}})
    losses = train(own, lambda step: as_batch(stored), steps=60, rate=0.03)
    assert np.mean(losses[-5:]) < 0.4 * losses[0]
    own.eval()
    image = own.standardised(stored)
    shown = image.clone()
    shown[:, 1:3] = 0
    error = (own.restored(shown) - image)[:, 1:3].abs().mean()
    assert error < 0.4 * image[:, 1:3].abs().mean()


def test_core_goes_on_from_its_parent(build: Build) -> None:
    """From UniFeat's encoder, all of it; one of another shape or of other bands is refused."""
    parent = build(UNIFEAT).encoder
    with torch.no_grad():
        for values in parent.parameters():
            values.add_(1)
    own = build(CORE)
    own.start_from([parent])
    for name, values in parent.state_dict().items():
        assert torch.equal(own.encoder.state_dict()[name], values)
    other = build_encoder({**NET, "width": 4, "bands": list(BANDS), "image_pixels": 16})
    with pytest.raises(RevisitError, match=r"core: its encoder is .*'width': 8.*that of its parent"):
        own.start_from([other])


def test_core_shows_what_it_restores(build: Build) -> None:
    """In what is hidden its own, elsewhere the image."""
    own, stored = build(CORE).eval(), images()
    found = own.reconstruct(stored, generator())
    hidden = found["masked"] == 0
    assert 0.3 < hidden.float().mean() < 0.9
    assert torch.equal(found["reconstruction"][~hidden], found["input"][~hidden])
    expected = own.restored(found["masked"])
    torch.testing.assert_close(found["reconstruction"][hidden], expected[hidden])
