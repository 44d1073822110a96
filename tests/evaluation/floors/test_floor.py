"""What all floors and probes promise: found by name, quick to start."""

import subprocess
import sys

import pytest

from revisit import parts
from revisit.evaluation.floors.floor import Floor
from revisit.evaluation.probes.probe import Probe


@pytest.mark.parametrize(("sort", "kind"), [("floor", Floor), ("probe", type)])
def test_the_parts_are_found_by_their_names(sort: str, kind: type) -> None:
    """File names are the names of the rows."""
    wanted = {
        "floor": {"class-prior", "band-statistics", "pixel-statistics", "difference-statistics"},
        "probe": {"linear", "knn"},
    }
    assert wanted[sort] <= set(parts.names(sort))
    for name in wanted[sort]:
        part = parts.find(sort, name)
        assert isinstance(part, kind) and part.title and set(part.labels) <= {"scene", "map", "change"}
        assert sort == "floor" or issubclass(part, Probe)


def test_none_imports_torch_nor_scikit_learn_at_its_start() -> None:
    """Their jobs are short: start-up would be most of them."""
    rooms = {"floors": parts.names("floor"), "probes": parts.names("probe")}
    modules = [
        f"revisit.evaluation.{room}.{name.replace('-', '_')}" for room, of in rooms.items() for name in of
    ]
    heavy = "{'torch', 'sklearn', 'scipy', 'pandas', 'zarr'} & set(sys.modules)"
    code = f"import sys, {', '.join(modules)}; print(*sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("stage", ["score_probe", "score_floor"])
def test_jobs_on_scenes_start_without_torch(stage: str) -> None:
    """It takes two seconds to load, and half of a study's jobs are these."""
    modules = f"revisit.evaluation.{stage}, revisit.evaluation.tasks.multi_label"
    code = f"import sys, {modules}; print(*sorted({{'torch', 'sklearn', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
