"""Protects those who have a GPU: jobs run where tensors lie on a device of their own, and come to the same.

tests/pretended_device.py refuses what a GPU would. Held to what the small study made on the processor; every
method trains there in tests/training/test_resume.py.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from safetensors.numpy import load_file
from torch.utils import backend_registration

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "pretended_device.py"
JOBS = (
    "pretrain/pairs/3dmae-3dm/s1+s2/0",
    "embed/pairs/3dmae-3dm/s1+s2/0/s1+s2",
    "similarity/yearly/stmim/rgb/0",
    "evaluate/masking/3dmae-3dm/s1+s2/fine-tune/1/0",
    "evaluate/land-cover/unet/s1/supervised/1/0",
    "evaluate/land-cover/dual-stmim-unet/s1+rgb/fine-tune/1/0",
    "predict/land-cover/east",
)


@pytest.fixture(scope="module")
def elsewhere(study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the jobs were run again, on the pretended device."""
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip(f"torch {torch.__version__} takes no device that is written in Python")
    folder = tmp_path_factory.mktemp("elsewhere")
    paths = []
    for name in JOBS:
        job = json.loads((study.folder / f"results/logs/{name}.json").read_text())
        job["output"] = {key: str(folder / path) for key, path in job["output"].items()}
        job["log"] = str(folder / f"{name}.log")
        paths.append(folder / f"{name}.json")
        for path in (*map(Path, job["output"].values()), paths[-1]):
            path.parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_text(json.dumps(job))
    run = subprocess.run(
        [sys.executable, SCRIPT, *paths],
        cwd=study.folder, env=study.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    return folder


@pytest.mark.parametrize("name", JOBS)
def test_a_job_comes_to_the_same(name: str, elsewhere: Path, study) -> None:
    outputs = json.loads((study.folder / f"results/logs/{name}.json").read_text())["output"].values()
    compared = 0
    for path in outputs:
        ours, theirs = content(elsewhere / path), content(study.folder / path)
        assert ours.keys() == theirs.keys()
        for key in theirs:
            compared += 1
            np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=1e-4, err_msg=f"{path}: {key}")
    assert compared


def content(path: Path) -> dict[str, Any]:
    """The arrays of numbers in a file, by name; none of cards and scores, which say how long it took."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays if arrays[name].dtype.kind in "fiub"}
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    if path.suffix == ".tif":
        with rasterio.open(path) as file:
            return {"map": file.read()}
    found = json.loads(path.read_text()) if path.suffix == ".json" else {}
    return {"between_places": found["between_places"]} if "between_places" in found else {}
