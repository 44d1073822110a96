"""Sigma nought by the annotation: its table in the true layout, interpolated, put where its pixels lie."""

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin, xy
from rasterio.windows import Window
from scipy.interpolate import RegularGridInterpolator

from revisit.errors import RevisitError
from revisit.stac import download as module
from revisit.stac import ground_range
from revisit.stac.calibration import SigmaNought
from revisit.stac.clip import Area, cut
from revisit.stac.failures import UnreadableError
from revisit.stac.fetch import annotation as annotation_of

UTM, SIZE = 32631, 900
TURN = from_origin(600_000, 5_700_000, 10, 10) @ rasterio.Affine.rotation(12)
LINES = np.array([0, 150, 420, 899])
PIXELS = np.array([0, 40, 80, 300, 640, 899])
# Far more than a real one varies over a scene, so that a wrong line or pixel shows.
TABLE = 2000 + 2 * LINES[:, None] + 0.002 * (PIXELS**2)[None] + 0.001 * LINES[:, None] * PIXELS
LAND, TOWN = 0.1, 0.5


def annotation(table: np.ndarray = TABLE, lines: Any = LINES, pixels: Any = PIXELS) -> str:
    """A calibration annotation as products have it, with other tables beside that of sigma nought."""

    def vector(line: int, values: np.ndarray) -> str:
        def row(name: str, numbers: Any) -> str:
            return (
                f'<{name} count="{len(numbers)}">{" ".join(f"{number:.6e}" for number in numbers)}</{name}>'
            )

        return f"""
    <calibrationVector>
      <azimuthTime>2023-04-03T05:50:0{line % 10}.493726</azimuthTime>
      <line>{line}</line>
      <pixel count="{len(pixels)}">{" ".join(map(str, pixels))}</pixel>
      {row("sigmaNought", values)}
      {row("betaNought", 2 * values)}
      {row("gamma", 3 * values)}
      {row("dn", 4 * values)}
    </calibrationVector>"""

    vectors = "".join(vector(*both) for both in zip(lines, table, strict=True))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<calibration>
  <adsHeader>
    <missionId>S1A</missionId>
    <productType>GRD</productType>
    <polarisation>VV</polarisation>
    <mode>IW</mode>
  </adsHeader>
  <calibrationInformation>
    <absoluteCalibrationConstant>1.000000e+00</absoluteCalibrationConstant>
  </calibrationInformation>
  <calibrationVectorList count="{len(lines)}">{vectors}
  </calibrationVectorList>
</calibration>
"""


def truth() -> np.ndarray:
    """A of every pixel, by another hand."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return RegularGridInterpolator((LINES, PIXELS), TABLE)((rows, columns))


def write_image(path: Path, turn: rasterio.Affine = TURN, epsg: int = UTM) -> None:
    """Amplitudes of a plain with a bright town, on the ground as acquired: turned, with points alone."""
    sigma = np.full((SIZE, SIZE), LAND)
    sigma[600:620, 650:680] = TOWN
    numbers = np.rint(np.sqrt(sigma) * truth()).astype("uint16")
    numbers[:, :30] = 0
    points = []
    for row in range(0, SIZE + 1, 100):
        for column in range(0, SIZE + 1, 100):
            (lon,), (lat,) = rasterio.warp.transform(
                f"EPSG:{epsg}", "EPSG:4326", *[[metres] for metres in turn @ (column, row)]
            )
            points.append(GroundControlPoint(row=row, col=column, x=lon, y=lat, z=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": SIZE, "width": SIZE, "count": 1, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", gcps=points, crs=rasterio.CRS.from_epsg(4326), **profile) as file:
        file.write(numbers, 1)


def test_the_table_between_its_lines_and_pixels() -> None:
    """Linear in both directions, held at the edges; the order of the lines in the file is no matter."""
    table = SigmaNought.parse(annotation().encode())
    found = table.at(Window(0, 0, SIZE, SIZE))
    np.testing.assert_allclose(found, truth(), rtol=1e-6)
    np.testing.assert_array_equal(table.at(Window(35, 400, 60, 50)), found[400:450, 35:95])
    np.testing.assert_allclose(table.at(Window(SIZE, SIZE, 2, 2)), TABLE[-1, -1], rtol=1e-6)
    turned = SigmaNought.parse(annotation(TABLE[::-1], LINES[::-1]).encode())
    np.testing.assert_array_equal(turned.at(Window(0, 0, SIZE, SIZE)), found)
    single = SigmaNought.parse(annotation(TABLE[:1], LINES[:1]).encode())
    np.testing.assert_allclose(single.at(Window(0, 7, 1, 3)), TABLE[0, 0])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<html>busy", "no calibration annotation"),
        ("<calibration/>", "no calibration annotation"),
        (annotation().replace("sigmaNought", "sigma"), "line without values"),
        (annotation(0 * TABLE), "line without values"),
        (annotation().replace(f"{TABLE[1, 2]:.6e}", "much"), "no calibration annotation"),
    ],
)
def test_what_is_no_annotation(text: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told) as raised:
        SigmaNought.parse(text.encode())
    assert raised.value.lasting


