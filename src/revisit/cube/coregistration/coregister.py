"""Moves the dates of a raw cube onto each other: raw.zarr -> aligned.zarr, shifts.csv.

A date is moved as a whole, once, to the centre of its cube's dates; Sentinel-1 also onto an aligned
Sentinel-2 cube where one is given. Valid pixels are interpolated by cubic splines, all others linearly. A
date whose evidence is thin, or that is not found farther off than its error, stays where it is, and the
table says why. Backscatter is moved in linear power. How displacements are found:
revisit.cube.coregistration.displacement.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from pydantic import Field
from threadpoolctl import threadpool_limits

from revisit import stage
from revisit.cube.beside import cube_link, write_beside
from revisit.cube.contract import about_date, grid_of, open_cube, values_of
from revisit.cube.coregistration.displacement import optical, radar
from revisit.cube.coregistration.match import Match
from revisit.cube.coregistration.move import MARGIN, Move, move_classes
from revisit.cube.grid import Block, Grid, inside, widened
from revisit.cube.in_order import in_order
from revisit.cube.packing import REFLECTANCE_MISSING, pack_reflectance, unpack_reflectance
from revisit.cube.write import BLOCK, create_cube
from revisit.errors import RevisitError
from revisit.files import write_text
from revisit.job import Job
from revisit.record import Record, read

COLUMNS = ("time", "source_items", "shift_x", "shift_y", "error", "confidence", "windows", "applied", "cause")
IN_PLACE = 0.05  # pixels; a smaller move is not worth the blur of an interpolation


class Settings(Record):
    """How far dates may be moved."""

    max_shift_pixels: float = Field(ge=0)
    """A date found farther away stays where it is."""


@dataclass(frozen=True)
class Shift:
    """Pixels a date's content is moved by (``x`` east, ``y`` south); ``cause`` says why it is not moved.

    ``error`` is the standard error of the displacement that was found, nan where none was.
    """

    x: float
    y: float
    confidence: float
    windows: int
    cause: str
    error: float = np.nan


def run(job: Job) -> None:
    """Make the aligned ``cube`` and its ``shifts`` from the raw ``cube``, onto ``reference`` where given."""
    raw, path, references = job.source("cube"), job.target("cube"), job.sources("reference")
    settings = read(Settings, job.settings, "coregister")
    reference = references[0] if references else None
    with threadpool_limits(1):  # products of matrices too run in the thread that asks for them
        coregister(raw, path, job.target("shifts"), settings, reference, job.threads)
    write_beside(path, job.target("quicklook"), [cube_link(source) for source in (raw, *references)])


def coregister(
    cube_path: str | Path,
    aligned_path: str | Path,
    shifts_path: str | Path,
    settings: Settings,
    reference_path: str | Path | None = None,
    threads: int = 1,
) -> list[Shift]:
    """Write the aligned cube and the table of its shifts, one a date, which are returned too.

    ``reference_path`` is an aligned Sentinel-2 cube of the region. Dates are matched and moved
    in ``threads``. Raises RevisitError where a cube is of another stage, sensor or grid than that.
    """
    max_shift = settings.max_shift_pixels
    cube = open_cube(cube_path, stage="raw")
    if cube.attrs["sensor"] == "sentinel-2":
        matches = optical(cube, max_shift, threads)
    else:
        reference = open_cube(reference_path, "aligned", sensor="sentinel-2") if reference_path else None
        if reference is not None and grid_of(reference) != grid_of(cube):
            raise RevisitError(f"{reference_path}: not on the grid of {cube_path}; make both of one region")
        matches, offsets = radar(cube, reference, max_shift, threads)
        for orbit, offset in offsets.items():
            found = (
                offset.cause or f"lies {offset.x:+.2f}, {offset.y:+.2f} pixels from it ± {offset.error:.2f}"
            )
            stage.log.info("relative orbit %d and the reference: %s", orbit, found)
    shifts = [_shift(match, max_shift) for match in matches]
    _write(open_cube(cube_path, packed=True), aligned_path, shifts, settings, threads)
    write_text(shifts_path, _table(cube, shifts))
    lengths = [np.hypot(shift.x, shift.y) for shift in shifts if not shift.cause]
    middle = f", by {np.median(lengths):.2f} pixels (median)" if lengths else ""
    stage.log.info("moved %d of %d dates%s", len(lengths), len(shifts), middle)
    return shifts


def _shift(match: Match, max_shift: float) -> Shift:
    """What to do about a displacement."""
    if match.cause:
        return Shift(0, 0, 0, match.windows, match.cause)
    if max(abs(match.x), abs(match.y)) > max_shift:
        return Shift(0, 0, 0, match.windows, f"farther than {max_shift:g} pixels", match.error)
    cause = ""
    if np.hypot(match.x, match.y) < IN_PLACE:
        cause = "in place"
    elif not match.beyond_error:
        cause = "within its error"
    x, y = (0.0, 0.0) if cause else (-match.x, -match.y)
    return Shift(x, y, match.confidence, match.windows, cause, match.error)


def _write(
    cube: xr.Dataset, path: str | Path, shifts: Sequence[Shift], settings: Settings, threads: int
) -> None:
    grid = grid_of(cube)
    with create_cube(
        path,
        grid,
        dates=len(shifts),
        bands=cube["band"].values.tolist(),
        sensor=cube.attrs["sensor"],
        region=cube.attrs["region"],
        stage="aligned",
        unit=cube.attrs["unit"],
        settings=settings.content(),
        scene_classification="scl" in cube,
    ) as writer:
        writer.name(values_of(cube).attrs["long_name"])
        moving = [date for date, shift in enumerate(shifts) if not shift.cause]
        staying = [date for date, shift in enumerate(shifts) if shift.cause]

        def moved(at: tuple[int, Block]) -> None:
            date, block = at
            writer.write(block, *_moved(cube.isel(time=date), grid, block, shifts[date]), date=date)

        # What takes longest first, so that no thread is left alone with it at the end.
        every = [(date, block) for date in moving + staying for block in grid.blocks(BLOCK)]
        for _ in stage.progress(in_order(moved, every, threads), "moving", len(every)):
            pass
        for date, shift in enumerate(shifts):
            about = {
                "shift_x": shift.x,
                "shift_y": shift.y,
                "shift_error": shift.error,
                "shift_confidence": shift.confidence,
            }
            writer.keep(cube["time"].values[date], **about_date(cube, date) | about)


def _moved(
    at: xr.Dataset, grid: Grid, block: Block, shift: Shift
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Values, valid and scene classification of one date in a block, moved; read with a margin around it."""
    margin = MARGIN + int(np.ceil(max(abs(shift.x), abs(shift.y))))
    wide = widened(block, margin, grid.shape)
    inner = inside(block, wide)
    around = at.isel(y=wide[0], x=wide[1])
    values, valid = values_of(around).values, around["valid"].values.astype(bool)
    classes = around["scl"].values if "scl" in around else None
    if not shift.cause:
        valid = _move(values, valid, shift)
        classes = None if classes is None else move_classes(classes, shift.x, shift.y)
    return values[:, *inner], valid[inner], None if classes is None else classes[inner]


def _move(values: np.ndarray, valid: np.ndarray, shift: Shift) -> np.ndarray:
    """Move bands (band, y, x) in place, steps of reflectance or dB; returns the moved ``valid`` (y, x).

    One by one, or they would take several times their memory.
    """
    packed = values.dtype == np.int16
    known = np.ones(valid.shape, bool)
    for band in values:
        known &= band != REFLECTANCE_MISSING if packed else ~np.isnan(band)
    move = Move(known, valid, shift.x, shift.y)
    for band in values:
        if packed:
            band[:] = pack_reflectance(move.image(unpack_reflectance(band)))
        else:
            band[:] = move.image(band, decibels=True)
    return move.seen


def _table(cube: xr.Dataset, shifts: Sequence[Shift]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    times = np.datetime_as_string(cube["time"].values, unit="s")
    for time, items, shift in zip(times, cube["source_items"].values, shifts, strict=True):
        error = "" if np.isnan(shift.error) else f"{shift.error:.3f}"
        numbers = [f"{shift.x:.3f}", f"{shift.y:.3f}", error, f"{shift.confidence:.2f}", shift.windows]
        rows.writerow([time, items, *numbers, "no" if shift.cause else "yes", shift.cause])
    return text.getvalue()
