"""The forms an encoder is exported to; each writes a folder that a library loads as it stands.

Every folder has the card of the encoder, and a README with the scale contract of its input.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.export.readme import own_rows, readme
from revisit.export.timm_form import TimmForm, check_form, timm_form
from revisit.files import json_text
from revisit.nets.encoder import Encoder
from revisit.nets.external.backbone import library
from revisit.nets.external.encoder import External
from revisit.nets.load_save import CARD, HUB_CARD, HUB_WEIGHTS

TOLERANCE = 1e-4  # relative, of features by another library

Write = Callable[[Encoder, Path], None]


def _readable(path: Path) -> None:
    """Let others read a file as any of the user's: safetensors writes its own for the owner alone."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def to_hub(encoder: Encoder, folder: Path) -> None:
    """Card and weights by the names of model hubs; ``revisit.load_encoder`` reads them from there."""
    weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    (folder / HUB_WEIGHTS).write_bytes(save(weights))
    (folder / HUB_CARD).write_text(json_text(encoder.card), encoding="utf-8")
    code = """
import revisit

encoder = revisit.load_encoder("this folder")
features = encoder.pooled(encoder.standardise(values, bands))  # values [B, C, H, W], names of its channels
"""
    note = (
        "Reflectance (0 to 1) and backscatter in dB. `standardise` subtracts the mean, divides by the "
        "deviation and cuts at the limits; NaN is what was not seen."
    )
    _readme(encoder, folder, "hub", code, own_rows(encoder), note)


def to_timm(encoder: Encoder, folder: Path) -> None:
    """A folder as timm writes it for a hub, for ``timm.create_model("local-dir:…", pretrained=True)``."""
    form = timm_form(encoder)
    check_form(form, encoder, TOLERANCE)
    side = encoder.image_pixels * _enlarged(encoder)
    config = {
        "input_size": [len(form.channels), side, side],
        "mean": form.mean,
        "std": form.std,
        "crop_pct": 1.0,
        "classifier": None,
    }
    library("timm.models").save_for_hf(
        form.model,
        str(folder),
        model_config={"pretrained_cfg": config, "channels": form.channels, "units": form.units},
        model_args=form.arguments,
        safe_serialization=True,
    )
    _readable(folder / HUB_WEIGHTS)
    code = f"""
import timm
import torch

model = timm.create_model("local-dir:this folder", pretrained=True).eval()  # or hf-hub:…
mean = torch.tensor(model.pretrained_cfg["mean"])[:, None, None]
std = torch.tensor(model.pretrained_cfg["std"])[:, None, None]
features = model((values - mean) / std)  # values [B, {len(form.channels)}, H, W], units and order as above
"""
    _readme(encoder, folder, "timm", code, _rows(form), _note(encoder))


def to_torchgeo(encoder: Encoder, folder: Path) -> None:
    """A checkpoint that torchgeo's tasks and models take as ``weights``."""
    form = timm_form(encoder)
    if not form.plain:
        raise RevisitError(
            f"{encoder.name()}: torchgeo makes models by their name alone, and this is {form.name} with "
            f"{form.arguments}; export to timm"
        )
    check_form(form, encoder, TOLERANCE)
    weights = {f"model.{name}": value.detach().cpu() for name, value in form.model.state_dict().items()}
    torch.save({"hyper_parameters": {"model": form.name}, "state_dict": weights}, folder / "encoder.ckpt")
    code = f"""
from torchgeo.trainers import ClassificationTask

task = ClassificationTask(
    model={form.name!r}, weights="this folder/encoder.ckpt", in_channels={len(form.channels)}, num_classes=10
)
"""
    _readme(encoder, folder, "torchgeo", code, _rows(form), _note(encoder))


def to_onnx(encoder: Encoder, folder: Path) -> None:
    """``encoder.onnx``: physical values of any number of images of the encoder's side in, features out."""
    for needed in ("onnx", "onnxscript"):
        library(needed)
    model, side = Physical(encoder), encoder.image_pixels
    values = model.example(2, side)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (values,),
            folder / "encoder.onnx",
            input_names=["values"],
            output_names=["features"],
            dynamic_shapes={"values": {0: torch.export.Dim("images", min=1)}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    code = f"""
import onnxruntime

session = onnxruntime.InferenceSession("this folder/encoder.onnx")
(features,) = session.run(None, {{"values": values}})  # float32 [B, {len(encoder.bands)}, {side}, {side}]
"""
    note = (
        "Reflectance (0 to 1) and backscatter in dB, in the order below, float32, without NaN; the graph "
        "itself standardises and cuts at the limits."
    )
    _readme(encoder, folder, "onnx", code, own_rows(encoder), note)


FORMS: dict[str, Write] = {"hub": to_hub, "timm": to_timm, "torchgeo": to_torchgeo, "onnx": to_onnx}


class Physical(nn.Module):
    """Pooled features of physical values [B, C, H, W] of the encoder's bands, without missing ones."""

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        limits = [encoder.limits()[band] for band in encoder.bands]
        self.encoder = encoder
        self.clip = limits[0].clip_sigma
        self.register_buffer("mean", torch.tensor([own.middle for own in limits])[:, None, None])
        self.register_buffer("std", torch.tensor([own.step for own in limits])[:, None, None])

    def forward(self, values: Tensor) -> Tensor:
        z = ((values - self.mean) / self.std).clamp(-self.clip, self.clip)
        return self.encoder.pooled(z)

    def example(self, count: int, side: int) -> Tensor:
        """Physical values within the limits."""
        drawn = torch.rand(count, len(self.mean), side, side, generator=torch.Generator().manual_seed(0))
        return self.mean + self.std * (2 * drawn - 1) * self.clip


def _readme(
    encoder: Encoder, folder: Path, form: str, code: str, rows: list[tuple[str, ...]], note: str
) -> None:
    (folder / "README.md").write_text(readme(encoder, form, code, rows, note), encoding="utf-8")
    if form != "hub":
        (folder / CARD).write_text(json_text(encoder.card), encoding="utf-8")


def _rows(form: TimmForm) -> list[tuple[str, ...]]:
    columns = zip(form.channels, form.units, form.mean, form.std, strict=True)
    return [(channel, unit, f"{mean:.9g}", f"{std:.9g}") for channel, unit, mean, std in columns]


def _note(encoder: Encoder) -> str:
    """What the model's input is beside a mean and a deviation."""
    said = ["Each channel is (value - mean) / deviation of reflectance (0 to 1) or of backscatter in dB."]
    if not isinstance(encoder, External):
        return f"{said[0]} What it learnt from was cut at the limits of 8 bit; what lies beyond is new to it."
    for feed, offset in zip(encoder.feeds, encoder.offset.tolist(), strict=True):
        if feed.filled == "nearest":
            said.append(f"{feed.channel} was fed band {feed.band}.")
        elif feed.band is None:
            said.append(f"{feed.channel} was fed the constant {offset:g}.")
    if (clip := encoder.declaration.scale.clip) is not None:
        said.append(f"The result is cut to {clip[0]:g} … {clip[1]:g}.")
    if (times := _enlarged(encoder)) > 1:
        said.append(f"Images were made {times} times wider first (bilinear).")
    return " ".join(said)


def _enlarged(encoder: Encoder) -> int:
    return encoder.settings.enlarge if isinstance(encoder, External) else 1
