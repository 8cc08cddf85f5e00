# SPDX-License-Identifier: Apache-2.0
"""Bitcoin as a proof needs it, a noun a file: transactions, headers and work, payloads, branches, anchors.

Input is the bytes that a receipt carries or a Bitcoin source delivered, in internal byte order; hex in display order
exists only in ``hashes``. ``anchor.proof.verify`` checks anchors with it, ``anchor.bitcoin`` and ``anchor.engine``
build and fetch them with it.

Frozen: ``docs/spec/bitcoin-anchor.md`` fixes these bytes and checks, and a change that accepts less makes
receipts that were handed out fail, one that accepts more lets forgeries pass.
"""
