"""How long a plan takes, and how long its longest command is, as a study grows.

    python benchmarks/planning.py --regions 5000
    python benchmarks/planning.py --scores 5000

Plans (``snakemake --dry-run``) a study of so many regions, or the default one with so many scores, and prints
the jobs, the seconds per 10,000 of them, and the characters of the longest command. Nothing is run.
"""

import argparse
import copy
import math
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def many_regions(study: dict[str, Any], count: int) -> dict[str, Any]:
    """The study on so many regions like its first, side by side, with few years."""
    result = copy.deepcopy(study)
    width, height = 0.1, 0.05  # apart by more than the gap of the split
    columns = 50
    result["regions"] = {
        f"region{number}": {
            "bbox": [
                round(0.3 + width * (number % columns), 4),
                round(-60 + height * 1.2 * (number // columns), 4),
                round(0.3 + width * (number % columns) + 0.07, 4),
                round(-60 + height * 1.2 * (number // columns) + 0.046, 4),
            ]
        }
        for number in range(count)
    }
    result["archive"] = {"dates_per_year": study["archive"]["dates_per_year"]}
    result["cube"]["limits_from"] = None
    result["split"].pop("regions", None)
    for collection in result["collections"].values():
        collection.pop("regions", None)
    for sensor in ("sentinel-1", "sentinel-2"):
        result["search"][sensor]["years"] = [2020, 2021]
    result["pretraining"]["methods"]["stmim"]["method"]["years_per_step"] = 2
    return result


def many_scores(study: dict[str, Any], count: int) -> dict[str, Any]:
    """The study with so many scores: the multi-label experiment again and again."""
    result = copy.deepcopy(study)
    experiment = result["experiments"]["masking"]
    axes = "methods", "modalities", "protocols", "label_fractions", "seeds"
    per = math.prod(len(experiment[axis]) for axis in axes)
    result["experiments"] |= {f"masking{number}": copy.deepcopy(experiment) for number in range(count // per)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--regions", type=int)
    what.add_argument("--scores", type=int)
    arguments = parser.parse_args()
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    if arguments.regions:
        study = many_regions(default, arguments.regions)
    else:
        study = many_scores(default, arguments.scores)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump({**study, "study": "planned"}))
        command = [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--dry-run"),
            *("--cores", "2", "--configfile", str(path), "--directory", folder),
        ]
        started = time.perf_counter()
        # This one checks the study, and keeps what it found.
        shown = subprocess.run([*command, "--printshellcmds"], check=True, capture_output=True, text=True)
        checked = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - checked
    output = done.stdout + done.stderr
    commands = re.findall(
        r"^ *(?:Shell command: )?(revisit run \S+)$", shown.stdout + shown.stderr, re.MULTILINE
    )
    jobs = int(re.findall(r"^total +(\d+)$", output, re.MULTILINE)[-1])
    print(f"jobs                         {jobs}")
    print(f"first plan, seconds          {checked - started:.1f}")
    print(f"plan, seconds                {seconds:.1f}")
    print(f"seconds per 10,000 jobs      {seconds / jobs * 10_000:.1f}")
    print(f"commands found               {len(commands)}")
    print(f"longest command, characters  {max(map(len, commands))}")


if __name__ == "__main__":
    main()
