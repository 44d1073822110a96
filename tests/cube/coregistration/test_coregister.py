"""Dates come to lie on each other, near where the map has them; a date without evidence stays where it is."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from revisit.cube.contract import open_cube, values_of
from revisit.cube.coregistration import coregister as coregister_stage
from revisit.cube.coregistration import displacement
from revisit.cube.coregistration.coregister import Settings, Shift, coregister, run
from revisit.cube.coregistration.match import Match
from revisit.cube.grid import Grid
from revisit.cube.write import create_cube
from revisit.errors import RevisitError
from revisit.job import Job

SIZE = 256
GRID = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), SIZE, SIZE)
SETTINGS = Settings(max_shift_pixels=3)
# East and south, of nine dates.
PLACES = np.array(
    [[0.9, 0.2], [-0.6, -0.9], [0.3, 0.8], [-1.2, 0.4], [0.0, -0.5], [0.7, -0.7], [-0.4, 0.9], [0.3, -0.2],
     [0.5, 0.4]]
)  # fmt: skip
CLOUDY = 3
CLEAR = np.arange(9) != CLOUDY
# Of the clear dates four are geometrically refined, since 03.00, and four are not.
BASELINES = ["02.09", "02.09", "05.00", "03.00", "03.00", "02.09 05.00", "", "03.00", "05.00"]
KINDS = PLACES[[2, 4, 7, 8]], PLACES[[0, 1, 5, 6]]
CENTRE = np.average(
    [kind.mean(axis=0) for kind in KINDS], axis=0, weights=[1 / kind.var(axis=0).sum() for kind in KINDS]
)
OTHER_ORBIT = np.array([0.9, -0.6])

Look = Callable[[float, float, int], np.ndarray]
Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, look: Look) -> Path:
    """raw cubes: Sentinel-2 with one cloudy date, Sentinel-1 of two orbits, the second half a pixel off."""
    path = tmp_path_factory.mktemp("cubes")
    random = np.random.default_rng(1)
    town = np.zeros(GRID.shape)
    town[20:60, 30:80] = town[110:160, 100:170] = 9
    bands = ["blue", "red", "nir"]
    with create_cube(
        path / "s2.zarr", GRID, dates=9, bands=bands, sensor="sentinel-2", region="here", stage="raw",
        unit="reflectance", settings={}, scene_classification=True,
    ) as writer:  # fmt: skip
        for date, (x, y) in enumerate(PLACES):
            red, nir = 0.2 + 0.02 * (look(x, y, 100 + date) + ndimage.shift(town / 3, (y, x), order=1))
            valid = np.ones(GRID.shape, bool)
            if date == CLOUDY:
                valid[:, 20:] = False
                red, nir = random.random((2, *GRID.shape), dtype=np.float32)
            values = np.stack([red / 2, red, nir])
            values[:, :10, :10] = np.nan
            valid[:10, :10] = False
            writer.write((slice(0, SIZE), slice(0, SIZE)), values, valid, np.where(valid, 4, 9).astype("u1"))
            about = {"source_items": f"optical-{date}", "processing_baseline": BASELINES[date]}
            writer.keep(np.datetime64("2020-01-05") + 30 * date, **about)
    with create_cube(
        path / "s1.zarr", GRID, dates=18, bands=["vv", "vh"], sensor="sentinel-1", region="here", stage="raw",
        unit="dB", settings={},
    ) as writer:  # fmt: skip
        for date, (x, y) in enumerate([*PLACES, *(PLACES + OTHER_ORBIT)]):
            level = np.array([-12, -21])[:, None, None] + 1.2 * look(x, y, 7)
            level += ndimage.shift(
                town, (y, x + 3), order=1
            )  # layover: the walls lie elsewhere than in optics
            speckle = random.gamma(4.4, 1 / 4.4, level.shape)
            values = (level + 10 * np.log10(speckle)).astype(np.float32)
            writer.write((slice(0, SIZE), slice(0, SIZE)), values, np.ones(GRID.shape, bool))
            writer.keep(np.datetime64("2020-01-01") + 20 * date, relative_orbit=15 if date < 9 else 88)
    coregister(path / "s2.zarr", path / "s2-aligned.zarr", path / "s2.csv", SETTINGS)
    return path


def errors(shifts: list[Shift], places: np.ndarray) -> np.ndarray:
    """Where the dates lie now, in pixels from the map."""
    return np.hypot(*(places + [(shift.x, shift.y) for shift in shifts]).T)


def test_optical(folder: Path, look: Look) -> None:
    """Clear dates are put at their centre, by their displacement with the sign turned.

    Both kinds of products count there by what their own positions scatter, which is no given number.
    """
    with open_cube(folder / "s2-aligned.zarr", stage="aligned", sensor="sentinel-2") as cube:
        moved = np.column_stack([cube["shift_x"].values, cube["shift_y"].values])
        assert np.abs(moved + PLACES - CENTRE)[CLEAR].max() < 0.1
        assert np.abs(np.median((moved + PLACES)[CLEAR], axis=0) - CENTRE).max() < 0.03
        wanted = (0.2 + 0.02 * look(*CENTRE, 105))[:, 190:-12, 12:-12]  # south of the towns
        left = values_of(cube)[5, 1:, 190:-12, 12:-12].values - wanted
        assert np.abs(left).mean() < 0.1 * wanted.std()
        assert cube["shift_confidence"].values[CLEAR].min() > 0.9


def test_cloudy_date(folder: Path) -> None:
    """It stays, to the bit, and the table says why."""
    with open_cube(folder / "s2.zarr") as raw, open_cube(folder / "s2-aligned.zarr") as cube:
        assert cube["shift_x"].values[CLOUDY] == cube["shift_confidence"].values[CLOUDY] == 0
        for name in ("reflectance", "valid", "scl"):
            np.testing.assert_array_equal(cube[name][CLOUDY].values, raw[name][CLOUDY].values)
    rows = list(csv.DictReader((folder / "s2.csv").open()))
    assert list(rows[0]) == [
        "time", "source_items", "shift_x", "shift_y", "error", "confidence", "windows", "applied", "cause"
    ]  # fmt: skip
    assert (rows[CLOUDY]["cause"], rows[CLOUDY]["error"]) == ("too little valid ground", "")
    assert [row["applied"] for row in rows] == ["no" if date == CLOUDY else "yes" for date in range(9)]
    assert all(0 < float(row["error"]) < 0.1 for row in rows if row["applied"] == "yes")
    assert rows[1]["source_items"] == "optical-1"


def test_masks_move_along(folder: Path) -> None:
    """Missing pixels stay missing, what they touched is not valid, and classes move with the rest."""
    with open_cube(folder / "s2-aligned.zarr") as cube:
        x, y = cube["shift_x"].values[1], cube["shift_y"].values[1]
        valid, values = cube["valid"][1].values.astype(bool), values_of(cube)[1].values
        assert (x, y) > (0.4, 0.7)
        assert not valid[: 10 + int(y), : 10 + int(x)].any()
        assert not np.isnan(values[:, valid]).any()
        assert cube["valid_fraction"].values[1] == pytest.approx(valid.mean())
        assert cube["scl"][1, 10:12, 4].values.tolist() == [9, 4]


def test_radar_onto_optical(folder: Path) -> None:
    """Both orbits come onto the optical cube, whatever towns do; without it each keeps its own centre.

    Onto the optical cube errors are larger: those of the match between the sensors come in.
    """
    places = np.vstack([PLACES, PLACES + OTHER_ORBIT])
    shifts = coregister(
        folder / "s1.zarr",
        folder / "s1-aligned.zarr",
        folder / "s1.csv",
        SETTINGS,
        folder / "s2-aligned.zarr",
    )
    from_optical = errors(shifts, places - CENTRE)
    assert np.median(from_optical) < 0.15
    assert from_optical.max() < 0.3

    alone = coregister(folder / "s1.zarr", folder / "s1-alone.zarr", folder / "s1.csv", SETTINGS)
    own = errors(alone, np.vstack([PLACES, PLACES]))
    assert np.median(own) < 0.1
    assert all(onto.error > own.error > 0 for onto, own in zip(shifts, alone, strict=True))


def test_bound(folder: Path, tmp_path: Path) -> None:
    """A date farther off than allowed is left alone."""
    near = Settings(max_shift_pixels=0.8)
    shifts = coregister(folder / "s2.zarr", tmp_path / "a.zarr", tmp_path / "a.csv", near)
    assert [shift.cause for shift in shifts][:2] == ["", "farther than 0.8 pixels"]
    assert (shifts[1].x, shifts[1].y, shifts[1].confidence) == (0, 0, 0)


def optical_cube(path: Path, dates: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    """A raw Sentinel-2 cube of dates given by red and nir (2, y, x) and valid (y, x)."""
    with create_cube(
        path, GRID, dates=len(dates), bands=["red", "nir"], sensor="sentinel-2", region="here", stage="raw",
        unit="reflectance", settings={},
    ) as writer:  # fmt: skip
        for number, (image, valid) in enumerate(dates):
            writer.write((slice(0, SIZE), slice(0, SIZE)), 0.2 + 0.02 * image, valid)
            writer.keep(np.datetime64("2020-01-05") + 30 * number)
    return path


def test_alone(look: Look, tmp_path: Path) -> None:
    """A date that nothing can be compared with is called so, with no confidence, and stays."""
    everywhere = np.ones(GRID.shape, bool)
    west = everywhere & (np.arange(SIZE) < SIZE // 2)
    series = {
        "one date": [(look(0.5, 0, 1), everywhere)],
        "all others cloudy": [(look(0.5, 0, 1), everywhere), (look(0, 0, 2), ~everywhere)],
        "other ground each": [(look(0.5, 0, 1), west), (look(0, 0, 2), ~west)],
    }
    for name, dates in series.items():
        cube = optical_cube(tmp_path / f"{name}.zarr", dates)
        shifts = coregister(cube, tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS)
        alone = [shift.cause for shift in shifts]
        assert alone == (["alone", "too little valid ground"] if "cloudy" in name else ["alone"] * len(dates))
        assert {(shift.x, shift.y, shift.confidence) for shift in shifts} == {(0, 0, 0)}, name


def test_what_lies_on_one_grid_stays(look: Look, tmp_path: Path) -> None:
    """A series that was never displaced is not moved by its noise; one date that was, is."""
    random = np.random.default_rng(5)

    def seen(x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        clean = look(x, y, 1)
        noise = 2 * clean.std() * random.standard_normal(clean.shape)
        return (clean + noise).astype(np.float32), np.ones(GRID.shape, bool)

    still = optical_cube(tmp_path / "still.zarr", [seen(0, 0) for _ in range(6)])
    shifts = coregister(still, tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS)
    assert {shift.cause for shift in shifts} <= {"within its error", "in place"}
    assert "within its error" in [shift.cause for shift in shifts]
    assert not any(shift.x or shift.y for shift in shifts)
    assert all(shift.error > 0 and shift.confidence > 0 for shift in shifts)

    places = [(0.8, 0.0), *[(0.0, 0.0)] * 5]
    moved = optical_cube(tmp_path / "moved.zarr", [seen(*at) for at in places])
    shifts = coregister(moved, tmp_path / "b.zarr", tmp_path / "b.csv", SETTINGS)
    assert shifts[0].cause == ""
    assert (shifts[0].x, shifts[0].y) == pytest.approx((-0.8, 0), abs=0.25)


@pytest.mark.parametrize(("length", "cause"), [(0.28, "within its error"), (0.32, ""), (0.04, "in place")])
def test_moved_beyond_three_standard_errors(length: float, cause: str) -> None:
    """The multiple that is stated."""
    shift = coregister_stage._shift(Match(0, -length, 0.9, 30, error=0.1), 3)
    assert (shift.cause, shift.y, shift.error) == (cause, 0 if cause else length, 0.1)


def radar_cube(path: Path, images: list[np.ndarray], bands: Sequence[str] = ("vv", "vh")) -> Path:
    """A raw Sentinel-1 cube of one orbit, in dB."""
    with create_cube(
        path, GRID, dates=len(images), bands=list(bands), sensor="sentinel-1", region="here", stage="raw",
        unit="dB", settings={},
    ) as writer:  # fmt: skip
        for number, image in enumerate(images):
            writer.write((slice(0, SIZE), slice(0, SIZE)), image, np.ones(GRID.shape, bool))
            writer.keep(np.datetime64("2020-01-01") + 20 * number, relative_orbit=15)
    return path


def test_a_lone_pass_is_compared_with_the_reference(folder: Path, look: Look, tmp_path: Path) -> None:
    """One Sentinel-1 date is alone by itself, but not beside an optical cube."""
    at = CENTRE + np.array([0.9, -0.4])
    speckle = np.random.default_rng(2).gamma(40, 1 / 40, (2, SIZE, SIZE))
    level = np.array([-12, -21])[:, None, None] + 1.2 * look(*at, 7) + 10 * np.log10(speckle)
    cube = radar_cube(tmp_path / "s1.zarr", [level.astype(np.float32)])
    (shift,) = coregister(cube, tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS, folder / "s2-aligned.zarr")
    assert (shift.x, shift.y) == pytest.approx((-0.9, 0.4), abs=0.15)
    assert shift.confidence > 0.6
    (shift,) = coregister(cube, tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS)
    assert (shift.cause, shift.confidence) == ("alone", 0)


@pytest.mark.parametrize(("x", "moved"), [(1.0, True), (0.4, False)])
def test_all_ground_where_none_is_low(
    folder: Path, look: Look, tmp_path: Path, x: float, moved: bool
) -> None:
    """Under forest everywhere a steady offset is found, unless layover alone may look so."""
    at = CENTRE + np.array([x, 0])
    speckle = np.random.default_rng(2).gamma(40, 1 / 40, (2, SIZE, SIZE))
    level = np.array([-7, -12])[:, None, None] + 1.2 * look(*at, 7) + 10 * np.log10(speckle)
    cube = radar_cube(tmp_path / "s1.zarr", [level.astype(np.float32)])
    (shift,) = coregister(cube, tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS, folder / "s2-aligned.zarr")
    if moved:
        assert (shift.x, shift.y) == pytest.approx((-x, 0), abs=0.15)
    else:
        assert (shift.x, shift.y, shift.cause) == (0, 0, "alone")


@pytest.mark.parametrize("bands", [["vv"], ["vv", "vh"]])
def test_ground_is_low_unless_vh_shows_it_tall(
    folder: Path, look: Look, tmp_path: Path, bands: list[str]
) -> None:
    """Without VH nothing tells tall ground, so all of it is matched: fields in VV are above forest in VH."""
    at = CENTRE + np.array([0.4, 0])
    speckle = np.random.default_rng(2).gamma(40, 1 / 40, (2, SIZE, SIZE))
    level = np.array([-12, -21])[:, None, None] + 1.2 * look(*at, 7) + 10 * np.log10(speckle)
    cube = radar_cube(tmp_path / "s1.zarr", [level.astype(np.float32)[: len(bands)]], bands)
    (shift,) = coregister(cube, tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS, folder / "s2-aligned.zarr")
    assert (shift.x, shift.y) == pytest.approx((-0.4, 0), abs=0.15)


def test_power_is_kept(folder: Path) -> None:
    """Aligned backscatter has the mean power it had: decibels would have lost a fifth of one half-way."""
    with open_cube(folder / "s1.zarr") as raw:
        image = values_of(raw)[0].values
    shift = Shift(0.5, 0.5, 1, 16, "")
    with open_cube(folder / "s1.zarr") as raw:
        block = next(iter(GRID.blocks(SIZE)))
        moved, valid, _ = coregister_stage._moved(raw.isel(time=0), GRID, block, shift)
    before, after = (10 * np.log10((10 ** (part[:, valid] / 10)).mean()) for part in (image, moved))
    assert after == pytest.approx(before, abs=0.03)


def test_wrong_inputs(folder: Path, tmp_path: Path) -> None:
    """An aligned cube is not aligned again, and the reference must lie on the same grid."""
    with pytest.raises(RevisitError, match="stage is aligned"):
        coregister(folder / "s2-aligned.zarr", tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS)
    other = Grid(32631, Affine(10, 0, 600_060, 0, -10, 5_400_000), SIZE, SIZE)
    with create_cube(
        tmp_path / "other.zarr", other, dates=1, bands=["red"], sensor="sentinel-2", region="there",
        stage="aligned", unit="reflectance", settings={},
    ) as writer:  # fmt: skip
        writer.keep(np.datetime64("2020-01-01"))
    with pytest.raises(RevisitError, match="not on the grid"):
        coregister(
            folder / "s1.zarr", tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS, tmp_path / "other.zarr"
        )


def test_job(folder: Path, tmp_path: Path) -> None:
    """The stage as the workflow runs it, with its picture; the same table as before."""
    names = {"cube": "aligned.zarr", "shifts": "shifts.csv", "quicklook": "aligned.png"}
    run(
        Job(
            "revisit.cube.coregistration.coregister",
            input={"cube": str(folder / "s2.zarr"), "reference": []},
            output={name: str(tmp_path / file) for name, file in names.items()},
            settings={"max_shift_pixels": 3},
        )
    )
    assert (tmp_path / "aligned.png").is_file()
    assert (tmp_path / "shifts.csv").read_text() == (folder / "s2.csv").read_text()


@pytest.mark.parametrize("sensor", ["s1", "s2"])
def test_same_bits_in_any_number_of_threads(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents, sensor: str
) -> None:
    """Displacements, images, masks and what is said of each date; matched in several parts of the region."""
    monkeypatch.setattr(displacement, "MOST_SAMPLES", 9 * 4 * 120**2)
    monkeypatch.setattr(displacement, "STRIP", 48)
    reference = folder / "s2-aligned.zarr" if sensor == "s1" else None
    for threads in (1, 3):
        cube, table = tmp_path / f"{threads}.zarr", tmp_path / f"{threads}.csv"
        coregister(folder / f"{sensor}.zarr", cube, table, SETTINGS, reference, threads)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "3.csv").read_bytes()
    assert contents(tmp_path / "1.zarr") == contents(tmp_path / "3.zarr")


def test_large_region(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a region beyond the memory's bound four parts are looked at, and moves are made block by block."""
    monkeypatch.setattr(displacement, "MOST_SAMPLES", 9 * 4 * 120**2)
    monkeypatch.setattr(coregister_stage, "BLOCK", 128)
    blocks = displacement._blocks(open_cube(folder / "s2.zarr"))
    assert [(rows.stop - rows.start, rows.start % 32) for rows, _ in blocks] == [(128, 0)] * 4
    shifts = coregister(folder / "s2.zarr", tmp_path / "a.zarr", tmp_path / "a.csv", SETTINGS)
    assert errors(shifts, PLACES - CENTRE)[CLEAR].max() < 0.2
    with open_cube(tmp_path / "a.zarr") as parts, open_cube(folder / "s2-aligned.zarr") as whole:
        moved = (shifts[1].x - whole["shift_x"].values[1], shifts[1].y - whole["shift_y"].values[1])
        assert np.abs(moved).max() < 0.2
        seam = values_of(parts)[1, 1, 120:136, 60].values - values_of(whole)[1, 1, 120:136, 60].values
        assert np.abs(seam).max() < 0.02
