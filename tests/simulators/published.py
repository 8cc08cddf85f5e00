"""What a stranger finds in the folder of a mirror: its files, its trees, and whether all that is named is there.

Tests of the mirror, of its copies and of what is pushed read with it.
"""

from pathlib import Path

from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.thread_list import ThreadList
from anchor.tiles import PublishedTree


def files(folder: Path) -> dict[str, bytes]:
    """Return every published file; what begins with a dot is none."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if "/." not in f"/{path}"}


def reader(folder: Path, prefix: str = "") -> tuple[PublishedTree, Checkpoint]:
    """Return a tree as a stranger reads it: its checkpoint, then its tiles."""
    published = files(folder)
    checkpoint = Checkpoint.decode(Note.decode(published[f"{prefix}checkpoint"].decode()).text)
    return PublishedTree(published.get, prefix, checkpoint.size), checkpoint


def check_whole(folder: Path) -> None:
    """Whatever the folder's checkpoints name is there and gives their roots; the list names nothing beyond them."""
    for path in files(folder):
        if path == "checkpoint" or (path.startswith("chain/") and path.endswith("/checkpoint")):
            tree, checkpoint = reader(folder, path.removesuffix("checkpoint"))
            assert checkpoint.root == tree.root(checkpoint.size)
            assert checkpoint.size * 32 == sum(len(flat) for _, flat in tree.leaf_hashes())
    if "thread.json" in files(folder):
        _, checkpoint = reader(folder)
        thread = ThreadList.decode(files(folder)["thread.json"])
        assert all(f"checkpoints/{size}" in files(folder) for size in sizes(thread))
        assert all(size <= checkpoint.size for size in sizes(thread))


def sizes(thread: ThreadList) -> list[int]:
    return [find_payload(Transaction.decode(item.transaction, 4000)).tree_size for item in thread.anchors]
