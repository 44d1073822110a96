"""Features of every patch come with where each patch is."""

import json
from pathlib import Path

import numpy as np

from revisit.evaluation import embed
from revisit.job import Job


def test_features_of_a_yearly_store_say_place_and_year(
    yearly: Path, swins: dict[str, Path], tmp_path: Path
) -> None:
    """One vector a place and year, in the store's order; the whole is readable without pickles."""
    out = tmp_path / "x.npz"
    files = {"patches": str(yearly), "encoder": str(swins["s1"])}
    embed.run(Job("embed", names={"modality": "s1"}, input=files, output={"features": str(out)}))
    with np.load(out, allow_pickle=False) as found:
        places, years, _ = found["features"].shape
        assert (places, years) == (40, len(found["years"]))
        assert found["features"].std(axis=0).min() > 0
        assert set(found["region"]) == {"here"}
        assert found["split"].tolist() == ["train"] * 24 + ["val"] * 8 + ["test"] * 8
        np.testing.assert_array_equal(found["x"], 5e5 + np.arange(40))
        assert set(found["epsg"]) == {32631}


def test_features_of_pairs_have_no_axis_of_years(pairs: Path, vits: list[Path], tmp_path: Path) -> None:
    """They are of the bands of the modality alone, and say what a table must know of the encoder."""
    features = {}
    for modality in ("s1", "s1+rgb"):
        out = tmp_path / f"{modality}.npz"
        embed.embed(pairs, vits[0], modality, out)
        with np.load(out, allow_pickle=False) as found:
            features[modality] = found["features"]
            assert found["features"].ndim == 2 and len(found["features"]) == 150
            assert len(found["years"]) == 0
            assert json.loads(str(found["columns"]))["pretrain_data"] == "pairs s1+rgb"
    assert not np.allclose(features["s1"], features["s1+rgb"])
