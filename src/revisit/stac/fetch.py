"""Fetches the window of one asset; where GDAL fails, asks the server why.

GDAL's word is not enough: a server that fails between opening and reading leaves a file that is "not
recognized as being in a supported file format". A file is at fault only if it is gone, or if a whole copy of
it, as long as the server said, cannot be read either.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from revisit import files
from revisit.errors import RevisitError
from revisit.stac.calibration import SigmaNought
from revisit.stac.clip import Area, cut
from revisit.stac.failures import GONE, PassingError, UnreadableError
from revisit.stac.patience import TIMEOUTS_S, broken, refusal

PART_BYTES = 2**20
# How GDAL says that it found no keys, and an object store that those it got are wrong.
NO_KEYS = re.compile(
    r"InvalidCredentials|InvalidAccessKeyId|Access Key Id you provided|SignatureDoesNotMatch"
)


def fetch(
    href: str,
    area: Area,
    target: Path,
    nodata: Any,
    fallback: float | None,
    options: dict[str, Any],
    table: SigmaNought | None = None,
) -> dict[str, Any]:
    """As ``cut``, but raises PassingError where the provider is at fault or nobody can tell.

    UnreadableError is then lasting. RevisitError where keys of an object store are missing or wrong; OSError
    where the target cannot be written.
    """
    try:
        return cut(href, area, target, nodata, fallback, options, table)
    except UnreadableError as error:
        with _answer(href, error):
            pass  # the server is well: either the cause has passed, or it is the file
    try:
        return cut(href, area, target, nodata, fallback, options, table)
    except UnreadableError as error:
        with _answer(href, error) as response, _copy(response, target) as copy:
            try:
                return cut(str(copy), area, target, nodata, fallback, None, table)
            except UnreadableError:
                raise UnreadableError(str(error), lasting=True) from error


def annotation(href: str) -> SigmaNought:
    """The calibration of an image; raises as ``fetch`` does, RevisitError where it is in an object store."""
    if not href.startswith("http"):
        raise RevisitError(
            f"{href}: calibration annotations are read from https:// alone; take the provider "
            f'planetary-computer-grd, or set calibration_asset to "" for relative decibels'
        )
    with _answer(href, UnreadableError("")) as response:
        return SigmaNought.parse(response.content)


@contextmanager
def _answer(href: str, error: UnreadableError) -> Iterator[requests.Response]:
    """The server's answer to a request for a whole file that could not be read, its body still to come.

    Raises ``error`` itself where it is lasting, UnreadableError where the file is gone, else PassingError;
    also for what breaks while the body is read in the block.
    """
    if error.lasting:
        raise error
    if not href.startswith("http"):  # an object store that only GDAL can talk to
        if NO_KEYS.search(str(error)):
            raise RevisitError(
                f"{href}: its object store wants valid keys; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                f"in the environment (docs/providers.md)"
            ) from error
        raise PassingError(str(error)) from error
    try:
        # As it is stored, so that its length is the stated one.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(href, headers=headers, stream=True, timeout=TIMEOUTS_S) as response:
            if response.status_code in GONE:
                raise UnreadableError(f"HTTP {response.status_code} {response.reason}", lasting=True)
            if not response.ok:
                raise refusal(response)
            yield response
    except requests.RequestException as failure:
        raise broken(failure) from failure


@contextmanager
def _copy(response: requests.Response, target: Path) -> Iterator[Path]:
    """The whole body in a file beside the target, for the life of the block."""
    copy = target.with_name(f".{target.name}.part.whole")
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        with files.writing(copy), copy.open("wb") as file:
            for part in response.iter_content(PART_BYTES):
                file.write(part)
        yield copy
    finally:
        files.remove(copy)
