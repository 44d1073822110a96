"""Protects the truth that estimates of change are held against: which years, which pixels, which places."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from revisit.cube.grid import Region, region_grid
from revisit.cube.labels.label_file import LabelFile
from revisit.cube.labels.labels import Settings as LabelSettings
from revisit.cube.labels.labels import label
from revisit.cube.labels.ready import ready
from revisit.evaluation.true_change import Maps, Settings, between, places
from revisit.files import write_rows
from revisit.job import Job
from revisit.report import reading
from revisit.stage import run_file

BOX = (3.00, 48.50, 3.01, 48.506)
SIDE = 8
TREES, WATER = 10, 80


def era(number: int, first: str, last: str, **other: Any) -> dict[str, str]:
    lies = {"place": "4", "region": "here", "epsg": "32631", "longitude": "3", "latitude": "48.5"}
    blank = {"x": "0", "y": "0", "distance": "", "ratio": "", "smoothed_ratio": "", "changed": ""}
    return {**lies, **blank, "era": str(number), "first": first, "last": last, **other}


@pytest.mark.parametrize(
    ("earlier", "later", "labelled", "wanted"),
    [
        (("2017-05-01", "2018-09-01"), ("2021-01-01", "2022-02-02"), (2017, 2018, 2021, 2022), (2018, 2021)),
        (("2017-05-01", "2018-09-01"), ("2021-01-01", "2022-02-02"), (2017, 2022), (2017, 2022)),
        (("2017-05-01", "2017-09-01"), ("2021-01-01", "2021-02-02"), (2018, 2021), None),
        (("2017-05-01", "2022-09-01"), ("2017-05-01", "2022-09-01"), (2017, 2022), None),  # one era
        (("", ""), ("2021-01-01", "2021-02-02"), (2018, 2021), None),
    ],
)
def test_the_maps_are_of_years_that_part_the_eras(
    earlier: tuple[str, str], later: tuple[str, str], labelled: tuple[int, ...], wanted: Any
) -> None:
    """What lies between them lies between every two dates of the eras."""
    assert between([era(0, *earlier), era(1, *later)], labelled) == wanted


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    """A region of trees in 2018; in 2021 water came to six pixels of a place, and two have no label."""
    grid = region_grid(Region(bbox=BOX), 10)
    before = np.full(grid.shape, TREES, np.uint8)
    after = before.copy()
    after[16:18, 8:11] = WATER
    after[20, 8:10] = 0
    after[0:8, 0:3] = WATER  # of the place beside, all in three columns
    files = []
    for year, codes in ((2018, before), (2021, after)):
        path = tmp_path / f"{year}.tif"
        form = {"height": grid.shape[0], "width": grid.shape[1], "count": 1, "dtype": "uint8", "nodata": 0}
        corner = Affine(10, 0, float(grid.x[0]) - 5, 0, -10, float(grid.y[0]) + 5)
        with rasterio.open(path, "w", driver="GTiff", crs=grid.crs, transform=corner, **form) as target:
            target.write(codes, 1)
        files.append(LabelFile(raster=path, years=[year]))
    legend = ready("worldcover", "test")
    settings = LabelSettings(bbox=BOX, resolution_m=10, source="files", legend=legend, files=files)
    label([], tmp_path / "labels.zarr", region="here", settings=settings)
    return tmp_path / "labels.zarr"


def centre(row: int, column: int) -> dict[str, str]:
    """Metres of the centre of a place whose upper left pixel this is."""
    grid = region_grid(Region(bbox=BOX), 10)
    return {"x": str(grid.x[column] - 5 + 10 * SIDE / 2), "y": str(grid.y[row] + 5 - 10 * SIDE / 2)}


def test_share_of_changed_pixels_at_the_place(cube: Path, tmp_path: Path) -> None:
    """Six of the 62 pixels that both maps label: just under a tenth; and a whole row of the table."""
    rows = []
    spans = (("2017-05-01", "2018-09-01"), ("2021-01-01", "2022-02-02"))
    known = [{"distance": "0.5", "ratio": ratio, "smoothed_ratio": "2"} for ratio in ("1", "4")]
    for place, lies in enumerate((centre(16, 8), centre(0, 0), {**centre(16, 8), "region": "elsewhere"})):
        for number, span in enumerate(spans):
            estimates = known[number] if place != 1 else {}
            rows.append(era(number, *span, **lies, **estimates, place=str(place)))
    write_rows(tmp_path / "changes.csv", rows)
    write_rows(tmp_path / "mixture.csv", [{"component": "unchanged", "estimate": "ratio"}])
    inputs = {name: str(tmp_path / f"{name}.csv") for name in ("changes", "mixture")}
    job = Job(
        "revisit.evaluation.true_change",
        input={**inputs, "labels": [str(cube)]},
        output={"places": str(tmp_path / "places.csv")},
        settings={"patch_pixels": SIDE},
    )
    job.write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 0
    few, many, unlabelled = reading.read_rows(tmp_path / "places.csv", ("used",))
    assert float(few["changed_share"]) == pytest.approx(6 / 62, abs=1e-6) and few["changed"] == "0"
    assert (few["before"], few["after"], few["used"], few["place"]) == ("2018", "2021", "ratio", "0")
    assert (few["distance"], few["ratio"], few["smoothed_ratio"]) == ("0.5", "2.5", "2")
    assert (many["changed_share"], many["changed"], many["ratio"]) == ("0.375", "1", "")
    assert unlabelled["changed_share"] == unlabelled["changed"] == "" != unlabelled["ratio"]


def test_a_place_outside_of_the_labels_is_refused(cube: Path) -> None:
    """Nothing of another place may be taken for it."""
    rows = [
        era(number, f"{year}-05-01", f"{year}-06-01", **centre(0, -4 % 40))
        for number, year in enumerate((2018, 2021))
    ]
    for row in rows:
        row["x"] = "0"
    with pytest.raises(Exception, match="place 4 lies outside"):
        list(places(rows, {"here": Maps(cube)}, Settings(patch_pixels=SIDE)))
