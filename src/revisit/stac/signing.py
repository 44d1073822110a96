"""Signs addresses of the Planetary Computer."""

from urllib.parse import urlparse

from revisit.stac.failures import PassingError
from revisit.stac.patience import broken


def signed(href: str) -> str:
    """The address with a signature that is valid now; addresses outside its stores are returned as they are.

    Raises PassingError where the signature cannot be had.
    """
    # Slow to import, and only this provider needs them.
    import planetary_computer
    import requests
    from planetary_computer.sas import BLOB_STORAGE_DOMAIN, get_token
    from planetary_computer.utils import parse_blob_url

    address = urlparse(href)
    try:
        if address.netloc.endswith(BLOB_STORAGE_DOMAIN):
            # Into its memory, asked once: by itself `sign_url` would ask eleven times over seven minutes.
            get_token(*parse_blob_url(address), retry_total=0)
        return str(planetary_computer.sign_url(href))
    except requests.RequestException as error:
        raise PassingError(f"no signature: {broken(error)}") from error
