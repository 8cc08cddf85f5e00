"""Errors of the running service: what the world outside the proofs can do to us.

They continue the tree of ``anchor.proof.errors``; ``cli.py`` turns each into one sentence and an exit code.

    AnchorlineError (anchor.proof.errors)
    ├── StorageError
    │   ├── StorageBusyError        another process holds the database
    │   ├── StorageReadOnlyError    the file or its folder cannot be written
    │   ├── StorageFullError        no space left; nothing of the transaction was kept
    │   ├── StorageCorruptError     a row or a page is not what was written
    │   ├── NewerHomeError          the home was made by a newer Anchorline
    │   └── MovedError              the log is on its way to another database, or was moved there
    ├── SettingsError               a setting is missing or contradicts another
    │   └── WrongPasswordError      the password does not open the key, or the key file was changed
    ├── UnknownChainError           no such chain here
    ├── RefusedEntryError           an entry that this chain or this log does not take
    │   ├── ContentTooLargeError    content of more bytes than the settings allow
    │   ├── ChainClosedError        the chain was closed: nothing more is recorded there
    │   ├── ForbiddenByPolicyError  the policy of the chain forbids it
    │   ├── ChainExistsError        a chain of this id or name is there already
    │   └── HeldError               a legal hold keeps what should be erased
    ├── ReusedKeyError              a request key was used for another request
    ├── AccountError                an organisation, key or grant cannot be as it was asked for
    │   └── UnknownAccountError     no such organisation, key or grant here
    ├── KeyRefusedError             an API key does not hold
    ├── QuotaError                  an organisation has used up what it may write for now
    ├── SourceError                 a Bitcoin source did not answer, or answered nonsense
    │   ├── SourceUnavailableError  no connection, time-out, wrong password, still starting
    │   ├── WrongNetworkError       the source follows another network
    │   ├── DisagreementError       two sources tell different histories (``suspects`` names who may be lying)
    │   ├── RpcError                a node answered a call with an error (anchor.bitcoin.json_rpc)
    │   ├── BadHeadersError         a source gave headers that cannot follow (anchor.bitcoin.header_sync)
    │   └── RejectedError           the node refused our transaction (``code`` is the node's, ``refusal`` the kind)
    ├── HeaderRefusedError          a header breaks a rule of its network (anchor.bitcoin.header_rules)
    ├── SigningError                a transaction was not signed, or not as it should be (anchor.bitcoin.signature)
    ├── IllegalTransitionError      an event that cannot follow in the journal (anchor.lifecycle)
    ├── TimestampError              a time-stamping authority gave no token that holds
    ├── NoFundsError                no coin that can pay for an anchor
    ├── StaleSignatureError         a signature came for a transaction that nobody waits for
    ├── BehindError                 the outside world has seen more of this log than this home knows
    ├── HistoryDiffersError         a copy of a home is not the same log's continuation
    ├── BackupError                 a backup is damaged, is none, or is not of the log it says
    ├── EntriesMissingError         a mirror does not hold the entries that a home lacks
    ├── HijackedThreadError         the thread coin was spent by a transaction that is not ours
    ├── ClockError                  the clock went back further than a log can bear
    ├── OverloadedError             more work waits than can be done soon; nothing of it was kept
    ├── LeaseError                  about the lease of sealing and anchoring
    │   ├── LeaseHeldError          another process holds it
    │   └── LeaseLostError          this process does not hold it, or no longer; nothing of the transaction was kept
    ├── WebhookError                a webhook that is not there, or an address that may not be told
    ├── NotYetError                 asked for a proof that does not exist yet (not sealed, not anchored)
    └── RehearsalError              a rehearsal was about to do something that others would see
"""

from enum import StrEnum

from anchor.proof.errors import AnchorlineError


class StorageError(AnchorlineError):
    """The database did not do what it was asked; nothing of the transaction was kept."""


class StorageBusyError(StorageError):
    """Another process holds the database."""


class StorageReadOnlyError(StorageError):
    """The database cannot be written."""


class StorageFullError(StorageError):
    """No space left on the device, or the database reached its allowed size."""


class StorageCorruptError(StorageError):
    """Stored bytes are not what was written."""


class NewerHomeError(StorageError):
    """The home has migrations that this version does not know."""


class MovedError(StorageError):
    """The log is on its way to another database, or was moved there; this one takes no writes."""


class SettingsError(AnchorlineError):
    """A setting is missing, malformed, or contradicts another."""


class WrongPasswordError(SettingsError):
    """The password does not open the key, or the key file was changed; the two cannot be told apart."""


class UnknownChainError(AnchorlineError):
    """No chain of this id or name is kept here."""


class RefusedEntryError(AnchorlineError):
    """The entry is well formed, but this chain or this log does not take it."""


