"""Guards the figures: drawn from what the stages write, the same at every run, or refused in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revisit.errors import RevisitError
from revisit.report.figures import curves, fractions, maps, masking, reconstructions, style
from revisit.report.figures import shifts as shifts_figure
from revisit.report.figures import similarities as similarity_figure


def drawn_twice(main: Callable[[list[str]], int], arguments: list[object], folder: Path) -> Image.Image:
    """Run the stage twice, check that the bytes are the same, and open the picture."""
    outs = [folder / "first/figure.png", folder / "second/figure.png"]
    for out in outs:
        assert main([*map(str, arguments), "--out", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    image = Image.open(outs[0]).convert("RGB")
    colours = image.getcolors(2**24)
    assert colours is not None and len(colours) > 30, "the picture is empty"
    return image


def has(image: Image.Image, colour: str) -> bool:
    wanted = np.array(list(bytes.fromhex(colour.removeprefix("#"))))
    return bool((np.abs(np.asarray(image).astype(int) - wanted).sum(-1) < 6).any())


def test_curves(logs: list[Path], tmp_path: Path) -> None:
    """Curves of all encoders but one that took no step (scratch); a log of another layout is refused."""
    drawn_twice(curves.main, ["--logs", *logs], tmp_path)
    with pytest.raises(RevisitError, match="no step"):
        curves.draw(logs[:1], tmp_path / "none.png")
    logs[1].write_text("step,learning_rate\n1,0.1\n")
    with pytest.raises(RevisitError, match=r"log\.csv: column 'loss' is missing"):
        curves.draw(logs, tmp_path / "none.png")


@pytest.mark.parametrize(
    ("bands", "years"),
    [
        (("vv", "vh", "blue", "green", "red", "nir"), ()),
        (("vv", "vh"), range(2015, 2023)),
        (("red", "green", "blue"), range(2017, 2023)),
        (("nir", "swir16"), ()),
    ],
)
def test_reconstructions(reconstruction: Callable[..., Path], bands, years, tmp_path: Path) -> None:
    """Single dates and series, of either sensor, are drawn; grey is what the encoder did not see."""
    drawn_twice(reconstructions.main, ["--arrays", reconstruction(bands, years)], tmp_path)


def test_reconstruction_that_does_not_fit(reconstruction: Callable[..., Path], tmp_path: Path) -> None:
    path = reconstruction(("vv", "vh"))
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "masked": arrays["masked"][:, :1]})
    with pytest.raises(RevisitError, match="masked has the shape"):
        reconstructions.draw(path, tmp_path / "none.png")


def test_similarity(similarity: Path, tmp_path: Path) -> None:
    drawn_twice(similarity_figure.main, ["--matrices", similarity], tmp_path)


def test_maps(predictions: list[Path], tmp_path: Path) -> None:
    """All four classes appear in their colours, whatever the order of the files; other places are refused."""
    image = drawn_twice(maps.main, ["--predictions", *predictions], tmp_path)
    assert all(has(image, colour) for colour in style.LAND_COVER.values())
    maps.draw(predictions[::-1], tmp_path / "reversed.png")
    assert (tmp_path / "reversed.png").read_bytes() == (tmp_path / "first/figure.png").read_bytes()
    with np.load(predictions[0]) as archive:
        np.savez(predictions[0], **{**archive, "label": archive["label"][::-1]})
    with pytest.raises(RevisitError, match="label differ"):
        maps.draw(predictions, tmp_path / "none.png")


@pytest.mark.parametrize("experiment", ["masking", "land-cover"])
def test_fractions(all_csv: Path, experiment: str, tmp_path: Path) -> None:
    drawn_twice(fractions.main, ["--all", all_csv, "--experiment", experiment], tmp_path)


def test_fractions_of_no_experiment(all_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(RevisitError, match="experiment 'none'"):
        fractions.draw(all_csv, "none", tmp_path / "none.png")


def test_masking(all_csv: Path, tmp_path: Path) -> None:
    drawn_twice(masking.main, ["--all", all_csv], tmp_path)


def test_shifts(shifts: list[Path], tmp_path: Path) -> None:
    drawn_twice(shifts_figure.main, ["--shifts", *shifts], tmp_path)


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--arrays", str(tmp_path / "none.npz"), "--out", str(tmp_path / "none.png")]
    assert reconstructions.main(arguments) == 1
    assert "none.npz: no such file" in capsys.readouterr().err
