"""The list of a set's samples: what is not there is said, and a part without samples is an error."""

from pathlib import Path

import pytest

from revisit.errors import RevisitError
from revisit.patches.benchmark import Sample, check_split
from revisit.patches.survey import NOT_THERE, listed, open_set, read_samples, write_samples


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    """A part all of whose samples lack files has none, and that is allowed only where it is said to be."""
    (tmp_path / "EuroSAT_MS/River").mkdir(parents=True)
    for number, part in enumerate(("train", "val", "test")):
        (tmp_path / f"eurosat-{part}.txt").write_text(f"River_{number}.tif\n")
        if part != "test":
            (tmp_path / f"EuroSAT_MS/River/River_{number}.tif").touch()
    entry = {"set": "eurosat", "folder": str(tmp_path), "partial": True}
    with pytest.raises(RevisitError, match=r"imports.some: no sample in test: 1 not among the files; take"):
        listed("some", open_set("some", entry))
    samples = listed("some", open_set("some", entry | {"allow_empty": True}))
    assert [sample.left_out for sample in samples] == ["", "", NOT_THERE]
    write_samples(tmp_path / "samples.csv", samples)
    assert read_samples(tmp_path / "samples.csv") == samples


def test_a_place_is_in_one_part() -> None:
    """Under whatever names: images of one place at two dates may not be learnt from and tested on."""
    months = [Sample(f"a-{month}", "train", "a", ()) for month in (1, 2)]
    check_split([*months, Sample("b", "test", "b", ()), Sample("a-3", "test", "a", (), left_out="gone")], "x")
    with pytest.raises(RevisitError, match=r"imports.x: a-3 is in test and shows a, which is in train by"):
        check_split([*months, Sample("a-3", "test", "a", ())], "x")
    with pytest.raises(RevisitError, match=r"imports.x: a-1 is listed twice, in train and in test"):
        check_split([*months, Sample("a-1", "test", "c", ())], "x")
