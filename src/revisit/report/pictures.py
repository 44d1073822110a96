"""The pictures of a page: in the page itself while they are few, else files beside it, loaded when seen."""

import base64
import io
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from revisit.errors import RevisitError

EMBEDDED = 48  # a page with more pictures has them beside it
EMBEDDED_PIXELS = 960
THUMBNAIL_PIXELS = 640


class Picture(NamedTuple):
    """A picture of the page. ``address``: a data: URI, or a file beside the page."""

    title: str
    caption: str
    address: str
    original: str  # the picture it was made from, relative to the page
    width: int  # pixels, so that the page keeps its place while pictures load
    height: int


class Source(NamedTuple):
    """A picture to show: a figure as it is, or a quicklook (``reduce``) made smaller."""

    path: Path
    title: str
    caption: str = ""
    reduce: bool = False


def place(
    sources: Mapping[str, Source], page: Path, folder: Path, final: Path, threads: int
) -> dict[str, Picture]:
    """All pictures by the names of their sources, which are their paths relative to the page.

    Files go to ``folder``, which will be called ``final`` when the page is read. Raises RevisitError for a
    file that is no picture.
    """
    beside = len(sources) > EMBEDDED

    def one(name: str) -> Picture:
        source = sources[name]
        content, kind, (width, height) = _content(source, THUMBNAIL_PIXELS if beside else EMBEDDED_PIXELS)
        if beside:
            path = (folder / name).with_suffix(f".{kind}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            address = Path(os.path.relpath(final / path.relative_to(folder), page.parent)).as_posix()
        else:
            address = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        return Picture(source.title, source.caption, address, name, width, height)

    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(sources, pool.map(one, sources), strict=True))


def _content(source: Source, most: int) -> tuple[bytes, str, tuple[int, int]]:
    """Bytes, format and size of a picture."""
    try:
        content = source.path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            if not source.reduce:
                return content, "png", image.size
            image.thumbnail((most, 4 * most))
            small = io.BytesIO()
            image.convert("RGB").save(small, "JPEG", quality=80)
            return small.getvalue(), "jpeg", image.size
    except FileNotFoundError as error:
        raise RevisitError(f"{source.path}: no such picture; has the stage before this one run?") from error
    except OSError as error:
        raise RevisitError(f"{source.path}: not a picture ({error}); rerun its stage") from error
