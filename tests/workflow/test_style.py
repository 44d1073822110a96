"""Protects the workflow's form: Snakemake's own linter and formatter find nothing, every preset plans."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_snakemake_lint():
    done = run(sys.executable, "-m", "snakemake", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefmt():
    done = run(str(Path(sys.executable).with_name("snakefmt")), "--check", "Snakefile", "workflow/rules")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("preset", sorted(ROOT.glob("workflow/presets/*.yaml")), ids=lambda path: path.stem)
def test_every_preset_plans(preset):
    """A study that is wrong is refused there, in one line."""
    target = "features" if preset.stem == "real-series" else "all"
    if preset.stem == "real-series" and not (ROOT / "../shared/real/archive").is_dir():
        pytest.skip("the preset's folder of real imagery, ../shared/real/archive, is absent")
    done = run(sys.executable, "-m", "snakemake", target, "-n", "--cores", "1", "--configfile", str(preset))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job stats" in done.stdout + done.stderr
