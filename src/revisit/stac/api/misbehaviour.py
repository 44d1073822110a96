"""Faults on demand for the local API, so that tests can see a client live through them."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Fault:
    """What goes wrong on requests whose path ``pattern`` (a regular expression) finds, ``times`` over.

    The first ``after`` of them are spared.

    408 to 503: that status, with ``retry_after`` where it is given. 403-expired: what an object store says to
    an old signature. slow: ``delay`` seconds of silence first. truncated: a file cut at half its length.
    dropped: the connection is closed after half of the answer, whose stated length is that of the whole.
    """

    pattern: str
    kind: Literal["408", "410", "429", "500", "503", "403-expired", "slow", "truncated", "dropped"]
    times: float = float("inf")
    delay: float = 1.0
    retry_after: str | None = None
    after: int = 0


ANSWERS = {
    "408": "request timeout",
    "410": "gone",
    "429": "too many requests",
    "500": "internal server error",
    "503": "service unavailable",
    "403-expired": "AuthenticationFailed: the signature is no longer valid",
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
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            status = int(fault.kind.partition("-")[0])
            await PlainTextResponse(ANSWERS[fault.kind], status, headers)(scope, receive, send)
        elif fault.kind == "dropped":
            await self.app(scope, receive, _half(send))
        else:
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay)
            await self.app({**scope, "truncated": fault.kind == "truncated"}, receive, send)

    def _next(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, path):
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None


def _half(send: Send) -> Send:
    """Sends half of the first part of a body and never the end, upon which the server hangs up."""
    done = False

    async def cut(message: Message) -> None:
        nonlocal done
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        if not done:
            await send(message)
        done = message["type"] == "http.response.body"

    return cut


def truncated(file: Path) -> Path:
    """A passing copy of a file that ends at half its length."""
    content = file.read_bytes()
    with tempfile.NamedTemporaryFile(suffix=file.suffix, delete=False) as copy:
        copy.write(content[: len(content) // 2])
    return Path(copy.name)
