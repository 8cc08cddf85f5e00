"""The reader: pages, look-ups and exports show what was recorded, and nothing that was changed since.

Entries are recorded by a real writer on a database of the test's.
"""

import base64
import json

import pytest

from anchor.errors import StorageCorruptError
from anchor.proof.entry import ExternalId, IdKind
from chains.bundle import pack, unpack
from chains.chain import Chain
from chains.reader import EXPORT_FORMAT, Reader, export_line
from tests.simulators.store import START_MS, Store

CONTENTS = [b"content %d" % number for number in range(700)]


@pytest.fixture
def chain(store: Store) -> Chain:
    """Return a chain of 701 entries, in runs that another chain's entries cut in three."""
    first, other = store.open_chain("acme"), store.open_chain("other")
    for start, end in ((0, 300), (300, 301), (301, 700)):
        store.writer.record(first, CONTENTS[start:end], START_MS)
        store.writer.record(other, [b"between"], START_MS, external_ids=[ExternalId(IdKind.CLEAR, b"cut")])
    return first


@pytest.fixture
def reader(store: Store) -> Reader:
    return Reader(store.engine, store.chains, store.lookup)


@pytest.mark.parametrize(
    ("start", "count"), [(0, 1), (0, 701), (1, 300), (299, 4), (700, 1), (700, 99), (701, 5), (9999, 1)]
)
def test_a_page_is_a_slice_of_the_chain(reader: Reader, chain: Chain, start: int, count: int) -> None:
    """Pages over the cuts between runs hold what a list of all entries would."""
    expected = [b"first", *CONTENTS][start : start + count]
    found = reader.page(chain, start, count)
    assert expected == [stored.kept.content for stored in found if stored.kept]
    assert list(range(start, start + len(expected))) == [stored.leaf_index for stored in found]


def test_an_entry_is_found_by_place_and_by_hash(reader: Reader, chain: Chain) -> None:
    """Both lead to the same stored entry; past the end there is none."""
    stored = reader.at(chain, 300)
    assert stored is not None
    assert stored == reader.by_hash(stored.entry_hash)
    assert (None, None) == (reader.at(chain, 701), reader.by_hash(bytes(32)))


def test_external_ids_are_found_in_order_and_in_one_chain(store: Store, reader: Reader, chain: Chain) -> None:
    """Oldest first, in all chains or in one; an id that is known by its hash only is the same id."""
    wanted = ExternalId(IdKind.CLEAR, b"cut")
    found = list(reader.by_external_id(wanted))
    assert [1, 2, 3] == [stored.leaf_index for stored in found]
    assert found == list(reader.by_external_id(ExternalId(IdKind.HASHED, wanted.digest())))
    assert [] == list(reader.by_external_id(wanted, chain))
    assert found == list(reader.by_external_id(wanted, store.chains.named("other")))


def test_a_changed_entry_is_not_shown_as_found(store: Store, reader: Reader, chain: Chain) -> None:
    """An entry that is not the one whose hash was recorded is damaged, and says where."""
    stored = reader.at(chain, 5)
    assert stored is not None
    [(first_seq, count, entries)] = store.engine.query(
        "SELECT first_seq, entry_count, entries FROM bundle WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
        (stored.seq,),
    )
    items = unpack(bytes(entries), count, 0, count, first_seq)
    items[stored.seq - first_seq] = items[stored.seq - first_seq][:-1] + b"\x01"
    with store.engine.transaction():
        store.engine.execute("UPDATE bundle SET entries = ? WHERE first_seq = ?", (pack(items), first_seq))
    with pytest.raises(StorageCorruptError, match=f"row {stored.seq} .* run `anchorline audit`"):
        reader.by_hash(stored.entry_hash)


def test_a_line_of_an_export_holds_everything(store: Store, reader: Reader, chain: Chain) -> None:
    """Format, place, entry, salt, digest and content; without what is not kept."""
    stored = reader.at(chain, 1)
    assert stored is not None
    assert stored.kept is not None
    expected = {
        "format": EXPORT_FORMAT,
        "leaf_index": 1,
        "entry_hash": stored.entry_hash.hex(),
        "entry": stored.raw.hex(),
        "salt": stored.kept.salt.hex(),
        "digest": stored.kept.digest.hex(),
        "content": base64.b64encode(CONTENTS[0]).decode(),
    }
    assert expected == json.loads(export_line(stored))
    assert "\n" not in export_line(stored)
    [kept] = store.writer.record_digests(chain, [bytes(32)], START_MS)
    outside = reader.at(chain, kept.leaf_index)
    assert outside is not None
    assert {"content"} == set(expected) - set(json.loads(export_line(outside)))
