"""Protects a study that is cut short: whatever has run, regions are whole one by one, not all half done.

Snakemake schedules for real; its jobs only make their files.
"""

import json
import os
import sys
from collections import Counter

import pytest
import yaml

pytestmark = pytest.mark.slow

REGIONS, CORES = 6, 2
JOB = """#!{python}
import json, pathlib, sys, time
job = json.load(open(sys.argv[2]))
with open("order.txt", "a") as file:
    file.write(json.dumps([job["stage"].rpartition(".")[2], job["names"].get("region")]) + "\\n")
for path in map(pathlib.Path, job["output"].values()):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zarr" or path.name == "clips" or "archive" in path.parts:
        path.mkdir()
    else:
        path.touch()
"""


@pytest.mark.parametrize("scheduler", ["greedy", "ilp"])
def test_regions_are_made_one_after_another(checkout, scheduler):
    stub = checkout.folder / "bin/revisit"
    stub.parent.mkdir()
    stub.write_text(JOB.format(python=sys.executable))
    stub.chmod(0o755)
    checkout.environment["PATH"] = f"{stub.parent}{os.pathsep}{checkout.environment['PATH']}"
    study = yaml.safe_load((checkout.folder / "study.yaml").read_text())
    names = [f"region{number}" for number in range(REGIONS)]
    west, south, east, north = study["regions"]["east"]["bbox"]
    study["regions"] = {
        name: {"bbox": [west, south + number, east, north + number]} for number, name in enumerate(names)
    }
    study["archive"] = {}
    study["cube"]["limits_from"] = names[-1:]  # all others wait for it
    study["collections"]["pairs"]["max_days_apart"] = 90
    for sensor in ("sentinel-1", "sentinel-2"):
        study["search"][sensor]["years"] = [2020]
    study["search"]["worldcover"]["years"] = [2020]
    study["collections"].pop("yearly")
    for section, key in (("pretraining", "methods"), (None, "experiments")):
        entries = study[section][key] if section else study[key]
        for name in [name for name, entry in entries.items() if entry["collection"] == "yearly"]:
            del entries[name]
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    checkout.snakemake("results/patches/pairs/index.json", "--scheduler", scheduler)
    order = [json.loads(line) for line in (checkout.folder / "order.txt").read_text().splitlines()]
    jobs = Counter(region for _, region in order)
    assert set(jobs) == {*names, None}
    begun: Counter[str] = Counter()
    for _, region in order:
        begun[region] += 1
        half_done = [name for name in names if 0 < begun[name] < jobs[name]]
        assert len(half_done) <= CORES + 1, begun
    finished = [region for stage, region in order if stage == "tile"]
    assert finished[0] == names[-1]
    assert finished[1:] == names[:-1]
