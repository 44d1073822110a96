"""One self-contained HTML page of a run: its data, co-registration, pretraining, tables and figures.

Images are embedded, nothing is loaded from elsewhere, so that the page can be mailed or archived as it is.
"""

import argparse
import base64
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from PIL import Image

from revisit import files, provenance, stage
from revisit.errors import RevisitError
from revisit.report import layouts, names, reading

QUICKLOOK_PIXELS = 960
# What a figure is, by a word of its path: (word, section, caption). The first that fits counts.
FIGURES = (
    (
        "shifts",
        "coregistration",
        "What each date's content was moved by, in pixels, one mark a date.",
    ),
    (
        "curves",
        "pretraining",
        "Loss and its parts over the steps; below, the effective rank of the features.",
    ),
    ("reconstruction", "pretraining", "Input, what the encoder saw, and what the decoder restored."),
    ("similarity", "pretraining", "Cosine similarity of pooled features: years of a place, and places."),
    ("fractions", "results", "Score against the share of labels used; bars are 95 % intervals over seeds."),
    ("maps", "results", "Test places: image, label and predictions."),
    ("masking", "results", "The masking table as a picture."),
)
# Columns of all.csv that the page leaves out: the same in most rows, or shown elsewhere on it.
UNSHOWN = (
    "task", "encoder", "pretrain_data", "published_source", "gpu_hours", "samples_per_second",
    "peak_memory_gb", "config_hash", "code_version", "run",
)  # fmt: skip
CARD = ("collection", "method", "modality", "seed", "steps", "samples_seen", "effective_rank", "collapsed")


class Picture(NamedTuple):
    name: str
    caption: str
    address: str  # data: URI

    @property
    def kind(self) -> str:
        """What the picture shows, such as ``reconstruction``."""
        return self.name.partition("/")[0]


def build(
    out: Path,
    table: Path,
    items: Sequence[Path],
    shifts: Sequence[Path],
    cards: Sequence[Path],
    quicklooks: Sequence[Path],
    figures: Sequence[Path],
    settings: dict[str, Any],
) -> None:
    """Write the page to ``out``; ``settings`` is the configuration of the run.

    Paths are shown relative to the folder of ``out``. Raises RevisitError for an input of another layout.
    """
    numbers = layouts.read_all(table)
    shown = numbers.drop(columns=list(UNSHOWN))
    tables = [lay_out(numbers) for lay_out in layouts.LAYOUTS]
    found = [_found(path, stage.setting(settings, "regions")) for path in sorted(items)]
    encoders = [_card(path) for path in sorted(cards)]
    placed = [(path, *_kind(path, out.parent)) for path in figures]
    inputs = [table, *items, *shifts, *cards, *quicklooks, *figures]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("revisit.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("page.html.j2").render(
        provider=stage.setting(settings, "provider"),
        facts=[
            (len(stage.setting(settings, "regions")), "regions"),
            (sum(row["items"] for row in found), "STAC items"),
            (len(encoders), "encoders"),
            (len(numbers), "numbers"),
        ],
        found=found,
        experiments=_experiments(numbers),
        configuration=json.dumps(settings, indent=2, ensure_ascii=False),
        config_hash=provenance.config_hash(settings),
        code_versions=sorted(set(numbers["code_version"].dropna())),
        quicklooks=_by_region(quicklooks, out.parent),
        shifts=[_shift_summary(path) for path in sorted(shifts)],
        encoders=encoders,
        tables=tables,
        figures={
            section: [_figure(path, name, caption) for path, kind, name, caption in placed if kind == section]
            for section in dict.fromkeys(section for _, section, _ in FIGURES)
        },
        columns=shown.columns.tolist(),
        numbers=shown.astype(object).where(shown.notna(), None).to_dict("records"),
        files=sorted({_relative(path, out.parent) for path in inputs}),
    )
    files.write_text(out, page)


def _found(path: Path, regions: dict[str, Any]) -> dict[str, Any]:
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
        "first": dates[0] if dates else layouts.NOT_RUN,
        "last": dates[-1] if dates else layouts.NOT_RUN,
    }