class ContentTooLargeError(RefusedEntryError):
    """The content has more bytes than this home takes."""


class ChainClosedError(RefusedEntryError):
    """The chain was closed; the message says since when, and where to go on."""


class ForbiddenByPolicyError(RefusedEntryError):
    """The policy of the chain forbids the entry; ``part`` names which part of it (``anchor.proof.policy.Part``)."""

    def __init__(self, message: str, part: str) -> None:
        super().__init__(message)
        self.part = part


class ChainExistsError(RefusedEntryError):
    """A chain of this id, or of this name, is there already."""


class HeldError(RefusedEntryError):
    """A legal hold keeps an entry from being erased; the message says since when and why."""


class ReusedKeyError(AnchorlineError):
    """A client's name for a request was used for another request before."""


class AccountError(AnchorlineError):
    """An organisation, a key or a grant cannot be as it was asked for; nothing was changed."""


class UnknownAccountError(AccountError):
    """No organisation, key or grant of this name is here."""


class KeyRefusedError(AnchorlineError):
    """An API key does not hold. Whoever has not the whole key learns nothing from the message."""


class QuotaError(AnchorlineError):
    """An organisation has used up what it may write for now; nothing of the request was taken.

    ``retry_after_s`` is when the same request would be taken, None where it is larger than the quota ever allows.
    """

    def __init__(self, retry_after_s: int | None, message: str) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceError(AnchorlineError):
    """A Bitcoin source failed."""


class SourceUnavailableError(SourceError):
    """A Bitcoin source does not answer (connection, time-out, credentials, still starting)."""


class WrongNetworkError(SourceError):
    """A Bitcoin source follows another network than the one configured."""


class DisagreementError(SourceError):
    """Sources name different blocks at a height that all of them have long passed; ``suspects`` are their names."""

    def __init__(self, suspects: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.suspects = suspects


class Refusal(StrEnum):
    """What a node's refusal of a transaction is about: what can be done differs."""

    FEE = "fee"  # it pays too little for now: pay more, or wait until fees fall
    INPUTS = "inputs"  # an input is spent, or unknown to this node
    OTHER = "other"  # anything else: the same bytes will hardly do


# Bitcoin Core, rpc/protocol.h: RPC_VERIFY_ERROR, which sendrawtransaction gives for inputs only.
_MISSING_INPUTS = -25


class RejectedError(SourceError):
    """The node refused a transaction; ``code`` is the node's RPC error code (Bitcoin Core, rpc/protocol.h).

    ``refusal`` says what it is about; by itself the code tells only that inputs are missing (-25).
    """

    def __init__(self, code: int, message: str, refusal: Refusal | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.refusal = refusal or (Refusal.INPUTS if code == _MISSING_INPUTS else Refusal.OTHER)


class TimestampError(AnchorlineError):
    """A time-stamping authority did not answer, or gave no token that holds; nothing waits for it."""


class NoFundsError(AnchorlineError):
    """No coin that can pay for an anchor."""


class StaleSignatureError(AnchorlineError):
    """A signed transaction came back that is not, or no longer, the one that was to be signed."""


class BehindError(AnchorlineError):
    """The outside world has seen more of this log than this home knows: it was restored from a backup."""


class HistoryDiffersError(AnchorlineError):
    """A copy of a home does not continue it, or is damaged; the message names the first difference."""


class BackupError(AnchorlineError):
    """A backup is damaged, is none, or does not hold what its manifest says; nothing was restored from it."""


class EntriesMissingError(AnchorlineError):
    """A mirror has only hashes of entries that a home lacks; the message names the chains."""


class HijackedThreadError(AnchorlineError):
    """The thread coin was spent by a transaction that this log did not make."""


class ClockError(AnchorlineError):
    """The clock went back behind what was already recorded."""


class OverloadedError(AnchorlineError):
    """More work waits than can be done soon, or the service is stopping; the work was not taken."""


class LeaseError(AnchorlineError):
    """Something about the lease that sealing and anchoring need."""


class LeaseHeldError(LeaseError):
    """Another process holds the lease; ``stays``: it works until it is stopped."""

    def __init__(self, message: str, *, stays: bool) -> None:
        super().__init__(message)
        self.stays = stays


class LeaseLostError(LeaseError):
    """A write that needs the lease, from a process that does not hold it, or no longer; nothing of it was kept."""


class WebhookError(AnchorlineError):
    """No such webhook, or an address that this service does not send to."""


class UnknownWebhookError(WebhookError):
    """No webhook of this id is here."""


class NotYetError(AnchorlineError):
    """The proof asked for does not exist yet."""


class RehearsalError(AnchorlineError):
    """A rehearsal was about to send something, or was given what could: a fault in Anchorline, and nothing was done."""
