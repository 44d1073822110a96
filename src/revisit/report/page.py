"""The HTML page of a study: its data, co-registration, pretraining, tables, figures and maps.

A small page is one file that loads nothing, so that it can be mailed or archived as it is. Of a large study,
pictures and the merged table lie beside the page and are loaded when they are looked at.
"""

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2

from revisit import files, provenance
from revisit.errors import RevisitError
from revisit.evaluation.columns import COLUMNS, COSTS
from revisit.job import Job
from revisit.record import Record, read
from revisit.report import (
    behind,
    believe,
    change_estimates,
    claim_rows,
    left_out,
    origins,
    pictures,
    reading,
    region_maps,
    table,
    words,
)
from revisit.report.facts import Facts
from revisit.report.gains import lay_out as lay_out_gains
from revisit.report.layout import NOT_RUN, Table

TEMPLATES = ("page.html.j2", "page.css.j2", "page.js.j2")
NUMBERS_IN_PAGE = 4000  # rows of the merged table that stand in the page itself
# Columns of all.csv that the page leaves out: the same in most rows, or shown elsewhere on it.
UNSHOWN = (
    "task", "encoder", "pretrain_data", "pretrain_samples", "pretrain_steps", "published_source", *COSTS,
    "config_hash", "code_version", "run", "test_distance_m",
)  # fmt: skip
INDEX = ("collection", "classes", "empty_regions", "stores", "split_distance_m")
MANIFEST = ("region", "sensor", "year", "scenes", "quarantine", "without_data")
LISTED = ("claims", "estimates", "found", "indexes", "shifts", "cards", "models")
INPUTS = (
    "claims", "estimates", "found", "manifests", "indexes", "shifts", "cards", "models", "quicklooks",
    "figures", "maps",
)  # fmt: skip
CARD = ("collection", "method", "modality", "seed", "steps", "samples_seen", "effective_rank", "collapsed")

Row = dict[str, Any]


class Figure(Record, extra="ignore"):
    """A figure of the study, as revisit.report.drawing.figures gives it."""

    path: str
    """Below figures/, without suffix."""
    title: str
    """What it is, and of what."""
    group: str
    """What it is; the page folds figures of a group."""
    section: str
    """Section of the page."""
    caption: str
    """What there is to see."""


class Settings(Facts):
    """The study as it was planned."""

    config: dict[str, Any]
    """The whole config."""
    figures: list[Figure] = []
    """The figures of the study."""


def run(job: Job) -> None:
    settings = read(Settings, job.settings, "page")
    page, folder = job.target("page"), job.target("pictures")
    inputs = {name: job.sources(name) for name in INPUTS}
    build(page, folder, job.source("table"), inputs, settings, job.threads)


