"""Guards the figures: drawn from what the stages write, the same at every run, or refused in one line."""

import csv
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from revisit import parts
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.job import Job
from revisit.report import words
from revisit.report.drawing import figures
from revisit.report.facts import Facts
from revisit.report.figures import reconstructions, style
from revisit.stage import run_file


def draw(name: str, sources: Sequence[Path], facts: Facts, out: Path) -> None:
    parts.find("figure", name).draw(sources, facts, out)


def drawn_twice(name: str, sources: Sequence[Path], facts: Facts, folder: Path) -> Image.Image:
    """Draw twice, check that the bytes are the same, and open the picture."""
    outs = [folder / "first/figure.png", folder / "second/figure.png"]
    for out in outs:
        draw(name, sources, facts, out)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    image = Image.open(outs[0]).convert("RGB")
    colours = image.getcolors(2**24)
    assert colours is not None and len(colours) > 30, "the picture is empty"
    return image


def titled(figure: Figure) -> dict[str, Axes]:
    """The panels that have a title, in order."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def columns(path: Path, *names: str, where: dict[str, str] | None = None) -> np.ndarray:
    """Numbers of a CSV file, a row of the result a row of the file: those that are ``where``."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (where or {}).items() <= row.items()]
    return np.array([[float(row[name]) for name in names] for row in rows if all(map(row.get, names))])


def has(image: Image.Image, colour: str) -> bool:
    wanted = np.array(list(bytes.fromhex(colour.removeprefix("#"))))
    return bool((np.abs(np.asarray(image).astype(int) - wanted).sum(-1) < 6).any())


def test_which_figures_a_study_has(facts: Facts) -> None:
    """Each figure applies by what the facts declare: a baseline restores nothing."""
    assert [one["path"] for one in figures(facts)] == [
        "curves",
        "dots/masking",
        "fractions/masking",
        "gain-curves/masking",
        "gain-curves/land-cover",
        "maps/land-cover",
        *(f"reconstructions/pairs/3dmae-{name}/s1+s2/seed0" for name in ("rm", "rc", "rm+rc", "3dm")),
        "reconstructions/pairs/3dmae-3dm/s1+s2/seed1",
        "reconstructions/yearly/stmim/s1/seed0",
        "reconstructions/yearly/stmim/rgb/seed0",
        "shifts",
        "similarities/yearly/stmim/s1/seed0",
        "similarities/yearly/stmim/rgb/seed0",
    ]


def test_planning_draws_nothing(facts: Facts) -> None:
    """The plan asks which figures apply without matplotlib, pandas or torch: every job would pay."""
    code = (
        "import sys; from revisit.report.drawing import figures; from revisit.report.facts import Facts; "
        "assert figures(Facts.model_validate_json(sys.stdin.read())); import revisit.report.table; "
        "print({'matplotlib', 'pandas', 'torch', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=facts.model_dump_json(), capture_output=True, text=True
    )
    assert run.stdout.strip() == "set()", run.stdout + run.stderr


def test_curves(logs: list[Path], facts: Facts, saved: list[Figure], tmp_path: Path) -> None:
    """A line a seed and a part of the loss, of all that train; other logs, or other columns, are refused."""
    trained = [path for path in logs if path.parts[-4] != "scratch"]
    drawn_twice("curves", trained, facts, tmp_path)
    losses, ranks = titled(saved[0]), [axes for axes in saved[0].axes if not axes.get_title()]
    assert {title: len(axes.lines) for title, axes in losses.items()} == {
        "3DMAE-RM, S1+S2": 1,
        "3DMAE-RC, S1+S2": 1,
        "3DMAE-RM+RC, S1+S2": 1,
        "3DMAE-3DM, S1+S2": 2,
        "STMIM, S1": 3,
        "STMIM, RGB": 3,
    }
    for seed, line in enumerate(losses["3DMAE-3DM, S1+S2"].lines):
        assert np.allclose(line.get_xydata(), columns(trained[3 + seed], "step", "loss"))
    parts_shown = [text.get_text() for text in losses["STMIM, S1"].get_legend().get_texts()]
    assert parts_shown == ["loss", "reconstruction", "similarity"]
    assert np.allclose(ranks[0].lines[0].get_xydata(), columns(trained[0], "step", "effective_rank"))
    with pytest.raises(RevisitError, match="8 logs for 7 encoders"):
        draw("curves", logs, facts, tmp_path / "none.png")
    trained[1].write_text("step,learning_rate\n1,0.1\n")
    with pytest.raises(RevisitError, match=r"log\.csv: column 'loss' is missing"):
        draw("curves", trained, facts, tmp_path / "none.png")


