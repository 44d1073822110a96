"""What an encoder of another project declares: its channels, their scale, and where its weights come from.

A band is matched by its name, or by its wavelength in nanometres. The scale is the one the encoder was
trained with: in which unit its statistics are, and which mean and deviation it subtracts and divides by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from revisit.cube.bands import WAVELENGTH_NM
from revisit.errors import RevisitError
from revisit.nets.rescale import Limits
from revisit.patches.modality import sensor_of
from revisit.record import Record

Unit = Literal["reflectance", "reflectance-10000", "dB", "deviations"]
Missing = Literal["refuse", "zero", "mean", "nearest"]
Channel = str | Annotated[float, Field(gt=0)]
Deviation = Annotated[float, Field(gt=0)]

# The unit of a cube that a unit of statistics is of, and how many of the latter make one of the former.
OF_CUBE = {
    "reflectance": ("reflectance", 1.0),
    "reflectance-10000": ("reflectance", 10_000.0),
    "dB": ("dB", 1.0),
}
UNIT_OF_SENSOR = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
NEAR_NM = 30.0  # a wavelength is that of a band no farther away


class Scale(Record):
    """How values become an encoder's input, (value - mean) / std in its unit: one number or one each."""

    unit: Unit | tuple[Unit, ...] = "deviations"
    """Of `mean` and `std`: `reflectance` (0 to 1), `reflectance-10000` (the digital numbers of Sentinel-2,
    10,000 for a reflectance of 1, without an offset), `dB`, or `deviations`: standard deviations of the
    images' own band from its own mean, for encoders that were trained on data standardised by itself."""
    mean: float | tuple[float, ...] = 0.0
    """What is subtracted."""
    std: Deviation | tuple[Deviation, ...] = 1.0
    """What is divided by."""
    clip: tuple[float, float] | None = None
    """Least and largest value of the result, beyond which it is cut."""

    def of_channels(self, count: int) -> list[tuple[Unit, float, float]]:
        """Unit, mean and deviation of each channel; raises RevisitError where a list has another length."""
        columns = []
        for key in ("unit", "mean", "std"):
            value = getattr(self, key)
            column = [value] * count if not isinstance(value, tuple) else list(value)
            if len(column) != count:
                raise RevisitError(
                    f"scale.{key}: has {len(column)} values for {count} channels; give one each"
                )
            columns.append(column)
        return list(zip(*columns, strict=True))


class Layout(Record):
    """How a file of weights names what the architecture has; names within names are joined by dots."""

    prefix: str = ""
    """What the names of the encoder's weights begin with, `model.` or `module.encoder_q.` say; other weights
    of the file are not the encoder's."""
    left_out: tuple[str, ...] = ()
    """Beginnings of names, after the prefix, of weights that are not needed, such as `decoder`."""
    fresh: tuple[str, ...] = ()
    """Beginnings of names of weights that the file may lack; they stay as the architecture makes them."""


class Source(NamedTuple):
    """Where weights are had and what they learnt from; empty where that is not known."""

    trained_on: str = ""
    paper: str = ""
    file: str = ""
    url: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Declaration:
    """What a model expects of images, and how its file is laid out.

    ``channels``: of its input, in order, by band or wavelength in nm. ``absent``: what stands for channels
    that no cube here has, whatever the settings say (the cirrus band of Level 1C). ``resolution_m``: metres
    of a pixel of the images it was trained on, None where that is not known or differs among them.
    """

    channels: tuple[Channel, ...]
    scale: Scale
    layout: Layout = field(default_factory=Layout)
    source: Source = field(default_factory=Source)
    absent: Mapping[Channel, Missing] | None = None
    resolution_m: float | None = None


class Feed(NamedTuple):
    """What a channel is fed: a band, or a constant; ``filled``: how, where its own band is missing."""

    channel: Channel
    band: str | None
    filled: Missing | None


