"""Protects the whole line: one command from search to tables, figures, page; then an idle second run."""

import csv
import io
import re
import subprocess
import sys

import pytest

from revisit.report import words

pytestmark = pytest.mark.slow


def test_the_table_has_every_run_of_the_study(study):
    rows = list(csv.DictReader(io.StringIO(study.table().decode())))
    runs = {(row["experiment"], row["method"], row["modality"], row["protocol"]) for row in rows}
    assert runs == {
        *(
            ("masking", method, "s1+s2", protocol)
            for method in ("scratch", "3dmae-3dm")
            for protocol in ("fine-tune", "linear")
        ),
        ("contrast", "simsiam", "rgb", "knn"),
        ("contrast", "moco-v2", "rgb", "knn"),
        ("sensors-dropped", "dino-mm", "s1", "linear"),
        ("land-cover", "unet", "s1", "supervised"),
        ("land-cover", "stmim-unet", "s1", "fine-tune"),
        ("land-cover", "dual-stmim-unet", "s1+rgb", "fine-tune"),
        ("masking", "class-prior", "s1+s2", "floor"),
        ("masking", "band-statistics", "s1+s2", "floor"),
        *(
            ("land-cover", floor, modality, "floor")
            for floor in ("class-prior", "pixel-statistics")
            for modality in ("s1", "s1+rgb")
        ),
    }
    lowest = {row["metric"]: -1 if row["metric"].endswith(words.DIFFERENCES) else 0 for row in rows}
    assert all(lowest[row["metric"]] <= float(row["value"]) <= 1 for row in rows)
    assert all((study.folder / row["run"] / "seed0.json").is_file() for row in rows)


def test_every_picture_and_page_is_there(study):
    results = study.folder / "results"
    for name in (
        "report.html",
        "tables/gains.md",
        "tables/masking/masking.md",
        "tables/land-cover/land-cover-sar.csv",
        "figures/curves.png",
        "figures/reconstructions/pairs/3dmae-3dm/s1+s2/seed0.png",
        "figures/similarities/yearly/stmim/s1/seed0.png",
        "figures/maps/land-cover.png",
        "cubes/east/sentinel-2/raw.png",
        "cubes/west/labels.png",
    ):
        assert (results / name).stat().st_size > 500, name


def test_a_second_run_has_nothing_to_do(study):
    assert study.planned() == {}


def test_a_job_can_be_repeated_by_hand_from_its_file(study, tmp_path):
    checkout = study.copy(tmp_path / "copy")
    job = checkout.folder / "results/logs/evaluate/land-cover/unet/s1/supervised/1/0.json"
    score = checkout.folder / "results/scores/land-cover/unet/s1/supervised/labels1/seed0.json"
    before = score.read_bytes()
    score.unlink()
    command = [sys.executable, "-m", "revisit.cli", "run", str(job)]
    subprocess.run(command, cwd=checkout.folder, env=checkout.environment, check=True, capture_output=True)
    assert score.read_bytes() == before


def test_no_command_grows_with_the_study(study):
    output = study.snakemake("--dry-run", "--forceall", "--printshellcmds")
    commands = re.findall(r"^Shell command: (revisit run .*)$", output, re.MULTILINE)
    assert len(commands) > 50
    assert max(map(len, commands)) < 200


def test_no_part_of_a_write_is_left_behind(study):
    assert not list((study.folder / "results").rglob(".*.part*"))
