"""The maps of regions on the page: of each experiment by its best model, and how that was chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revisit import files
from revisit.errors import RevisitError
from revisit.report import words
from revisit.report.facts import Facts
from revisit.report.pictures import Picture, Source

CARD = ("experiment", "method", "modality", "protocol", "seed", "metric", "validation", "chosen_from")


class Maps(NamedTuple):
    """The maps of an experiment: its title, which model made them and why that one, pictures by region."""

    title: str
    by: str
    regions: dict[str, list[Picture]]


def source(path: Path) -> Source:
    """The picture of a region's map."""
    return Source(path, f"The map itself: maps/{path.parent.name}/{path.stem}.tif", reduce=True)


def of_experiments(cards: Sequence[Path], pictures: Mapping[Path, Picture], facts: Facts) -> list[Maps]:
    """The maps of every experiment that has some, in the order of ``cards``, those of the chosen models.

    ``pictures`` by path, maps/{experiment}/{region}.png. Raises RevisitError for a card of another layout.
    """
    found = []
    for path in cards:
        card = files.read_json(path)
        if missing := [key for key in CARD if key not in card]:
            raise RevisitError(f"{path}: key {missing[0]!r} is missing; choose the best model again")
        name = card["experiment"]
        own = {place.stem: [picture] for place, picture in pictures.items() if place.parent.name == name}
        found.append(Maps(facts.title(name), _by(card, facts), own))
    return found


def _by(card: Mapping[str, Any], facts: Facts) -> str:
    titles = {run.method: run.title for run in facts.of_experiment(card["experiment"]).runs}
    title, rivals = titles.get(card["method"], card["method"]), len(card["chosen_from"])
    chosen = (
        f"of {rivals} networks the one with the highest {words.metric(card['metric'])} on the validation "
        f"split, {words.share(card['validation'])}; the test split had no say"
        if rivals > 1
        else "the only network of the experiment"
    )
    return (
        f"By {title} on {words.modality(card['modality'])} ({words.training(card['protocol'])}, seed "
        f"{card['seed']}): {chosen}. Most of a labelled region is ground that it was trained on; of "
        "other ground the tables say how good maps are."
    )
