"""Guards that names are never code: the small study under other names gives the same numbers and tables.

Every experiment, method entry, network, collection and region gets a name that says nothing, and their
alphabets run against the order of the config, so that an order by name would show.
"""

import copy
import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow


class Names:
    """New names of what a study names freely."""

    def __init__(self, study: Mapping[str, Any]) -> None:
        methods = study["pretraining"]["methods"]
        networks = [row for one in study["experiments"].values() for row in one.get("networks", ())]
        free = [*study["regions"], *study["collections"], *methods, *study["experiments"], *networks]
        assert len(set(free)) == len(free), "two things of one name cannot be told apart in what is printed"
        self.new = {name: f"n{900 - number}" for number, name in enumerate(free)}

    def study(self, study: Mapping[str, Any]) -> dict[str, Any]:
        """The study under its new names; its order, titles and published names stay.

        What has no title is printed by its name, so it gets that for a title.
        """
        result = copy.deepcopy(dict(study))
        experiments = result["experiments"].values()
        rows = [one["networks"] for one in experiments if "networks" in one]
        for titled in (result["pretraining"]["methods"], result["experiments"], *rows):
            for name, entry in titled.items():
                entry.setdefault("title", name)
        for section in (result, result["archive"], result["pretraining"]):
            for key in {"regions", "collections", "experiments", "biomes", "tiles", "methods"} & set(section):
                section[key] = self._keys(section[key])
        result["cube"]["limits_from"] = self._list(study["cube"]["limits_from"])
        for collection in result["collections"].values():
            if "regions" in collection:
                collection["regions"] = self._list(collection["regions"])
        for entry in result["pretraining"]["methods"].values():
            entry["collection"] = self.new[entry["collection"]]
            entry["parents"] = self._list(entry.get("parents", []))
        for experiment in experiments:
            experiment["collection"] = self.new[experiment["collection"]]
            if "methods" in experiment:
                experiment["methods"] = self._list(experiment["methods"])
            if "networks" in experiment:
                experiment["networks"] = self._keys(experiment["networks"])
            for network in experiment.get("networks", {}).values():
                for key in {"pretrained", "encoder_of"} & set(network):
                    network[key] = self.new[network[key]]
        return result

    def back(self, text: str) -> str:
        """What was printed, under the old names."""
        old = {new: name for name, new in self.new.items()}
        return re.sub(r"\bn\d{3}\b", lambda found: old[found[0]], text)

    def _keys(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {self.new[name]: value for name, value in content.items()}

    def _list(self, names: list[str]) -> list[str]:
        return [self.new[name] for name in names]


@pytest.fixture(scope="module")
def names(study: Any) -> Names:
    return Names(yaml.safe_load((study.folder / "study.yaml").read_text()))


@pytest.fixture(scope="module")
def renamed(study: Any, names: Names, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The study under other names, run to its end."""
    checkout = type(study)(tmp_path_factory.mktemp("renamed"))
    path = checkout.folder / "study.yaml"
    path.write_text(yaml.safe_dump(names.study(yaml.safe_load(path.read_text())), sort_keys=False))
    checkout.snakemake()
    return checkout


def test_every_number_is_the_same(study: Any, renamed: Any, names: Names) -> None:
    before, after = rows(study.table().decode()), rows(names.back(renamed.table().decode()))
    assert before.keys() == after.keys()
    different = [key for key in before if before[key] != after[key]]
    assert not different, (different[0], before[different[0]], after[different[0]])


def test_every_table_is_the_same(study: Any, renamed: Any, names: Names) -> None:
    before, after = files(study.folder, "tables", names), files(renamed.folder, "tables", names)
    assert before.keys() == after.keys() and len(before) > 8
    for name in before.keys() - {"tables/all.csv"}:
        assert names.back(after[name].read_text()) == before[name].read_text(), name


def test_there_are_the_same_figures(study: Any, renamed: Any, names: Names) -> None:
    """Those that print the names of regions, which have no titles, are drawn from the same numbers."""
    before, after = files(study.folder, "figures", names), files(renamed.folder, "figures", names)
    assert before.keys() == after.keys() and len(before) > 8
    for name in before:
        if not name.startswith(("figures/shifts", "figures/similarities")):
            assert after[name].read_bytes() == before[name].read_bytes(), name
    for folder, suffix, count in (("similarity", ".json", 2), ("cubes", ".csv", 4)):
        before, after = (files(one.folder, folder, names, (suffix,)) for one in (study, renamed))
        assert before.keys() == after.keys() and len(before) == count
        for name in before:
            assert names.back(after[name].read_text()) == before[name].read_text(), name


def rows(table: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of all.csv by what is not a number in them, but the digest of code that each checkout has."""
    found = {}
    for row in csv.DictReader(io.StringIO(table)):
        row.pop("code_version")
        found[tuple(row[key] for key in list(row)[: list(row).index("value")])] = row
    return found


def files(
    checkout: Path, folder: str, names: Names, suffixes: tuple[str, ...] = (".csv", ".md", ".png")
) -> dict[str, Path]:
    """The files of a folder of the results, by their paths under the old names."""
    results = checkout / "results"
    return {
        names.back(path.relative_to(results).as_posix()): path
        for path in (results / folder).rglob("*.*")
        if path.suffix in suffixes
    }
