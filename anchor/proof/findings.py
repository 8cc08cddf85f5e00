# SPDX-License-Identifier: Apache-2.0
"""What a verdict comes to in one word, and what each word means in a sentence (docs/spec/verdict.md, Findings).

``diagnosis`` chooses the word; ``--json``, the CLI and the page show it, and the page's sentences are these.
"""

from enum import StrEnum


class Finding(StrEnum):
    """One word for the whole verdict; part of ``--json`` and of the vectors: never rename one.

    Of those that fail, the first that applies is told. They stand in the order in which a receipt hangs together: first
    whose it is, then the signed checkpoint and what hangs below it down to the file, then what it hangs from, from the
    block down. What hangs from something that does not hold says nothing by itself.
    """

    WRONG_NETWORK = "wrong-network"
    ANOTHER_LOG = "another-log"
    LOG_SIGNATURE_WRONG = "log-signature-wrong"
    CHAIN_NOT_IN_DIRECTORY = "chain-not-in-directory"
    ENTRY_ALTERED = "entry-altered"
    NOT_IN_CHAIN = "not-in-chain"
    ENTRY_OF_ANOTHER_CHAIN = "entry-of-another-chain"
    SEAL_WRONG = "seal-wrong"
    DIGEST_ALTERED = "digest-altered"
    SIGNATURE_WRONG = "signature-wrong"
    AUTHOR_KEYS_WRONG = "author-key-history-wrong"
    PROMISE_WRONG = "promise-wrong"
    CONTENT_CHANGED = "content-changed"
    BLOCK_INVALID = "block-invalid"
    BLOCK_NOT_ON_BEST_CHAIN = "block-not-on-best-chain"
    TRANSACTION_NOT_IN_BLOCK = "transaction-not-in-block"
    ROOT_NOT_IN_TRANSACTION = "root-not-in-transaction"
    THREAD_WRONG = "thread-wrong"
    TIME_STAMP_WRONG = "time-stamp-wrong"
    ATTESTATION_WRONG = "attestation-wrong"
    CORRECTION_WRONG = "correction-wrong"
    POLICY_EVIDENCE_WRONG = "policy-evidence-wrong"
    POLICY_NOT_FOLLOWED = "policy-not-followed"
    ERASURE_WRONG = "erasure-wrong"
    CHAIN_LIFE_WRONG = "chain-life-wrong"
    CO_SIGNATURE_WRONG = "co-signature-wrong"
    CERTIFICATE_WRONG = "certificate-binding-wrong"
    PART_UNREADABLE = "part-unreadable"
    # all else holds: the two failures with an exit code of their own
    ANOTHER_AUTHOR = "another-author"
    KEY_NOT_VALID_THEN = "key-not-valid-then"
    # no verdict with steps could be made
    NOT_A_RECEIPT = "not-a-receipt"
    # nothing failed, and something is not there or was not checked
    NOT_UNDERSTOOD = "not-understood"
    NOT_SEALED = "not-sealed"
    NOT_ANCHORED = "not-anchored"
    NOT_DEEP_ENOUGH = "not-deep-enough"
    NETWORK_UNKNOWN = "network-unknown"
    BLOCK_NOT_CHECKED = "block-not-checked"
    LOG_NOT_IDENTIFIED = "log-not-identified"
    AUTHOR_NOT_CHECKED = "author-not-checked"
    POLICY_NOT_CHECKED = "policy-not-checked"
    ERASED = "erased"
    CONTENT_ERASED = "content-erased"
    CONTENT_WITHHELD = "content-withheld"
    # it holds
    RETRACTED = "retracted"
    SUPERSEDED = "superseded"
    ATTESTED = "attested"
    TIME_STAMPED = "time-stamped"
    ENTRY_INTACT = "entry-intact"
    INTACT = "intact"


