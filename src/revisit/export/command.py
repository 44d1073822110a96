"""``revisit export``: a trained encoder as a folder that another library loads."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from revisit.errors import RevisitError

ABOUT = """Write an encoder, with its card and the scale contract of its input, into a folder others load:
  hub       config.json, model.safetensors and a README in the layout of model hubs, for revisit.load_encoder
  timm      the same layout with timm's own model, for timm.create_model("local-dir:FOLDER", pretrained=True)
  torchgeo  encoder.ckpt, for the `weights` of torchgeo's tasks
  onnx      encoder.onnx, reflectance and dB in, features out (pip install 'revisit[onnx]')
Nothing is uploaded."""


def export(encoder: str | Path, form: str, folder: str | Path) -> None:
    """Write ``folder``; raises RevisitError where the encoder has no such form, or the folder is there."""
    # Only this needs torch, not --help.
    from revisit.export.forms import FORMS
    from revisit.files import atomic
    from revisit.nets.load_save import load_encoder

    folder = Path(folder)
    if folder.exists():
        raise RevisitError(f"{folder}: is there already; remove it, or name another folder with --into")
    loaded = load_encoder(encoder)
    with atomic(folder) as aside:
        aside.mkdir()
        FORMS[form](loaded, aside)


def main(argv: Sequence[str] | None = None) -> int:
    """Export as the arguments say; 1 after one line where that cannot be."""
    parser = ArgumentParser(
        prog="revisit export", description=ABOUT, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder", type=Path, help="folder with encoder.safetensors and card.json")
    parser.add_argument("--to", required=True, choices=["hub", "timm", "torchgeo", "onnx"], help="the form")
    parser.add_argument(
        "--into", type=Path, help="folder to write; by default, one called as the form in ENCODER"
    )
    chosen = parser.parse_args(argv)
    beside = chosen.encoder if chosen.encoder.is_dir() else chosen.encoder.parent
    folder = chosen.into or beside / chosen.to
    try:
        export(chosen.encoder, chosen.to, folder)
    except RevisitError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    print(folder)
    return 0
