"""Guards the report page: one file while it is small, light at any size, honest of its data."""

import io
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.report import page, pictures
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


def test_content(html: str) -> None:
    """The page shows our numbers with their intervals, the published ones, and says what is simulated."""
    text = " ".join(" ".join(Reader(html).text).split())
    for words in (
        "simulated",
        "made-up",
        "81.0 [78.5, 83.5]",
        "published 89.5",
        "published 0.71",
        "24 STAC items",
        "12.3",
        "Scores: masking.",
    ):
        assert words in text, words
    assert "other data" in text and "2017-05-01" in text and "16" in text


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