def build(
    page: Path,
    folder: Path,
    numbers: Path,
    inputs: Mapping[str, Sequence[Path]],
    settings: Settings,
    threads: int = 1,
) -> None:
    """Write the page, and what it loads to ``folder``, which stays empty where the study is small.

    ``numbers`` is all.csv; ``inputs``: ``claims`` and ``estimates`` (tables), ``found`` (items),
    ``manifests`` (of downloads), ``indexes`` (of collections), ``shifts``, ``cards`` (of encoders),
    ``models`` (cards of the best ones), ``quicklooks``, ``figures`` and ``maps`` (pictures), each of which
    may be empty. Paths are shown relative to the folder of the page. Raises RevisitError for an input of
    another layout.
    """
    rows = reading.read_table(numbers, COLUMNS)
    sources = _sources(inputs["figures"], inputs["quicklooks"], settings.figures, page.parent)
    maps = {path: _relative(path, page.parent) for path in inputs["maps"]}
    sources |= {name: region_maps.source(path) for path, name in maps.items()}
    with files.atomic(folder) as aside:
        aside.mkdir()
        by_path = pictures.place(sources, page, aside, folder, threads)
        content = _json_for_script(_numbers(rows))
        if beside := len(rows) > NUMBERS_IN_PAGE:
            (aside / "numbers.js").write_text(f"showNumbers({content});\n", encoding="utf-8")
    regions: dict[str, Any] = settings.config["regions"]
    found = [_found(path, regions) for path in inputs["found"]]
    indexes = [_read(path, INDEX, "the stage index") for path in inputs["indexes"]]
    manifests = [_read(path, MANIFEST, "the download") for path in inputs["manifests"]]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("revisit.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    tables = [
        *_tables(rows, settings),
        *(change_estimates.lay_out(path, settings) for path in inputs["estimates"]),
    ]
    listed = [numbers, *(path for name in LISTED for path in inputs[name])]
    text = environment.get_template(TEMPLATES[0]).render(
        study=settings.config.get("study", "default"),
        provider=", ".join(_imagery(settings.config, indexes)),
        facts=[
            (len(regions), "regions"),
            (sum(row["items"] for row in found), "STAC items"),
            (len(inputs["cards"]), "encoders"),
            (len(rows), "numbers"),
        ],
        found=found,
        believe=believe.points(rows, settings, indexes, _simulated(settings.config)),
        lost_scenes=left_out.scenes(manifests),
        lost_patches=left_out.patches(indexes),
        units=words.UNITS,
        experiments=_experiments(rows, settings),
        configuration=json.dumps(settings.config, indent=2, ensure_ascii=False),
        config_hash=provenance.config_hash(settings.config),
        code_versions=sorted({row["code_version"] for row in rows if row["code_version"]}),
        quicklooks=_by_region(inputs["quicklooks"], by_path, page.parent),
        shifts=[_shift_summary(path) for path in inputs["shifts"]],
        encoders=_encoders(inputs["cards"], settings),
        tables=tables,
        origins=[origins.origin(one, rows, settings) for one in tables],
        behind=[behind.of_models(one) for one in tables],
        behind_title=behind.TITLE,
        address=cache(partial(_address, page.parent)),
        claims=claim_rows.Shown.of(inputs["claims"]),
        figures=_by_section(settings.figures, by_path),
        maps=region_maps.of_experiments(
            inputs["models"], {path: by_path[name] for path, name in maps.items()}, settings
        ),
        numbers="" if beside else content,
        numbers_address=_relative(folder / "numbers.js", page.parent) if beside else "",
        count=len(rows),
        merged=_relative(numbers, page.parent),
        files=sorted({_relative(path, page.parent) for path in listed}),
    )
    files.write_text(page, text)


def _imagery(config: Mapping[str, Any], indexes: Sequence[Row]) -> list[str]:
    """Where imagery comes from: the provider, where anything is cut from cubes, and the sets imported."""
    sets = dict.fromkeys(index["source_set"] for index in indexes if "source_set" in index)
    return [*([config["provider"]] if config["regions"] else []), *sets]


def _simulated(config: Mapping[str, Any]) -> bool:
    return bool(config["provider"] == "embedded" and config["regions"])


def _tables(rows: list[Row], settings: Settings) -> list[Table]:
    laid_out = [
        table.lay_out(
            rows,
            table.Settings(
                experiment=name,
                layout=layout,
                title=settings.title(name),
                runs=settings.of_experiment(name).runs,
                published_as=settings.experiments[name].published_as,
            ),
        )
        for name in settings.names()
        for layout in settings.experiments[name].layouts
    ]
    return [one for one in (lay_out_gains(rows, settings), *laid_out) if one.blocks]


def _read(path: Path, keys: Sequence[str], stage: str) -> Row:
    """A JSON object that must have these keys; raises RevisitError where it lacks one."""
    content: Row = files.read_json(path)
    if missing := [key for key in keys if key not in content]:
        raise RevisitError(f"{path}: key {missing[0]!r} is missing; rerun {stage}")
    return content


def _found(path: Path, regions: Mapping[str, Any]) -> Row:
    """How many items of which dates a search found, from items/{region}/{sensor}.json."""
    features = files.read_json(path).get("features")
    if features is None:
        raise RevisitError(f"{path}: no STAC ItemCollection (key features is missing); rerun the search")
    properties = [feature["properties"] for feature in features]
    dates = sorted(str(one.get("datetime") or one.get("start_datetime"))[:10] for one in properties)
    box = regions.get(path.parent.name, {}).get("bbox", [])
    return {
        "region": path.parent.name,
        "sensor": path.stem,
        "west, south, east, north": ", ".join(f"{degrees:.4f}" for degrees in box),
        "items": len(features),
        "first": dates[0] if dates else NOT_RUN,
        "last": dates[-1] if dates else NOT_RUN,
    }