def _experiments(numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """What each experiment ran, from the merged table."""
    return [
        {
            "experiment": experiment,
            "data": dataset,
            "task": ", ".join(rows["task"].unique()),
            "methods": ", ".join(map(names.method, sorted(rows["method"].unique(), key=names.rank))),
            "labels in %": ", ".join(
                f"{100 * share:.4g}" for share in sorted(rows["label_fraction"].unique())
            ),
            "seeds": int(rows["seeds"].max()),
        }
        for (experiment, dataset), rows in numbers.groupby(["experiment", "dataset"])
    ]


def _card(path: Path) -> dict[str, Any]:
    card = files.read_json(path)
    if missing := [key for key in CARD if key not in card]:
        raise RevisitError(f"{path}: key {missing[0]!r} is missing; rerun the pretraining")
    return {
        **{key: card[key] for key in CARD},
        "method": names.method(card["method"]),
        "modality": names.modality(card["modality"]),
        "effective_rank": f"{card['effective_rank']:.1f}",
        "collapsed": "yes" if card["collapsed"] else "no",
    }


def _shift_summary(path: Path) -> dict[str, Any]:
    """What coregistration did to one cube, from cubes/{region}/{sensor}/shifts.csv."""
    table = reading.read_csv(path, ("shift_x", "shift_y", "applied"))
    moved = table[table["applied"] == "yes"]
    lengths = (moved["shift_x"] ** 2 + moved["shift_y"] ** 2) ** 0.5
    return {
        "region": path.parent.parent.name,
        "sensor": path.parent.name,
        "dates": len(table),
        "moved": len(moved),
        "median": f"{lengths.median():.2f}" if len(moved) else layouts.NOT_RUN,
        "largest": f"{lengths.max():.2f}" if len(moved) else layouts.NOT_RUN,
    }


def _kind(path: Path, folder: Path) -> tuple[str, str, str]:
    """Section, name and caption of a figure, by its path below ``folder``."""
    name = _relative(path, folder).removesuffix(path.suffix).removeprefix("figures/")
    for word, section, caption in FIGURES:
        if word in name:
            return section, name, caption
    raise RevisitError(
        f"{path}: no figure this page knows; its name should have one of {[f[0] for f in FIGURES]}"
    )


def _figure(path: Path, name: str, caption: str) -> Picture:
    return Picture(name, caption, _address(_bytes(path), "png"))


def _by_region(quicklooks: Sequence[Path], folder: Path) -> dict[str, list[Picture]]:
    """Quicklooks, reduced, under the name of the folder below cubes/ (a region) or patches."""
    groups: dict[str, list[Picture]] = {}
    for path in quicklooks:
        name = _relative(path, folder)
        parts = Path(name).parts
        group = parts[1] if parts[0] == "cubes" and len(parts) > 2 else parts[0]
        small = io.BytesIO()
        with Image.open(io.BytesIO(_bytes(path))) as image:
            image.thumbnail((QUICKLOOK_PIXELS, 4 * QUICKLOOK_PIXELS))
            image.convert("RGB").save(small, "JPEG", quality=80)
        groups.setdefault(group, []).append(Picture(name, "", _address(small.getvalue(), "jpeg")))
    return groups


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RevisitError(f"{path}: no such picture; has the stage before this one run?") from error


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def build_from_arguments(arguments: argparse.Namespace) -> None:
    build(
        arguments.out,
        arguments.all,
        arguments.items,
        arguments.shifts,
        arguments.cards,
        arguments.quicklooks,
        arguments.figures,
        arguments.settings,
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--all", type=Path, required=True, help="the merged table (all.csv)")
    for name, what in {
        "items": "items/{region}/{sensor}.json",
        "shifts": "shifts.csv of each cube",
        "cards": "card.json of each encoder",
        "quicklooks": "pictures of cubes, labels and patches",
        "figures": "pictures by revisit.report.figures",
    }.items():
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[], help=what)
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
