"""Protects the benchmark for accelerators, which is run rarely and on lent machines: it must work at once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def run(out: Path, *options: str, **environment: str) -> tuple[dict[str, Any], str]:
    """The JSON and what is printed of a tiny run on the processor."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--tiny", "--out", str(out), *options],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


def only(*parts: str) -> list[str]:
    return [word for part in parts for word in ("--only", part)]


def test_every_kind_of_case_gives_numbers(tmp_path: Path) -> None:
    """Each case runs through the package as it is, so a change of its interfaces is seen here."""
    chosen = only("peaks", "operations", "bfloat16", "mae3d", "embed", "refusal", "scaling", "reading stmim")
    report, printed = run(tmp_path / "gpu.json", *chosen)
    assert report["failed"] == [] and report["left_out"] == []
    assert {case["case"] for case in report["skipped"]} == {"compiled mae3d", "refusal mae3d"}
    tables = {case["table"] for case in report["cases"]}
    assert tables == {
        "peaks", "operations", "steps", "reading", "embed", "scaling", "sizes", "profile"
    }  # fmt: skip
    methods = {row["method"] for case in report["cases"] for row in case["rows"] if case["table"] == "steps"}
    assert methods == {
        "mae3d", "stmim", "moco-v2", "simsiam", "dino-mm", "simclr", "gssl", "seco", "caco", "simclr-seco",
        "simclr-caco", "swinssl", "d-simclr", "satvit-v1", "satvit-v2",
    }  # fmt: skip
    for case in report["cases"]:
        assert case["rows"], case
        for row in case["rows"]:
            numbers = [v for v in row.values() if isinstance(v, int | float) and not isinstance(v, bool)]
            assert numbers and min(numbers) > 0, row
        assert f"## {case['table']}" in printed
    steps = next(case for case in report["cases"] if case["case"] == "bfloat16 mae3d")["rows"][0]
    operations = next(case for case in report["cases"] if case["case"] == "operations")["rows"][0]
    assert steps["tflops"] * 1e3 / operations["gflop_an_image"] == pytest.approx(steps["images_per_second"])
    assert report["machine"]["torch"] and report["machine"]["device"]


def test_what_there_is_no_time_for_is_listed(tmp_path: Path) -> None:
    """A call that is cut short must not look like a whole one."""
    report, printed = run(tmp_path / "gpu.json", "--minutes", "0")
    assert report["cases"] == [] and len(report["left_out"]) > 20
    assert "- bfloat16 mae3d" in printed


def test_without_zarr_only_reading_is_left_out(tmp_path: Path) -> None:
    """Lent machines have torch and little else."""
    blocked = "import sys\nfor name in ('zarr', 'google_crc32c', 'affine'):\n    sys.modules[name] = None\n"
    (tmp_path / "sitecustomize.py").write_text(blocked)
    report, printed = run(
        tmp_path / "gpu.json", *only("bfloat16 mae3d", "reading mae3d"), PYTHONPATH=str(tmp_path)
    )
    assert [case["case"] for case in report["cases"]] == ["bfloat16 mae3d"]
    assert [case["case"] for case in report["skipped"]] == ["reading mae3d"]
    assert "zarr, google_crc32c, affine: missing here" in printed