def test_an_image_becomes_sigma_nought_where_its_points_say(tmp_path: Path) -> None:
    """Flat land is flat although the table is not, and the town lies where it lay, within half a pixel."""
    write_image(tmp_path / "grd.tif")
    x, y = TURN @ (660, 610)
    area = Area(UTM, (x - 3000, y - 1500, x + 1500, y + 3000))  # more than a block of rows
    table = SigmaNought.parse(annotation().encode())
    found = cut(str(tmp_path / "grd.tif"), area, tmp_path / "clip.tif", 0, table=table)
    assert (found["warped"], found["dtype"], found["nodata"]) == (True, "float32", 0)
    with rasterio.open(tmp_path / "clip.tif") as file:
        sigma, bounds = file.read(1), file.bounds
        transform = file.transform
    assert bounds.left <= area.bounds[0] and bounds.right >= area.bounds[2]
    assert bounds.bottom <= area.bounds[1] and bounds.top >= area.bounds[3]
    rows, columns = np.nonzero(sigma > (LAND + TOWN) / 2)
    town = xy(transform, rows.mean(), columns.mean())
    expected = TURN @ (665, 610)
    assert np.hypot(town[0] - expected[0], town[1] - expected[1]) < 5
    assert abs(sigma[rows, columns].max() - TOWN) < 1e-3 * TOWN
    away = np.hypot(*(np.indices(sigma.shape) - np.array([rows.mean(), columns.mean()])[:, None, None])) > 30
    np.testing.assert_allclose(sigma[away], LAND, rtol=2e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.tif", "grd.tif"]


@pytest.mark.parametrize("east", [0, 2500])
@pytest.mark.parametrize("calibrated", [True, False])
def test_an_image_over_the_180th_meridian(tmp_path: Path, east: float, calibrated: bool) -> None:
    """Its points jump by 360 degrees there; areas over the meridian and beside it are found all the same."""
    epsg = 32660
    (middle,), _ = rasterio.warp.transform("EPSG:4326", f"EPSG:{epsg}", [180], [51.4])
    turn = from_origin(middle - 6500 + east, 5_700_000, 10, 10) @ rasterio.Affine.rotation(12)
    write_image(tmp_path / "grd.tif", turn, epsg)
    x, y = turn @ (660, 610)
    area = Area(epsg, (x - 1500, y - 1500, x + 1500, y + 1500))
    table = SigmaNought.parse(annotation().encode()) if calibrated else None
    assert cut(str(tmp_path / "grd.tif"), area, tmp_path / "clip.tif", 0, table=table)["valid"]
    with rasterio.open(tmp_path / "clip.tif") as file:
        values, transform = file.read(1).astype(float), file.transform
    assert (values > 0).all()
    rows, columns = np.nonzero(values > (LAND + TOWN) / 2 if calibrated else values > 1.5 * np.median(values))
    town, expected = xy(transform, rows.mean(), columns.mean()), turn @ (665, 610)
    assert np.hypot(town[0] - expected[0], town[1] - expected[1]) < 5


def test_what_the_image_does_not_hold_is_no_data(tmp_path: Path) -> None:
    """Numbers of 0 stay without data; an area beside the image gives no file."""
    write_image(tmp_path / "grd.tif")
    table = SigmaNought.parse(annotation().encode())
    x, y = TURN @ (20, 400)
    cut(
        str(tmp_path / "grd.tif"),
        Area(UTM, (x - 300, y - 300, x + 300, y + 300)),
        tmp_path / "a.tif",
        0,
        table=table,
    )
    with rasterio.open(tmp_path / "a.tif") as file:
        sigma = file.read(1)
    assert 0.3 < (sigma == 0).mean() < 0.7
    np.testing.assert_allclose(sigma[sigma > 0], LAND, rtol=2e-3)
    beside = Area(UTM, (x - 9000, y, x - 8000, y + 900))
    assert not cut(str(tmp_path / "grd.tif"), beside, tmp_path / "b.tif", 0, table=table)["valid"]
    with rasterio.open(
        tmp_path / "grid.tif", "w", driver="GTiff", height=5, width=5, count=1, dtype="uint16",
        crs=f"EPSG:{UTM}", transform=from_origin(x, y, 10, 10),
    ) as file:  # fmt: skip
        file.write(np.ones((5, 5), "uint16"), 1)
    with pytest.raises(UnreadableError, match="no ground control points"):
        cut(str(tmp_path / "grid.tif"), Area(UTM, (x, y - 50, x + 50, y)), tmp_path / "c.tif", 0, table=table)


@pytest.mark.parametrize("place", [(110, 0), (105, 1), (5, 200), (5, float("inf"))])
def test_points_that_lead_nowhere_cost_the_scene_alone(tmp_path: Path, place: tuple[float, float]) -> None:
    """Far outside of the zone, or no place on Earth: the file is unreadable, and not the job at its end."""
    points = [
        GroundControlPoint(row=row, col=column, x=place[0] + column / 1e4, y=place[1] - row / 1e4, z=0)
        for row in (0, 450, 900)
        for column in (0, 450, 900)
    ]
    profile = {"driver": "GTiff", "height": SIZE, "width": SIZE, "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "grd.tif", "w", gcps=points, crs="EPSG:4326", **profile) as file:
        file.write(np.ones((SIZE, SIZE), "uint16"), 1)
    area = Area(UTM, (600_000, 5_690_000, 601_000, 5_691_000))
    try:
        assert not cut(str(tmp_path / "grd.tif"), area, tmp_path / "clip.tif", 0)["valid"]
    except UnreadableError as error:
        assert error.lasting
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("nodata", [-9999, "nan", 65536])
def test_no_data_that_the_type_cannot_hold(tmp_path: Path, nodata: Any) -> None:
    """An item may state such a number: no pixel has it."""
    write_image(tmp_path / "grd.tif")
    x, y = TURN @ (660, 610)
    area = Area(UTM, (x - 300, y - 300, x + 300, y + 300))
    assert cut(str(tmp_path / "grd.tif"), area, tmp_path / "clip.tif", nodata)["valid"]
    with rasterio.open(tmp_path / "clip.tif") as file:
        assert (file.read(1) > 0).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_disk_that_fills_up_with_the_part(tmp_path: Path, share: float) -> None:
    """GDAL may keep that to itself until the file is closed; it is no fault of the image."""
    write_image(tmp_path / "grd.tif")
    x, y = TURN @ (660, 610)
    area = Area(UTM, (x - 2000, y - 2000, x + 2000, y + 2000))
    limits, part = resource.getrlimit(resource.RLIMIT_FSIZE), 9 * ground_range.BLOCK**2 * 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * part), limits[1]))
    try:
        with pytest.raises((OSError, RevisitError)) as raised:
            cut(str(tmp_path / "grd.tif"), area, tmp_path / "clip.tif", 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not isinstance(raised.value, UnreadableError)
    assert [path.name for path in tmp_path.iterdir()] == ["grd.tif"]


def own(folder: Path, **more: Any) -> dict[str, Any]:
    entry = {"inherits": "planetary-computer-grd", "folder": str(folder)}
    return {"grd": {**entry, **({"sensors": {"sentinel-1": more}} if more else {})}}


@pytest.fixture
def grd(tmp_path: Path) -> tuple[Path, list[float]]:
    """A folder with two items of ground range products, one of which lacks its annotation, and a bbox."""
    folder, items = tmp_path / "grd", []
    x, y = TURN @ (660, 610)
    bbox = list(
        rasterio.warp.transform_bounds(f"EPSG:{UTM}", "EPSG:4326", x - 400, y - 400, x + 400, y + 400)
    )
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    for name, day in (("whole", 3), ("bare", 15)):
        write_image(folder / name / "vv.tif")
        assets = {"vv": {"href": f"{name}/vv.tif", "type": "image/tiff"}}
        if name == "whole":
            (folder / name / "calibration-iw-vv.xml").write_text(annotation())
            href = f"{name}/calibration-iw-vv.xml"
            assets["schema-calibration-vv"] = {"href": href, "type": "application/xml"}
        items.append(
            {
                "type": "Feature",
                "stac_version": "1.0.0",
                "id": name,
                "collection": "sentinel-1-grd",
                "bbox": bbox,
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"datetime": f"2023-04-{day:02d}T05:50:00Z", "platform": "SENTINEL-1A"},
                "links": [],
                "assets": assets,
            }
        )
    collection = {
        "type": "Collection", "id": "sentinel-1-grd", "stac_version": "1.0.0", "description": "", "links": [],
        "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[None, None]]}},
    }  # fmt: skip
    (folder / "collections.json").write_text(json.dumps([collection]))
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return folder, bbox


