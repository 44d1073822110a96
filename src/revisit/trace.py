"""Follow a number, an encoder or a cube back to the STAC items of its imagery, file by file.

What each product says of its making is read as it stands: score files, cards, indexes, patch stores, the STAC
Items of cubes, manifests of downloads, lists of samples of imported sets. Nothing is computed anew. Paths in
them are of the machine and folder that the study ran in; they are looked for below the results that the first
file lies in.
"""

import csv
import glob
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from revisit.errors import RevisitError
from revisit.files import read_json

SCORE, ENCODER, INDEX, STORE, CUBE, SCENES, SEARCH, SAMPLES = (
    "score", "encoder", "index", "patches", "cube", "scenes", "search", "set",
)  # fmt: skip
# How deep below the results the files of a room lie; cubes that a region has but one of lie one less.
DEPTHS = {"scores": 7, "encoders": 6, "patches": 3, "cubes": 4, "variants": 5, "scenes": 5, "items": 3}
ONE_A_REGION = ("dem.zarr", "labels.zarr")
LISTED = "samples.csv"  # of an imported set
NAMED = 20  # of its samples
BETWEEN = "|"  # files of a sample


class Ref(NamedTuple):
    """A product by what it is and where it lies."""

    kind: str
    path: Path


@dataclass(frozen=True)
class Item:
    """A STAC item of imagery: its id, time, and the address of each band as it was read.

    Or a sample of an imported set: its name, no time, and its files below the set's folder.
    """

    id: str
    datetime: str
    hrefs: dict[str, str]


@dataclass(frozen=True)
class Node:
    """A product of the chain: what it says of itself, and what it was made of, nearest first.

    ``settings`` and ``code`` are its config hash and code version, None where it holds none. ``there`` is
    False for what has been removed, such as a cube that was not to be kept. ``note``: what is not a file.
    """

    ref: Ref
    about: dict[str, Any] = field(default_factory=dict)
    made_of: tuple[Ref, ...] = ()
    items: tuple[Item, ...] = ()
    settings: str | None = None
    code: str | None = None
    there: bool = True
    note: str = ""

    def content(self) -> dict[str, Any]:
        """The node as JSON can hold it."""
        return {
            "kind": self.ref.kind,
            "path": self.ref.path.as_posix(),
            "there": self.there,
            "config_hash": self.settings,
            "code_version": self.code,
            "about": self.about,
            "note": self.note,
            "made_of": [ref.path.as_posix() for ref in self.made_of],
            "items": [{"id": one.id, "datetime": one.datetime, "hrefs": one.hrefs} for one in self.items],
        }


