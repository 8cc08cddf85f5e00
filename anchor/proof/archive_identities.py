# SPDX-License-Identifier: Apache-2.0
"""The key histories of the identities in an export, each made of its chain's entries and the seals in the directory.

Input is an ``Archive`` and its directory, checked or not; ``archive`` and ``chains.archive`` judge authors by them.
"""

from collections.abc import Callable, Iterator
from functools import cache

from anchor.proof import ed25519
from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.archive_files import Archive, ArchiveError, chain_prefix, leaves_of
from anchor.proof.entry import Entry
from anchor.proof.identity_history import History, Place, history_of
from anchor.proof.leaves import LogLeaf


def history_in(
    archive: Archive, directory: ArchivedDirectory, log: LogLeaf, check: ed25519.SignatureCheck
) -> Callable[[bytes], History]:
    """Return what gives the history of an identity by its chain id.

    Each is made once, whoever asks. It raises ArchiveError where there is no such chain or something of it is missing,
    and what ``history_of`` raises.
    """

    @cache
    def history(identity: bytes) -> History:
        if not directory.heads.get(identity):
            raise ArchiveError(f"an entry names identity {identity.hex()}, which is no chain of this log")
        return history_of(identity, log.log_id, _rows(archive, directory, identity), check)

    return history


def _rows(archive: Archive, directory: ArchivedDirectory, identity: bytes) -> Iterator[tuple[Entry, Place]]:
    size = directory.heads[identity][-1].tree_size
    for index, raw in enumerate(leaves_of(archive, chain_prefix(identity), size)):
        place = directory.place_of(identity, index)
        if raw is None or place is None:
            raise ArchiveError(f"identity {identity.hex()}: entry {index}, or its seal, is missing")
        yield Entry.decode(raw), place
