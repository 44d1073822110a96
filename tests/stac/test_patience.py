"""How long a failing provider is borne with: the clock of a job, and what servers say of waiting."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import planetary_computer.sas
import pytest
import requests
from urllib3 import HTTPResponse

from revisit.stac import patience as module
from revisit.stac.failures import OutageError, PassingError, UnreadableError
from revisit.stac.patience import Patience, refusal
from revisit.stac.signing import signed


def fails() -> None:
    raise PassingError("down")


def test_what_passes_is_lived_through() -> None:
    """The result comes when it comes; other errors are not waited for."""
    tries = iter([PassingError("a"), PassingError("b"), None])

    def attempt() -> str:
        if error := next(tries):
            raise error
        return "done"

    assert Patience(5).keep(attempt, "it") == "done"
    with pytest.raises(UnreadableError):
        Patience(5).keep(lambda: (_ for _ in ()).throw(UnreadableError("gone", lasting=True)), "it")


def test_patience_ends_with_what_and_how_long() -> None:
    began = time.monotonic()
    with pytest.raises(OutageError, match="asset 'red' of A at host: down") as caught:
        Patience(0.5).keep(fails, "asset 'red' of A at host")
    assert caught.value.seconds <= time.monotonic() - began < 1
    assert [OutageError("", seconds).lasted for seconds in (40.2, 599)] == ["40 s", "10 minutes"]


def test_the_clock_begins_anew_when_anything_comes() -> None:
    """One file that fails does not end a job whose others still come; when they stop, it does."""
    patience = Patience(0.6)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(patience.keep, fails, "stuck")
        for number in range(8):
            time.sleep(0.2)
            assert patience.keep(lambda number=number: number, "well") == number
            assert not stuck.done()
        with pytest.raises(OutageError):
            stuck.result(timeout=3)


def test_pauses_grow_at_random_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that failed together must not come back together; and a longer wait that is asked for is kept."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 60)
    pauses: dict[int, list[float]] = {}
    for _ in range(20):
        patience = Patience(10_000)

        def record(state: object, patience: Patience = patience) -> bool:
            pauses.setdefault(state.attempt_number, []).append(state.upcoming_sleep)  # type: ignore[attr-defined]
            return len(pauses[1]) == 0 or state.attempt_number == 12  # type: ignore[attr-defined]

        monkeypatch.setattr(patience, "_is_over", record)
        monkeypatch.setattr(patience._ended, "wait", lambda timeout: None)
        with pytest.raises(OutageError):
            patience.keep(fails, "it")
    assert all(
        0 <= pause <= min(0.5 * 2 ** (number - 1), 60) for number in pauses for pause in pauses[number]
    )
    assert max(pauses[12]) > 30 > min(pauses[12])
    assert len(set(pauses[1])) == 20


def test_an_ended_job_wakes_its_threads() -> None:
    """A pause of an hour is no reason to stay, nor is a first try."""
    patience, began = Patience(10_000), time.monotonic()

    def asked_to_wait() -> None:
        raise PassingError("busy", wait_s=3600)

    threading.Timer(0.3, patience.end).start()
    with pytest.raises(OutageError):
        patience.keep(asked_to_wait, "it")
    with pytest.raises(OutageError):
        patience.keep(lambda: pytest.fail("asked again"), "another")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("7", 7),
        ("in ten minutes", 600),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("soon", 0),
    ],
)
def test_the_wait_that_a_server_asks_for(header: str | None, seconds: float) -> None:
    """Seconds or a date (RFC 9110, 10.2.3); what is neither asks for nothing."""
    if header == "in ten minutes":
        header = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    response = requests.Response()
    response.status_code, response.reason = 503, "Service Unavailable"
    response.raw = HTTPResponse(headers={} if header is None else {"Retry-After": header})
    error = refusal(response)
    assert error.wait_s == pytest.approx(seconds, abs=5)
    assert str(error).startswith("HTTP 503 Service Unavailable")


def test_a_signature_that_cannot_be_had_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once a try: the minutes of the signer's own retries would be spent within one slot."""
    monkeypatch.setattr(planetary_computer.sas.Settings.get(), "sas_url", "http://127.0.0.1:9/token")
    began = time.monotonic()
    with pytest.raises(PassingError, match=r"no signature: .*refused"):
        signed("https://account.blob.core.windows.net/container/red.tif")
    assert time.monotonic() - began < 5
    assert signed("https://elsewhere.org/red.tif") == "https://elsewhere.org/red.tif"
