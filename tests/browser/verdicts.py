"""Verdicts on one receipt from both implementations: Python's, and that of ``verify.html`` in a browser.

Input is receipts and what a verifier brings, as the vectors write it; the tests beside this file compare.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from playwright.sync_api import Page

from anchor.proof.errors import MalformedError, Reason, UnknownVersionError
from anchor.proof.verify import verify_bytes
from tests.vectors import make_receipt_vectors as maker


def judged_here(receipt: bytes, inputs: Mapping[str, Any]) -> dict[str, Any] | str:
    """Return Python's verdict, or the name under which it refuses the file."""
    try:
        return verify_bytes(receipt, maker.verifier_of(dict(inputs))).to_json()
    except UnknownVersionError:
        return "unknown-version"
    except MalformedError:
        return "malformed"


def judged_there(page: Page, cases: Sequence[tuple[bytes, Mapping[str, Any]]]) -> list[dict[str, Any] | str]:
    """Return the page's verdicts on many receipts."""
    given = [{"receipt": base64.b64encode(raw).decode(), "verifier": dict(inputs)} for raw, inputs in cases]
    found: list[str] = page.evaluate("verdictsOn", given)
    return [text if text in {"malformed", "unknown-version"} else json.loads(text) for text in found]


def without_malformed_texts(verdict: dict[str, Any] | str) -> dict[str, Any] | str:
    """Leave out what is said of a part that cannot be read: there, each reader names what it stumbled over.

    So it is with a time stamp's signature, of which Python says what its library says.
    """
    if isinstance(verdict, str):
        return verdict
    own_words = {Reason.MALFORMED, Reason.TIMESTAMP_SIGNATURE_WRONG}
    steps = [step | ({"text": ""} if step["reason"] in own_words else {}) for step in verdict["steps"]]
    return verdict | {"steps": steps}
