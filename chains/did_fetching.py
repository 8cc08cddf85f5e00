"""Fetching a did:web document from its domain: over TLS, without redirections, and never more than one may have.

Input is a did:web name and whom to trust for TLS; ``identity check-did`` asks, and ``did_document`` reads the answer.
"""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from anchor.errors import SettingsError, SourceError
from chains.did_document import MAX_DOCUMENT, address_of

TIMEOUT_S = 10.0
# Of the whole answer, which may come in drops.
WHOLE_S = 30.0


def fetch(did: str, tls_roots: Path | None = None, monotonic_s: Callable[[], float] = time.monotonic) -> bytes:
    """Return what the domain answers, at most one byte more than a document may have.

    Raises SourceError where it cannot be asked or has no such document, SettingsError where the file of roots is none.
    """
    try:
        context = ssl.create_default_context(cafile=None if tls_roots is None else str(tls_roots))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{tls_roots}: expected roots for TLS in PEM: {error}") from error
    address, data, until_s = address_of(did), b"", monotonic_s() + WHOLE_S
    try:
        with (
            httpx.Client(verify=context, timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", address, headers={"accept-encoding": "identity"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise SourceError(f"{address}: expected its document, got status {answer.status_code}")
            # Raw: what a domain compresses all the same is not unpacked.
            for piece in answer.iter_raw():
                data += piece
                if len(data) > MAX_DOCUMENT:
                    break
                if monotonic_s() > until_s:
                    raise SourceError(f"{address}: did not send its document within {WHOLE_S:g} s")
    except httpx.HTTPError as error:
        raise SourceError(f"{address}: {error or type(error).__name__}") from error
    return data[: MAX_DOCUMENT + 1]
