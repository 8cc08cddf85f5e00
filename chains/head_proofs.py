"""Makes the proof of a chain's newest head, or that it has none, under one checkpoint (docs/spec/head-proof.md).

Input are the directory and the journal of a home; ``anchorline head prove`` and ``GET /v1/heads/{chain}`` hand it out.
It names nothing that the directory does not publish: of a chain that is not there, the neighbour's head is shown.
"""

from anchor.directory import Directory, StoredCheckpoint
from anchor.errors import NotYetError
from anchor.journal import Journal
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.head_proof import HeadProof


def head_proof(directory: Directory, journal: Journal, chain_id: bytes, size: int | None = None) -> HeadProof:
    """Return the proof for ``chain_id`` (32 bytes), whether or not there is such a chain.

    Under the checkpoint of ``size`` leaves, else the newest one that is in a block, else the newest. Raises
    NotYetError where there is no such checkpoint, or none at all.
    """
    chosen, anchors = _checkpoint(directory, journal, size)
    heads, seal_index = directory.prove_newest_head(chain_id, chosen.size)
    _, seal = directory.seal_over(seal_index)
    note = Note.decode(chosen.note or "")
    thread, keys = directory.thread_and_keys_under(chosen.size)
    return HeadProof(
        chain_id=chain_id,
        log=directory.log,
        log_path=directory.path(0, chosen.size),
        heads=heads,
        seal=directory.under(seal, seal_index, chosen.size),
        checkpoint=Checkpoint.decode(note.text),
        note=note,
        thread=thread,
        keys=keys,
        anchors=anchors,
    )


def _checkpoint(
    directory: Directory, journal: Journal, size: int | None
) -> tuple[StoredCheckpoint, tuple[BitcoinAnchor, ...]]:
    if size is not None:
        chosen = directory.checkpoint_of(size)
        if chosen is None:
            raise NotYetError(f"expected the size of a signed checkpoint, got {size}; `anchorline status` lists them")
        anchor = journal.anchor_of(size)
        return chosen, () if anchor is None else (anchor,)
    newest = journal.newest_anchored()
    covered = None if newest is None else directory.checkpoint_of(newest[0].checkpoint_size)
    if newest is not None and covered is not None:
        return covered, (newest[1],)
    last = directory.newest()
    if last is None:
        raise NotYetError("nothing is sealed yet: there is no checkpoint under which a head could be proved")
    return last, ()
