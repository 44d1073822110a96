"""Faults on demand for the local API, so that tests can see a client live through them."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal[
    "301",
    "302",
    "307",
    "308",
    "408",
    "410",
    "429",
    "500",
    "503",
    "403-expired",
    "slow",
    "silent",
    "stalled",
    "truncated",
    "dropped",
]


@dataclass
class Fault:
    """What goes wrong on requests whose path and query ``pattern`` (a regular expression) finds.

    It does so ``times`` over; the first ``after`` of them are spared.

    301 to 308: the same path lies below ``location``. 408 to 503: that status, with ``retry_after`` where it
    is given. 403-expired: what an object store says to an old signature. slow: ``delay`` seconds of silence
    first. silent: there is never an answer. stalled: half of an answer, and never the rest. truncated: a file
    cut at half its length. dropped: the connection is closed after half of the answer, whose stated length is
    that of the whole.
    """

    pattern: str
    kind: Kind
    times: float = float("inf")
    delay: float = 1.0
    retry_after: str | None = None
    after: int = 0
    location: str = ""


MOVED = ("301", "302", "307", "308")
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
        address = scope["path"] + ("?" + query if (query := scope.get("query_string", b"").decode()) else "")
        fault = self._next(address) if scope["type"] == "http" else None
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.kind in ANSWERS:
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            status = int(fault.kind.partition("-")[0])
            await PlainTextResponse(ANSWERS[fault.kind], status, headers)(scope, receive, send)
        elif fault.kind in MOVED:
            headers = {"Location": fault.location + address}
            await PlainTextResponse("moved", int(fault.kind), headers)(scope, receive, send)
        elif fault.kind in ("dropped", "stalled", "silent"):
            if fault.kind != "silent":
                await self.app(scope, receive, _half(send))
            if fault.kind != "dropped":
                await _hung_up(receive)
        else:
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay)
            await self.app({**scope, "truncated": fault.kind == "truncated"}, receive, send)

    def _next(self, address: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, address):
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


async def _hung_up(receive: Receive) -> None:
    """Wait until the client has had enough, or the server is stopped."""
    with suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass


def truncated(file: Path) -> Path:
    """A passing copy of a file that ends at half its length."""
    content = file.read_bytes()
    with tempfile.NamedTemporaryFile(suffix=file.suffix, delete=False) as copy:
        copy.write(content[: len(content) // 2])
    return Path(copy.name)
