"""The benchmark sets of a study in its plan: what is imported, in how many stores."""

import sys
from pathlib import Path

from revisit.plan.data import DataPlan, Settings
from revisit.plan.jobs import Wildcards, any_of


class ImportPlan(DataPlan):
    """Paths and settings of imports, and which collections are imported and which cut from cubes."""

    def imported(self) -> str:
        """The pattern of the collections that are imported."""
        return any_of(self.config["imports"])

    def cut(self) -> str:
        """The pattern of the collections that are cut from cubes."""
        return any_of(self.config["collections"])

    def collected(self) -> list[str]:
        """Every collection, those cut from cubes first."""
        return [*self.config["collections"], *self.config["imports"]]

    def tell_missing(self) -> None:
        """Say on standard error, in a line each, which sets of the study are not there."""
        for line in self.missing.values():
            sys.stderr.write(f"warning: {line}\n")

    def start(self) -> None:
        """Write the job files; ends the process after one line where a set that a job reads is not there."""
        for name, line in self.missing.items():
            listed = Path(f"{self.root}/patches/{name}/samples.csv")
            if self.files.noted("survey", name) and not listed.exists():
                sys.stderr.write(f"error: {line}\n")
                raise SystemExit(1)
        self.files.start()

    def holds(self, collection: str) -> Settings:
        """``patch_pixels``, ``bands`` and ``samples`` of a collection, None where it is cut from cubes."""
        found: Settings = self._modules["collections"][collection]
        return found

    def set_stores(self, wildcards: Wildcards) -> list[str]:
        """The patch stores of an imported collection."""
        stores = self.config["imports"][wildcards.collection]["stores"]
        folder = f"{self.root}/patches/{wildcards.collection}"
        return [f"{folder}/{number}-of-{stores}.zarr" for number in range(1, stores + 1)]

    def cube_limits(self, wildcards: Wildcards) -> list[str]:
        """The limits of the study's cubes, where they are to hold for a set."""
        if self.config["imports"][wildcards.collection]["limits"] == "own":
            return []
        sensors = self.holds(wildcards.collection)["bands"]
        return [f"{self.root}/cubes/limits/{sensor}.json" for sensor in sensors]

    def survey(self, wildcards: Wildcards) -> Settings:
        """How a set is listed and measured: all of its entry but what changes neither."""
        entry = self.config["imports"][wildcards.collection]
        changing = {key: value for key, value in entry.items() if key not in LATER}
        return {"entry": changing, "clip_sigma": self.config["cube"]["clip_sigma"]}

    def import_set(self, wildcards: Wildcards) -> Settings:
        """What is written into a store of a set."""
        entry = self.config["imports"][wildcards.collection]
        return {
            "entry": {key: value for key, value in entry.items() if key not in OF_THE_INDEX},
            "number": int(wildcards.region.partition("-")[0]),
        }

    def index_set(self, wildcards: Wildcards) -> Settings:
        """What the index of an imported collection says beside its stores."""
        return {"entry": self.config["imports"][wildcards.collection], "study": self.config["study"]}


OF_THE_INDEX = ("classes",)  # keys of an entry that only the index needs
LATER = (*OF_THE_INDEX, "stores", "min_class_fraction")  # that the list and limits of a set do not depend on
