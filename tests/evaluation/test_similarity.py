"""Cosine similarity of years and places."""

from pathlib import Path

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation import similarity
from revisit.evaluation.similarity import cosine, off_diagonal
from revisit.files import read_json
from revisit.job import Job


def test_cosine_by_hand() -> None:
    """Length does not count, direction does."""
    matrix = cosine(np.array([[1.0, 0.0], [5.0, 5.0], [-2.0, 0.0]]))
    half = 1 / np.sqrt(2)
    assert matrix == pytest.approx(np.array([[1, half, -1], [half, 1, -half], [-1, -half, 1]]))
    assert off_diagonal(matrix) == pytest.approx(-1 / 3)


def test_matrices_of_years_and_places(yearly: Path, swins: dict[str, Path], tmp_path: Path) -> None:
    """2020 shows land cover, 2018 and 2019 are noise: those two are more alike than either is to 2020."""
    out = tmp_path / "x.json"
    files = {"patches": str(yearly), "encoder": str(swins["s1"])}
    similarity.run(Job("similarity", input=files, output={"similarity": str(out)}))
    content = read_json(out)
    assert [place["sample"] for place in content["places"]] == [32, 34, 37, 39]
    for place in content["places"]:
        matrix = np.array(place["matrix"])
        assert (place["region"], place["years"]) == ("here", [2018, 2019, 2020])
        assert matrix.shape == (3, 3)
        assert np.allclose(np.diag(matrix), 1)
        assert np.allclose(matrix, matrix.T)
        assert matrix[0, 1] > max(matrix[0, 2], matrix[1, 2])
    assert np.array(content["between_places"]).shape == (4, 4)
    assert content["between_mean"] < 1


def test_pairs_are_refused(pairs: Path, swins: dict[str, Path], tmp_path: Path) -> None:
    """They have no years to compare."""
    with pytest.raises(RevisitError, match="needs a yearly collection"):
        similarity.similarity(pairs, swins["s1"], tmp_path / "x.json")
