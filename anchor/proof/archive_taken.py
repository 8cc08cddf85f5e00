# SPDX-License-Identifier: Apache-2.0
"""One entry with encrypted content, taken out of an export: its envelope and a receipt, which is what a reader opens.

Input is an ``Archive`` and the ids of chains in it. ``verify.py --take`` writes both as files, ``anchorline open
--export`` opens them. Nothing of the log is checked here: the entry is, by whoever opens.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from anchor.proof.archive_envelopes import KeptEnvelope, envelopes_of, envelopes_path
from anchor.proof.archive_files import CARD, Archive, ArchiveError, needed
from anchor.proof.archive_part import PART, receipts_path
from anchor.proof.entry import Entry
from anchor.proof.errors import AnchorlineError
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.receipt import Content, ContentState, LogCard, Receipt

_PLACE = re.compile(r"(?:([0-9a-f]{64}):)?([0-9]{1,19})")
_HASH = re.compile(r"[0-9a-f]{64}")
_FOLDER, _ENDING = envelopes_path(b"").split(".")[0], ".jsonl"


@dataclass(frozen=True, slots=True)
class TakenOut:
    """An entry's chain and place, its envelope's bytes, and a receipt of it."""

    chain_id: bytes
    index: int
    envelope: bytes
    receipt: Receipt


def chains_with_envelopes(names: Iterable[str]) -> list[bytes]:
    """Return the ids of the chains of which an export has envelopes, by the names of its files."""
    found = (name.removeprefix(_FOLDER).removesuffix(_ENDING) for name in names if name.startswith(_FOLDER))
    return sorted(bytes.fromhex(each) for each in found if _HASH.fullmatch(each))


def taken_out(archive: Archive, chain_ids: Iterable[bytes], entry: str) -> TakenOut:
    """Return the entry that is named by its hash, or as CHAIN_ID:INDEX, with its envelope; INDEX alone of one chain.

    Its receipt is its own in a part of a log, and is made of the mirror in a whole log; where that is damaged, it says
    no more than the entry. Raises ArchiveError where there is none, MalformedError for another form.
    """
    chain_id, kept = kept_of(archive, chain_ids, entry)
    if kept.envelope is None:
        raise ArchiveError(
            f"the encrypted content of {entry} was erased before this export was written, or could not be read any "
            "more; who could open it, `anchorline reader list ENTRY --export` shows"
        )
    return TakenOut(chain_id, kept.index, kept.envelope, _receipt(archive, chain_id, kept))


def kept_of(archive: Archive, chain_ids: Iterable[bytes], entry: str) -> tuple[bytes, KeptEnvelope]:
    """Return the chain of an entry that is named as for ``taken_out``, and its line in the export. Raises as that."""
    chosen, place = list(chain_ids), _PLACE.fullmatch(entry)
    if place is None and not _HASH.fullmatch(entry):
        raise ArchiveError(f"expected an entry hash of 64 lower-case hex digits, or CHAIN_ID:INDEX, got {entry[:80]!r}")
    if place is not None and place[1]:
        chosen = [bytes.fromhex(place[1])]
    if place is not None and len(chosen) > 1:
        raise ArchiveError(f"the export has {len(chosen)} chains with encrypted content: name the entry CHAIN_ID:INDEX")
    for chain_id in chosen:
        for kept in envelopes_of(archive, chain_id):
            if _is_meant(kept, entry, None if place is None else int(place[2])):
                kept.check(f"chain {chain_id.hex()}, entry {kept.index}", kept.raw)
                return chain_id, kept
    raise ArchiveError(f"no encrypted content of {entry} is in this export")


def _is_meant(kept: KeptEnvelope, entry: str, index: int | None) -> bool:
    return kept.index == index if index is not None else kept.entry_hash.hex() == entry


def _receipt(archive: Archive, chain_id: bytes, kept: KeptEnvelope) -> Receipt:
    if archive.read(PART) is None:
        return _made(archive, chain_id, kept)
    line = next(islice(archive.lines(receipts_path(chain_id)), kept.index, None), None)
    receipt = None if line is None else Receipt.decode(line)
    if receipt is None or receipt.entry.encode() != kept.raw:
        raise ArchiveError(f"{receipts_path(chain_id)}: expected the receipt of entry {kept.index}, found none")
    return receipt


def _made(archive: Archive, chain_id: bytes, kept: KeptEnvelope) -> Receipt:
    """Return a receipt out of the mirror in an export; damage there must not keep a reader from his content."""
    try:
        receipts = MirrorReceipts(lambda path: archive.read(f"mirror/{path}"), is_brief=True)
        made = receipts.make(Place(chain_id, kept.index), kept.raw)
    except AnchorlineError:
        log = LogCard.decode(needed(archive, CARD)).log
        return Receipt(Entry.decode(kept.raw), Content(ContentState.WITHHELD), log)
    return made