@pytest.mark.parametrize(
    ("bands", "years", "views"),
    [
        (("vv", "vh", "blue", "green", "red", "nir"), (), {"red, green, blue": [4, 3, 2], "VV": [0]}),
        (("vv", "vh"), range(2015, 2023), {"VV": [0]}),
        (("red", "green", "blue"), range(2017, 2023), {"red, green, blue": [0, 1, 2]}),
        (("nir", "swir16"), (), {"nir": [0]}),
    ],
)
def test_reconstructions(
    reconstruction: Callable[..., Path],
    bands,
    years,
    views,
    saved: list[Figure],
    texts: list[str],
    tmp_path: Path,
) -> None:
    """A view a sensor, of single dates or of all years; errors are those of what the encoder did not see."""
    path = reconstruction(bands, years)
    drawn_twice("reconstructions", [path], Facts(), tmp_path)
    assert {*views, *map(str, years), "input", "shown", "restored", "error"} <= {*texts}
    drawn = [image.get_array() for axes in saved[0].axes for image in axes.images]
    errors = [array for array in drawn if array is not None and array.ndim == 2]
    shown = len(drawn) // 4 // (len(years) or len(views))  # places
    assert shown > 1 and len(errors) == shown * (len(years) or len(views))
    with np.load(path) as archive:
        truth, hidden = archive["input"], (archive["masked"] == 0) & archive["data"]
    for number, own in enumerate(views.values()):
        first = (0, 0, own) if years else (0, own)
        found = errors[number * shown]
        assert np.array_equal(found.mask, ~hidden[first].any(0))
        assert np.allclose(found.compressed(), 0.1 * np.abs(truth[first]).mean(0)[~found.mask], atol=1e-6)


def test_reconstruction_that_does_not_fit(reconstruction: Callable[..., Path], tmp_path: Path) -> None:
    path = reconstruction(("vv", "vh"))
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "masked": arrays["masked"][:, :1]})
    with pytest.raises(RevisitError, match="masked has the shape"):
        draw("reconstructions", [path], Facts(), tmp_path / "none.png")


def test_reconstruction_marks_what_was_hidden(reconstruction: Callable[..., Path], tmp_path: Path) -> None:
    """A model was shown nothing there: no colour of imagery may stand in."""
    image = drawn_twice("reconstructions", [reconstruction(("red", "green", "blue"))], Facts(), tmp_path)
    assert has(image, style.OUTLINE)
    hidden = np.array(list(bytes.fromhex(style.HIDDEN[1:])))
    share = (np.asarray(image) == hidden).all(-1).mean()
    assert share > 0.05, "only the legend has the colour of what was hidden"


def test_reconstruction_greys_out_what_holds_no_data(
    reconstruction: Callable[..., Path], texts: list[str], tmp_path: Path
) -> None:
    """What stands in a store where nothing was seen is a bright colour, and no error is one of it."""
    image = drawn_twice("reconstructions", [reconstruction(("red", "green", "blue"))], Facts(), tmp_path)
    grey = np.array(list(bytes.fromhex(style.NO_DATA[1:])))
    assert (np.asarray(image) == grey).all(-1).sum() > 300 and "no data" in texts


def test_bands_that_are_hidden_one_by_one_are_not_mixed(reconstruction: Callable[..., Path]) -> None:
    """A pixel with one band of three would have a colour that nothing has: one band is shown, in grey."""
    bands = ("vv", "vh", "blue", "green", "red", "nir")
    with np.load(reconstruction(bands)) as archive:
        truth, masked, restoration = (archive[name] for name in reconstructions.PARTS)
    together = reconstructions.Restoration(truth, restoration, masked < np.inf, masked == 0)
    assert [view.title for view in reconstructions._views(together, bands)] == ["red, green, blue", "VV"]
    apart = together.hidden.copy()
    apart[0, bands.index("red"), 0, 0] ^= True
    views = reconstructions._views(together._replace(hidden=apart), bands)
    assert [(view.title, view.bands) for view in views] == [("nir", [5] * 3), ("VV", [0] * 3)]


def test_similarity(similarity: Path, saved: list[Figure], tmp_path: Path) -> None:
    """Each place's matrix under its name, on one scale; then that of the places among themselves."""
    drawn_twice("similarities", [similarity], Facts(), tmp_path)
    *places, between = (axes.images[0] for axes in saved[0].axes if axes.images)
    assert [*titled(saved[0])] == [*(f"#{n + 1}: plain, place {3 * n}" for n in range(4)), "different places"]
    content = read_json(similarity)
    for place, image in zip(content["places"], places, strict=True):
        assert np.array_equal(image.get_array(), place["matrix"])
        assert [label.get_text() for label in image.axes.get_xticklabels()] == [*map(str, place["years"])]
    assert all(image.get_clim() == pytest.approx((1 - 0.008 * 7, 1)) for image in places)
    assert np.array_equal(between.get_array(), content["between_places"])


