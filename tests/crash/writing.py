"""The scenario of the crash tests of storage: chains are opened, written, indexed and sealed, twice over.

It runs over the engine that a test gives, and may be run again after any stop: what was acknowledged stands in a file
beside the database, as a client would remember it, and is not repeated; everything else is. ``check_left`` and
``check_done`` say what must hold after a stop, and after the run that followed it.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from anchor.log import DIRECTORY
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.merkle import leaf_hash
from anchor.proof.promise import PromiseNote, signed_message
from anchor.signing import SigningKey
from anchor.storage.engine import Engine
from chains.chain import Chain
from chains.work import Accepted
from tests.crash.crashing import open_database
from tests.simulators.rules import check_directory, check_entries
from tests.simulators.store import (
    CHECKPOINT_SEED,
    GENESIS,
    PROMISE_SEED,
    START_MS,
    Store,
    chain_id,
    clear,
    submission_of,
)

ACKNOWLEDGED = "acknowledged.jsonl"
SIGNED = "signed.jsonl"
RUNS = "runs.jsonl"
READY_MADE = [submission_of(chain_id("acme"), b"ready-made %d" % number) for number in range(4)]


class RecordingKey(SigningKey):
    """A key whose every signature is noted in a file before anybody gets it."""

    def __init__(self, seed: bytes, path: Path) -> None:
        super().__init__(seed)
        self._path = path

    def sign(self, message: bytes) -> bytes:
        signature = super().sign(message)
        append_line(self._path, message.hex())
        return signature


def append_line(path: Path, value: object) -> None:
    with path.open("a") as file:
        file.write(json.dumps(value) + "\n")


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def open_store(engine: Engine, folder: Path) -> Store:
    signed = folder / SIGNED
    return Store(engine, RecordingKey(CHECKPOINT_SEED, signed), RecordingKey(PROMISE_SEED, signed))


def write_and_seal(engine: Engine, folder: Path) -> None:
    """Open, record, submit, seal; record over the border of a tile, submit again, index; seal again."""
    store = open_store(engine, folder)
    append_line(folder / RUNS, "run")
    # Time passes between runs, so that a seal which is made again is another one.
    now_ms = START_MS + 1000 * len(read_lines(folder / RUNS))
    done = {name for name, *_ in read_lines(folder / ACKNOWLEDGED)}

    def step(name: str, write: Callable[[], tuple[Chain, Iterable[Accepted]]]) -> None:
        if name not in done:
            chain, accepted = write()
            places = [[item.entry_hash.hex(), item.leaf_index] for item in accepted]
            append_line(folder / ACKNOWLEDGED, [name, chain.chain_id.hex(), places])

    def opened(name: str) -> tuple[Chain, Iterable[Accepted]]:
        found = store.chains.by_name(name)
        if found is not None:  # it was opened, and the answer was lost
            return found, []
        chain, accepted = store.writer.open_chain([clear(name)], b"first", name, now_ms)
        return chain, [accepted]

    def recorded(name: str, count: int) -> tuple[Chain, Iterable[Accepted]]:
        chain = store.chains.named(name)
        return chain, store.writer.record(chain, [b"content"] * count, now_ms)

    def submitted(numbers: list[int]) -> tuple[Chain, Iterable[Accepted]]:
        chain = store.chains.named("acme")
        return chain, store.writer.submit(chain, [READY_MADE[number] for number in numbers], now_ms)

    step("open acme", lambda: opened("acme"))
    step("record", lambda: recorded("acme", 5))
    step("submit", lambda: submitted([0, 1, 1, 2]))
    store.directory.seal(store.checkpoint_key, now_ms, GENESIS)
    step("open other", lambda: opened("other"))
    step("record many", lambda: recorded("acme", 260))
    step("record other", lambda: recorded("other", 3))
    store.lookup.maintain(least=100)
    step("submit again", lambda: submitted([3, 2, 0]))
    store.directory.seal(store.checkpoint_key, now_ms, GENESIS)


def check_left(folder: Path) -> None:
    """What a stop leaves: all that was acknowledged, whole logs, whole promises, and one story in all signatures."""
    engine = open_database(folder)
    store = open_store(engine, folder)
    check_acknowledged(store, folder)
    check_entries(store)
    check_signatures(store, folder)
    engine.close()


def check_done(folder: Path) -> None:
    """What the next whole run makes of it: the same, and everything is sealed by the rules, each thing once."""
    engine = open_database(folder)
    store = open_store(engine, folder)
    check_acknowledged(store, folder)
    check_entries(store)
    check_signatures(store, folder)
    check_directory(store)
    assert {"open acme", "record", "submit", "open other", "record many", "record other", "submit again"} == {
        name for name, *_ in read_lines(folder / ACKNOWLEDGED)
    }
    entries = store.entries(store.chains.named("acme"))
    assert len(set(entries)) == len(entries), "no entry is there twice"
    assert {submission.entry for submission in READY_MADE} <= set(entries)
    assert [] == store.engine.query("SELECT tree_no FROM tree WHERE tree_no > 0 AND size > sealed_size")
    engine.close()


def check_acknowledged(store: Store, folder: Path) -> None:
    """Every entry that was acknowledged is at the place that was said."""
    by_id = {chain.chain_id.hex(): store.entries(chain) for chain in store.chains.all()}
    for _, id_, places in read_lines(folder / ACKNOWLEDGED):
        entries = by_id[id_]
        for entry_hash, leaf_index in places:
            assert entry_hash == leaf_hash(entries[int(leaf_index)]).hex()


def check_signatures(store: Store, folder: Path) -> None:
    """Among all that was ever signed, whoever saw it, a size has one root, and it is this log's."""
    roots: dict[int, bytes] = {}
    promised = {signed_message(PromiseNote.decode(bytes(commit.note))) for commit in store.commits()}
    signed = {bytes.fromhex(line) for line in read_lines(folder / SIGNED)}
    assert promised <= signed
    for message in signed:
        if message.startswith(store.directory.log.origin.encode()):
            checkpoint = Checkpoint.decode(message.decode())
            assert checkpoint.root == roots.setdefault(checkpoint.size, checkpoint.root)
    for size, root in roots.items():
        assert root == store.trees.root(DIRECTORY, size)
