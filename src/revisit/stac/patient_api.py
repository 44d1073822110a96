"""Asks a STAC API patiently: each request within the study's `requests`, and again where it fails for now."""

from typing import Any

import pystac
import requests
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from revisit.stac.failures import PassingError
from revisit.stac.patience import CONNECTION_ERRORS, Patience, broken, refusal
from revisit.stac.providers import Source
from revisit.stac.slots import Shared

TIMEOUT_S = 60  # of silence
MOVED_FOR_GET = (301, 302, 303)  # what is asked by POST would be asked anew without what was asked for
BUSY = (408, 429)  # and all from 500 on


class PatientApi(StacApiIO):
    """What pystac-client asks a source through; raises OutageError where patience is over."""

    def __init__(self, origin: Source, shared: Shared, patience: Patience) -> None:
        super().__init__(max_retries=None)
        self.session.hooks["response"] += [_refuse_if_busy, _refuse_if_moved]
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

    def read_text(self, source: pystac.link.HREF, *args: Any, **kwargs: Any) -> str:
        """The text of an address on the web; raises APIError for any other, such as a file here."""
        address = source.href if isinstance(source, pystac.Link) else str(source)
        if not address.startswith(("http://", "https://")):
            raise APIError(f"it refers to {address!r}, which is no address on the web")
        return super().read_text(source, *args, **kwargs)


def _refuse_if_busy(response: requests.Response, **given: Any) -> None:
    if response.status_code in BUSY or response.status_code >= 500:
        raise refusal(response)


def _refuse_if_moved(response: requests.Response, **given: Any) -> None:
    if response.request.method == "POST" and response.status_code in MOVED_FOR_GET:
        raise APIError(f"searches have moved (HTTP {response.status_code}) to {response.headers['Location']}")
