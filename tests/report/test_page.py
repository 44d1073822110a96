"""Guards the report page: one file that loads nothing, with the tables' numbers, honest about its data."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from revisit.errors import RevisitError
from revisit.report import page

SETTINGS = {
    "provider": "embedded",
    "regions": {"plain": {"bbox": [2.6, 48.4, 2.7, 48.5]}, "polder": {"bbox": [3.4, 52.6, 3.5, 52.7]}},
    "note": "<script>alert(1)</script>",
}
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
def html(page_inputs: dict[str, list[Path]], all_csv: Path, tmp_path: Path) -> str:
    """The page of the made-up run, built twice: a rerun must give the same bytes."""
    outs = [tmp_path / "first.html", tmp_path / "second.html"]
    for out in outs:
        page.build(out, all_csv, **page_inputs, settings=SETTINGS)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    return outs[0].read_text()


def test_self_contained(html: str) -> None:
    """Everything a browser loads is in the file; links go to sections or to files of the run; tags close."""
    reader = Reader(html)
    assert reader.open == []
    assert len(reader.addresses) == 9 and all(a.startswith("data:image/") for a in reader.addresses)
    assert not [link for link in reader.links if "://" in link or link.startswith("/")]
    assert {link[1:] for link in reader.links if link.startswith("#")} <= reader.ids
    assert "@import" not in html and "url(" not in html


def test_content(html: str) -> None:
    """The page shows our numbers with their intervals, the published ones, and says what is simulated."""
    text = " ".join(" ".join(Reader(html).text).split())
    for words in (
        "simulated",
        "81.0 [78.5, 83.5]",
        "published 89.5",
        "published 0.71",
        "24 STAC items",
        "12.3",
    ):
        assert words in text, words
    assert "other data" in text and "2017-05-01" in text and "16" in text


def test_settings_are_text(html: str) -> None:
    """What stands in the configuration is shown, never run."""
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html


def test_real_imagery_is_not_called_simulated(page_inputs, all_csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    page.build(out, all_csv, **page_inputs, settings={**SETTINGS, "provider": "earth-search"})
    assert "simulated" not in out.read_text()


def test_nothing_but_the_table(all_csv: Path, tmp_path: Path) -> None:
    """A run without pretraining or co-registration still has a page."""
    out = tmp_path / "report.html"
    arguments = ["--all", str(all_csv), "--settings", json.dumps(SETTINGS), "--out", str(out)]
    assert page.main(arguments) == 0
    assert Reader(out.read_text()).open == []


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("cards", '{"method": "stmim"}', "'collection' is missing"),
        ("items", "{}", "features is missing"),
        ("shifts", "time\n", "'shift_x' is missing"),
    ],
)
def test_inputs_of_another_layout(
    page_inputs, all_csv: Path, tmp_path: Path, option: str, content: str, words: str
) -> None:
    page_inputs[option][0].write_text(content)
    with pytest.raises(RevisitError, match=words) as error:
        page.build(tmp_path / "report.html", all_csv, **page_inputs, settings=SETTINGS)
    assert str(page_inputs[option][0]) in str(error.value)


def test_unknown_figure(page_inputs, all_csv: Path, tmp_path: Path) -> None:
    stray = tmp_path / "figures/holiday.png"
    stray.write_bytes(b"")
    page_inputs["figures"].append(stray)
    with pytest.raises(RevisitError, match=r"holiday\.png: no figure this page knows"):
        page.build(tmp_path / "report.html", all_csv, **page_inputs, settings=SETTINGS)
