"""The command `revisit plan`: what a study will take, as a table, before anything starts."""

import argparse
import math
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from revisit.plan.arguments import check_arguments, read_yaml
from revisit.plan.checked import checked
from revisit.plan.forecast.imagery import ASSUMED, imagery
from revisit.plan.forecast.rates import AT_REST, FROM_AFAR_MB_S, GPU_TIMES, Cost, costs, gpu_seconds
from revisit.plan.forecast.space import Space, fetched, peak, spaces
from revisit.plan.forecast.work import Stage, Work
from revisit.plan.plan import Plan

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the forecast of a study; ends the process after one line where the study is refused."""
    parser = argparse.ArgumentParser(
        description="Say what a study will take: jobs, download, disk, memory, hours. Starts nothing."
    )
    parser.add_argument("--configfile", default="config.yaml", help="the study (config.yaml)")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="jobs at a time (all cores)")
    arguments = parser.parse_args(argv)
    check_arguments(["--configfile", arguments.configfile])
    plan = Plan(checked(read_yaml(arguments.configfile)))
    sys.stdout.write(forecast(plan, max(1, arguments.cores)))
    return 0


def forecast(plan: Plan, cores: int) -> str:
    """The table and what lies behind it, as text."""
    work = Work(plan, imagery(plan))
    stages = [stage for stage in work.stages() if stage.jobs]
    space = spaces(work)
    cost = costs(stages, Path(plan.root) / "benchmarks", max(map(work.cells, plan.regions), default=0))
    remote, remote_files = fetched(work)
    if remote and not cost["download"].measured:
        cost["download"] = cost["download"]._replace(least_s=remote / (FROM_AFAR_MB_S * 1e6))
    rows: list[tuple[str, ...]] = [
        ("stage", "jobs", "1 core", f"{cores} cores", "memory", "disk", "files", "")
    ]
    rows += [_row(stage, cost[stage.name], space.get(stage.name), cores) for stage in stages]
    alone = sum(_seconds(stage, cost[stage.name], 1) for stage in stages)
    together = sum(_seconds(stage, cost[stage.name], cores) for stage in stages)
    staying = sum(one.stays for one in space.values())
    most, files = peak(work, space, cores), sum(one.files for one in space.values())
    memory = max(cost[stage.name].memory_mb for stage in stages) * 1e6
    rows.append(
        (
            *("all", f"{sum(stage.jobs for stage in stages)}", _time(alone), _time(together), _size(memory)),
            *(_size(staying), f"{files:.0f}", ""),
        )
    )
    on_gpu = gpu_seconds(stages, cost)
    counts = {
        sensor: sum(one.scenes for one in work.series if one.sensor == sensor)
        for sensor in plan.config["search"]
    }
    scenes = ", ".join(f"{count:.0f} of {sensor}" for sensor, count in counts.items())
    lines = [
        f"Study {plan.config['study']}: {len(plan.regions)} regions; scenes: {scenes}",
        "",
        *_table(rows),
        "",
        f"Download  {_size(remote)} in {remote_files:.0f} files"
        if remote_files
        else "Download  nothing, the imagery is on this machine",
        f"Disk      {_size(staying)} in the end, {_size(most)} at most",
        f"GPU       {_time(on_gpu, most_hours=100_000)} on one that is {GPU_TIMES:,} times as fast as a core "
        "(assumed)",
        f"Memory    {_size(memory * cores)} if {cores} of the largest jobs meet",
        "",
        *_assumptions(work, stages, cost),
    ]
    return "\n".join(lines) + "\n"


def _assumptions(work: Work, stages: Sequence[Stage], cost: dict[str, Cost]) -> Iterator[str]:
    """What the numbers rest on, and what is not there."""
    for line in work.plan.missing.values():
        yield from textwrap.wrap(f"Missing: {line}.", 110, subsequent_indent="  ", break_on_hyphens=False)
    for name, area in work.plan.uncovered.items():
        if round(area):
            yield f"Not covered: {area:,.0f} km² of places.{name}, between blocks of two UTM zones."
    known = sum(one.found for one in work.series)
    own = [stage.name for stage in stages if cost[stage.name].measured]
    notes = [
        f"Scenes: of {known} of {len(work.series)} years of a sensor and region as the search found them"
    ]
    if known < len(work.series):
        notes[0] += f"; of the others as is usual, {ASSUMED}"
    if own:
        notes.append(f"Time and memory as measured in this study: {', '.join(own)}")
    if len(own) < len(stages):
        notes.append(
            f"Time and memory of {'the others' if own else 'jobs'} as of the default study on two CPU cores, "
            "trainings by the parameters of their encoders, and evaluations to where those of that study "
            f"came to rest, after {AT_REST:.0%} of their steps: that says whether they want a GPU; for hours "
            "on one run a job of each, and plan again"
        )
    afar = any(not work.plan.is_served(one.sensor) for one in work.series)
    if afar and not cost["download"].measured:
        notes.append(f"The provider sends {FROM_AFAR_MB_S} MB a second to all jobs together")
    for note in [
        *notes,
        "Rough: disk within a factor of 1.5, time of imagery within one of 3, of trainings within one of 4",
    ]:
        yield from textwrap.wrap(f"{note}.", 110, subsequent_indent="  ")


def _row(stage: Stage, cost: Cost, space: Space | None, cores: int) -> tuple[str, ...]:
    stays, files, passing = space or Space(0, 0)
    goes = sum(passing.values())
    return (
        stage.name,
        f"{stage.jobs}",
        _time(_seconds(stage, cost, 1)),
        _time(_seconds(stage, cost, cores)),
        _size(cost.memory_mb * 1e6),
        _size(stays + goes) if space else "",
        f"{files:.0f}" if files else "",
        f"{_size(goes)} goes" if passing else "",
    )


def _seconds(stage: Stage, cost: Cost, cores: int) -> float:
    return max(cost.least_s, math.ceil(stage.jobs / cores) * cost.seconds)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *numbers, note = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join([first.strip().ljust(widths[0]), *numbers, note.strip()]).rstrip())
    return [lines[0], "-" * max(map(len, lines)), *lines[1:-1], "-" * max(map(len, lines)), lines[-1]]


def _time(seconds: float, most_hours: int = 72) -> str:
    for most, unit, length in ((90, "s", 1), (90, "min", 60), (most_hours, "h", 3600), (900, "days", 86400)):
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400 / 365:.0f} years"


def _size(size: float) -> str:
    power = min(len(UNITS) - 1, int(math.log(max(size, 1), 1000)))
    number = size / 1000**power
    return f"{number:.0f} {UNITS[power]}" if number >= 10 or power == 0 else f"{number:.1f} {UNITS[power]}"
