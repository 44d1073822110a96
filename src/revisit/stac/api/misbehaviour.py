"""Faults on demand for the local API, so that tests can see a client live through them."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class Fault:
    """What goes wrong on requests whose path ``pattern`` (a regular expression) finds, ``times`` over.

    429 and 500: that status. 403-expired: what an object store says to an old signature.
    slow: ``delay`` seconds of silence first. truncated: a file cut at half its length.
    """

    pattern: str
    kind: Literal["429", "500", "403-expired", "slow", "truncated"]
    times: float = float("inf")
    delay: float = 1.0


ANSWERS = {
    "429": PlainTextResponse("too many requests", 429, {"Retry-After": "0"}),
    "500": PlainTextResponse("internal server error", 500),
    "403-expired": PlainTextResponse("AuthenticationFailed: the signature is no longer valid", 403),
}


class Faults:
    """ASGI layer that plays the faults, first matching rule first, and counts them down."""

    def __init__(self, app: ASGIApp, faults: Sequence[Fault] = ()) -> None:
        self.app, self.faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._next(scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.kind in ANSWERS:
            await ANSWERS[fault.kind](scope, receive, send)
        else:
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay)
            await self.app({**scope, "truncated": fault.kind == "truncated"}, receive, send)

    def _next(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, path):
                fault.times -= 1
                return fault
        return None


def truncated(file: Path) -> Path:
    """A passing copy of a file that ends at half its length."""
    content = file.read_bytes()
    with tempfile.NamedTemporaryFile(suffix=file.suffix, delete=False) as copy:
        copy.write(content[: len(content) // 2])
    return Path(copy.name)
