"""Items of a batch: contents that differ in nothing else are read at once, and mean what they mean one by one."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, ExternalId, IdKind, Link, Relation
from chains.web import items as items_module
from chains.web.items import batch_of
from chains.web.limits import BATCH_ENTRIES
from chains.web.problems import ProblemError
from chains.work import Content, ContentsAlike, Refused, Submission, SubmissionsAlike

CHAIN = bytes(range(32))
ITEM = st.fixed_dictionaries(
    {"content": st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode())},
    optional={
        "media_type": st.sampled_from(["", "text/plain"]),
        "keep": st.sampled_from(["content", "digest", "nothing"]),
        "external_ids": st.sampled_from([[], ["a"]]),
        "salt": st.none(),
    },
)


def body_of(items: list[dict[str, Any]], *, is_lines: bool) -> bytes:
    return ("\n".join(map(json.dumps, items)) if is_lines else json.dumps(items)).encode()


BASE64 = st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode())
MADE = st.fixed_dictionaries(
    {"entry": BASE64, "salt": BASE64},
    optional={"content": BASE64, "digest": BASE64, "media_type": st.just("text/plain"), "envelope": st.none()},
)


@given(st.lists(ITEM, min_size=1, max_size=4) | st.lists(MADE, max_size=4), st.booleans())
def test_what_is_read_at_once_is_what_is_read_one_by_one(items: list[dict[str, Any]], is_lines: bool) -> None:
    """Whatever a batch is made of, both ways give the same contents; alike are those that have one kind."""
    body = body_of(items, is_lines=is_lines)
    found, one_by_one = batch_of(body, CHAIN, is_lines=is_lines), items_module._items(body, is_lines=is_lines)
    assert one_by_one == (found if isinstance(found, list) else found.each())


@pytest.mark.parametrize("is_lines", [True, False])
def test_entries_with_salt_and_content_are_columns(is_lines: bool) -> None:
    """Entries that a client made are alike where each comes with both; with one that comes alone, all are single."""
    alike = [{"entry": "YQ==", "salt": "Yg==", "content": "Yw=="}, {"entry": "ZA==", "salt": "", "content": ""}]
    assert SubmissionsAlike([b"a", b"d"], [b"b", b""], [b"c", b""]) == batch_of(
        body_of(alike, is_lines=is_lines), CHAIN, is_lines=is_lines
    )
    found = batch_of(body_of([*alike, {"entry": "ZQ=="}], is_lines=is_lines), CHAIN, is_lines=is_lines)
    assert [Submission(b"a", b"b", content=b"c"), Submission(b"d", b"", content=b""), Submission(b"e")] == found


@pytest.mark.parametrize("is_lines", [True, False])
def test_contents_of_one_kind_are_alike(is_lines: bool) -> None:
    """A media type and keep are theirs in common; one that has another, or ids, makes all of them single."""
    alike: list[Any] = [
        {"content": "YQ==", "media_type": "text/plain"},
        {"content": "Yg==", "media_type": "text/plain"},
    ]
    assert ContentsAlike([b"a", b"b"], "text/plain") == batch_of(
        body_of(alike, is_lines=is_lines), CHAIN, is_lines=is_lines
    )
    for other, content in (
        ({"content": "Yw=="}, Content(b"c")),
        ({"content": "Yw==", "keep": "digest"}, Content(b"c", keep=False)),
        ({"content": "Yw==", "external_ids": ["x"]}, Content(b"c", "", (ExternalId(IdKind.CLEAR, b"x"),))),
    ):
        found = batch_of(body_of([*alike, other], is_lines=is_lines), CHAIN, is_lines=is_lines)
        assert [Content(b"a", "text/plain"), Content(b"b", "text/plain"), content] == found


@pytest.mark.parametrize("is_lines", [True, False])
def test_a_wrong_item_is_refused_alone(is_lines: bool) -> None:
    """Among contents that are alike, one that cannot be read is refused in its place."""
    items: list[Any] = [{"content": "YQ=="}, {"content": "?"}, {"content": "YQ==", "more": 1}, {"content": "Yg=="}]
    found = batch_of(body_of(items, is_lines=is_lines), CHAIN, is_lines=is_lines)
    assert isinstance(found, list)
    assert [Content, Refused, Refused, Content] == [type(item) for item in found]


@pytest.mark.parametrize("is_lines", [True, False])
def test_a_batch_has_a_limit_and_may_be_empty(is_lines: bool) -> None:
    """Too many items are refused whole; none are none."""
    assert [] == batch_of(body_of([], is_lines=is_lines), CHAIN, is_lines=is_lines)
    with pytest.raises(ProblemError, match="at most"):
        batch_of(body_of([{"content": ""}] * (BATCH_ENTRIES + 1), is_lines=is_lines), CHAIN, is_lines=is_lines)


@pytest.mark.parametrize("is_lines", [True, False])
def test_a_content_with_links_becomes_an_entry_of_its_chain(is_lines: bool) -> None:
    """To its own chain unless another is named; the content is kept, or its digest; other relations are refused."""
    other = bytes(range(32, 64))
    links = [
        {"relation": "supersedes", "entry_hash": "11" * 32},
        {"relation": "derived-from", "entry_hash": "22" * 32, "chain_id": other.hex()},
    ]
    items: list[dict[str, Any]] = [
        {"content": "YQ==", "links": links, "media_type": "text/plain"},
        {"content": "Yg==", "links": links[:1], "keep": "digest"},
        {"content": "Yw=="},
        {"content": "ZA==", "links": [{"relation": "erases", "entry_hash": "11" * 32}]},
        {"entry": "ZA==", "links": links},
    ]
    found = batch_of(body_of(items, is_lines=is_lines), CHAIN, is_lines=is_lines)
    assert isinstance(found, list)
    whole, kept, plain, *refused = found
    assert isinstance(whole, Submission)
    entry = Entry.decode(whole.entry)
    assert (CHAIN, "text/plain", b"a") == (entry.chain_id, entry.media_type, whole.content)
    assert (
        Link(Relation.SUPERSEDES, CHAIN, b"\x11" * 32),
        Link(Relation.DERIVED_FROM, other, b"\x22" * 32),
    ) == entry.links
    assert isinstance(kept, Submission)
    assert (None, sha256(b"b")) == (kept.content, kept.digest)
    assert Content(b"c") == plain
    assert ["item-malformed"] * 2 == [each.code for each in refused if isinstance(each, Refused)]
