"""A file of labels, a raster or polygons, and the years that it holds for."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from revisit.errors import RevisitError
from revisit.record import Record


def _once(years: list[int]) -> list[int]:
    if len(set(years)) < len(years):
        raise ValueError("names one twice")
    return sorted(years)


class LabelFile(Record):
    """A file of labels: give one of `raster` and `vector`."""

    raster: Path | None = None
    """A raster that GDAL reads; its first band holds the classes."""
    vector: Path | None = None
    """Polygons in any format that GDAL reads. Where two overlap the later one in the file counts."""
    column: str | None = None
    """The attribute of `vector` that says the class, by a value or by its name."""
    layer: str | None = None
    """The layer of `vector`; the first where none is given."""
    years: Annotated[list[int], Field(min_length=1), AfterValidator(_once)]
    """The years that the labels hold for."""

    @property
    def path(self) -> Path:
        """The file."""
        path = self.raster or self.vector
        assert path
        return path

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.raster is None) == (self.vector is None):
            raise ValueError("give one of raster and vector")
        if self.vector is not None and self.column is None:
            raise ValueError("vector needs column, the attribute that says the class; add it")
        if self.raster is not None and (self.column or self.layer):
            raise ValueError("raster has neither column nor layer; leave them out")
        return self


def check_file(file: LabelFile, where: str) -> None:
    """Refuse a file that is not there, or a vector file without the column."""
    key = f"{where}.{'raster' if file.raster else 'vector'}"
    if not file.path.exists():
        raise RevisitError(f"{key}: there is no file {file.path}; correct the path")
    if file.vector is None:
        return
    import pyogrio  # takes a while; most studies have no such file

    try:
        about = pyogrio.read_info(file.vector, layer=file.layer)
    except Exception as error:  # GDAL's drivers raise many kinds
        said = " ".join(str(error).split())[:200]
        raise RevisitError(f"{key}: {file.vector} is no file of polygons that GDAL reads ({said})") from error
    if file.column not in (columns := about["fields"].tolist()):
        known = ", ".join(columns) or "none"
        raise RevisitError(f"{where}.column: {file.vector} has no column {file.column!r}, only {known}")