def feeds(declaration: Declaration, bands: Sequence[str], missing: Missing) -> list[Feed]:
    """What each channel of a model is fed from images of these bands.

    Raises RevisitError for a channel that no band matches where ``missing`` is to refuse it, for two that
    one band matches, for statistics in a unit the band does not come in, and where not one channel has a
    band.
    """
    scales = declaration.scale.of_channels(len(declaration.channels))
    fixed = declaration.absent or {}
    result = []
    for channel, (unit, _, _) in zip(declaration.channels, scales, strict=True):
        band, how = matching(channel, bands), fixed.get(channel, missing)
        filled: Missing | None = None
        if band is None:
            if how == "refuse":
                raise RevisitError(
                    f"needs a band {_said(channel)}, the images have {', '.join(bands)}; add it to the cube, "
                    f"or say how it is filled: missing: zero, mean or nearest"
                )
            if how == "zero" and unit == "deviations":
                raise RevisitError(
                    f"missing: zero means nothing for {_said(channel)}, whose scale is in deviations; "
                    f"choose mean or nearest"
                )
            filled, band = how, _nearest(channel, bands) if how == "nearest" else None
        if band is not None and unit != "deviations":
            found, wanted = UNIT_OF_SENSOR.get(sensor_of(band), "m"), OF_CUBE[unit][0]
            if found != wanted:
                raise RevisitError(
                    f"scale.unit: is {unit} for {_said(channel)}, band {band!r} of the images is in {found}"
                )
        result.append(Feed(channel, band, filled))
    whose: dict[str, Channel] = {}
    for feed in result:
        if feed.band is None or feed.filled:
            continue
        if (other := whose.setdefault(feed.band, feed.channel)) != feed.channel:
            raise RevisitError(
                f"band {feed.band!r} would be two channels, {_said(other)} and {_said(feed.channel)}; add "
                f"the other's band to the cube, or name it in channels and say how it is filled: missing: "
                f"zero, mean or nearest"
            )
    if all(feed.band is None for feed in result):
        raise RevisitError(f"none of its channels is among the bands {', '.join(bands)}; choose others")
    return result


def matching(channel: Channel, bands: Sequence[str]) -> str | None:
    """The band of this name or nearest to this wavelength (nm); None where there is none."""
    if isinstance(channel, str):
        return channel if channel in bands else None
    near = _by_distance(channel, bands)
    return near[0][1] if near and near[0][0] <= NEAR_NM else None


def gain_and_offset(
    feed: Feed, scale: tuple[Unit, float, float], limits: Mapping[str, Limits] | None
) -> tuple[float, float]:
    """What makes a channel's input of standardised values z of its band: gain * z + offset.

    ``limits``: what z means; None where nothing is known of it, and z is taken for the input itself.
    """
    unit, mean, std = scale
    if feed.band is None:
        return 0.0, -mean / std if feed.filled == "zero" else 0.0
    if limits is None:
        return 1.0, 0.0
    if unit == "deviations":
        return 1 / std, -mean / std
    (expected, times), own = OF_CUBE[unit], limits[feed.band]
    if own.unit != expected:
        raise RevisitError(f"band {feed.band!r} is in {own.unit}, the encoder takes {expected}")
    return times * own.step / std, (times * own.middle - mean) / std


class Channels(Record):
    """What a config says of an encoder's input where no file of this package declares it."""

    channels: tuple[Channel, ...] = Field(min_length=1)
    """Its channels in order: a band's name (`red`, `vv`), or a wavelength in nm, which is that of the nearest
    band within 30 nm."""
    scale: Scale = Scale()
    """What it subtracts and divides by, and in which unit."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.channels)) != len(self.channels):
            raise ValueError(f"channels {list(self.channels)} must differ")
        try:
            self.scale.of_channels(len(self.channels))
        except RevisitError as error:
            raise ValueError(str(error)) from None
        return self

    def input_size(self) -> str:
        """Channels and scale for an architecture's name in a table."""
        scale = {key: value for key, value in self.scale if value != Scale.model_fields[key].default}
        said = [f"{key} {_listed(value)}" for key, value in scale.items()]
        return " ".join([f"on {_listed(self.channels)}", *said])


def _nearest(channel: Channel, bands: Sequence[str]) -> str:
    wavelength = WAVELENGTH_NM.get(channel) if isinstance(channel, str) else channel
    near = _by_distance(wavelength, bands) if wavelength is not None else []
    if not near:
        raise RevisitError(
            f"missing: nearest finds no band with a wavelength for {_said(channel)}; choose mean"
        )
    return near[0][1]


def _by_distance(wavelength: float, bands: Sequence[str]) -> list[tuple[float, str]]:
    return sorted((abs(WAVELENGTH_NM[band] - wavelength), band) for band in bands if band in WAVELENGTH_NM)


def _listed(value: object) -> str:
    each = value if isinstance(value, tuple) else (value,)
    return ",".join(f"{one:.8g}" if isinstance(one, float) else str(one) for one in each)


def _said(channel: Channel) -> str:
    return repr(channel) if isinstance(channel, str) else f"of {channel:g} nm"
