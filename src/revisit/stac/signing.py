"""Signs addresses of the Planetary Computer."""

from urllib.parse import urlparse

import requests

from revisit.stac.failures import PassingError
from revisit.stac.patience import TIMEOUTS_S, broken, refusal

# What must be left of a token: more than the minute that contents `sign_url`, which would else ask for one
# itself, and wait for the answer without end.
LEAST_LEFT_S = 75


def signed(href: str) -> str:
    """The address with a signature that is valid now; addresses outside its stores are returned as they are.

    Raises PassingError where the signature cannot be had.
    """
    # Slow to import, and only this provider needs it.
    from planetary_computer.sas import BLOB_STORAGE_DOMAIN, sign_url
    from planetary_computer.utils import parse_blob_url

    address = urlparse(href)
    if address.netloc.endswith(BLOB_STORAGE_DOMAIN):
        try:
            _keep_token(*parse_blob_url(address))
        except PassingError as error:
            raise PassingError(f"no signature: {error}", error.wait_s) from error
    return str(sign_url(href))


def _keep_token(account: str, container: str) -> None:
    """See that the signer has a token for a container; raises PassingError where the service gives none."""
    from planetary_computer.sas import TOKEN_CACHE, SASToken, Settings

    settings = Settings.get()
    address = f"{settings.sas_url}/{account}/{container}"
    token = TOKEN_CACHE.get(address)
    if token and token.ttl() > LEAST_LEFT_S:
        return
    key = {"Ocp-Apim-Subscription-Key": settings.subscription_key} if settings.subscription_key else None
    try:
        response = requests.get(address, headers=key, timeout=TIMEOUTS_S)
    except requests.RequestException as error:
        raise broken(error) from error
    if not response.ok:
        raise refusal(response)
    try:
        TOKEN_CACHE[address] = SASToken.model_validate_json(response.content)
    except ValueError as error:
        raise PassingError(f"{address} answered with no token") from error
