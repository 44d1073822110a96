"""What an accelerator makes of pretraining, all in one call of a few minutes.

    python benchmarks/gpu.py --minutes 9 --out gpu.json

Measures, the most important first and as long as there is time,
    peaks       matrix products of random numbers and copies: what the chip can do
    operations  of a step of each method at full size, counted
    steps       the training loop on batches that lie ready: in bfloat16, in float32 (TF32 in matrix
                products), compiled, channels last; the share is of the peak of that precision. Beside them
                the same batch's forward and backward passes alone, on views that lie ready
    reading     a patch store drawn from as in training, its pages cached: alone, by several readers,
                and beside the steps
    embed       features of images by a ViT-B
    refusal     the line that refuses too large a batch, whether the size it names fits, and a larger one
    scaling     the same batch on each of several GPUs
    sizes       batches of twice the size again and again, until one does not fit
    profile     where a step's time goes
and prints tables in Markdown; ``--out`` has the same as JSON, written anew after every case. A case that
fails, or that this machine cannot have, is listed with one line; what there was no time for, by name. Needs
torch and what the training loop imports; reading is left out without zarr. ``--tiny`` is for a processor, to
see that all works.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from gpu_cases import Bench, SkippedError, one_line
from gpu_training import Pace, full_size, timed, tiny_size

from revisit import __version__
from revisit.files import write_json
from revisit.training import distributed
from revisit.training.device import choose_device, prepare
from revisit.training.settings import Training

Report = dict[str, Any]
SHARED = Pace(warm=5, steps=20)  # a number of steps, which all processes agree on


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="begin no case that may end later")
    parser.add_argument("--out", type=Path, help="a JSON file of all results")
    parser.add_argument(
        "--only",
        action="append",
        help="cases whose name has this; repeatable (shares need peaks, operations)",
    )
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of a patch store to read")
    parser.add_argument("--folder", type=Path, help="where to write it; a temporary folder if not given")
    parser.add_argument("--tiny", action="store_true", help="small networks and few steps")
    parser.add_argument("--share", help=argparse.SUPPRESS)  # as one of the processes of the case `scaling`
    arguments = parser.parse_args(argv)
    if arguments.share:
        share(arguments.share, arguments.tiny)
        return 0
    begin, device = time.monotonic(), choose_device()
    prepare(device)
    report: Report = {
        "command": shlex.join(["python", *(sys.argv if argv is None else ["benchmarks/gpu.py", *argv])]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "tiny": arguments.tiny,
        "machine": machine(device),
        "cases": [],
        "skipped": [],
        "failed": [],
        "left_out": [],
    }
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bench = Bench(device, Path(folder), arguments.gigabytes if not arguments.tiny else 0, arguments.tiny)
        for case in bench.cases():
            if arguments.only and not any(part in case.name for part in arguments.only):
                continue
            started = time.monotonic()
            if started - begin + case.seconds > 60 * arguments.minutes:
                report["left_out"].append(case.name)
                continue
            try:
                found: Report = {"case": case.name, "table": case.table, "rows": case.work()}
                report["cases"].append(found | {"seconds": time.monotonic() - started})
            except SkippedError as error:
                report["skipped"].append({"case": case.name, "why": str(error)})
            except Exception as error:  # whatever it is, the other cases are worth having
                report["failed"].append({"case": case.name, "why": one_line(error)})
            bench.forget()
            print(f"{case.name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
            if arguments.out:
                write_json(arguments.out, report)
    report["seconds"] = time.monotonic() - begin
    if arguments.out:
        write_json(arguments.out, report)
    print(markdown(report))
    return 0


def share(name: str, tiny: bool) -> None:
    """Train with the other processes that torchrun started, each with the method's usual batch."""
    with distributed.group() as number:
        device, count = choose_device(number), int(os.environ["WORLD_SIZE"])
        prepare(device)
        subject = (tiny_size() if tiny else full_size())[name]
        training = Training(steps=10**6, batch_size=count * subject.batch, gpus=count, precision="bfloat16")
        timing = timed(subject, training, device, Pace(warm=1, steps=2) if tiny else SHARED)
        if number == 0:
            print(json.dumps({"step": timing.step}))


def machine(device: torch.device) -> dict[str, Any]:
    """Versions, the device's name and its driver."""
    cuda = device.type == "cuda"
    driver = None
    if cuda and shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        answer = subprocess.run(asked, capture_output=True, text=True).stdout.split()
        driver = answer[0] if answer else None
    memory = torch.cuda.get_device_properties(device).total_memory / 2**30 if cuda else None
    return {
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "devices": torch.cuda.device_count() if cuda else 1,
        "memory_gib": memory,
        "processors": os.cpu_count(),
        "driver": driver,
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,  # type: ignore[no-untyped-call]
        "torch": torch.__version__,
        "python": platform.python_version(),
        "revisit": __version__,
    }


def markdown(report: Report) -> str:
    """The report for people: a table a kind of case, and lists of what is not in them."""
    about = ", ".join(f"{key} {shown(value)}" for key, value in report["machine"].items() if value)
    lines = [f"`{report['command']}`", "", f"{about}; {report['date']}, {report['seconds']:.0f} s"]
    tables: dict[str, list[dict[str, Any]]] = {}
    for case in report["cases"]:
        tables.setdefault(case["table"], []).extend(case["rows"])
    for title, rows in tables.items():
        lines += ["", f"## {title}", "", "| " + " | ".join(rows[0]).replace("_", " ") + " |"]
        lines += ["| " + " | ".join("---" for _ in rows[0]) + " |"]
        lines += ["| " + " | ".join(shown(value) for value in row.values()) + " |" for row in rows]
    for key in ("skipped", "failed"):
        if report[key]:
            lines += ["", f"## {key}", "", *(f"- {each['case']}: {each['why']}" for each in report[key])]
    if report["left_out"]:
        lines += ["", "## left out, time was up", "", *(f"- {name}" for name in report["left_out"])]
    return "\n".join(lines)


def shown(value: Any) -> str:
    """A value of a table's cell."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value).replace("|", "/")


if __name__ == "__main__":
    raise SystemExit(main())