def test_the_line_from_a_catalogue(grd: Any, search: Any, download: Any, tmp_path: Path, caplog: Any) -> None:
    """A scene without annotation is left out by name: its decibels would not be those of the others."""
    folder, bbox = grd
    settings = {"provider": "grd", "providers": own(folder), "bbox": bbox, "years": [2023], "bands": ["vv"]}
    items = search("here", "sentinel-1", settings)
    assert [item["id"] for item in items] == ["whole"]
    assert "left out: grd: item bare has no asset for band 'schema-calibration-vv'" in caplog.text
    out = tmp_path / "scenes" / "manifest.json"
    manifest = download(items, "here", "sentinel-1", 2023, out, settings)
    band = manifest["scenes"][0]["bands"]["vv"]
    assert manifest["quantity"] == "sigma nought backscatter"
    assert (band["unit"], band["scale"], band["offset"], band["nodata"]) == ("linear power", 1, 0, 0)
    assert band["calibration"] == "served:///whole/calibration-iw-vv.xml"
    with rasterio.open(out.parent / band["path"]) as file:
        assert abs(np.median(file.read(1)) - LAND) < 1e-4


def test_another_annotation_is_another_clip(grd: Any, search: Any, download: Any, tmp_path: Path) -> None:
    """What was calibrated by the old one is not kept; a broken one is quarantined by its name."""
    folder, bbox = grd
    settings = {"provider": "grd", "providers": own(folder), "bbox": bbox, "years": [2023], "bands": ["vv"]}
    settings |= {"max_quarantined": 1}
    items, out = search("here", "sentinel-1", settings), tmp_path / "scenes" / "manifest.json"

    def median() -> float:
        manifest = download(items, "here", "sentinel-1", 2023, out, settings)
        with rasterio.open(out.parent / manifest["scenes"][0]["bands"]["vv"]["path"]) as file:
            return float(np.median(file.read(1)))

    assert median() == pytest.approx(LAND, rel=1e-3)
    (folder / "whole/calibration-iw-vv.xml").write_text(annotation(2 * TABLE))
    assert median() == pytest.approx(LAND / 4, rel=1e-3)
    (folder / "whole/calibration-iw-vv.xml").write_text("<html/>")
    manifest = download(items, "here", "sentinel-1", 2023, out, settings)
    assert manifest["scenes"] == []
    assert "no calibration annotation" in manifest["quarantine"][0]["cause"]


