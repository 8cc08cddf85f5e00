"""Columns of what is kept beside entries: what each item says alone."""

import pytest

from anchor.errors import StorageCorruptError
from anchor.proof.codec import sha256
from anchor.proof.entry import content_commitment
from chains.bundle import Column
from chains.chain import decode_kept, keep_box, keep_content, keep_digest
from chains.kept_columns import columns_of, commitments_of

SALTS = [bytes([number]) * 16 for number in range(5)]
SIZES = {"all as long": [30] * 5, "of any length": [0, 1, 300, 5000, 32]}
CONTENTS = {
    name: [keep_content(salt, bytes(size)) for salt, size in zip(SALTS, sizes, strict=True)]
    for name, sizes in SIZES.items()
}
DIGESTS = [keep_digest(salt, sha256(salt)) for salt in SALTS]
KEPT = {**CONTENTS, "digests": DIGESTS, "one": DIGESTS[:1]}


@pytest.mark.parametrize("name", KEPT)
def test_columns_say_what_each_item_says(name: str) -> None:
    """Digests and commitments of contents of any length, and of digests, are those of the items one by one."""
    columns, alone = columns_of(Column.of(KEPT[name])), [decode_kept(item) for item in KEPT[name]]
    assert columns is not None
    assert [kept.digest for kept in alone if kept] == list(columns.digests)
    assert [content_commitment(kept.salt, kept.digest) for kept in alone if kept] == list(columns.commitments)
    assert list(columns.commitments) == list(commitments_of(KEPT[name]))


@pytest.mark.parametrize(
    "items",
    [
        [],
        [b""],
        [*DIGESTS, b""],
        [*DIGESTS, CONTENTS["all as long"][0]],
        [*DIGESTS, DIGESTS[0] + b"x"],
        [DIGESTS[0][:-1]],
        [CONTENTS["all as long"][0][:16]],
        [keep_box(bytes(60))],
        [b"\x07" + DIGESTS[0][1:]],
    ],
)
def test_what_is_not_alike_has_no_columns(items: list[bytes]) -> None:
    """Nothing kept, contents and digests mixed, boxes, other kinds, and what is cut or longer: each is read alone."""
    assert columns_of(Column.of(items)) is None


def test_contents_and_digests_mixed_have_commitments() -> None:
    """Commitments are made of a mixture, too; what is damaged is refused."""
    mixed = [*DIGESTS, *CONTENTS["of any length"]]
    alone = [decode_kept(item) for item in mixed]
    assert [content_commitment(kept.salt, kept.digest) for kept in alone if kept] == list(commitments_of(mixed))
    for damaged in (b"", b"\x07" + bytes(48)):
        with pytest.raises(StorageCorruptError, match="audit"):
            commitments_of([*mixed, damaged])
