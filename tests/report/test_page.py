"""Guards the report page: one file while it is small, light at any size, honest of its data."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.report import believe, claim_rows, left_out, page, pictures, reading
from revisit.report.drawing import figures
from revisit.report.facts import Facts
from revisit.stage import run_file

CONFIG = {
    "study": "made-up",
    "provider": "embedded",
    "regions": {"plain": {"bbox": [2.6, 48.4, 2.7, 48.5]}, "polder": {"bbox": [3.4, 52.6, 3.5, 52.7]}},
    "note": "<script>alert(1)</script>",
}
REGIONS = 360
real_open = Image.open
VOID = {"meta", "img", "input", "br", "link"}


class Reader(HTMLParser):
    """Collects what a browser would load or follow, the text, and tags that are not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[name] or "" for name in ("src", "srcset", "data") if name in given]
        if "href" in given:
            (self.links if tag == "a" else self.addresses).append(given["href"] or "")
        if given.get("id"):
            self.ids.add(given["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


INDEX = {
    "collection": "pairs",
    "classes": ["Tree cover", "Mangroves"],
    "class_samples": {"train": [40, 3], "val": [5, 1], "test": [9, 0]},
    "empty_regions": {"polder": "patches: 30 without a clear date"},
    "stores": [
        {"region": "plain", "samples": 100, "places": 50, "parts": {"train": 60, "val": 15, "test": 25}}
    ],
    "lost_by_region": {"plain": {"cut off by the edge": 4}, "polder": {"without a clear date": 30}},
    "split_distance_m": {"train-test": 1280.0, "train-val": 0, "val-test": 1280.0},
}
BROKEN = {"item": "S2A_7", "asset": "red", "cause": "S2A_7/red.tif is cut short"}
MANIFEST = {
    "region": "plain",
    "sensor": "sentinel-2",
    "year": 2019,
    "scenes": [{"id": "S2A_1"}, {"id": "S2A_2"}],
    "quarantine": [
        BROKEN,
        {**BROKEN, "asset": "blue"},
        {**BROKEN, "item": "S2A_8", "cause": "S2A_8/red.tif is cut short"},
    ],
    "without_data": ["S2A_9"],
}


@pytest.fixture
def page_inputs(page_inputs: dict[str, list[Path]], tmp_path: Path) -> dict[str, list[Path]]:
    """The inputs of the made-up run, with an index of a collection and a manifest of a download."""
    for name, content in (("indexes", INDEX), ("manifests", MANIFEST)):
        path = tmp_path / name / "one.json"
        path.parent.mkdir()
        path.write_text(json.dumps(content))
        page_inputs[name] = [path]
    estimates = tmp_path / "tables/change-estimates.csv"
    estimates.parent.mkdir(exist_ok=True)
    estimates.write_text(
        "method,modality,estimate,used,seed,auc,ci_low,ci_high,places,changed\n"
        "3dmae-3dm,s1+s2,smoothed_ratio,yes,0,0.6127,0.55,0.68,244,50\n"
    )
    page_inputs["estimates"] = [estimates]
    claims = tmp_path / "tables/claims.csv"
    rows = [
        dict.fromkeys(claim_rows.COLUMNS) | {"source": "poster", "claim": claim, "verdict": verdict} | more
        for claim, verdict, more in (
            ("more is better", "holds", {"published": 0.3, "points": 8.0, "low": 7.0, "high": 9.0}),
            ("less is worse", "not run", {"why": "no row of it"}),
        )
    ]
    claims.write_text(claim_rows.to_csv(rows))
    page_inputs["claims"] = [claims]
    return page_inputs


@pytest.fixture
def settings(facts: Facts) -> page.Settings:
    return page.Settings.model_validate({**facts.content(), "config": CONFIG, "figures": figures(facts)})


@pytest.fixture
def html(page_inputs: dict[str, list[Path]], all_csv: Path, settings: page.Settings, tmp_path: Path) -> str:
    """The page of the made-up run, built twice: a rerun must give the same bytes."""
    outs = [tmp_path / "first.html", tmp_path / "second.html"]
    for out in outs:
        page.build(out, tmp_path / "report_files", all_csv, page_inputs, settings)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    return outs[0].read_text()


def test_self_contained(html: str, tmp_path: Path) -> None:
    """Everything a browser loads is in the file; links go to sections or to files of the run; tags close."""
    reader = Reader(html)
    assert reader.open == []
    assert len(reader.addresses) == 9 and all(a.startswith("data:image/") for a in reader.addresses)
    assert not [link for link in reader.links if "://" in link or link.startswith("/")]
    assert {link[1:] for link in reader.links if link.startswith("#")} <= reader.ids
    assert "@import" not in html and "url(" not in html
    assert list((tmp_path / "report_files").iterdir()) == []


def test_numbers_lead_to_their_runs(
    page_inputs: dict[str, list[Path]], all_csv: Path, scores: list[Path], settings: page.Settings,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Every number of ours in a table to its folder of scores, where that lies below the page."""
    root, numbers, out = scores[0].parents[5], tmp_path / "all.csv", tmp_path / "report.html"
    (tmp_path / "scores").symlink_to(root)
    numbers.write_text(all_csv.read_text().replace(root.as_posix(), (tmp_path / "scores").as_posix()))
    page.build(out, tmp_path / "report_files", numbers, page_inputs, settings)
    html = out.read_text()
    links = [unquote(link) for link in Reader(html).links if link.startswith("scores/")]
    assert "scores/masking/3dmae-3dm/s1+s2/linear/labels0.05" in links
    assert all((tmp_path / link).is_dir() for link in links)
    cells = re.findall(r'<td class="number" data-value="([^"]*)">(.)', html)
    ours = [first for value, first in cells if value]
    assert len(ours) > 100 and ours.count("<") == len(ours) - 1  # the change estimates are of no score
    assert "<summary>What the rows are of</summary>" in html


def test_content(html: str) -> None:
    """The page shows our numbers with their intervals, the published ones, and says what is simulated."""
    text = " ".join(" ".join(Reader(html).text).split())
    for words in (
        "simulated",
        "made-up",
        "81.0 [78.5, 83.5]",
        "published 89.5",
        "published 71",
        "24 STAC items",
        "12.3",
        "Scores: masking.",
        "61.3 [55.0, 68.0]",
        "50 of 244",
        "whether it holds here. Of 2 claims: 1 holds, 1 not run.",
        "more is better poster +0.3 +8.0 [+7.0, +9.0] holds",
        "Not run (1)",
        "less is worse poster – – not run no row of it",
    ):
        assert words in text, words
    assert "other data" in text and "2017-05-01" in text and "16" in text


def test_what_to_believe(html: str) -> None:
    """What a reader must know stands before the results: luck, test places, floors, budget, collapse."""
    text = " ".join(" ".join(Reader(html).text).split())
    before = text[text.index("What to believe Simulated") : text.index("What was gained")]
    for words in (
        "Imagery and labels are simulated",
        "25 of 100 samples, in 1 region, are the test split",
        "Classes without a labelled test sample: Mangroves.",
        "train to test 1280 m",
        "Where parts touch",
        "had not converged when its budget ended",
        "masking: 3DMAE-RM, S1, whole network trained (5 and 100 % of the labels)",
        "collapsed in pretraining",
        "masking: 3DMAE-RC, S2, linear probe (5 and 100 % of the labels)",
        "Published: BigEarthNet-MM val, not comparable with this run's.",
    ):
        assert words in before, words
    assert "3DMAE-3DM" not in before


def test_believe_only_what_applies(all_csv: Path, facts: Facts) -> None:
    """A study whose rows are sound, on real imagery, without published numbers, is not warned of."""
    sound = [
        {**row, "collapsed": False, "converged": True}
        for row in reading.read_table(all_csv, ())
        if row["metric"] != "micro_map_over_floor"
    ]
    bare = {name: one.model_copy(update={"published_as": None}) for name, one in facts.experiments.items()}
    points = believe.points(sound, facts.model_copy(update={"experiments": bare}), [], simulated=False)
    assert [point.title for point in points] == ["Seeds", "Two intervals"]


def test_rows_below_the_floor_are_named(all_csv: Path, facts: Facts) -> None:
    """By the sign of the difference to the best floor, which may differ between shares of the labels."""
    rows = reading.read_table(all_csv, ())
    over = [row for row in rows if row["metric"] == "micro_map_over_floor"]
    assert over
    for row in over:
        row["value"] = 0.01
    assert not [one for one in believe.points(rows, facts, [], False) if one.title == "Below the best floor"]
    over[0]["value"] = -0.01
    (point,) = [one for one in believe.points(rows, facts, [], False) if one.title == "Below the best floor"]
    assert len(point.names) == 1 and over[0]["modality"].upper() in point.names[0]


def test_what_was_lost_is_on_the_page(html: str) -> None:
    """Scenes left out with their cause, equal causes together, and patches by region and cause."""
    assert left_out.scenes([MANIFEST])[0] == {
        "region": "plain", "sensor": "sentinel-2", "year": 2019, "left out": 2, "kept": 2,
        "cause": "…/red.tif is cut short",
    }  # fmt: skip
    text = " ".join(" ".join(Reader(html).text).split())
    for words in (
        "plain sentinel-2 2019 2 2 …/red.tif is cut short",
        "plain sentinel-2 2019 1 2 no valid pixel over the region",
        "pairs plain 4 50 cut off by the edge",
        "pairs polder 30 0 without a clear date",
    ):
        assert words in text, words


def test_a_year_without_any_scene_is_on_the_page() -> None:
    """What ends empty is not silent, whatever made it so."""
    (row,) = left_out.scenes([{**MANIFEST, "scenes": [], "quarantine": [], "without_data": []}])
    assert row["kept"] == 0 and "nothing is left" in row["cause"]


def test_settings_are_text(html: str) -> None:
    """What stands in the configuration is shown, never run."""
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html


def test_names_do_not_end_the_script() -> None:
    """A free name stands in the merged table that the page's script reads: it must not end that script."""
    assert "</script" not in page._json_for_script({"rows": [["</script><b>"]]})


def test_real_imagery_is_not_called_simulated(
    page_inputs, all_csv: Path, settings: page.Settings, tmp_path: Path
) -> None:
    real = settings.model_copy(update={"config": {**CONFIG, "provider": "earth-search"}})
    page.build(tmp_path / "report.html", tmp_path / "report_files", all_csv, page_inputs, real)
    assert "simulated" not in (tmp_path / "report.html").read_text()


def test_maps_of_regions_are_folded_under_what_made_them(
    page_inputs, all_csv: Path, settings: page.Settings, tmp_path: Path
) -> None:
    """Each region of each experiment once; of many regions a box finds those that are looked for."""
    names = [f"region{number}" for number in range(13)]
    for name in names:
        path = tmp_path / f"maps/masking/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 30)).save(path)
        page_inputs["maps"].append(path)
    card = tmp_path / "models/masking/card.json"
    card.parent.mkdir(parents=True)
    chosen = {
        "experiment": "masking",
        "method": "3dmae-rm",
        "modality": "s1",
        "protocol": "linear",
        "seed": 0,
    }
    validated = {"metric": "miou", "validation": 0.5, "chosen_from": [{}, {}]}
    card.write_text(json.dumps(chosen | validated))
    page_inputs["models"].append(card)
    page.build(tmp_path / "report.html", tmp_path / "report_files", all_csv, page_inputs, settings)
    html = (tmp_path / "report.html").read_text()
    assert Reader(html).open == []
    section = html[html.index('<section id="maps">') :]
    section = section[: section.index("</section>")]
    assert "of 2 networks the one with the highest mIoU" in section and 'class="region-filter"' in section
    assert [section.count(f"<summary>{name}</summary>") for name in names] == [1] * 13
    assert section.count("<img ") == 13 and '<a href="#maps">' in html


def test_nothing_but_the_table(all_csv: Path, settings: page.Settings, tmp_path: Path) -> None:
    """A run without pretraining or co-registration still has a page; it is written by the stage."""
    out = {"page": str(tmp_path / "report.html"), "pictures": str(tmp_path / "report_files")}
    job = tmp_path / "job.json"
    Job("revisit.report.page", {}, {"table": str(all_csv)}, out, settings.content()).write(job)
    assert run_file(job) == 0
    assert Reader((tmp_path / "report.html").read_text()).open == []


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("cards", '{"method": "stmim"}', "'collection' is missing"),
        ("found", "{}", "features is missing"),
        ("shifts", "time\n", "'shift_x' is missing"),
        ("quicklooks", "no picture", "not a picture"),
        ("indexes", "{}", "'collection' is missing"),
        ("manifests", '{"region": "plain"}', "'sensor' is missing"),
    ],
)
def test_inputs_of_another_layout(
    page_inputs, all_csv: Path, settings: page.Settings, tmp_path: Path, option: str, content: str, words: str
) -> None:
    page_inputs[option][0].write_text(content)
    with pytest.raises(RevisitError, match=words) as error:
        page.build(tmp_path / "report.html", tmp_path / "report_files", all_csv, page_inputs, settings)
    assert str(page_inputs[option][0]) in str(error.value)


def test_unknown_figure(page_inputs, all_csv: Path, settings: page.Settings, tmp_path: Path) -> None:
    stray = tmp_path / "figures/holiday.png"
    stray.write_bytes(b"")
    page_inputs["figures"].append(stray)
    with pytest.raises(RevisitError, match=r"holiday\.png: no figure of this study"):
        page.build(tmp_path / "report.html", tmp_path / "report_files", all_csv, page_inputs, settings)


@pytest.fixture
def large(
    tmp_path: Path, page_inputs, settings: page.Settings
) -> tuple[dict[str, list[Path]], page.Settings]:
    """The inputs of a study of 360 regions, two sensors and labels."""
    items, shifts, quicklooks = [], [], []
    first, table, picture = (page_inputs[name][0].read_bytes() for name in ("found", "shifts", "quicklooks"))
    with Image.open(io.BytesIO(picture)) as image:
        small = io.BytesIO()
        image.resize((64, 16)).save(small, "PNG")
    for number in range(REGIONS):
        cubes = tmp_path / f"cubes/r{number:03}"
        for sensor in ("sentinel-1", "sentinel-2"):
            for path, content, kept in (
                (tmp_path / f"items/r{number:03}/{sensor}.json", first, items),
                (cubes / sensor / "shifts.csv", table, shifts),
                (cubes / sensor / "aligned.png", small.getvalue(), quicklooks),
                (cubes / sensor / "scaled.png", small.getvalue(), quicklooks),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                kept.append(path)
        quicklooks.append(cubes / "labels.png")
        quicklooks[-1].write_bytes(small.getvalue())
    regions = {f"r{number:03}": {"bbox": [2.6, 48.4, 2.7, 48.5]} for number in range(REGIONS)}
    inputs = {**page_inputs, "found": items, "shifts": shifts, "quicklooks": quicklooks}
    return inputs, settings.model_copy(update={"config": {**CONFIG, "regions": regions}})


def test_page_of_a_large_study(large, all_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 360 regions the page stays light: pictures and numbers lie beside it and load lazily."""
    inputs, settings = large
    monkeypatch.setattr(page, "NUMBERS_IN_PAGE", 100)
    opened: list[int] = []
    monkeypatch.setattr(pictures.Image, "open", lambda *args: opened.append(1) or real_open(*args))
    out, folder = tmp_path / "report.html", tmp_path / "report_files"
    page.build(out, folder, all_csv, inputs, settings)
    html = out.read_text()
    reader = Reader(html)
    assert len(html) < 1_500_000 and "data:image" not in html
    assert len(opened) == 5 * REGIONS + 1, "each picture is read once"
    assert html.count('<details class="region">') == REGIONS
    loaded = [tmp_path / unquote(address) for address in reader.addresses]
    assert len(loaded) == html.count('loading="lazy"') == 5 * REGIONS + 1
    assert all(path.is_file() and path.is_relative_to(folder) for path in loaded)
    assert len(set(loaded)) == len(loaded), "two pictures share a file"
    assert 'data-address="report_files/numbers.js"' in html and "numbers-data" not in reader.ids
    assert (folder / "numbers.js").read_text().startswith("showNumbers({")
