"""Guards what is said of estimates of change: areas by counting pairs, intervals, figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit import parts
from revisit.files import write_rows
from revisit.job import Job
from revisit.report import change_estimates, reading
from revisit.report.drawing import figures
from revisit.report.facts import Facts
from revisit.stage import run_file

ENTRIES = {"caco": "smoothed-ratio", "aligned": "aligned-ratio"}
Places = Callable[..., list[Path]]


def facts_of(*seeds: int) -> Facts:
    shared = {"collection": "series", "kind": "series", "modality": "rgb", "reconstructs": False}
    told = {"baseline": False, "estimates_change": True, "change_known": True}
    encoders = [
        {"entry": name, "title": name.upper(), "seed": seed, **shared, **told}
        for name in ENTRIES
        for seed in seeds
    ]
    other = {"entry": "random", "title": "random", "seed": 0, **shared, "baseline": True}
    return Facts.model_validate({"encoders": [other, *encoders]})


def values(entry: str, seed: int, count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Estimates (3, n), with ties, and which places have changed; each its own luck."""
    rng = np.random.default_rng([len(entry), seed])
    changed = rng.random(count) < 0.3
    return np.round(rng.gamma(2, 1, (3, count)) + changed * np.array([[0.2], [0.8], [1.5]]), 1), changed


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Write what true_change writes of every encoder; two places lack the one or the other."""

    def make(*seeds: int, none_changed: bool = False) -> list[Path]:
        paths = []
        for entry, used in ENTRIES.items():
            for seed in seeds:
                estimates, changed = values(entry, seed)
                rows: list[dict[str, Any]] = [
                    {"used": used, "distance": d, "ratio": r, "smoothed_ratio": s}
                    | {"changed": int(here and not none_changed)}
                    for d, r, s, here in zip(*estimates, changed, strict=True)
                ]
                rows.append({**rows[0], "distance": "", "ratio": "", "smoothed_ratio": ""})
                rows.append({**rows[0], "changed": ""})
                paths.append(tmp_path / f"changes/series/{entry}/rgb/seed{seed}.csv")
                write_rows(paths[-1], rows)
        return paths

    return make


def by_pairs(estimates: np.ndarray, changed: np.ndarray) -> float:
    """Of all pairs of a changed and another place, how many stand in that order; a tie is half of one."""
    apart = estimates[changed][:, None] - estimates[~changed]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean())


def scored(paths: list[Path], facts: Facts, folder: Path) -> list[dict[str, str]]:
    job = Job(
        "revisit.report.change_estimates",
        input={"places": [str(path) for path in paths]},
        output={"csv": str(folder / "out.csv"), "markdown": str(folder / "out.md")},
        settings=facts.content(),
    )
    job.write(folder / "job.json")
    assert run_file(folder / "job.json") == 0
    return reading.read_rows(folder / "out.csv", change_estimates.WRITTEN)


def test_area_of_each_encoder_and_over_seeds(places: Places, tmp_path: Path) -> None:
    rows = scored(places(0, 1, 2), facts_of(0, 1, 2), tmp_path)
    assert len(rows) == 2 * 3 * (3 + 1)
    for entry in ENTRIES:
        for number, name in enumerate(("distance", "ratio", "smoothed_ratio")):
            title = f"aligned_{name}" if entry == "aligned" else name
            here = [row for row in rows if (row["method"], row["estimate"]) == (entry, title)]
            wanted = []
            for row, seed in zip(here, (0, 1, 2), strict=False):
                estimates, changed = values(entry, seed)
                wanted.append(by_pairs(estimates[number], changed))
                assert (row["seed"], row["places"], row["changed"]) == (str(seed), "30", str(changed.sum()))
                assert float(row["auc"]) == pytest.approx(wanted[-1], abs=1e-5)
                assert float(row["ci_low"]) < wanted[-1] < float(row["ci_high"]) <= 1
                assert row["interval_over"] == "places"
            mean, spread = np.mean(wanted), np.std(wanted, ddof=1)
            together = here[-1]
            assert (together["seed"], together["interval_over"]) == ("all", "seeds")
            assert float(together["auc"]) == pytest.approx(mean, abs=1e-5)
            assert float(together["ci_low"]) == pytest.approx(mean - 4.302653 * spread / 3**0.5, abs=1e-5)
    used = {(row["method"], row["estimate"]) for row in rows if row["used"] == "yes"}
    assert used == {("caco", "smoothed_ratio"), ("aligned", "aligned_ratio")}


def test_interval_over_places_covers_as_it_says() -> None:
    """Of two normal distributions one deviation apart the area is 0.76; 95 % intervals miss it seldom."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(20):
        low, high = change_estimates.over_places(rng.normal(1, 1, 40), rng.normal(0, 1, 60))
        assert low is not None and high is not None and 0.1 < high - low < 0.3
        missed += not low < 0.7602 < high
    assert missed <= 4
    assert change_estimates.over_places(np.ones(1), np.zeros(9)) == (None, None)


