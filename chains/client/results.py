# SPDX-License-Identifier: Apache-2.0
"""What the client returns: entries that are recorded, entries that were read, receipts; all of it was checked.

``chains.client.judging`` makes them of answers; callers save what they want to keep.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from anchor.proof import strictjson
from anchor.proof.entry import Entry
from anchor.proof.leaves import LogLeaf
from anchor.proof.promise import Promise
from anchor.proof.receipt import Content, ContentState, Receipt
from anchor.proof.verdict import Verdict
from chains.client.own_entry import OwnEntry


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry that the service holds: what was sent, where it is in its chain, and the promise that was checked.

    ``repeated``: it was there before. ``promise`` is None only for one of those whose promise the service lost.
    """

    own: OwnEntry
    leaf_index: int
    repeated: bool
    promise: Promise | None
    log: LogLeaf

    @property
    def entry_hash(self) -> bytes:
        """The entry hash (32 bytes)."""
        return self.own.hash

    def receipt(self) -> Receipt:
        """Return the pending receipt: entry, salt, digest and promise in one file that ``upgrade`` completes.

        It is all that must be kept of an entry besides its content; where the salt did not leave this machine, nobody
        else can make it.
        """
        content = Content(ContentState.SHOWN, self.own.salt, self.own.digest)
        return Receipt(self.own.entry, content, self.log, self.promise)

    def save(self, path: Path) -> None:
        """Write the pending receipt into a new file; raises FileExistsError where there is one."""
        _write_new(path, self.receipt().encode())

    def save_promise(self, path: Path) -> None:
        """Write the promise file (docs/spec/promise.md); raises ValueError where the service lost the promise."""
        if self.promise is None:
            raise ValueError(f"expected a promise for entry {self.entry_hash.hex()}, the service has lost it")
        _write_new(path, strictjson.dumps(self.promise.to_json()).encode("ascii"))


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry of a batch that the service did not take; ``code`` is that of a problem (docs/spec/http-api.md).

    ``rule``: of ``policy-not-followed``, which part of the chain's policy forbids it.
    """

    own: OwnEntry
    status: int
    code: str
    detail: str
    rule: str = ""


Outcome = Recorded | Refused
"""What became of one entry of a batch."""


@dataclass(frozen=True, slots=True)
class SeenEntry:
    """An entry that was read, checked against its hash.

    ``leaf_index``, ``is_sealed`` and ``received_at_ms`` are the service's word until a receipt proves the first.
    ``salt`` and ``digest`` open the commitment, where the key may see them.
    """

    raw: bytes
    entry: Entry
    entry_hash: bytes
    leaf_index: int
    is_sealed: bool
    received_at_ms: int | None
    salt: bytes | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class SeenChain:
    """A chain as the service describes it: all of it is the service's word."""

    chain_id: bytes
    size: int
    sealed_size: int
    visibility: str
    is_own: bool
    name: str | None


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A receipt with the verdict over it, which did not fail; what it still lacks, ``verdict.missing`` names."""

    receipt: Receipt
    verdict: Verdict

    @property
    def is_anchored(self) -> bool:
        """Whether it leads into a block; whether that block is on the best chain, the verdict says."""
        return self.receipt.sealed is not None and self.receipt.sealed.is_in_bitcoin

    @property
    def late_ms(self) -> int:
        """How many milliseconds later than promised the entry was sealed; 0 where it was in time, or is not sealed."""
        sealed, promise = self.receipt.sealed, self.receipt.promise
        if sealed is None or promise is None:
            return 0
        return max(0, sealed.seal.leaf.sealed_at_ms - promise.note.seal_by_ms)

    def save(self, path: Path) -> None:
        """Write the receipt file, in the place of an older one: a file is there at each moment, old or new, whole."""
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(self.receipt.encode())
        part.replace(path)

    def with_content(self, data: bytes) -> "CheckedReceipt":
        """Return the receipt with its content in it, which whoever gets the file can then compare."""
        return replace(self, receipt=replace(self.receipt, content=replace(self.receipt.content, data=data)))


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
