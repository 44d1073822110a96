"""Protects the picture of labels: official colours, and a legend of what is there."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from revisit.cube import quicklook
from revisit.cube.grid import Region, region_grid
from revisit.cube.labels.ready import ready

GRID = region_grid(Region(bbox=[5.0, 50.0, 5.02, 50.02]))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures saved, to look into."""
    figures: list[Figure] = []
    monkeypatch.setattr(quicklook, "save", lambda figure, path: figures.append(figure))
    return figures


def panels(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_label_map_has_the_official_colours_and_a_legend_of_what_is_there(tmp_path, drawn) -> None:
    codes = np.zeros(GRID.shape, np.uint8)
    codes[:, 40:], codes[:, 80:] = 10, 80
    labels = xr.Dataset(
        {"land_cover": (("y", "x"), codes, ready("worldcover", "test").flags())},
        coords={"y": GRID.y, "x": GRID.x},
        attrs={"region": "here", "sensor": "worldcover", "stage": "labels", "proj:code": GRID.crs}
        | {"spatial:transform": list(GRID.transform)[:6]},
    )
    quicklook.label_map(labels, tmp_path / "labels.png")
    (panel,) = panels(drawn[0])
    assert panel[0, 60].tolist() == [0, 0x64, 0]
    assert panel[0, 100].tolist() == [0, 0x64, 0xC8]
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert [text.split(",")[0] for text in texts] == ["none", "Tree cover", "Permanent water"]