SENTENCES = {
    Finding.WRONG_NETWORK: "This receipt and what you trust are of different Bitcoin networks, or its log was "
    "relabelled as one of another network: it proves nothing on the network that you mean.",
    Finding.ANOTHER_LOG: "This is not a receipt of the log that is meant.",
    Finding.LOG_SIGNATURE_WRONG: "The log did not sign this checkpoint: it was altered, or somebody else made it, or "
    "the keys that are shown are not the log's.",
    Finding.CHAIN_NOT_IN_DIRECTORY: "The log's directory does not hold what the receipt shows of it: the head of the "
    "chain, or another leaf, was altered, or never was there.",
    Finding.ENTRY_ALTERED: "The entry is not the one that was recorded: more than one thing that was made over it does "
    "not fit it, so it was altered afterwards.",
    Finding.ENTRY_OF_ANOTHER_CHAIN: "The entry is shown in a chain that is not its own.",
    Finding.NOT_IN_CHAIN: "The entry is not in the chain at the place where the receipt says it is: the entry, its "
    "place or its path was altered.",
    Finding.SEAL_WRONG: "The head that is shown is not the first that holds the entry, or not one of the seal that is "
    "shown: after which block the entry was sealed, is not proved.",
    Finding.DIGEST_ALTERED: "The salt or the digest in the receipt was altered: the entry was made over something "
    "else, so this receipt vouches for no file.",
    Finding.SIGNATURE_WRONG: "The author's signature is not one over this entry: the holder of that key did not sign "
    "it, or the signature was altered before it was recorded.",
    Finding.AUTHOR_KEYS_WRONG: "The history of the author's keys that the receipt shows is not the one that the log "
    "holds, or not whole: whether his key was valid, is not proved.",
    Finding.PROMISE_WRONG: "The promise in the receipt is not the log's, or it is for another entry or another place.",
    Finding.CONTENT_CHANGED: "The content is not what was recorded: it was changed, or it is something else.",
    Finding.BLOCK_INVALID: "The block's header has not the work that it must have: it was altered, or made up.",
    Finding.BLOCK_NOT_ON_BEST_CHAIN: "The receipt's block is not the one that your source knows at its height: it left "
    "the best chain, or never was on it. After a reorganisation, an upgrade of the receipt brings the new block.",
    Finding.TRANSACTION_NOT_IN_BLOCK: "The receipt does not show that its transaction is in the block: the "
    "transaction or its proof was altered.",
    Finding.ROOT_NOT_IN_TRANSACTION: "The Bitcoin transaction does not carry this checkpoint: it anchors something "
    "else, or nothing.",
    Finding.THREAD_WRONG: "The line of the log's anchors does not start where the log, or your card, says.",
    Finding.TIME_STAMP_WRONG: "The authority's time stamp in the receipt does not hold.",
    Finding.ATTESTATION_WRONG: "The calendar's attestation in the receipt does not hold.",
    Finding.CORRECTION_WRONG: "What the receipt shows of later corrections does not hold: it was altered, or made up.",
    Finding.POLICY_EVIDENCE_WRONG: "What the receipt shows of the chain's policy does not hold: it was altered, or it "
    "is not what the log's heads name, so whether the policy was followed is not proved.",
    Finding.POLICY_NOT_FOLLOWED: "The entry stands in the chain, and the chain's policy forbids it: those whose "
    "signatures it needs did not sign it, or it is not what the policy wants.",
    Finding.ERASURE_WRONG: "What the receipt shows of an erasure does not hold: it was altered, or made up.",
    Finding.CHAIN_LIFE_WRONG: "What the receipt shows of its chain's life, that it was closed or continues one of "
    "another log, does not hold: it was altered, or made up.",
    Finding.CO_SIGNATURE_WRONG: "What the receipt shows of co-signatures does not hold: it was altered, or made up.",
    Finding.CERTIFICATE_WRONG: "The author's identity names a certificate that is not bound to it: the certificate's "
    "key did not sign the identity, or it was not valid then.",
    Finding.PART_UNREADABLE: "Part of the receipt cannot be read: it was damaged.",
    Finding.ANOTHER_AUTHOR: "The entry was not signed in the name of the identity, or with the key, that you expect: "
    "somebody else wrote it.",
    Finding.KEY_NOT_VALID_THEN: "The signature holds, but the key was not one that the identity which the entry names "
    "had for it when the entry was sealed: whoever signed it, did not sign for that identity.",
    Finding.NOT_A_RECEIPT: "This is no receipt that can be read: it was damaged, or it is something else.",
    Finding.NOT_UNDERSTOOD: "The entry says something that this version does not know and may not pass over: a newer "
    "one has to judge it.",
    Finding.NOT_SEALED: "Nothing is wrong, and nothing is proved yet: the entry waits for its first seal.",
    Finding.NOT_ANCHORED: "Nothing is wrong: the log has signed for the entry, and the receipt shows no block of "
    "Bitcoin yet.",
    Finding.NOT_DEEP_ENOUGH: "Nothing is wrong: the block is the one that your source knows, and not deep enough yet. "
    "Wait for more blocks.",
    Finding.NETWORK_UNKNOWN: "Nothing was found wrong, but the log's network is not one that this verifier knows, so "
    "the block could not be checked.",
    Finding.BLOCK_NOT_CHECKED: "Nothing was found wrong, but nobody whom you trust said whether the receipt's block is "
    "on the best chain.",
    Finding.LOG_NOT_IDENTIFIED: "Nothing is wrong, but nothing says whose log this must be: bring the log's card, or "
    "say that any log will do.",
    Finding.AUTHOR_NOT_CHECKED: "Nothing was found wrong, but the entry names its author's identity, and nothing here "
    "says whether the key was his then.",
    Finding.POLICY_NOT_CHECKED: "Nothing was found wrong, but the chain has a policy, and nothing here says whether "
    "the entry follows it.",
    Finding.ERASED: "The entry stands, and a later entry of its chain states that its content was erased: there is "
    "nothing left to compare a file with.",
    Finding.CONTENT_ERASED: "The entry stands, and the service says that its content was erased: there is nothing to "
    "compare your file with.",
    Finding.CONTENT_WITHHELD: "The entry stands, and the receipt withholds its content: there is nothing to compare "
    "your file with.",
    Finding.RETRACTED: "What was recorded is unchanged, and a later entry of its chain retracts it: it was withdrawn, "
    "not tampered with.",
    Finding.SUPERSEDED: "What was recorded is unchanged, and a later entry of its chain supersedes it: it was "
    "corrected, not tampered with.",
    Finding.ATTESTED: "What was recorded is unchanged since a block that you trust, to which an OpenTimestamps "
    "calendar leads; the log's own anchor was not checked.",
    Finding.TIME_STAMPED: "What was recorded is unchanged since an authority's time stamp, whose word you said is "
    "enough; no block of Bitcoin was checked.",
    Finding.ENTRY_INTACT: "The entry is intact; no content was compared with it, so nothing is said of any file.",
    Finding.INTACT: "The content is what was recorded.",
}
"""What each finding means, for people; ``texts.js`` has the same sentences."""
