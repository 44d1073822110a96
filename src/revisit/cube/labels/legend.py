"""The legend of a label map: codes, names and colours of its classes, as cubes and collections carry it.

Code 0 is no label, in every cube and collection.
"""

import colorsys
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from revisit.record import Record

if TYPE_CHECKING:  # whoever reads patches opens no cube
    import xarray as xr

MOST = 65_535  # what a cube of 16 bits holds
TURN = 0.618034  # of the colour wheel, from one class without a colour to the next: the golden section
NO_LABEL = "#ffffff"
BY_YEAR = "land_cover_by_year"  # of a label cube whose maps hold for different years: those of each
NUMBER = re.compile(r"\s*-?\d+\s*")

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class LabelClass(Record):
    """A class of a legend."""

    code: int = Field(ge=1, le=MOST)
    """Its number in cubes, collections and `classes`; 0 is no label."""
    name: str = Field(min_length=1)
    """As tables and pictures call it, and as vector files may."""
    colour: Colour | None = None
    """In pictures, as `"#rrggbb"`; one of its own where none is given."""
    values: list[int] | None = Field(None, min_length=1)
    """The values that files have for it; its code where none are given. Several are merged."""


class Legend(Record):
    """The classes of a label map."""

    title: str
    """What the map is called in pictures."""
    classes: list[LabelClass] = Field(min_length=1)
    """Its classes, in order."""
    ignore: list[int | str] = []
    """Values of files, numbers or names, that are no label."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        values: dict[float | str, str] = {}
        for what, spelt in (("code", lambda one: [one.code]), ("value", values_of), ("name", _names_of)):
            owners: dict[float | str, str] = {}
            for one in self.classes:
                for key in spelt(one):
                    if key in owners:
                        raise ValueError(
                            f"{what} {key!r} is that of {owners[key]!r} and of {one.name!r}; "
                            "give each class its own"
                        )
                    owners[key] = one.name
            values |= owners if what != "code" else {}
        for key in map(simple, self.ignore):
            if key in values:
                raise ValueError(f"{key!r} is to be ignored, and is of the class {values[key]!r}; drop one")
        return self

    @property
    def codes(self) -> list[int]:
        """Codes of the classes, in order."""
        return [one.code for one in self.classes]

    @property
    def names(self) -> dict[int, str]:
        """Names by code."""
        return {one.code: one.name for one in self.classes}

    @property
    def colours(self) -> dict[int, str]:
        """Colours by code; a class that has none gets one by its place in the order."""
        return {one.code: one.colour or _own(place) for place, one in enumerate(self.classes)}

    @property
    def meanings(self) -> dict[float | str, int]:
        """The code of everything that files may say, values and (``simple``) names; 0 is no label.

        Whole numbers are found as floats too.
        """
        ignored: dict[float | str, int] = dict.fromkeys(map(simple, [0, *self.ignore]), 0)
        return ignored | {key: one.code for one in self.classes for key in (*_names_of(one), *values_of(one))}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds the codes: uint8 or uint16."""
        return np.dtype(np.uint8 if max(self.codes) < 256 else np.uint16)

    def painted(self, codes: NDArray[Any]) -> NDArray[np.uint8]:
        """Colours (..., 3) of codes of any shape, white where there is no class."""
        picture = np.empty((*codes.shape, 3), np.uint8)
        picture[:] = rgb(NO_LABEL)
        for code, colour in self.colours.items():
            picture[codes == code] = rgb(colour)
        return picture

    def described(self) -> dict[str, Any]:
        """As the attributes of a collection have it: ``title``, ``codes``, ``names``, ``colours``."""
        return {
            "title": self.title,
            "codes": self.codes,
            "names": list(self.names.values()),
            "colours": list(self.colours.values()),
        }

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Self:
        """The legend that ``described`` described."""
        columns = (about[key] for key in ("codes", "names", "colours"))
        classes = [
            LabelClass(code=code, name=name, colour=colour)
            for code, name, colour in zip(*columns, strict=True)
        ]
        return cls(title=about["title"], classes=classes)

    def flags(self) -> dict[str, Any]:
        """As the variable of a label cube has it: the flag attributes of CF, and the names as they are."""
        about = self.described()
        return {
            "long_name": f"land cover, {self.title}",
            "flag_values": about["codes"],
            "flag_meanings": " ".join(
                re.sub(r"[^\w.+@-]+", "_", name.lower()).strip("_") for name in about["names"]
            ),
            "flag_colors": " ".join(about["colours"]),
            "names": about["names"],
        }

    @classmethod
    def of_cube(cls, cube: "xr.Dataset") -> Self:
        """The legend of a label cube."""
        flags = cube["land_cover"].attrs
        return cls.of(
            {
                "title": flags["long_name"].removeprefix("land cover, "),
                "codes": [int(code) for code in np.atleast_1d(flags["flag_values"])],
                "names": np.atleast_1d(flags["names"]).tolist(),
                "colours": flags["flag_colors"].split(),
            }
        )


def values_of(one: LabelClass) -> Sequence[int]:
    """The values that files have for a class."""
    return one.values or [one.code]


def simple(value: float | str) -> float | str:
    """A value as a number where it is one, else without what differs from file to file.

    That is case, blanks, hyphens: ``Peat bogs`` is ``Peatbogs``.
    """
    if isinstance(value, str):
        return int(value) if NUMBER.fullmatch(value) else re.sub(r"[\W_]+", "", value).casefold()
    return value


def rgb(colour: str) -> list[int]:
    """``#rrggbb`` as three numbers, 0 to 255."""
    return list(bytes.fromhex(colour[1:]))


def _names_of(one: LabelClass) -> Sequence[float | str]:
    return [simple(one.name)]


def _own(place: int) -> str:
    """The colour of a class that is given none: hues far apart, in three tones."""
    tone = (0.9, 0.65, 0.45)[place % 3]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(place * TURN % 1, 0.75, tone))
    return f"#{red:02x}{green:02x}{blue:02x}"
