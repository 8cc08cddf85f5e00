"""When rows were received: what each commit says of its own rows, and nothing of rows whose promise was lost."""

import random

from chains.commit_times import ReceivedTimes
from tests.simulators.store import START_MS, Store


def test_each_row_has_the_time_of_its_commit(store: Store) -> None:
    """Asked in order, backwards or at random, the answers are the same; rows that no commit holds have none."""
    chain = store.open_chain("acme")
    expected: dict[int, int | None] = {1: START_MS}
    for number, count in enumerate((1, 3, 2, 7, 1), 1):
        at_ms = START_MS + 1000 * number
        for item in store.writer.record(chain, [b"%d" % item for item in range(count)], at_ms):
            expected[item.seq] = at_ms
    lost_ms = START_MS + 3000
    with store.engine.transaction():
        store.engine.execute("DELETE FROM group_commit WHERE received_at_ms = ?", (lost_ms,))
    expected = {seq: None if at_ms == lost_ms else at_ms for seq, at_ms in expected.items()}
    assert [6, 7] == [seq for seq, at_ms in expected.items() if at_ms is None]
    for asked in (list(expected), list(expected)[::-1], random.Random(7).sample(list(expected), len(expected))):
        times = ReceivedTimes(store.engine)
        assert {seq: expected[seq] for seq in asked} == {seq: times.at_ms(seq) for seq in asked}
    assert None is ReceivedTimes(store.engine).at_ms(max(expected) + 1)
