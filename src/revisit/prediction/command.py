"""The command ``revisit predict``: a land-cover map of a region, a cube or an image of one's own."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from revisit.cube.contract import open_cube
from revisit.errors import RevisitError
from revisit.evaluation.trained_model import load_model
from revisit.prediction.cube_images import CubeImages, region_cubes
from revisit.prediction.images import Images
from revisit.prediction.predict import predict
from revisit.prediction.tiff_images import TiffImages
from revisit.training.device import choose_device, prepare

SUFFIXES = (".tif", ".tiff")
EXAMPLES = """examples:
  revisit predict results/models/land-cover results/cubes/plain plain.tif
  revisit predict results/models/land-cover results/cubes/plain 2021.tif --when 2021
  revisit predict results/models/land-cover image.tif map.tif --bands vv,vh --units dB
"""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it raises is told in our words
    try:
        _predict(arguments)
    except RevisitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _predict(arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    if out.suffix.lower() not in SUFFIXES or out.is_dir():
        raise RevisitError(f"{out}: the map is a GeoTIFF; give a file that ends in .tif")
    device = torch.device(arguments.device) if arguments.device else choose_device()
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RevisitError(f"--device {device}: there is no such device here; leave it out")
    prepare(device, arguments.threads or torch.get_num_threads())
    model = load_model(arguments.model, device)
    if model.card["labels"] == "change":
        raise RevisitError(
            f"{arguments.model}: compares two images, and makes no map of one; give another model"
        )
    images = _images(model.card, arguments)
    if images.lacking:
        raise RevisitError(f"{arguments.image}: {images.lacking}; choose another --when, or another image")
    area = images.place.block(arguments.bounds, str(arguments.image)) if arguments.bounds else None
    predict(model, images, out, area)


def _images(card: Mapping[str, Any], arguments: argparse.Namespace) -> Images:
    path: Path = arguments.image
    of_files = {name: getattr(arguments, name) for name in ("bands", "units", "factor", "offset")}
    if path.is_file():
        if path.resolve() == arguments.out.resolve():
            raise RevisitError(f"{path}: is the image and the map; give the map another name")
        names, units = (of_files[name] and of_files[name].split(",") for name in ("bands", "units"))
        return TiffImages(card, path, names, units, arguments.factor, arguments.offset, arguments.when)
    if not path.is_dir():
        raise RevisitError(
            f"{path}: no such folder or file; give a region (results/cubes/plain), a cube or an image"
        )
    if given := [f"--{name}" for name, value in of_files.items() if value is not None]:
        raise RevisitError(f"{path}: {given[0]} is for image files; cubes say it themselves, leave it out")
    if (path / "zarr.json").is_file():
        return CubeImages(card, {open_cube(path).attrs["sensor"]: path}, arguments.when)
    return CubeImages(card, region_cubes(path, card), arguments.when)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Map the land cover of a whole image by a trained model: a cloud-optimised GeoTIFF and, "
        "beside it, its STAC Item (.json).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="folder of a model, such as results/models/land-cover")
    parser.add_argument("image", type=Path, help="folder of a region's cubes, a cube (.zarr), or a GeoTIFF")
    parser.add_argument("out", type=Path, help="the map to write (.tif)")
    parser.add_argument(
        "--when",
        help="year of the composite or day of the image; else the model's own year, or the clearest day",
    )
    parser.add_argument(
        "--bounds",
        type=float,
        nargs=4,
        metavar=("LEFT", "BOTTOM", "RIGHT", "TOP"),
        help="map only this part, in metres of the image",
    )
    parser.add_argument("--device", help="cpu, cuda or mps; else the fastest there is")
    parser.add_argument("--threads", type=int, help="threads on a CPU; else all cores")
    files = parser.add_argument_group("image files that do not say it themselves")
    files.add_argument("--bands", help="names of all bands in order: blue,green,red")
    files.add_argument(
        "--units",
        help="reflectance, dB, m, or scaled (uint8 between the model's limits); one for all, or one each",
    )
    files.add_argument(
        "--factor", type=float, help="what values are multiplied by to have the unit, such as 0.0001"
    )
    files.add_argument("--offset", type=float, help="what is added then, such as -0.1")
    return parser
