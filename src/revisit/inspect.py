"""Says in plain text what a cube, a collection of patches, an encoder or a model is, and draws a cube."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.labels.legend import Legend
from revisit.cube.scaling.scaled_values import dtype_of_all
from revisit.cube.split import PARTS
from revisit.errors import RevisitError
from revisit.files import read_json


def inspect(path: str | Path) -> str:
    """What lies at ``path``, many lines; raises RevisitError where it is nothing of ours."""
    kind, place = _kind(Path(path))
    described = {
        "cube": _cube,
        "labels": _labels,
        "elevation": _elevation,
        "patches": _patches,
        "collection": _collection,
        "encoder": _encoder,
        "model": _model,
        "generated": _generated,
    }
    return f"{path}: " + "\n".join(described[kind](place)) + "\n"


def draw(path: str | Path, picture: str | Path) -> None:
    """Draw the cube at ``path``, of images, labels or elevation, as a PNG."""
    from revisit.cube.contact_sheet import contact_sheet
    from revisit.cube.quicklook import elevation_map, label_map

    kind, place = _kind(Path(path))
    pictures = {"cube": contact_sheet, "labels": label_map, "elevation": elevation_map}
    if kind not in pictures:
        raise RevisitError(
            f"{path}: only cubes are drawn; the pictures of a collection or encoder lie beside it"
        )
    pictures[kind](open_cube(place), picture)


def _kind(path: Path) -> tuple[str, Path]:
    """What the path is, and the folder to read."""
    if not path.exists():
        raise RevisitError(f"{path}: no such file or folder")
    files = ("encoder.safetensors", "model.safetensors", "card.json", "index.json")
    folder = path.parent if path.name in files else path
    if (folder / "card.json").is_file():
        return "model" if "network" in read_json(folder / "card.json") else "encoder", folder
    if (folder / "zarr.json").is_file():
        stage = read_json(folder / "zarr.json").get("attributes", {}).get("stage")
        kinds = {"patches": "patches", "labels": "labels", "dem": "elevation", "generated": "generated"}
        return kinds.get(stage, "cube"), folder  # what is no cube either, open_cube says
    if (folder / "index.json").is_file() and read_json(folder / "index.json").get("stage") == "patches":
        return "collection", folder
    raise RevisitError(f"{path}: not a cube, nor a folder of patches, of an encoder or of a model")


def _cube(path: Path) -> list[str]:
    cube = open_cube(path)
    attributes, values = cube.attrs, values_of(cube)
    times = [str(time)[:10] for time in cube["time"].values]
    dropped = attributes.get("dropped_dates", [])
    along_bands = [name for name, c in cube.coords.items() if c.dims == ("band",) and name != "band"]
    dates: dict[str, list[Any]] = {
        "date": [str(time)[:16].replace("T", " ") for time in cube["time"].values],
        "valid": [f"{share:.0%}" for share in cube["valid_fraction"].values],
        "orbit": [
            f"{state} {orbit}".strip() if orbit >= 0 else state
            for state, orbit in zip(cube["orbit_state"].values, cube["relative_orbit"].values, strict=True)
        ],
        **_products(cube),
        "shift x, y": [
            f"{x:+.2f} {y:+.2f}" if c else "none"
            for x, y, c in zip(*(cube[f"shift_{n}"].values for n in ("x", "y", "confidence")), strict=True)
        ],
        "items": cube["source_items"].values.tolist(),
    }
    return [
        f"{attributes['stage']} cube of {attributes['sensor']}, region {attributes['region']}",
        *_facts(
            {
                "grid": _grid(cube),
                "unit": _unit(attributes),
                "measured": attributes.get("source_quantity", values.attrs["long_name"]),
                "dates": f"{len(times)}, from {times[0]} to {times[-1]}"
                + (f"; {len(dropped)} left out" if dropped else ""),
                "storage": f"{_size(path)}; {values.name} {values.encoding.get('dtype', values.dtype)}, "
                f"chunks {_times(values.encoding['chunks'])} of {_list(values.dims)}",
                **_provenance(attributes),
            }
        ),
        "",
        *_table({str(name): cube[name].values.tolist() for name in ["band", *sorted(along_bands, key=str)]}),
        "",
        *_table(dates),
        *(["", "  left out:"] if dropped else []),
        *(f"  {date}" for date in dropped),
    ]


def _products(cube: xr.Dataset) -> dict[str, list[Any]]:
    """Baseline and offset of the dates, where the sensor has baselines."""
    baselines = cube["processing_baseline"].values.tolist()
    offsets = [f"{offset:g}" for offset in cube["offset_applied"].values]
    return {"baseline": baselines, "offset": offsets} if any(baselines) else {}


def _labels(path: Path) -> list[str]:
    cube = open_cube(path, stage="labels")
    legend = Legend.of_cube(cube)
    codes, counts = np.unique(cube["land_cover"].values, return_counts=True)
    return [
        f"label cube, region {cube.attrs['region']}",
        *_facts(
            {
                "grid": _grid(cube),
                "legend": legend.title,
                "map": f"{cube.attrs['source_items']} ({', '.join(map(str, cube.attrs['years']))})",
                "storage": _size(path),
                **_provenance(cube.attrs),
            }
        ),
        "",
        *_table(
            {
                "code": codes.tolist(),
                "class": [legend.names.get(code, "none") for code in codes.tolist()],
                "share": [f"{count / counts.sum():.1%}" for count in counts],
            }
        ),
    ]


def _elevation(path: Path) -> list[str]:
    cube = open_cube(path, stage="dem")
    metres = cube["elevation"].values
    return [
        f"elevation, region {cube.attrs['region']}",
        *_facts(
            {
                "grid": _grid(cube),
                "tiles": cube.attrs["source_items"],
                "metres": f"{np.nanmin(metres):.0f} to {np.nanmax(metres):.0f}, "
                f"{np.isnan(metres).mean():.1%} without",
                "storage": _size(path),
                **_provenance(cube.attrs),
            }
        ),
    ]


def _collection(path: Path) -> list[str]:
    index = read_json(path / "index.json")
    stores = index["stores"]
    counts = {part: sum(store["parts"][part] for store in stores) for part in PARTS}
    regions = [
        {
            "region": store["region"],
            "zone": f"EPSG:{store['epsg']}",
            "places": store["places"],
            **store["parts"],
        }
        for store in stores
    ]
    return [
        f"collection {index['collection']} of {index['kind']}, study {index['study']}",
        *_facts(
            {
                **_patch_facts(index, counts),
                "classes": ", ".join(index["classes"]),
                "left out": "; ".join(f"{name}: {why}" for name, why in index["empty_regions"].items()),
                "storage": _size(path),
                **_provenance(index),
            }
        ),
        "",
        *_table(_columns(regions)),
        "",
        *_table(_columns(_limits(index))),
    ]


def _patches(path: Path) -> list[str]:
    header = read_json(path / "zarr.json")
    attributes: dict[str, Any] = header["attributes"]
    arrays = [(folder.parent.name, read_json(folder)) for folder in sorted(path.glob("*/zarr.json"))]
    return [
        f"patches of {attributes['kind']}, collection {attributes['collection']}, "
        f"region {attributes['region']}",
        *_facts(
            {
                **_patch_facts(attributes, attributes["parts"]),
                "storage": _size(path),
                **_provenance(attributes),
                "made from": ", ".join(attributes["source_cubes"]),
            }
        ),
        "",
        *_table(_columns(_limits(attributes))),
        "",
        *_table(
            {
                "array": [name for name, _ in arrays],
                "type": [array["data_type"] for _, array in arrays],
                "shape": [_times(array["shape"]) for _, array in arrays],
            }
        ),
    ]


def _patch_facts(about: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, str]:
    """What a collection and each of its stores say alike; ``counts``: samples by part of the split."""
    pixels, resolution = about["patch_pixels"], about["resolution_m"]
    return {
        "samples": f"{sum(counts.values())}: " + ", ".join(f"{n} {part}" for part, n in counts.items()),
        "patches": f"{pixels} x {pixels} pixels of {resolution:g} m ({pixels * resolution:g} m)",
        "distances": ", ".join(
            f"{parts} {metres:g} m" for parts, metres in about["split_distance_m"].items()
        ),
        "years": "; ".join(f"{sensor} {_list(years)}" for sensor, years in about["years"].items()),
        "values": f"{dtype_of_all(about['scaling'])}, 0 to 255 between the limits",
    }


def _limits(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Unit and scaling limits of the bands of each sensor."""
    return [
        {"sensor": sensor, "band": band, "unit": scaling["source_unit"], **limits}
        for sensor, scaling in about["scaling"].items()
        for band, limits in scaling["bands"].items()
    ]


