"""Protects the workflow's form: Snakemake's own linter and formatter find nothing, every preset plans."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_snakemake_lint():
    done = run(sys.executable, "-m", "snakemake", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefmt():
    done = run(str(Path(sys.executable).with_name("snakefmt")), "--check", "Snakefile", "workflow/rules")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of ImageNet weights, as random ones have their names and layout."""
    models = pytest.importorskip("torchvision.models")
    folder = tmp_path_factory.mktemp("weights")
    for name in ("resnet18-f37072fd", "resnet50-11ad3fa6"):
        torch.save(models.get_model(name.partition("-")[0]).state_dict(), folder / f"{name}.pth")
    return folder


@pytest.mark.parametrize("preset", sorted(ROOT.glob("workflow/presets/*.yaml")), ids=lambda path: path.stem)
def test_every_preset_plans(preset, weights, tmp_path):
    """A study that is wrong is refused there, in one line; also with the rows that wait for weights."""
    target = "features" if preset.stem == "real-series" else "all"
    if preset.stem == "real-series" and not (ROOT / "../shared/real/archive").is_dir():
        pytest.skip("the preset's folder of real imagery, ../shared/real/archive, is absent")
    whole = tmp_path / preset.name
    whole.write_text(preset.read_text().replace("#: ", "").replace("weights/", f"{weights}/"))
    done = run(sys.executable, "-m", "snakemake", target, "-n", "--cores", "1", "--configfile", str(whole))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job stats" in done.stdout + done.stderr
