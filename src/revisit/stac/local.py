"""Reaching a source: a remote API as it is, a folder through our own server for as long as a job needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from revisit.errors import RevisitError
from revisit.stac.providers import Source

SERVED = "served:///"


@contextmanager
def endpoint(origin: Source, folder: Path | None) -> Iterator[str]:
    """A source's address; its own folder, or else the one given, is served for the life of the block."""
    folder = origin.folder or folder
    if origin.url:
        yield origin.url
    elif folder:
        from revisit.stac.api.server import serve

        with serve([folder]) as url:
            yield url
    else:
        raise RevisitError(
            f"provider {origin.provider}: has no url and no folder; give the job the input 'folder' to serve"
        )


def frozen(text: str, url: str) -> str:
    """Text, such as an href, without the passing address of a server of ours."""
    return text.replace(f"{url}/assets/0/", SERVED)


def resolve(href: str, url: str) -> str:
    """A frozen href as it can be opened while ``url`` is served."""
    return f"{url}/assets/0/{href.removeprefix(SERVED)}" if href.startswith(SERVED) else href


def identity(href: str, folder: Path | None) -> str:
    """What the content of a frozen href hangs on: the href or, of a file in a folder of ours, this very file.

    A folder that is built anew has the same hrefs; path, size and time of change tell its files apart.
    """
    if folder is None or not href.startswith(SERVED):
        return href
    file = folder.resolve() / unquote(href.removeprefix(SERVED))
    try:
        found = file.stat()
    except (OSError, ValueError):  # what is not there is found out when it is read
        return href
    return f"{file} {found.st_size} {found.st_mtime_ns}"