def test_table_to_read(places: Places, tmp_path: Path) -> None:
    """In per cent; of one seed with the interval over places, of several with that over seeds."""
    for seeds, over in (((0,), "over places"), ((0, 1), "over pretraining seeds")):
        scored(places(*seeds), facts_of(*seeds), tmp_path)
        table = change_estimates.lay_out(tmp_path / "out.csv", facts_of(*seeds))
        (block,) = table.blocks
        assert block.columns[:3] == ("distance", "ratio", "smoothed ratio") and len(block.columns) == 6
        (label, cells), (other, _) = block.rows
        assert label[:3] == ("CACO", "RGB", "smoothed ratio") and other[0] == "ALIGNED"
        estimates = [by_pairs(values("caco", seed)[0][1], values("caco", seed)[1]) for seed in seeds]
        assert cells[1].value == pytest.approx(100 * np.mean(estimates), abs=1e-3)
        assert cells[1].low is not None and not cells[3].filled
        assert any(over in note for note in table.notes)
        assert f"| {cells[1].ours('.1f')} |" in (tmp_path / "out.md").read_text()


def test_nothing_changed_has_no_area(places: Places, tmp_path: Path) -> None:
    """Where no place has changed, or none has both, cells are empty and the figure says so."""
    paths = places(0, none_changed=True)
    rows = scored(paths, facts_of(0), tmp_path)
    assert {(row["auc"], row["ci_low"], row["changed"]) for row in rows} == {("", "", "0")}
    assert not any(
        cell.filled
        for _, row in change_estimates.lay_out(tmp_path / "out.csv", facts_of(0)).blocks[0].rows
        for cell in row
    )
    parts.find("figure", "change-roc").draw(paths, facts_of(0), tmp_path / "roc.png")


def test_figures(places: Places, tmp_path: Path, texts: list[str]) -> None:
    facts = facts_of(0, 1)
    paths = places(0, 1)
    named = [one["path"] for one in figures(facts)]
    assert "change-roc" in named and "change-mixture/series/caco/rgb/seed1" in named
    assert not [path for path in named if "change" in path and "random" in path]
    parts.find("figure", "change-roc").draw(paths, facts, tmp_path / "roc.png")
    area = np.mean([by_pairs(values("caco", seed)[0][2], values("caco", seed)[1]) for seed in (0, 1)])
    assert f"smoothed ratio: {100 * area:.1f}" in texts and "ALIGNED, RGB" in texts


@pytest.mark.parametrize("fitted", [True, False])
def test_histogram_with_the_threshold(tmp_path: Path, texts: list[str], fitted: bool) -> None:
    """Of the estimate the method goes by; before the first fit there is no mixture to show."""
    rows = [
        {"distance": 9, "ratio": f"{value:.4g}", "smoothed_ratio": 9, "changed": int(value > 2)}
        for value in (*np.linspace(0.5, 3, 199), 50)
    ]
    write_rows(tmp_path / "changes.csv", [*rows, dict.fromkeys(rows[0], "")])
    about = {"estimate": "aligned-ratio", "threshold": 1.9 * fitted}
    gaussians = [("unchanged", 0.7, 1.2, 0.4), ("changed", 0.3, 2.6, 0.9)] if fitted else [
        ("unchanged", 0, 0, 0), ("changed", 0, 0, 0)
    ]  # fmt: skip
    components = [
        {"component": name, "weight": weight, "mean": mean, "deviation": deviation, **about}
        for name, weight, mean, deviation in gaussians
    ]
    write_rows(tmp_path / "mixture.csv", components)
    paths = [tmp_path / "changes.csv", tmp_path / "mixture.csv"]
    parts.find("figure", "change-mixture").draw(paths, facts_of(0), tmp_path / "mixture.png")
    taken = sum(row["changed"] == 1 for row in rows)
    assert f"{taken} of 200 taken for changed; 1 beyond the axis" in texts and "200 estimates" in texts
    assert ("threshold 1.9" in texts) == ("both" in texts) == fitted and "aligned ratio" in texts
