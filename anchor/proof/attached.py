# SPDX-License-Identifier: Apache-2.0
"""A receipt that is inside another file: attached to a certificate (PDF), or in a disclosure.

Input is a file that may be any of them; who verifies goes on with the receipt (docs/verify/certificate.md,
docs/spec/fields.md). Of PDF only what ``anchorline certificate`` writes is understood: one attachment, not compressed.
"""

import re

from anchor.proof.disclosure import Disclosure, is_disclosure
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT

PDF_MAGIC = b"%PDF-"
_ATTACHMENT = b"/Type /EmbeddedFile"
_LENGTH = b"<<\n/Length "
_DICTIONARY = re.compile(_LENGTH + rb"([0-9]{1,9})\n")
_STREAM = re.compile(rb"\n>>\nstream\n")
_MOST_DICTIONARY = 400


def receipt_in(data: bytes) -> bytes:
    """Return the receipt of a certificate or a disclosure; what is neither is returned as it is.

    Raises MalformedError for a PDF that has none, or has it in another form: the attachment has to be saved first; and
    for a disclosure that is none, or has no receipt in it.
    """
    if is_disclosure(data):
        receipt = Disclosure.decode(data).receipt
        if receipt is None:
            raise MalformedError("the disclosure has no receipt in it: name the receipt of the entry behind it")
        return receipt
    if not data.startswith(PDF_MAGIC):
        return data
    at = data.find(_ATTACHMENT)
    if at < 0 or len(data) > MAX_FILE_WITH_CONTENT or data.find(_ATTACHMENT, at + 1) >= 0:
        raise _unlike()
    before = data[max(0, at - _MOST_DICTIONARY) : at]
    began = _DICTIONARY.match(before, max(0, before.rfind(_LENGTH)))
    stream = _STREAM.match(data, at + len(_ATTACHMENT))
    if began is None or stream is None:
        raise _unlike()
    end = stream.end() + int(began[1])
    if not data.startswith(b"\nendstream", end):
        raise _unlike()
    return data[stream.end() : end]


def _unlike() -> MalformedError:
    return MalformedError(
        "expected a certificate with one receipt attached to it, as `anchorline certificate` writes it, found a PDF of "
        "another kind; save the receipt from its attachments, and verify that"
    )