def test_maps(predictions: list[Path], facts: Facts, tmp_path: Path) -> None:
    """All four classes appear in their colours; other places are refused, and files of other runs."""
    of = facts.of_experiment("land-cover")
    image = drawn_twice("maps", predictions, of, tmp_path)
    assert all(has(image, colour) for colour in ("#e8262a", "#f096ff", "#0064c8", "#b9cf9a"))
    with pytest.raises(RevisitError, match="5 files of predictions for 6 runs"):
        draw("maps", predictions[1:], of, tmp_path / "none.png")
    with np.load(predictions[0]) as archive:
        np.savez(predictions[0], **{**archive, "label": archive["label"][::-1]})
    with pytest.raises(RevisitError, match="label differ"):
        draw("maps", predictions, of, tmp_path / "none.png")


def test_two_maps_of_one_title_say_how_they_were_learnt(
    predictions: list[Path], facts: Facts, saved: list[Figure], tmp_path: Path
) -> None:
    of = facts.of_experiment("land-cover")
    first = of.runs[0]
    alike = [first, first.model_copy(update={"protocol": "frozen"}), *of.runs[2:]]
    draw("maps", predictions, of.model_copy(update={"runs": alike}), tmp_path / "maps.png")
    ends = [title.split("\n")[-1] for title in titled(saved[0])]
    assert "trained" in ends and "decoder trained" in ends


def test_maps_of_change_show_both_dates(predictions: list[Path], facts: Facts, tmp_path: Path) -> None:
    """What has changed cannot be seen on one image."""
    of = facts.of_experiment("land-cover")
    plain = drawn_twice("maps", predictions, of, tmp_path)
    for path in predictions:
        with np.load(path) as archive:
            np.savez(path, **{**archive, "image": np.stack([archive["image"]] * 2, axis=1)})
    assert drawn_twice("maps", predictions, of, tmp_path).width > plain.width


def test_fractions(all_csv: Path, facts: Facts, saved: list[Figure], tmp_path: Path) -> None:
    """A row a protocol, a column a modality; what is pretrained has a colour, other curves are grey."""
    drawn_twice("fractions", [all_csv], facts.of_experiment("masking"), tmp_path)
    (legend,) = saved[0].legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:4] == ["3DMAE-RM", "3DMAE-RC", "3DMAE-RM+RC", "3DMAE-3DM"]
    assert names[4:] == ["from scratch", "band statistics (floor)"]
    assert [axes.get_title() for axes in saved[0].axes] == [
        f"{training}\n{sensors}"
        for training in ("whole network trained", "linear probe")
        for sensors in ("S1", "S2", "S1+S2")
    ]
    curves = [bars.lines[0] for bars in saved[0].axes[5].containers]
    grey = [style.REFERENCE] * 2
    assert [to_hex(str(line.get_color())) for line in curves] == [*map(style.colour_of, range(4)), *grey]
    row = {
        "method": "3dmae-3dm",
        "modality": "s1+s2",
        "protocol": "linear",
        "metric": "micro_map",
        "class": "all",
    }
    wanted = columns(all_csv, "label_fraction", "value", where=row | {"experiment": "masking"})
    assert np.allclose(curves[3].get_ydata(), 100 * wanted[wanted[:, 0].argsort(), 1])


def test_fractions_of_one_amount(all_csv: Path, facts: Facts, saved: list[Figure], tmp_path: Path) -> None:
    """Each model is a mark where it was run, and nowhere else."""
    drawn_twice("fractions", [all_csv], facts.of_experiment("land-cover"), tmp_path)
    counts = {title.split("\n")[1]: len(axes.containers) for title, axes in titled(saved[0]).items()}
    assert counts == {"S1": 3, "RGB": 2, "S1+RGB": 1}


def test_fractions_of_no_experiment(all_csv: Path, facts: Facts, tmp_path: Path) -> None:
    other = facts.model_copy(update={"experiments": {"none": facts.experiments["masking"]}})
    with pytest.raises(RevisitError, match="experiment 'none'"):
        draw("fractions", [all_csv], other, tmp_path / "none.png")


def test_gains(all_csv: Path, facts: Facts, tmp_path: Path) -> None:
    """One curve per pretrained method; a study in which none has a counterpart still has its figure."""
    image = drawn_twice("gain-curves", [all_csv], facts.of_experiment("masking"), tmp_path)
    assert all(has(image, style.colour_of(number)) for number in range(4))
    lines = all_csv.read_text().splitlines()
    alone = tmp_path / "alone.csv"
    alone.write_text("\n".join(line for line in lines if words.GAIN not in line) + "\n")
    draw("gain-curves", [alone], facts.of_experiment("masking"), tmp_path / "none.png")
    assert Image.open(tmp_path / "none.png").width < image.width


