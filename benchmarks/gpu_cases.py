"""What gpu.py measures: its cases, in the order of their importance."""

import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_training import (
    MISSING,
    STEPS,
    Pace,
    Subject,
    finish,
    full_size,
    make_trainer,
    operations,
    passes_of,
    random_batch,
    run,
    sample_shape,
    seconds_each,
    timed,
    tiny_size,
    write_store,
)
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from revisit.errors import RevisitError
from revisit.methods.method import build_method, method_type
from revisit.patches.batch import Batch
from revisit.patches.standardise import standardise
from revisit.patches.store import PatchStore
from revisit.training.batches import batches, to_device
from revisit.training.device import mixed_precision
from revisit.training.settings import Training

Row = dict[str, Any]
Draw = Callable[[int], Generator[Batch[Tensor], None, None]]
FITS = re.compile(r"about (\d+) would")
MOST_HOST_BYTES = 8e9  # of a batch


class SkippedError(Exception):
    """A case this machine cannot have; says why."""


@dataclass(frozen=True)
class Case:
    """A measurement: the table its rows belong to, the seconds it may take, and what is to be done."""

    name: str
    table: str
    seconds: float
    work: Callable[[], list[Row]]


class Bench:
    """All cases on one device. ``folder``: for patch stores of at most ``gigabytes`` each."""

    def __init__(self, device: torch.device, folder: Path, gigabytes: float, tiny: bool) -> None:
        self.device, self.folder, self.gigabytes, self.tiny = device, folder, gigabytes, tiny
        self.cuda = device.type == "cuda"
        self.subjects = tiny_size() if tiny else full_size()
        self.pace = Pace(warm=1, seconds=0.02, most=3) if tiny else Pace()
        self.peaks: dict[str, float] = {}  # operations a second, by precision
        self.operations: dict[str, float] = {}  # of a sample, by method

    def cases(self) -> list[Case]:
        """All of them, the most important first."""
        first, second, *others = names = list(self.subjects)
        work: dict[str, tuple[str, float, Callable[..., list[Row]]]] = {
            "peaks": ("peaks", 10, self.measure_peaks),
            "operations": ("operations", 25, self.count_operations),
            "bfloat16": ("steps", 20, self.steps),
            "float32": ("steps", 25, partial(self.steps, precision="float32")),
            "channels-last": ("steps", 20, partial(self.steps, channels_last=True)),
            "compiled": ("steps", 100, partial(self.steps, compile=True)),
            "reading": ("reading", 50, self.reading),
            "embed": ("embed", 20, self.embed),
            "refusal": ("refusal", 30, self.refusal),
            "scaling": ("scaling", 60, self.scaling),
            "sizes": ("sizes", 45, self.sizes),
            "profile": ("profile", 15, self.profile),
        }
        order: list[tuple[str, list[str]]] = [
            ("peaks", []), ("operations", []), ("bfloat16", names), ("compiled", [first]),
            ("reading", [first]), ("embed", [first]), ("refusal", [first]), ("scaling", [first]),
            ("sizes", [first]), ("profile", [first]), ("channels-last", ["moco-v2", "simsiam", "d-simclr"]),
            ("compiled", [second]), ("profile", names[1:]), ("float32", names), ("reading", names[1:3]),
            ("sizes", names[1:]), ("compiled", others),
        ]  # fmt: skip
        cases = []
        for kind, methods in order:
            table, seconds, function = work[kind]
            for arguments in [[name] for name in methods] or [[]]:
                name, limit = " ".join([kind, *arguments]), 0 if self.tiny else seconds
                cases.append(Case(name, table, limit, partial(function, *arguments)))
        return cases

    def forget(self) -> None:
        """Give back what a case left on the device."""
        gc.collect()
        if "torch._dynamo" in sys.modules:
            torch._dynamo.reset()
        if self.cuda:
            torch.cuda.empty_cache()

    def training(self, batch: int, precision: str = "bfloat16", **other: Any) -> Training:
        """Settings of the loop."""
        how = {"steps": STEPS, "batch_size": batch, "precision": precision, **other}
        return Training.model_validate(how)

    def measure_peaks(self) -> list[Row]:
        """What the chip can do: matrix products of random numbers, and copies."""
        side = 128 if self.tiny else 8192
        before, rows = torch.get_float32_matmul_precision(), []
        for name, dtype, mode in (
            ("bfloat16", torch.bfloat16, before),
            ("float32", torch.float32, before),  # as in training: TF32 on CUDA
            ("float32, full precision", torch.float32, "highest"),
        ):
            a, b = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
            torch.set_float32_matmul_precision(mode)
            speed = 2 * side**3 / seconds_each(lambda a=a, b=b: a @ b, self.device, self.pace)  # type: ignore[misc]
            self.peaks[name] = speed
            rows.append({"what": f"matrix product {side}, {name}", "unit": "TFLOP/s", "value": speed / 1e12})
        torch.set_float32_matmul_precision(before)
        here = torch.randint(0, 256, (2**20 if self.tiny else 2**30,), dtype=torch.uint8)
        here = here.pin_memory() if self.cuda else here
        there = here.to(self.device, copy=True)
        again = torch.empty_like(there)
        for what, target, source in (("host to device", there, here), ("device to device", again, there)):
            each = seconds_each(
                lambda target=target, source=source: target.copy_(source, non_blocking=True),  # type: ignore[misc]
                self.device,
                self.pace,
            )
            rows.append({"what": f"copy, {what}", "unit": "GB/s", "value": len(here) / each / 1e9})
        return rows

    def count_operations(self) -> list[Row]:
        """Operations of a step, and the number of weights, by method."""
        rows: list[Row] = []
        for name, subject in self.subjects.items():
            self.operations[name] = operations(subject, self.device)
            with torch.device("meta"):
                method = build_method(subject.entry, subject.data)
            weights = [sum(w.numel() for w in part.parameters()) for part in (method.encoder, method)]
            rows.append({
                "method": name, "encoder": f"{method.encoder.name()} {method.encoder.settings.size()}",
                "encoder_weights": weights[0], "all_weights": weights[1],
                "image": " x ".join(map(str, sample_shape(subject.data))), "images_a_sample": subject.images,
                "gflop_an_image": self.operations[name] / subject.images / 1e9,
            })  # fmt: skip
        return rows

    def steps(
        self, name: str, precision: str = "bfloat16", compile: bool = False, channels_last: bool = False
    ) -> list[Row]:
        """The training loop on a batch that lies ready in the host's memory, and its passes alone."""
        if compile and not self.cuda:
            raise SkippedError("torch.compile is used on CUDA only")
        subject = self.subjects[name]
        training = self.training(subject.batch, precision, compile=compile, channels_last=channels_last)
        timing = timed(subject, training, self.device, self.pace)
        done = self.operations.get(name, 0) * subject.batch / timing.step
        peak, alone = self.peaks.get(precision), None
        if not compile:
            batch = random_batch(subject.data, subject.batch, self.cuda)
            alone = seconds_each(passes_of(subject, training, self.device, batch), self.device, self.pace)
        row = {
            "method": name, "precision": precision, "compiled": compile, "channels_last": channels_last,
            "batch": subject.batch, "images_per_second": subject.images * subject.batch / timing.step,
            "passes_per_second": subject.images * subject.batch / alone if alone else None,
            "memory_gib": timing.memory_gib, "tflops": done / 1e12 or None,
            "of_peak": done / peak if done and peak else None, "first_step_seconds": timing.first,
        }  # fmt: skip
        return [row]

    def sizes(self, name: str) -> list[Row]:
        """Batches of twice the size again and again, until one does not fit."""
        subject, rows, begin = self.subjects[name], list[Row](), time.perf_counter()
        pace, size = replace(self.pace, warm=2, seconds=self.pace.seconds / 3), subject.batch
        for _ in range(2 if self.tiny else 8):
            row: Row = {"method": name, "batch": size, "images_per_second": None, "memory_gib": None}
            rows.append({**row, "note": ""})
            if size * np.prod(sample_shape(subject.data)) > MOST_HOST_BYTES:
                rows[-1]["note"] = "not tried: too large for the host"
                break
            try:
                timing = timed(subject, self.training(size), self.device, pace)
            except (RevisitError, torch.OutOfMemoryError) as error:
                rows[-1]["note"] = one_line(error)
                break
            finally:
                self.forget()
            rate = subject.images * size / timing.step
            rows[-1] |= {"images_per_second": rate, "memory_gib": timing.memory_gib}
            if time.perf_counter() - begin > 40:
                rows[-1]["note"] = "larger ones not tried: time is up"
                break
            size *= 2
        best = max(rows, key=lambda row: row["images_per_second"] or 0)
        best["note"] = f"best. {best['note']}".strip()
        return rows

    def refusal(self, name: str) -> list[Row]:
        """With a tenth of the memory: the line that refuses a batch, and whether the size it names fits."""
        if not self.cuda:
            raise SkippedError("only the memory of a GPU has a limit to run into")
        subject, share, size = self.subjects[name], 0.1, self.subjects[name].batch
        total = torch.cuda.get_device_properties(self.device).total_memory / 2**30
        torch.cuda.set_per_process_memory_fraction(share)
        pace = Pace(warm=0, steps=1)
        try:
            while not (line := self._refused(subject, size, pace)):
                size *= 2
            named = int(told[1]) if (told := FITS.search(line)) else 0
            fits = named > 0 and not self._refused(subject, named, pace)
            more = named + size // 8  # the size named is known to size / 32
            more_fits = not self._refused(subject, more, pace)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        row = {
            "method": name, "limit_gib": share * total, "batch": size, "named": named, "named_fits": fits,
            "larger": more, "larger_fits": more_fits, "line": line,
        }  # fmt: skip
        return [row]

    def _refused(self, subject: Subject, size: int, pace: Pace) -> str:
        """The line that refuses a batch of that size, "" where it fits."""
        try:
            timed(subject, self.training(size), self.device, pace)
        except RevisitError as error:
            return one_line(error)
        finally:
            self.forget()
        return ""

    def embed(self, name: str) -> list[Row]:
        """Features of images that lie on the device, by the method's encoder."""
        rows: list[Row] = []
        subject = self.subjects[name]
        encoder = build_method(subject.entry, subject.data).encoder.to(self.device).eval()
        for precision in ("bfloat16", "float32"):
            for size in (subject.batch, 4 * subject.batch):
                images = random_batch(subject.data, size, pin=False).images.to(self.device)

                def features(images: Tensor = images, precision: str = precision) -> Tensor:
                    with torch.inference_mode(), mixed_precision(self.device, precision):
                        pooled: Tensor = encoder(standardise(images, subject.data.clip_sigma))
                        return pooled

                with FlopCounterMode(display=False) as counter:
                    features()
                each, peak = seconds_each(features, self.device, self.pace), self.peaks.get(precision)
                done = counter.get_total_flops() / each
                rows.append({
                    "encoder_of": name, "precision": precision, "batch": size,
                    "images_per_second": size / each, "tflops": done / 1e12,
                    "of_peak": done / peak if peak else None,
                })  # fmt: skip
        return rows

    def profile(self, name: str) -> list[Row]:
        """Where a step's time goes: the views alone, the device's busy share, the dearest kernels."""
        subject, count = self.subjects[name], 3 if self.tiny else 10
        trainer = make_trainer(subject, self.training(subject.batch), self.device)
        batch, generator = random_batch(subject.data, subject.batch, self.cuda), torch.Generator(self.device)

        def views() -> None:
            with torch.no_grad():
                trainer.method.views(to_device(batch, self.device), generator)

        alone = seconds_each(views, self.device, self.pace)
        run(trainer, (batch for _ in range(3)))
        kinds = [torch.profiler.ProfilerActivity.CUDA if self.cuda else torch.profiler.ProfilerActivity.CPU]
        finish(self.device)
        with torch.profiler.profile(activities=kinds) as profiler:
            begin = time.perf_counter()
            run(trainer, (batch for _ in range(count)))
            finish(self.device)
            wall = time.perf_counter() - begin
        spent: dict[str, float] = {}
        for event in profiler.key_averages():
            if self.cuda and event.is_user_annotation:  # its kernels count themselves
                continue
            own = event.self_device_time_total if self.cuda else event.self_cpu_time_total
            spent[event.key[:70]] = spent.get(event.key[:70], 0) + own / 1e6
        rows = [("views alone", alone * count), ("device busy", sum(spent.values()))]
        rows += sorted(spent.items(), key=lambda item: -item[1])[:8]
        return [
            {"method": name, "what": what, "milliseconds_a_step": 1e3 * took / count, "of_step": took / wall}
            for what, took in rows
        ]

    def reading(self, name: str) -> list[Row]:
        """A patch store read as training reads it: alone, by several readers, and beside the steps."""
        if MISSING:
            raise SkippedError(f"{', '.join(MISSING)}: missing here, which patch stores need; install")
        subject = self.subjects[name]
        folder = self.folder / subject.data.kind
        if not folder.exists():
            write_store(folder, subject.data, self.gigabytes, 4 * subject.batch)
        # Most of a large collection does not fit in memory; small arrays do.
        store = PatchStore(folder, memory_mb=64)
        draw = batches(
            store, subject.data.bands, store.indices("train"), subject.batch, 0, STEPS,
            series=method_type(subject.entry).needs_series, pin=self.cuda,
        )  # fmt: skip
        with closing(draw(0)) as stream:
            ready = next(stream)
        size = ready.images.nbytes / subject.batch / 1e6
        count = 3 if self.tiny else max(8, min(64, int(2000 / (size * subject.batch))))
        rates = {
            f"reading, {readers} at a time": read_alone(draw, readers, count) * subject.batch
            for readers in ((1, 2) if self.tiny else (1, 2, 4, 8))
        }
        training = self.training(subject.batch)
        alone = timed(subject, training, self.device, self.pace, repeat(ready))
        with closing(draw(0)) as stream:
            both = timed(subject, training, self.device, replace(self.pace, warm=2 * self.pace.warm), stream)
        rates |= {"steps": subject.batch / alone.step, "steps, reading beside": subject.batch / both.step}
        return [
            {"method": name, "what": what, "images_per_second": rate * subject.images,
             "megabytes_per_second": rate * size, "of_steps": rate / rates["steps"]}
            for what, rate in rates.items()
        ]  # fmt: skip

    def scaling(self, name: str) -> list[Row]:
        """The same batch on each of 1, 2, 4, ... GPUs."""
        most = torch.cuda.device_count() if self.cuda else 2 if self.tiny else 1
        if most < 2:
            raise SkippedError("one accelerator: nothing to share a batch with")
        alone = timed(self.subjects[name], self.training(self.subjects[name].batch), self.device, self.pace)
        seconds = {1: alone.step}
        for count in (2**power for power in range(1, most.bit_length()) if 2**power <= most):
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
            command += [f"--nproc-per-node={count}", str(Path(__file__).with_name("gpu.py"))]
            command += ["--share", name, *(["--tiny"] if self.tiny else [])]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            if done.returncode:
                raise RuntimeError(f"{count} processes failed: {done.stderr.strip().splitlines()[-1]}")
            seconds[count] = json.loads(done.stdout.splitlines()[-1])["step"]
        images = self.subjects[name].batch * self.subjects[name].images
        return [
            {"method": name, "gpus": count, "images_per_second": count * images / each,
             "of_linear": seconds[1] / each}
            for count, each in seconds.items()
        ]  # fmt: skip


def read_alone(draw: Draw, readers: int, count: int) -> float:
    """Batches a second, by so many readers that take ``count`` batches each."""

    def drain(reader: int) -> None:
        with closing(draw(reader * count)) as stream:
            for _ in islice(stream, count):
                pass

    begin = time.perf_counter()
    with ThreadPoolExecutor(readers) as threads:
        list(threads.map(drain, range(readers)))
    return readers * count / (time.perf_counter() - begin)


def one_line(error: BaseException) -> str:
    """The first line of what an error says, with its kind where it is none of ours."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    kind = "" if isinstance(error, RevisitError) else f"{type(error).__name__}: "
    return f"{kind}{said}"[:300]