def _generated(path: Path) -> list[str]:
    attributes = read_json(path / "zarr.json")["attributes"]
    shape, by = read_json(path / "generated/zarr.json")["shape"], attributes["generator"]
    return [
        f"generated images, by {by['method']} of {by['modality']}, seed {by['seed']}",
        *_facts(
            {
                "samples": str(shape[0]),
                "bands": _list(attributes["bands"]),
                "patch": f"{shape[-1]} pixels",
                "storage": _size(path),
                **_provenance(attributes),
            }
        ),
    ]


def _encoder(path: Path) -> list[str]:
    card = read_json(path / "card.json")
    weights = path / "encoder.safetensors"
    if not weights.is_file():
        raise RevisitError(f"{path}: a card without weights; run the pretraining again")
    return [
        f"encoder, {card.get('method', 'method unknown')}",
        *_facts(
            {
                "bands": _list(card["bands"]),
                "architecture": ", ".join(
                    f"{k} {v}" for k, v in card["architecture"].items() if k != "bands"
                ),
                **_plain(card),
                "storage": f"{weights.stat().st_size / 1e6:.1f} MB",
                **_provenance(card),
                "made from": ", ".join(card.get("parent_items", [])),
            }
        ),
        "",
        *_table(_columns(_limits({"scaling": {}, **card}))),
    ]


