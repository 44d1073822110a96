"""Asks a STAC API patiently: each request within the study's `requests`, and again where it fails for now."""

from typing import Any

import requests
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from revisit.stac.failures import PassingError
from revisit.stac.patience import CONNECTION_ERRORS, Patience, broken, refusal
from revisit.stac.providers import Source
from revisit.stac.slots import Shared

TIMEOUT_S = 60
BUSY = (408, 429)  # and all from 500 on


class PatientApi(StacApiIO):
    """What pystac-client asks a source through; raises OutageError where patience is over."""

    def __init__(self, origin: Source, shared: Shared, patience: Patience) -> None:
        super().__init__(timeout=TIMEOUT_S, max_retries=None)
        self.session.hooks["response"].append(_refuse_if_busy)
        self._origin, self._shared, self._patience = origin, shared, patience

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The text of an answer; raises APIError where the request itself is at fault."""

        def attempt() -> str:
            try:
                with self._shared.turn(self._origin):
                    return StacApiIO.request(self, href, method, headers, parameters)
            except APIError as error:
                # pystac-client tells the text alone; the error itself is what it was handling.
                cause = error.__context__
                if isinstance(cause, CONNECTION_ERRORS):
                    raise broken(cause) from error
                if isinstance(cause, PassingError):
                    raise cause from error
                raise

        return self._patience.keep(attempt, "a search")


def _refuse_if_busy(response: requests.Response, **given: Any) -> None:
    if response.status_code in BUSY or response.status_code >= 500:
        raise refusal(response)