def test_an_edit_of_the_calibration_makes_its_clips_anew(
    grd: Any, search: Any, download: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole files of the same source and settings are still what faulty code made of them."""
    folder, bbox = grd
    settings = {"provider": "grd", "providers": own(folder), "bbox": bbox, "years": [2023], "bands": ["vv"]}
    items, out = search("here", "sentinel-1", settings), tmp_path / "scenes" / "manifest.json"
    fetched = []
    read = module.fetch
    monkeypatch.setattr(module, "fetch", lambda *given: fetched.append(given[2]) or read(*given))
    digests = module.code("revisit.stac.clip")
    for edited, count in (({}, 1), ({}, 1), ({"code_revisit_stac_calibration": "stac/calibration.py x"}, 2)):
        monkeypatch.setattr(module, "code", lambda *names, edited=edited: {**digests, **edited})
        download(items, "here", "sentinel-1", 2023, out, settings)
        assert len(fetched) == count
    assert "code_revisit_stac_calibration" in digests


def test_without_calibration_decibels_are_relative_and_said_so(
    grd: Any, search: Any, download: Any, tmp_path: Path, caplog: Any
) -> None:
    folder, bbox = grd
    providers = own(folder, calibration_asset="", calibration_db=0, quantity="relative backscatter")
    settings = {"provider": "grd", "providers": providers, "bbox": bbox, "years": [2023], "bands": ["vv"]}
    items = search("here", "sentinel-1", settings)
    manifest = download(items, "here", "sentinel-1", 2023, tmp_path / "scenes" / "manifest.json", settings)
    assert [scene["bands"]["vv"]["unit"] for scene in manifest["scenes"]] == ["amplitude"] * 2
    assert manifest["quantity"] == "relative backscatter"
    assert "amplitudes without calibration; their decibels are relative" in caplog.text


def test_annotations_in_an_object_store_are_refused_at_once() -> None:
    """GDAL reads such files, but no such text."""
    with pytest.raises(RevisitError, match=r"s3://bucket/a\.xml: .*planetary-computer-grd"):
        annotation_of("s3://bucket/a.xml")


def test_real_items_have_annotations(shared: Path) -> None:
    """Both catalogues of ground range products name them alike."""
    for name in ("earth-search-v1", "planetary-computer"):
        path = shared / "real/stac/items" / f"{name}__sentinel-1-grd.json"
        for item in json.loads(path.read_text())["features"]:
            bands = [polarisation.lower() for polarisation in item["properties"]["sar:polarizations"]]
            assert bands and all(f"schema-calibration-{band}" in item["assets"] for band in bands)