def _experiments(rows: list[Row], facts: Facts) -> list[Row]:
    """What each experiment ran, from the merged table, in the order of the config."""
    summaries = []
    for name in facts.names():
        here = [row for row in rows if row["experiment"] == name]
        summaries.append(
            {
                "experiment": facts.title(name),
                "data": ", ".join(sorted({row["dataset"] for row in here})),
                "task": ", ".join(sorted({row["task"] for row in here})),
                "methods": ", ".join(dict.fromkeys(run.title for run in facts.of_experiment(name).runs)),
                "labels": words.labels(*here, of_all="") if here else "",
                "seeds": max((row["seeds"] for row in here), default=0),
            }
        )
    return summaries


def _encoders(cards: Sequence[Path], facts: Facts) -> list[Row]:
    titles = {encoder.entry: encoder.title for encoder in facts.encoders}
    shown = []
    for path in cards:
        card = _read(path, CARD, "the pretraining")
        shown.append(
            {
                **{key: card[key] for key in CARD},
                "method": titles.get(card["method"], card["method"]),
                "modality": words.modality(card["modality"]),
                "effective_rank": f"{card['effective_rank']:.1f}",
                "collapsed": "yes" if card["collapsed"] else "no",
            }
        )
    return shown


def _shift_summary(path: Path) -> Row:
    """What co-registration did to one cube, from cubes/{region}/{sensor}/shifts.csv."""
    rows = reading.read_rows(path, ("shift_x", "shift_y", "applied"))
    lengths = [
        (reading.number(path, row["shift_x"]) ** 2 + reading.number(path, row["shift_y"]) ** 2) ** 0.5
        for row in rows
        if row["applied"] == "yes"
    ]
    return {
        "region": path.parent.parent.name,
        "sensor": path.parent.name,
        "dates": len(rows),
        "moved": len(lengths),
        "median": f"{statistics.median(lengths):.2f}" if lengths else NOT_RUN,
        "largest": f"{max(lengths):.2f}" if lengths else NOT_RUN,
    }


def _sources(
    figures: Sequence[Path], quicklooks: Sequence[Path], planned: Sequence[Figure], folder: Path
) -> dict[str, pictures.Source]:
    """Every picture by its path below ``folder``."""
    known = {f"figures/{figure.path}.png": figure for figure in planned}
    sources = {}
    for path in figures:
        name = _relative(path, folder)
        if name not in known:
            raise RevisitError(f"{path}: no figure of this study; remove it from the page's job")
        sources[name] = pictures.Source(path, known[name].title, known[name].caption)
    for path in quicklooks:
        name = _relative(path, folder)
        sources[name] = pictures.Source(path, _quicklook_title(name), reduce=True)
    return sources


def _by_section(
    planned: Sequence[Figure], by_path: Mapping[str, pictures.Picture]
) -> dict[str, dict[str, list[pictures.Picture]]]:
    """Section of the page: group: its pictures, in the order of the plan."""
    sections: dict[str, dict[str, list[pictures.Picture]]] = {}
    for figure in planned:
        if picture := by_path.get(f"figures/{figure.path}.png"):
            sections.setdefault(figure.section, {}).setdefault(figure.group, []).append(picture)
    return sections


def _by_region(
    quicklooks: Sequence[Path], by_path: Mapping[str, pictures.Picture], folder: Path
) -> dict[str, list[pictures.Picture]]:
    """Quicklooks of cubes under the name of their region, others under the name of their folder."""
    groups: dict[tuple[str, str], list[pictures.Picture]] = {}
    for path in quicklooks:
        name = _relative(path, folder)
        top, below, *_ = Path(name).parts
        key = (top, below if top == "cubes" else "")
        groups.setdefault(key, []).append(by_path[name])
    return {below or top: shown for (top, below), shown in groups.items()}


def _quicklook_title(name: str) -> str:
    """What a quicklook shows, by its place below its region or collection."""
    top, *below = Path(name).with_suffix("").parts
    return " ".join(below[1:]) if top == "cubes" else below[0]


def _numbers(rows: Sequence[Row]) -> dict[str, Any]:
    """The merged table without the columns that the page leaves out, its rows as lists."""
    columns = [name for name in rows[0] if name not in UNSHOWN] if rows else []
    return {"columns": columns, "rows": [[row[name] for name in columns] for row in rows]}


def _json_for_script(content: Any) -> str:
    """JSON that stands in a script element without ending it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _address(folder: Path, name: str) -> str:
    """The address of a file or folder below the page's folder; "" of what is not there or elsewhere."""
    address = _relative(Path(name), folder)
    return "" if address.startswith("..") or not Path(name).exists() else address


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
