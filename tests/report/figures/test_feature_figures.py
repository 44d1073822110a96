"""Guards the figures of features and of generated images: numbers by hand, colours, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revisit import parts
from revisit.errors import RevisitError
from revisit.report.drawing import figures
from revisit.report.facts import Facts
from revisit.report.figures.feature_map import Scenes, by_chance, found_again, plane
from revisit.report.figures.generated import agreement

NAMES, COLOURS = ("Water", "Trees", "Snow"), ("#0064c8", "#006400", "#ff00ff")


def run(method: str, protocol: str, stage: str) -> dict[str, Any]:
    own = {"experiment": "scenes", "task": "single-label", "recipe": method, "pretrained": True}
    return own | {
        "method": method,
        "title": method.title(),
        "modality": "s1",
        "protocol": protocol,
        "stage": stage,
    }


@pytest.fixture
def facts() -> Facts:
    """Two methods, each with two probes, of which one was fine-tuned too."""
    runs = [
        run(method, protocol, stage)
        for method in ("alone", "aided")
        for protocol, stage in (("fine-tune", "evaluate"), ("linear", "probe"), ("knn", "probe"))
    ]
    experiment = {"task": "single-label", "headline": "accuracy", "label_fractions": [1.0]}
    return Facts.model_validate({"runs": runs, "experiments": {"scenes": experiment}})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Features and predictions of two encoders: sixty scenes, of which forty are tested, in two classes."""
    random = np.random.default_rng(0)
    paths = []
    samples = np.arange(60)[::-1][:40]
    classes = samples % 2
    for method, apart in (("alone", 0.1), ("aided", 4.0)):
        features = random.normal(0, 1, (60, 6))
        features[samples, 0] += apart * (2 * classes - 1)
        paths += [tmp_path / f"{method}.npz", tmp_path / f"{method}-scores.npz"]
        np.savez(paths[-2], features=features.astype(np.float32), position=np.arange(60, dtype=np.int32) // 2)
        target = np.eye(3, dtype=np.uint8)[classes]
        np.savez(paths[-1], target=target, sample=samples, classes=np.array(NAMES), colours=np.array(COLOURS))
    return paths


def drawn(name: str, paths: list[Path], facts: Facts, folder: Path) -> np.ndarray:
    """The picture, which is the same when drawn again."""
    outs = [folder / "first.png", folder / "second.png"]
    for out in outs:
        parts.find("figure", name).draw(paths, facts, out)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    return np.asarray(Image.open(outs[0]).convert("RGB")).astype(int)


def has(picture: np.ndarray, colour: str) -> bool:
    return bool((np.abs(picture - list(bytes.fromhex(colour[1:]))).sum(-1) < 6).any())


def test_plane_of_each_encoder_in_the_colours_of_the_legend(
    files: list[Path], facts: Facts, texts: list[str], tmp_path: Path
) -> None:
    """A panel a method, once for all its probes; classes that no scene has are not in the legend."""
    picture = drawn("feature-map", files, facts, tmp_path)
    assert has(picture, COLOURS[0]) and has(picture, COLOURS[1]) and not has(picture, COLOURS[2])
    assert {"Alone", "Aided", *NAMES[:2]} <= set(texts) and NAMES[2] not in texts
    same = [float(text.split()[5]) for text in texts if text.startswith("nearest")][:2]
    assert same[0] < 75 and same[1] > 95 and "by chance 50.0 %" in " ".join(texts)


def test_a_place_without_an_encoder_stays_white(files: list[Path], facts: Facts, tmp_path: Path) -> None:
    """Of five encoders in two rows: an empty frame would stand in the last place."""
    methods = [f"method{number}" for number in range(5)]
    five = [run(method, "linear", "probe") for method in methods]
    many = Facts.model_validate({"runs": five, "experiments": facts.model_dump()["experiments"]})
    picture = drawn("feature-map", 5 * files[:2], many, tmp_path)
    height, width = picture.shape[:2]
    last, before = (
        picture[height // 2 : height * 4 // 5, left * width // 3 : (left + 1) * width // 3] for left in (2, 1)
    )
    assert (last == 255).all() and not (before == 255).all()


def test_which_studies_have_it(facts: Facts) -> None:
    """Single-label scenes with frozen features; multi-label ones have no one colour each."""
    assert [one["path"] for one in figures(facts)].count("feature-map/scenes") == 1
    other = facts.model_copy(
        update={
            "experiments": {"scenes": facts.experiments["scenes"].model_copy(update={"task": "multi-label"})}
        }
    )
    tuned = facts.model_copy(update={"runs": [one for one in facts.runs if one.stage == "evaluate"]})
    for without in (other, tuned):
        assert "feature-map/scenes" not in [one["path"] for one in figures(without)]


def test_nearest_scene_by_hand() -> None:
    """Scenes of one place see one another, which tells nothing; the nearest of another place counts."""
    angles = np.radians([0, 1, 10, 30, 40, 90])
    features = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    scenes = Scenes(
        features, np.array([0, 0, 1, 0, 1, 1]), np.array([5, 5, 6, 7, 8, 9]), ["a"] * 2, ["b"] * 2
    )
    # 0 and 1 are nearest to 10 (class 1), 10 to 1 (0), 30 to 40 (1), 40 to 30 (0), 90 to 40 (1).
    assert found_again(scenes) == pytest.approx(1 / 6)
    assert by_chance(scenes) == pytest.approx(0.5)


def test_plane_keeps_groups_apart_and_takes_features_that_are_all_alike() -> None:
    """A collapsed encoder has a picture too."""
    groups = np.repeat(np.eye(4, 8, dtype=np.float32), 15, 0)
    noise = np.random.default_rng(0).normal(0, 0.02, groups.shape).astype(np.float32)
    found = plane(groups + noise)
    centres = found.reshape(4, 15, 2).mean(1)
    nearest = np.linalg.norm(found[:, None] - centres, axis=2).argmin(1)
    assert (nearest == np.repeat(np.arange(4), 15)).all()
    assert np.isfinite(plane(np.ones((12, 8), np.float32))).all()


def test_features_that_do_not_belong_are_refused(files: list[Path], facts: Facts, tmp_path: Path) -> None:
    figure = parts.find("figure", "feature-map")
    with pytest.raises(RevisitError, match="2 files for 2 encoders"):
        figure.draw(files[:2], facts, tmp_path / "none.png")
    np.savez(files[0], features=np.zeros((10, 6)), position=np.zeros(10))
    with pytest.raises(RevisitError, match=r"alone-scores\.npz: is not of the collection of"):
        figure.draw(files, facts, tmp_path / "none.png")


def generator(tmp_path: Path, bands: tuple[str, ...]) -> Path:
    random = np.random.default_rng(0)
    images = random.normal(0, 1, (3, len(bands), 16, 16)).astype(np.float32)
    masked, made = images.copy(), images.copy()
    radar = [number for number, band in enumerate(bands) if band in ("vv", "vh")]
    masked[:, radar], made[:, radar] = 0, 0.5 * images[:, radar]
    path = tmp_path / "reconstruction.npz"
    np.savez(path, bands=np.array(bands), input=images, masked=masked, reconstruction=made)
    return path


@pytest.mark.parametrize(
    ("bands", "top"),
    [(("vv", "vh", "blue", "green", "red"), "optical"), (("swir16", "nir", "vv"), "nir")],
)
def test_generated_beside_true(bands: tuple[str, ...], top: str, texts: list[str], tmp_path: Path) -> None:
    drawn("generated", [generator(tmp_path, bands)], Facts(), tmp_path)
    radar = [band.upper() for band in bands if band in ("vv", "vh")]
    for band in radar:
        assert f"{band}, true" in texts and f"{band}, generated" in texts
        assert (
            f"{band}: 75.0 % of the variance explained. Within places, correlation 1.00, 25.0 %"
            in " ".join(texts)
        )
    assert top in texts and "GREEN, true" not in texts


def test_agreement_by_hand() -> None:
    """A wrong level counts against the variance explained alone; a flat image varies not at all."""
    true = np.random.default_rng(1).normal(0, 1, (4, 8, 8))
    other = 0.3 * true + np.random.default_rng(2).normal(0, 1, (4, 8, 8)) + 2
    found = agreement(true, other)
    one, two = (images - images.mean((1, 2))[:, None, None] for images in (true, other))
    assert found.correlation == pytest.approx(np.corrcoef(one.ravel(), two.ravel())[0, 1])
    assert found.variation == pytest.approx(two.var() / one.var())
    assert found.explained == pytest.approx(1 - ((other - true) ** 2).mean() / (true**2).mean())
    flat = agreement(true, np.full_like(true, 1.0))
    assert [flat.correlation, flat.variation] == pytest.approx([0, 0], abs=1e-9) and flat.explained < 0


def test_a_generator_has_no_reconstruction_figure(tmp_path: Path) -> None:
    """Its bands are hidden wholly: nothing was shown of them that a model could go on from."""
    encoder = {
        "entry": "g", "title": "G", "collection": "pairs", "kind": "pairs", "modality": "s1+s2", "seed": 0,
        "reconstructs": True, "baseline": False,
    }  # fmt: skip
    for generates, wanted in ((True, "generated"), (False, "reconstructions")):
        facts = Facts.model_validate({"encoders": [encoder | {"generates": generates}]})
        assert [one["figure"] for one in figures(facts)] == ["curves", wanted, "shifts"]
