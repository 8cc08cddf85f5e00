# SPDX-License-Identifier: Apache-2.0
"""Every way in which reading or checking a proof can fail, each with a name.

Input comes from the codecs and checks beside this file. Callers match on the class, and for
``VerificationError`` on ``reason``; never on the message, which is written for people.

    AnchorlineError
    ├── MalformedError (ValueError)      the bytes or the text are not a well-formed X
    │   ├── TooLargeError                a limit of the format is exceeded; nothing further was read
    │   └── UnknownVersionError          well formed for somebody else: "written by a newer Anchorline"
    └── VerificationError                well formed, and what it claims does not hold (``reason`` says which)

``anchor.errors`` continues the tree for what a running service can meet.
"""

import copyreg
from enum import StrEnum
from typing import Any


class AnchorlineError(Exception):
    """Base of every error that Anchorline raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as it is, whatever it was made of (Python would call it with its message alone)."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # typeshed leaves it out


class MalformedError(AnchorlineError, ValueError):
    """Bytes or text do not have the form that they must have."""


class TooLargeError(MalformedError):
    """A length, a count or a depth exceeds the limit of its format."""


class UnknownVersionError(MalformedError):
    """The format is known, this version of it is not: a newer Anchorline wrote it."""


class Reason(StrEnum):
    """Names of the ways in which a well-formed receipt can fail to verify.

    The values are part of ``--json`` output and of the test vectors: never rename one.
    """

    MALFORMED = "malformed"
    # Merkle proofs outside a receipt's own steps
    INCLUSION_WRONG = "inclusion-wrong"
    CONSISTENCY_WRONG = "consistency-wrong"
    HEADS_PROOF_WRONG = "heads-proof-wrong"
    # 1 entry
    CHAIN_ID_MISMATCH = "chain-id-mismatch"
    WRONG_LOG_EXTENSION = "entry-meant-for-another-log"
    UNVERIFIABLE_EXTENSION = "entry-extension-unknown"
    # 2 content
    CONTENT_CHANGED = "content-changed"
    COMMITMENT_MISMATCH = "content-commitment-mismatch"
    # 3 author
    AUTHOR_SIGNATURE_WRONG = "author-signature-wrong"
    AUTHOR_KEY_NOT_VALID = "author-key-not-valid"
    AUTHOR_KEYS_WRONG = "author-key-history-wrong"
    ANOTHER_AUTHOR = "another-author"
    # 4 chain path
    CHAIN_PATH_WRONG = "chain-path-wrong"
    # 5 keys and note
    KEY_HISTORY_WRONG = "key-history-wrong"
    CHECKPOINT_SIGNATURE_WRONG = "checkpoint-signature-wrong"
    CHECKPOINT_ORIGIN_WRONG = "checkpoint-origin-wrong"
    # 6 directory paths
    DIRECTORY_PATH_WRONG = "directory-path-wrong"
    # 7 seal and first head
    HEAD_MISMATCH = "head-does-not-match-entry"
    NOT_FIRST_HEAD = "not-the-first-head"
    SEAL_MISMATCH = "seal-does-not-cover-head"
    # 8 log
    WRONG_LOG = "another-log"
    WRONG_NETWORK = "another-network"
    # 9 promise
    PROMISE_SIGNATURE_WRONG = "promise-signature-wrong"
    PROMISE_MISMATCH = "promise-does-not-match-entry"
    # 10 payload
    PAYLOAD_MISSING = "payload-missing"
    PAYLOAD_AMBIGUOUS = "payload-ambiguous"
    PAYLOAD_MISMATCH = "payload-does-not-match-checkpoint"
    # 11 transaction, branch, coinbase
    TRANSACTION_64_BYTES = "transaction-of-64-bytes"
    BRANCH_INDEX_OUT_OF_RANGE = "branch-index-out-of-range"
    BRANCH_TOO_LONG = "branch-too-long"
    BRANCH_INNER_NODE_IS_TRANSACTION = "branch-inner-node-is-transaction"
    BRANCH_DUPLICATED_SIBLING = "branch-duplicated-left-sibling"
    BRANCH_WRONG = "transaction-not-in-block"
    COINBASE_BRANCH_WRONG = "coinbase-not-in-block"
    BRANCH_LENGTHS_DIFFER = "branch-lengths-differ"
    NOT_A_COINBASE = "not-a-coinbase"
    COINBASE_HEIGHT_WRONG = "coinbase-height-wrong"
    # 12 header, work, given block
    TARGET_INVALID = "target-invalid"
    TARGET_ABOVE_LIMIT = "target-above-network-limit"
    WORK_MISSING = "proof-of-work-missing"
    BLOCK_MISMATCH = "block-is-not-the-given-one"
    NOT_ON_BEST_CHAIN = "block-not-on-best-chain"
    # 13 thread
    THREAD_MISMATCH = "thread-leaf-mismatch"
    # 14 time stamps
    TIMESTAMP_IMPRINT_WRONG = "timestamp-of-something-else"
    TIMESTAMP_CERTIFICATE_WRONG = "timestamp-certificate-wrong"
    TIMESTAMP_SIGNATURE_WRONG = "timestamp-signature-wrong"
    # 16 corrections
    CORRECTION_WRONG = "correction-wrong"
    # 17 policy
    POLICY_NOT_FOLLOWED = "policy-not-followed"
    POLICY_EVIDENCE_WRONG = "policy-evidence-wrong"
    # 18 erasure
    ERASURE_WRONG = "erasure-wrong"
    # 19 life of the chain
    CHAIN_LIFE_WRONG = "chain-life-wrong"
    # 20 co-signatures
    CO_SIGNATURE_WRONG = "co-signature-wrong"
    # 21 certificate
    CERTIFICATE_WRONG = "certificate-binding-wrong"
    # other anchors and .ots
    ATTESTATION_MISMATCH = "attestation-mismatch"
    # evidence of a broken promise that shows none
    NO_BREACH = "no-breach"


class VerificationError(AnchorlineError):
    """Something well formed does not hold.

    ``reason`` is the stable name, ``str(error)`` the sentence for people.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def reason_of(error: VerificationError | MalformedError) -> Reason:
    """Return the name of a failure: its own, or that something did not have its form."""
    return error.reason if isinstance(error, VerificationError) else Reason.MALFORMED
