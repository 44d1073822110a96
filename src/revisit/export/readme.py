"""The README of an exported encoder: what it is, what it takes, how it is loaded."""

import json
from collections.abc import Mapping
from typing import Any

from revisit.nets.encoder import Encoder
from revisit.nets.load_save import architecture_name


def readme(encoder: Encoder, form: str, code: str, rows: list[tuple[str, ...]], note: str) -> str:
    """Markdown with the header that model hubs read.

    ``form``: hub, timm, torchgeo or onnx. ``code``: how it is loaded. ``rows``: of each channel of the input
    its name, unit, mean and deviation. ``note``: what else to know of the input.
    """
    card: Mapping[str, Any] = encoder.card or {}
    origin, licence = card.get("weights") or {}, (card.get("weights") or {}).get("licence")
    about = {
        "architecture": architecture_name(card["architecture"]),
        "method": card.get("title") or card.get("method"),
        "pretrained on": ", ".join(card.get("regions", [])) if card.get("steps") else card.get("weights_of"),
        "steps": card.get("steps"),
        "weights": " ".join(filter(None, (origin.get("file"), origin.get("paper"), origin.get("url")))),
        "licence of these weights": licence,
        "features": f"{encoder.feature_dim}, pooled: {encoder.pooling}",
        "image side": f"{encoder.image_pixels} pixels, or a multiple of {encoder.settings.side_multiple()}",
        "made by": f"revisit {card.get('code_version', '')}".strip(),
    }
    library = "revisit" if form == "hub" else form
    header = {"library_name": library, "tags": ["feature-extraction", "remote-sensing", "sentinel"]}
    table = ["| channel | unit | mean | deviation |", "| --- | --- | --- | --- |"]
    return "\n".join(
        [
            "---",
            *(f"{key}: {json.dumps(value)}" for key, value in header.items()),
            "---",
            "",
            f"# {about['method'] or 'Encoder'}",
            "",
            *(f"- {key}: {value}" for key, value in about.items() if value not in (None, "")),
            "",
            "## Input",
            "",
            note,
            "",
            *table,
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            "## Use",
            "",
            "```python",
            code.strip(),
            "```",
            "",
        ]
    )


def own_rows(encoder: Encoder) -> list[tuple[str, ...]]:
    """Each band of an encoder with what its standardised values are made with."""
    limits = encoder.limits()
    return [
        (band, limits[band].unit, f"{limits[band].middle:.9g}", f"{limits[band].step:.9g}")
        for band in encoder.bands
    ]
