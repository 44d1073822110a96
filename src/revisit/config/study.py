"""The study: the sections of the config. Each section's record stands in the file of what it configures."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from revisit.archive.settings import Archive
from revisit.cube.cube_settings import Cube
from revisit.cube.grid import Region
from revisit.cube.labels.settings import Labels
from revisit.cube.split import Split
from revisit.places.settings import Places
from revisit.plan.keep import Keep
from revisit.record import Record, part
from revisit.stac.download import Download
from revisit.stac.providers import Provider
from revisit.stac.search import Search
from revisit.training.settings import Training

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+-]*$")]
Modality = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(\+[a-z0-9]+)*$")]


class Entry(Training):
    """One pretraining: a method, what it learns from, and how long."""

    collection: Name
    """The collection to pretrain on."""
    modalities: list[Modality] = Field(min_length=1)
    """Bands to pretrain on, one encoder each: s1, s2, rgb, s1+s2 or s1+rgb, each of them with +dem too, which
    adds elevation."""
    title: str | None = None
    """The name that tables and figures show; the entry's own where none is given."""
    published_as: str | None = None
    """The method's name among the published numbers, to show them beside this run's."""
    parents: list[Name] = []
    """Entries whose encoders this one starts from, of the same seed and of the same modality, or the only one
    they have."""
    method: Annotated[dict[str, Any], part("method")]
    """The method: its `name` (`revisit methods` lists them) and its own settings."""


class Pretraining(Record):
    """What is pretrained."""

    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    """One encoder of every entry and modality each."""
    methods: dict[Name, Entry]
    """Pretrainings by a name of your choice."""


class Study(Record):
    """A study: what is searched, built, pretrained and evaluated."""

    study: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "default"
    """Name of the study: its products lie in results/{study}/, those of `default` in results/."""
    seed: int = Field(ge=0)
    """Seed of the simulated archive, the geographic split and the choice of patches."""
    provider: str = "embedded"
    """Where imagery comes from: embedded, earth-search, planetary-computer, or a key of `providers`."""
    providers: dict[str, Provider] = {}
    """Catalogues of your own, by name: a folder of STAC items, or the address of a STAC API."""
    requests: int = Field(default=16, ge=1)
    """At most so many requests to a provider's host at a time, over all studies of this folder."""
    regions: dict[Name, Region] = {}
    """The places to build cubes of, by name."""
    places: dict[Name, Places] = {}
    """More of them from files: areas cut into blocks, points, squares scattered around towns. Each region is
    called by the entry's name and its own (`belgium-31n-35-280`); the entry's name alone stands for all of
    them wherever regions are listed."""
    skip: list[Name] = []
    """Regions to leave out of everything for now, such as one whose scenes cannot be had."""
    archive: Archive = Archive()
    """What the simulated Earth of the provider `embedded` is like."""
    search: Search | None = None
    """What to ask the catalogue for, by sensor; nothing where all collections are imported."""
    download: Download = Download()
    """How scenes are fetched."""
    cube: Cube = Cube()
    """How cubes are built."""
    keep: Keep = Keep()
    """Which intermediates stay, for a study that must live in little space."""

    labels: Labels | None = None
    """Where labels come from, where that is not the map that the search asks for, or not its legend."""
    split: Split = Split()
    """The geographic split of every region into training, validation and test blocks."""
    collections: dict[Name, Annotated[dict[str, Any], part("kind")]] = {}
    """Patch stores to cut from the cubes, by name; `kind` says which further keys there are."""
    imports: dict[Name, Annotated[dict[str, Any], part("benchmark")]] = {}
    """Benchmark sets to import, by the name of the collection that each becomes; `set` says which further
    keys there are."""
    pretraining: Pretraining
    """What is pretrained."""
    experiments: dict[Name, Annotated[dict[str, Any], part("task")]] = {}
    """What is evaluated, by name; `task` says which further keys there are."""

    @property
    def searched(self) -> dict[str, Any]:
        """What is searched, by sensor."""
        return self.search.content() if self.search else {}