def _plain(card: Mapping[str, Any]) -> dict[str, str]:
    """What a card says in a word or number, but for its provenance."""
    return {
        name.replace("_", " "): str(value)
        for name, value in sorted(card.items())
        if isinstance(value, str | int | float) and name not in ("code_version", "config_hash")
    }


def _model(path: Path) -> list[str]:
    card = read_json(path / "card.json")
    weights = path / "model.safetensors"
    if not weights.is_file():
        raise RevisitError(f"{path}: a card without weights; run the evaluation again")
    return [
        f"model, {card['method']} of the experiment {card['experiment']}",
        *_facts(
            {
                "bands": _list(card["bands"]),
                "classes": _list(card["classes"]),
                **_plain(card),
                "storage": f"{weights.stat().st_size / 1e6:.1f} MB",
                **_provenance(card),
            }
        ),
        "",
        *_table(_columns(_limits(card))),
    ]


def _grid(cube: xr.Dataset) -> str:
    grid = grid_of(cube)
    left, bottom, right, top = grid.bounds
    return (
        f"{grid.width} x {grid.height} pixels of {grid.resolution:g} m "
        f"({(right - left) / 1000:g} x {(top - bottom) / 1000:g} km), {grid.crs}, "
        f"x {left:.0f} to {right:.0f}, y {bottom:.0f} to {top:.0f}"
    )


def _unit(attributes: Mapping[str, Any]) -> str:
    sigma = attributes.get("clip_sigma")
    return (
        attributes["unit"] if sigma is None else f"{attributes['unit']}, mean -/+ {sigma:g} std as 0 to 255"
    )


def _provenance(attributes: Mapping[str, Any]) -> dict[str, str]:
    code, settings = (attributes.get(key, "unknown") for key in ("code_version", "config_hash"))
    return {
        "provider": attributes.get("provider", ""),
        "made by": f"revisit {code}, settings {settings}",
    }


def _size(path: Path) -> str:
    files = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return f"{sum(files) / 1e6:.1f} MB in {len(files)} files"


def _facts(facts: Mapping[str, str]) -> list[str]:
    width = max(map(len, facts)) + 2
    return [f"  {name:{width}}{text}" for name, text in facts.items() if text]


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _table(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Columns as lines of text, names first; numbers stand to the right."""
    lines: list[str] = []
    for name, column in columns.items():
        cells = [name, *(f"{value:.6g}" if isinstance(value, float) else str(value) for value in column)]
        right = all(isinstance(value, int | float) for value in column)
        width = max(map(len, cells))
        cells = [f"  {cell:{'>' if right else '<'}{width}}" for cell in cells]
        lines = [line + cell for line, cell in zip(lines or [""] * len(cells), cells, strict=True)]
    return [line.rstrip() for line in lines]


def _list(items: Iterable[Any]) -> str:
    return ", ".join(map(str, items))


def _times(numbers: Iterable[int]) -> str:
    return " x ".join(map(str, numbers))


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``revisit inspect``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "path", type=Path, help="folder of a cube, a collection of patches, an encoder or a model"
    )
    parser.add_argument("--quicklook", type=Path, metavar="PNG", help="draw the cube too")
    arguments = parser.parse_args(argv)
    try:
        sys.stdout.write(inspect(arguments.path))
        if arguments.quicklook:
            draw(arguments.path, arguments.quicklook)
    except RevisitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0
