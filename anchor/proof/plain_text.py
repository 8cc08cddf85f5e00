# SPDX-License-Identifier: Apache-2.0
"""Text that people state in entries, in one line: what is shown of it must be what was meant.

Input are reasons of erasures, holds and closings, which stay for ever; the modules of their formats refuse the rest.
"""

import re

MAX_REASON = 500
"""Bytes of UTF-8: a sentence, which can never be erased."""
_NOT_PLAIN = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, line ends, marks that turn the direction of writing, and halves of a character."""


def is_plain_line(text: str) -> bool:
    """Say whether text is one line without characters that are not seen and change what is."""
    return not _NOT_PLAIN.search(text)
