"""What one request erases of many entries: asked again and again, it comes to an end with all of them erased."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chains.chain import Chain, Gone
from chains.erasure_entries import keeps_content
from chains.reader import StoredEntry
from chains.web.api_erasing import Targets, portion_of


def targets_of(chains: list[list[bool]]) -> Targets:
    """Return entries of some chains; True: something is kept beside it still."""
    found: Targets = {}
    for chain_no, kept in enumerate(chains):
        entries = [
            StoredEntry(index, chain_no, index, b"", None, None, Gone.UNREADABLE if is_kept else Gone.ERASED)
            for index, is_kept in enumerate(kept)
        ]
        found[chain_no] = Chain(chain_no, bytes(32), None, 0), entries
    return found


@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=4), st.integers(1, 5))
def test_asked_until_there_is_no_more_everything_is_erased(chains: list[list[bool]], most: int) -> None:
    """No request has more than its portion, each but the last comes further, and the last says that it is the last."""
    targets = targets_of(chains)
    for _ in range(40):
        portion, more = portion_of(targets, most)
        chosen = {(chain.chain_no, stored.seq) for chain, entries in portion for stored in entries}
        assert len(chosen) <= most
        before = sum(keeps_content(stored) for _, entries in targets.values() for stored in entries)
        targets = {
            number: (
                chain,
                [replace(each, gone=Gone.ERASED) if (number, each.seq) in chosen else each for each in entries],
            )
            for number, (chain, entries) in targets.items()
        }
        left = sum(keeps_content(stored) for _, entries in targets.values() for stored in entries)
        assert more == (left > 0)
        if not more:
            return
        assert left < before
    raise AssertionError("it never came to an end")


def test_what_was_erased_before_is_shown_where_there_is_room() -> None:
    """So a request whose answer was lost is answered the same; where there is no room, what is left comes first."""
    some = targets_of([[False, True], [True]])
    [(_, first), (_, second)], more = portion_of(some, 3)
    assert ([0, 1], [0], False) == ([each.seq for each in first], [each.seq for each in second], more)
    [(_, first), (_, second)], more = portion_of(some, 2)
    assert ([1], [0], False) == ([each.seq for each in first], [each.seq for each in second], more)
    [(_, first)], more = portion_of(targets_of([[False, False, False]]), 2)
    assert ([0, 1], False) == ([each.seq for each in first], more)
