"""Protects the forecast of a study: its jobs are Snakemake's, its disk is that of the study that has run."""

from pathlib import Path

import pytest
import yaml

from revisit.config.check import check
from revisit.plan.forecast.imagery import imagery
from revisit.plan.forecast.space import spaces
from revisit.plan.forecast.work import Work
from revisit.plan.plan import Plan

pytestmark = pytest.mark.slow

WITHIN = 1.5
FOLDERS = {  # what lies where, by stage
    "archive": ["archive"],
    "download": ["scenes"],
    "stack": ["cubes/*/*/raw.*"],
    "coregister": ["cubes/*/*/aligned.*"],
    "scale": ["cubes/*/*/scaled.*"],
    "tile": ["patches/*/*.zarr"],
    "pretrain": ["encoders"],
}


def size(results: Path, patterns: list[str]) -> int:
    """Bytes below some paths; what is reached by a link is counted where it lies."""
    total = 0
    for found in (path for pattern in patterns for path in results.glob(pattern)):
        inside = found.rglob("*") if found.is_dir() else [found]
        total += sum(path.stat().st_size for path in inside if path.is_file() and not path.is_symlink())
    return total


@pytest.mark.parametrize("known", [True, False], ids=["as found", "as is usual"])
def test_jobs_and_disk(study, known, monkeypatch, tmp_path):
    monkeypatch.chdir(study.folder if known else tmp_path)
    results = study.folder / "results"
    plan = Plan(check(yaml.safe_load((study.folder / "study.yaml").read_text())))
    work = Work(plan, imagery(plan))
    jobs = {stage.name: stage.jobs for stage in work.stages() if stage.jobs}
    planned = study.planned("--forceall")
    assert planned.pop("all") == 1
    planned["pretrain"] += planned.pop("pretrain_reconstructing")
    assert jobs == planned

    found = spaces(work)
    for stage, patterns in FOLDERS.items():
        there = size(results, patterns)
        assert there / WITHIN < found[stage].stays < there * WITHIN, (stage, there, found[stage])
    there, files = size(results, ["*"]), sum(path.is_file() for path in results.rglob("*"))
    assert there / WITHIN < sum(space.stays for space in found.values()) < there * WITHIN
    assert files / WITHIN < sum(space.files for space in found.values()) < files * WITHIN