class Results:
    """The results of a study, in which products are found that others name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Ref, Node] = {}

    def node(self, ref: Ref) -> Node:
        """What the product says; raises RevisitError where it cannot be read."""
        if ref not in self._known:
            self._known[ref] = _READERS[ref.kind](self, ref)
        return self._known[ref]

    def place(self, recorded: str) -> Path:
        """Where a file lies that a product names by the path it had."""
        parts = PurePosixPath(recorded).parts
        for room, depth in DEPTHS.items():
            below = parts[-(depth - (parts[-1] in ONE_A_REGION)) :]
            if below[0] == room:
                return self.root.joinpath(*below)
        return Path(recorded)

    def walk(self, starts: Iterable[Ref]) -> Iterator[tuple[int, Node, bool]]:
        """Every product behind these, depth first: how deep it is, and whether it came before."""
        seen: set[Ref] = set()
        waiting = [(0, ref) for ref in reversed(list(starts))]
        while waiting:
            depth, ref = waiting.pop()
            node, before = self.node(ref), ref in seen
            yield depth, node, before
            if not before:
                seen.add(ref)
                waiting += [(depth + 1, one) for one in reversed(node.made_of)]

    def first_chain(self, start: Ref) -> list[Node]:
        """From a product the first of what it was made of, and so on."""
        chain = [self.node(start)]
        while chain[-1].made_of:
            chain.append(self.node(chain[-1].made_of[0]))
        return chain


def started(path: Path) -> tuple[Results, Ref]:
    """The results and the product that a path is of; raises RevisitError where it is none of ours."""
    if not path.exists() and not path.with_suffix(".json").exists():
        raise RevisitError(f"{path}: no such file or folder")
    if path.is_dir() and path.suffix != ".zarr":
        inside = [path / name for name in ("encoder.safetensors", "index.json") if (path / name).is_file()]
        path = inside[0] if inside else path
    elif path.name == "card.json":
        path = path.with_name("encoder.safetensors")
    elif path.suffix == ".json" and path.with_suffix(".zarr").exists():
        path = path.with_suffix(".zarr")  # the Item of a cube
    parts = path.absolute().parts
    rooms = {"scores": SCORE, "encoders": ENCODER, "patches": INDEX, "cubes": CUBE, "variants": CUBE}
    for room, kind in rooms.items():
        depth = DEPTHS[room] - (path.name in ONE_A_REGION)
        if len(parts) > depth and parts[-depth] == room:
            if room == "patches":
                kind = STORE if path.suffix == ".zarr" else SAMPLES if path.name == LISTED else INDEX
            return Results(path.parents[depth - 1]), Ref(kind, path)
    raise RevisitError(
        f"{path}: no score file, encoder, index, patch store or cube of a study's results, "
        "such as results/scores/…/seed0.json"
    )


def _score(results: Results, ref: Ref) -> Node:
    content = read_json(ref.path)
    if not isinstance(content, dict) or "sources" not in content or "columns" not in content:
        raise RevisitError(f"{ref.path}: no score file (key 'sources' is missing); rerun its evaluation")
    columns, sources = content["columns"], content["sources"]
    named = ("experiment", "method", "modality", "protocol")
    headline = str(content.get("headline"))
    value = [one["value"] for one in content["values"] if (one["class"], one["metric"]) == ("all", headline)]
    return Node(
        ref,
        {
            **{name: columns[name] for name in named},
            "label_fraction": content["label_fraction"],
            "seed": content["seed"],
            **({headline: value[0]} if value else {}),
        },
        (
            *(Ref(ENCODER, results.place(path)) for path in sources["encoders"]),
            Ref(INDEX, results.place(sources["patches"])),
        ),
        settings=columns["config_hash"],
        code=columns["code_version"],
    )


def _encoder(results: Results, ref: Ref) -> Node:
    path = ref.path.with_name("card.json")
    if not path.is_file():
        return Node(ref, there=False)
    card = read_json(path)
    about = {name: card.get(name) for name in ("method", "modality", "seed", "steps", "samples")}
    weights = card.get("weights_of")
    note = f"weights of {weights}, from elsewhere" if weights else ""
    if not card.get("steps") and not weights:
        note = "weights as they were drawn: the collection gave it no more than its bands"
    # An entry may lie below any collection: a parent is told by its card.
    parents = [
        parent
        for one in card.get("parents", ())
        for parent in sorted(
            (results.root / "encoders").glob(
                f"*/{glob.escape(one['method'])}/*/seed{card['seed']}/encoder.safetensors"
            )
        )
        if read_json(parent.with_name("card.json")).get("config_hash") == one["config_hash"]
    ]
    return Node(
        ref,
        about,
        (
            Ref(INDEX, results.root / "patches" / card["collection"] / "index.json"),
            *(Ref(ENCODER, parent) for parent in parents),
        ),
        **_provenance(card),
        note=note,
    )


def _index(results: Results, ref: Ref) -> Node:
    if not ref.path.is_file():
        return Node(ref, there=False)
    index = read_json(ref.path)
    about = {"kind": index.get("kind"), "regions": len(index["stores"])}
    made_of = tuple(Ref(STORE, ref.path.parent / store["path"]) for store in index["stores"])
    return Node(ref, about, made_of, **_provenance(index))


def _store(results: Results, ref: Ref) -> Node:
    if not (ref.path / "zarr.json").is_file():
        return Node(ref, there=False)
    attributes = read_json(ref.path / "zarr.json")["attributes"]
    made_of = [results.place(path) for path in attributes.get("source_cubes", ())]
    labels = results.root / "cubes" / attributes["region"] / "labels.zarr"
    if attributes.get("label_years") and labels.with_suffix(".json").is_file():
        made_of.append(labels)
    about = {name: attributes.get(name) for name in ("region", "samples")}
    refs = [Ref(CUBE, path) for path in made_of]
    if attributes.get("source_set"):
        refs.append(Ref(SAMPLES, ref.path.with_name(LISTED)))
    return Node(ref, about, tuple(refs), **_provenance(attributes))


def _samples(results: Results, ref: Ref) -> Node:
    """The list of samples of an imported set, the first of which are named."""
    if not ref.path.is_file():
        return Node(ref, there=False)
    with ref.path.open(encoding="utf-8", newline="") as file:
        kept = (row for row in csv.DictReader(file) if not row["left_out"])
        named = list(itertools.islice(kept, NAMED))
        others = sum(1 for _ in kept)
    index = ref.path.with_name("index.json")
    name = read_json(index).get("source_set") if index.is_file() else None
    items = [
        Item(row["sample"], "", {f"file {n}": path for n, path in enumerate(row["files"].split(BETWEEN), 1)})
        for row in named
    ]
    note = f"{others} more samples, with their files, are in this list" if others else ""
    return Node(ref, {"set": name, "samples": len(named) + others}, items=tuple(items), note=note)


def _cube(results: Results, ref: Ref) -> Node:
    """A cube by its STAC Item, which stays when the cube itself is not kept."""
    path = ref.path.with_suffix(".json")
    if not path.is_file():
        return Node(ref, there=False)
    item = read_json(path)
    properties = item["properties"]
    made_of: dict[Ref, None] = {}
    for link in item.get("links", ()):
        if link["rel"] == "derived_from":
            source = Path(_tidy(path.parent / link["href"]))
            scenes = source.name == "items.json"
            made_of[
                Ref(SCENES, source.with_name("manifest.json"))
                if scenes
                else Ref(CUBE, source.with_suffix(".zarr"))
            ] = None
    about = {name: properties.get(f"revisit:{name}") for name in ("region", "sensor", "stage")}
    if left_out := _left_out(ref.path):
        about["left_out"] = left_out
    period = [str(properties.get(name, ""))[:10] for name in ("start_datetime", "end_datetime")]
    return Node(
        ref,
        about | {"first": period[0], "last": period[1]},
        tuple(made_of),
        settings=properties.get("revisit:config_hash"),
        code=properties.get("revisit:code_version"),
        there=ref.path.exists(),
    )


def _left_out(cube: Path) -> int:
    """Dates of its scenes that a cube was made without, as far as it says; none where it is gone."""
    header = cube / "zarr.json"
    return len(read_json(header)["attributes"].get("dropped_dates", ())) if header.is_file() else 0


def _scenes(results: Results, ref: Ref) -> Node:
    if not ref.path.is_file():
        return Node(ref, there=False)
    manifest = read_json(ref.path)
    items = [
        Item(scene["id"], scene["datetime"], {name: band["source"] for name, band in scene["bands"].items()})
        for scene in manifest["scenes"]
    ]
    about = {name: manifest.get(name) for name in ("provider", "region", "sensor", "year")}
    search = results.root / "items" / manifest["region"] / f"{manifest['sensor']}.json"
    return Node(ref, about, (Ref(SEARCH, search),), tuple(items))


def _search(results: Results, ref: Ref) -> Node:
    if not ref.path.is_file():
        return Node(ref, there=False)
    return Node(ref, {"items": len(read_json(ref.path)["features"])})


_READERS: dict[str, Callable[[Results, Ref], Node]] = {
    SCORE: _score,
    ENCODER: _encoder,
    INDEX: _index,
    STORE: _store,
    CUBE: _cube,
    SCENES: _scenes,
    SEARCH: _search,
    SAMPLES: _samples,
}


def _provenance(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"settings": attributes.get("config_hash"), "code": attributes.get("code_version")}


def _tidy(path: Path) -> str:
    """The path without steps up and down again."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return str(Path(*parts))
