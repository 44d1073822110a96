"""Weights of another project from its file into an encoder, all of them or none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revisit.errors import RevisitError
from revisit.files import sha256
from revisit.nets.external.declaration import Layout
from revisit.nets.external.encoder import External
from revisit.nets.load_save import check_weights
from revisit.nets.weight_files import read_file, tensors, with_counters

FLOAT = 4  # bytes


def adopt(
    encoder: External, path: str | Path, scaling: Mapping[str, Any] | None, layout: Layout | None = None
) -> None:
    """Give ``encoder`` the weights of a file, and the scale they were trained with; its ``origin`` says both.

    ``scaling``: of the patch store whose images it will see; None on the meta device, where the file is held
    against the architecture and nothing is copied. ``layout``: of the file, by default the declared one.
    Raises RevisitError for a file that is absent or of another layout, and for images in another unit.
    """
    path, declared = Path(path), encoder.declaration
    layout = layout or declared.layout
    content = read_file(path, _advice(encoder))
    given = {
        name.removeprefix(layout.prefix): value
        for name, value in tensors(content)
        if name.startswith(layout.prefix)
    }
    if not given:
        first = ", ".join(name for name, _ in list(tensors(content))[:3])
        raise RevisitError(
            f"{path}: no weights begin with {layout.prefix!r}, the first are {first or 'none'}; "
            f"say in layout.prefix what those of the encoder begin with"
        )
    given = {name: value for name, value in given.items() if not name.startswith(layout.left_out)}
    own = encoder.backbone.model.state_dict()
    given = encoder.backbone.fitted(encoder.converted(given))
    fresh = [name for name in own if name.startswith(layout.fresh) and name not in given]
    given = with_counters(given, own)
    check_weights(own, given | {name: own[name] for name in fresh}, path)
    if next(encoder.parameters()).is_meta:
        return
    if scaling is None:
        raise RevisitError(f"{path}: the scaling of the images is unknown; give that of their patch store")
    encoder.backbone.model.load_state_dict(own | given, strict=True)
    encoder.set_scale(scaling)
    encoder.origin = {
        "file": path.name,
        "sha256": sha256(path),
        **{key: value for key, value in declared.source._asdict().items() if value and key != "file"},
        "fresh": fresh,
        "input": encoder.described(),
    }


def _advice(encoder: External) -> str:
    """How to come by the file of an encoder's weights."""
    source, own = encoder.declaration.source, encoder.backbone.model.state_dict()
    size = sum(value.numel() for value in own.values()) * FLOAT / 1e6
    if not source.url:
        return f"save the model's state_dict there (.pth or .safetensors, {size:.0f} MB or more)"
    licence = source.licence or "licence unknown to us, see there"
    return f"download {source.file} ({size:.0f} MB or more; {licence}) from {source.url}"
