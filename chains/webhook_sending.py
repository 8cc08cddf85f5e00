"""Sending one message to one webhook: signed by the Standard Webhooks specification, to an address that was checked.

Input is a target (``chains.public_address``), a secret and the message; the answer's status is all that is used of it.
"""

import asyncio
import base64
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from anchor.proof.errors import AnchorlineError
from chains.public_address import Resolve, target_of

SECRET_PREFIX = "whsec_"  # noqa: S105  # what a secret begins with, Standard Webhooks "Symmetric"
SECRET_SIZE = 32
"""Bytes of a secret: Standard Webhooks asks for 24 to 64."""
CONNECT_TIMEOUT_S = 5.0
WHOLE_TIMEOUT_S = 15.0
"""From the name to the answer's head: Standard Webhooks recommends 15 to 30 seconds."""
MAX_CAUSE = 300


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a try: the answer's status, or None and why there was none."""

    status: int | None
    cause: str

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


def secret_text(secret: bytes) -> str:
    """Return a secret as its receiver configures it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: HMAC-SHA256 over id, time and body (Standard Webhooks, "Signatures")."""
    return Webhook(secret).sign(message_id, datetime.fromtimestamp(at_s, UTC), body.decode())


def headers_of(secret: bytes, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message that is sent at ``at_s`` (Unix seconds)."""
    return {
        "content-type": "application/json",
        "user-agent": "anchorline-webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signature(secret, message_id, at_s, body),
    }


async def send(
    url: str,
    headers: dict[str, str],
    body: bytes,
    resolve: Resolve,
    *,
    is_for_tests: bool = False,
    trusted: ssl.SSLContext | None = None,
) -> Sent:
    """Send one message; nothing is raised for what a receiver does. ``trusted`` is for tests: other roots than ours.

    The name is resolved here, and the connection goes to the address that was checked: TLS and the Host header have
    the name. Redirects are not followed, proxies of the environment not used, and of the answer only the head is read.
    """
    try:
        async with asyncio.timeout(WHOLE_TIMEOUT_S):
            target = await asyncio.to_thread(target_of, url, resolve, is_for_tests=is_for_tests)
            address = ipaddress.ip_address(target.address)
            number = f"[{address}]" if address.version == 6 else str(address)
            host = f"[{target.host}]" if ":" in target.host else target.host
            usual = {"https": 443, "http": 80}[target.scheme]
            named = host if target.port == usual else f"{host}:{target.port}"
            async with (
                httpx.AsyncClient(
                    verify=trusted or True,
                    trust_env=False,
                    timeout=httpx.Timeout(WHOLE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                ) as client,
                client.stream(
                    "POST",
                    f"{target.scheme}://{number}:{target.port}{target.path}",
                    headers=headers | {"host": named},
                    content=body,
                    extensions={"sni_hostname": target.host},
                ) as answer,
            ):
                return Sent(answer.status_code, "" if answer.is_success else f"status {answer.status_code}")
    except TimeoutError:
        return Sent(None, f"no answer within {WHOLE_TIMEOUT_S:g} s")
    except (AnchorlineError, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
        return Sent(None, f"{type(error).__name__}: {error}"[:MAX_CAUSE])
