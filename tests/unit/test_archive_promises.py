"""Lines of promises that are read as an export writes them: strict JSON reads the same, or they are not read so."""

import json

from hypothesis import given
from hypothesis import strategies as st

from anchor.proof.archive_lines import GroupCommit
from anchor.proof.errors import MalformedError
from anchor.proof.promise import PromiseLeaf, PromiseNote
from chains.archive.promises import _as_written

NOTE = PromiseNote(bytes(32), 1, 2, 3, 2, bytes(32)).encode().hex()
LEAVES = [PromiseLeaf(bytes([place]) * 32, place, bytes(32)).encode().hex() for place in range(2)]
LINE = json.dumps({"note": NOTE, "signature": "5a" * 64, "leaves": LEAVES}, separators=(",", ":")).encode()


def test_a_line_as_it_is_written() -> None:
    """Note, signature and leaves are those that strict JSON finds."""
    read = _as_written(LINE)
    assert read is not None
    commit, flat = read
    wanted = GroupCommit.decode(LINE)
    assert (wanted.note, wanted.signature, len(wanted.leaves)) == (commit.note, commit.signature, len(commit.leaves))
    assert b"".join(wanted.decoded_leaves()) == flat


@given(st.integers(0, len(LINE) - 1), st.sampled_from(b'\x00 "+,0:AFaf[]{}\n\xff'))
def test_no_other_line_is_read_so(at: int, byte: int) -> None:
    """With a byte changed, put in or taken out it is not read so, or strict JSON reads the same."""
    for wrong in (
        LINE[:at] + bytes([byte]) + LINE[at + 1 :],
        LINE[:at] + bytes([byte]) + LINE[at:],
        LINE[:at] + LINE[at + 1 :],
    ):
        try:
            read = _as_written(wrong)
        except MalformedError:
            read = None
        if read is not None:
            commit, flat = read
            wanted = GroupCommit.decode(wrong)
            assert (wanted.note, wanted.signature) == (commit.note, commit.signature)
            assert (wanted.decoded_leaves(), len(wanted.leaves)) == ([flat[:89], flat[89:]], len(commit.leaves))
