"""Downloads in miniature: clips and a manifest as the download stage leaves them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds

from revisit.cube.stacking.stack import Settings
from revisit.files import sha256

LEFT, TOP = 600_000, 5_400_000


@dataclass
class Download:
    """A folder with a manifest; ``add`` writes a scene, ``manifest`` the file that lists them."""

    folder: Path
    sensor: str
    scenes: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        name: str,
        time: str,
        bands: dict[str, np.ndarray],
        *,
        unit: str = "reflectance",
        resolution: float | dict[str, float] = 10,
        left: float = LEFT,
        top: float = TOP,
        crs: str = "EPSG:32631",
        nodata: float | None = 0,
        offset: float = 0.0,
        **about: Any,
    ) -> None:
        """Add a scene; the keys of a manifest's scene, or of its bands, may be given too."""
        described = {}
        for band, numbers in bands.items():
            path = self.folder / name / f"{band}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = resolution.get(band, 10) if isinstance(resolution, dict) else resolution
            profile = {"count": 1, "dtype": numbers.dtype, "crs": crs, "nodata": nodata}
            profile |= {"height": numbers.shape[0], "width": numbers.shape[1]}
            with rasterio.open(
                path, "w", driver="GTiff", transform=Affine(size, 0, left, 0, -size, top), **profile
            ) as target:
                target.write(numbers, 1)
            optical = unit == "reflectance" and band != "scl"
            described[band] = {
                "path": f"{name}/{band}.tif",
                "sha256": sha256(path),
                "bytes": path.stat().st_size,
                "dtype": str(numbers.dtype),
                "nodata": nodata,
                "scale": 1e-4 if optical else 1.0,
                "offset": offset if optical else 0.0,
                "unit": "class" if band == "scl" else unit,
                "source": f"served:///{name}/{band}.tif",
                **({"calibration_db": about["calibration_db"]} if "calibration_db" in about else {}),
            }
        scene = {
            "id": name,
            "datetime": time,
            "platform": "sentinel-2a",
            "relative_orbit": 51,
            "orbit_state": "descending",
            "processing_baseline": "02.14",
            "tile": "31UFP",
            "offset_rule": "test",
            "bands": described,
        }
        self.scenes.append(scene | {key: about[key] for key in about if key in scene})

    def manifest(self) -> Path:
        path = self.folder / "manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "region": "here",
            "sensor": self.sensor,
            "year": 2020,
            "provider": "test",
            "quarantine": [],
        }
        path.write_text(json.dumps(content | {"scenes": self.scenes}))
        return path


@pytest.fixture
def download(tmp_path: Path) -> Callable[[str], Download]:
    """Begin a download of a sensor's scenes."""
    return lambda sensor: Download(tmp_path / "scenes" / sensor / "2020", sensor)


def box(metres: float) -> list[float]:
    """A bbox whose grid is a square with its corner at the origin; ``metres`` is a multiple of 60."""
    return list(
        transform_bounds(
            "EPSG:32631", "EPSG:4326", LEFT + 25, TOP - metres + 25, LEFT + metres - 25, TOP - 25
        )
    )


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """The stack stage's settings for a square of some metres at the origin of the scenes."""

    def make(bands: list[str], metres: float = 240, resolution_m: int = 10) -> Settings:
        return Settings.model_validate(
            {
                "bbox": box(metres),
                "resolution_m": resolution_m,
                "bands": bands,
                "scene_classification_valid": [4, 5, 6, 7, 11],
            }
        )

    return make
