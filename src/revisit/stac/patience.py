"""Bearing with a provider that is down or busy: trying again after growing pauses, but not for ever."""

import re
import threading
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from typing import TypeVar

import requests
from pydantic import Field
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type
from tenacity.nap import sleep_using_event
from tenacity.wait import wait_random_exponential
from urllib3 import Retry
from urllib3.exceptions import HTTPError, InvalidHeader

from revisit.record import Record
from revisit.stac.failures import OutageError, PassingError, UnreadableError
from revisit.stage import log

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
TIMEOUTS_S = (20, 60)  # to connect, and between two parts of an answer
TOLD_AT = 3  # tries; a hiccup is nobody's concern
# Of the errors of requests, those that the same request may not meet again.
CONNECTION_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,  # the answer ended before its stated length
)
# What lies beneath them.
CONNECTION_CAUSES = (OSError, HTTPException, HTTPError)

Result = TypeVar("Result")


class Patient(Record):
    """How long an outage of the provider is borne with."""

    patience_s: float = Field(600, ge=0)
    """Seconds to go on trying while nothing comes from the provider; then the job fails, and a later run
    goes on from what it has."""


class Patience:
    """One job's patience, shared by its threads: the clock runs from the first failure since anything came.

    So a provider that is down costs a job ``seconds`` once, however many files it still has to fetch.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: float | None = None
        self._ended = threading.Event()

    def keep(self, attempt: Callable[[], Result], what: str) -> Result:
        """The result of ``attempt``, which is made again after a pause where it raises PassingError.

        Pauses grow at random (exponential back-off with full jitter) and are at least as long as the server
        asked for. Raises OutageError where patience would be over before the next try.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(PassingError),
            wait=self._pause,
            stop=self._is_over,
            before_sleep=partial(self._tell, what),
            sleep=sleep_using_event(self._ended),
        )
        try:
            result: Result = retrying(self._try, attempt)
            return result
        except RetryError as error:
            cause = error.last_attempt.exception()
            raise OutageError(f"{what}: {cause}", self._lasted()) from cause

    def end(self) -> None:
        """Wake the threads that pause, and let none of them try again."""
        self._ended.set()

    def _try(self, attempt: Callable[[], Result]) -> Result:
        if self._ended.is_set():
            raise OutageError("the job has ended", self._lasted())
        try:
            result = attempt()
        except PassingError:
            self._since = self._since or time.monotonic()
            raise
        except UnreadableError:  # the provider is there to say so
            self._since = None
            raise
        self._since = None
        return result

    def _lasted(self) -> float:
        since = self._since  # another thread may set it to None meanwhile
        return time.monotonic() - since if since else 0.0

    def _pause(self, state: RetryCallState) -> float:
        drawn = wait_random_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S)(state)
        return max(drawn, _failure(state).wait_s)

    def _is_over(self, state: RetryCallState) -> bool:
        return self._lasted() + state.upcoming_sleep > self.seconds

    def _tell(self, what: str, state: RetryCallState) -> None:
        if state.attempt_number == TOLD_AT:
            log.warning("%s: %s; trying again for up to %.0f s", what, _failure(state), self.seconds)


def _failure(state: RetryCallState) -> PassingError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, PassingError)
    return error


def refusal(response: requests.Response) -> PassingError:
    """What a server says that will not answer now, with how long it asks to be left alone."""
    try:
        wait = Retry().get_retry_after(response.raw) or 0.0  # seconds or a date
    except InvalidHeader:
        wait = 0.0
    asked = f", and asks to wait {wait:.0f} s" if wait else ""
    return PassingError(f"HTTP {response.status_code} {response.reason}{asked}", wait)


def broken(error: requests.RequestException) -> PassingError:
    """Why a connection failed: the innermost cause alone, as the outer ones repeat the signed address."""
    inner: BaseException = error
    while isinstance(next_in := inner.__cause__ or inner.__context__, CONNECTION_CAUSES):
        inner = next_in
    return PassingError(re.sub(r"\?\S+", "", str(inner)) or type(inner).__name__)