def test_gain_by_length_and_imagery(all_csv: Path, facts: Facts, texts: list[str], tmp_path: Path) -> None:
    """Runs that differ in imagery and steps alone share a panel, and none that is pretrained otherwise."""
    masking = facts.of_experiment("masking")
    drawing = parts.find("figure", "amounts")
    assert not drawing.applies(masking), "no two entries of one recipe"
    runs = [run.model_copy(update={"recipe": run.recipe.replace("-rc", "-rm")}) for run in masking.runs]
    twice = masking.model_copy(update={"runs": runs})
    assert drawing.applies(twice)
    with all_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["method"] == "3dmae-rc":
            row.update(pretrain_samples="2048", pretrain_steps="960")
    with (longer := tmp_path / "all.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    drawn_twice("amounts", [longer], twice, tmp_path)
    assert {"512 images", "2,048 images", "240", "960"} <= set(texts)
    assert any(text.endswith("\n5 % of the labels") for text in texts)


def test_dots(all_csv: Path, facts: Facts, texts: list[str], tmp_path: Path) -> None:
    """Published scores stand there with their data set, and as what they are: not comparable."""
    drawn_twice("dots", [all_csv], facts.of_experiment("masking"), tmp_path)
    assert "published: BigEarthNet-MM val, not comparable" in texts
    assert "floor" in texts


def test_dots_of_what_was_run(all_csv: Path, facts: Facts, saved: list[Figure], tmp_path: Path) -> None:
    """Three sensors are published; a panel without a score of this run would be theirs alone."""
    head, *rows = all_csv.read_text().splitlines(keepends=True)
    at = head.split(",").index("modality")
    path = tmp_path / "all.csv"
    path.write_text("".join([head, *(row for row in rows if row.split(",")[at] == "s1")]))
    own = facts.of_experiment("masking")
    own = own.model_copy(update={"runs": [run for run in own.runs if run.modality == "s1"]})
    draw("dots", [path], own, tmp_path / "figure.png")
    assert [axes.get_title() for axes in saved[0].axes] == ["S1"]


def test_floors_stand_in_the_panels_of_all_protocols(
    all_csv: Path, facts: Facts, texts: list[str], tmp_path: Path
) -> None:
    """A floor is of no network: it is a line to beat, not a protocol of its own."""
    draw("fractions", [all_csv], facts.of_experiment("masking"), tmp_path / "figure.png")
    assert any(text.endswith("(floor)") for text in texts)
    assert not any(text.startswith(words.training(words.FLOOR)) for text in texts)


def test_shifts(shifts: list[Path], saved: list[Figure], tmp_path: Path) -> None:
    """A panel a sensor, a colour a region; a mark for each date that moved, the others are counted."""
    drawn_twice("shifts", shifts, Facts(), tmp_path)
    (legend,) = saved[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["plain", "polder"]
    assert [*titled(saved[0])] == [f"sentinel-{number}: 32 of 40 dates moved" for number in (1, 2)]
    for sensor, axes in zip(("sentinel-1", "sentinel-2"), saved[0].axes, strict=True):
        for number, (region, marks) in enumerate(zip(("plain", "polder"), axes.collections, strict=True)):
            (path,) = (path for path in shifts if path.parts[-3:-1] == (region, sensor))
            moved = columns(path, "shift_x", "shift_y", where={"applied": "yes"})
            assert isinstance(marks, PathCollection) and np.allclose(marks.get_offsets(), moved)
            assert to_hex(marks.get_facecolor()[0]) == style.colour_of(number)


def test_shifts_of_many_regions(shifts: list[Path], tmp_path: Path) -> None:
    """Hundreds of regions make one cloud of dates, not a legend of hundreds of lines."""
    few = drawn_twice("shifts", shifts, Facts(), tmp_path)
    many = []
    for number in range(40):
        for path in shifts[:2]:
            copy = tmp_path / f"many/{number}/{path.parent.name}/shifts.csv"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            many.append(copy)
    drawn = drawn_twice("shifts", many, Facts(), tmp_path)
    assert drawn.width < few.width
    assert not has(drawn, style.colour_of(1))


def test_stage(all_csv: Path, facts: Facts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stage draws the figure that the plan describes; a missing file is one line."""
    dots = next(one for one in figures(facts) if one["figure"] == "dots")
    out, job = tmp_path / "dots.png", tmp_path / "job.json"
    for source, code in ((all_csv, 0), (tmp_path / "none.csv", 1)):
        files = {"source": [str(source)]}
        Job("revisit.report.figure", {}, files, {"figure": str(out)}, dots["settings"]).write(job)
        assert run_file(job) == code
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "none.csv: no such file" in capsys.readouterr().err
