"""Tests of ``chains.quotas``: what a quota lets through at which time, by a clock that the test moves."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.errors import QuotaError
from chains.quota import MAX_BYTES_PER_DAY, MAX_ENTRIES_PER_S, UNLIMITED, Quota
from chains.quotas import BURST_S, Quotas

DAY_MS = 24 * 60 * 60 * 1000


def refused_for_s(quotas: Quotas, quota: Quota, entries: int, content_bytes: int, now_ms: int) -> int | None:
    """Return for how many seconds something is refused, None where it can never be taken."""
    with pytest.raises(QuotaError) as refused:
        quotas.take("org_a", quota, entries, content_bytes, now_ms)
    return refused.value.retry_after_s


def test_without_a_quota_everything_is_taken() -> None:
    """However much."""
    Quotas().take("org_a", UNLIMITED, 10**12, 10**18, 0)


def test_entries_come_back_at_their_pace() -> None:
    """Ten seconds' worth may come at once; then there is room for one entry after each tenth of a second."""
    quotas, quota = Quotas(), Quota(entries_per_s=10)
    quotas.take("org_a", quota, 10 * BURST_S, 0, 5000)
    assert 1 == refused_for_s(quotas, quota, 1, 0, 5000)
    assert 1 == refused_for_s(quotas, quota, 1, 0, 5099)
    quotas.take("org_a", quota, 1, 0, 5100)
    assert 5 == refused_for_s(quotas, quota, 50, 0, 5100)
    quotas.take("org_a", quota, 50, 0, 10_100)


def test_what_waits_as_long_as_it_was_told_is_taken() -> None:
    """Retry-After is never too short."""
    quotas, quota = Quotas(), Quota(entries_per_s=7, bytes_per_day=10_000)
    quotas.take("org_a", quota, 70, 9_999, 0)
    wait_s = refused_for_s(quotas, quota, 33, 2, 0)
    assert wait_s is not None
    quotas.take("org_a", quota, 33, 2, wait_s * 1000)


def test_bytes_come_back_over_a_day() -> None:
    """A day's worth may come at once; half a day later half of it can come again."""
    quotas, quota = Quotas(), Quota(bytes_per_day=86_400_000)
    quotas.take("org_a", quota, 1, 86_400_000, 0)
    assert 1 == refused_for_s(quotas, quota, 1, 1, 0)
    assert 43_200 == refused_for_s(quotas, quota, 1, 43_200_000, 0)
    quotas.take("org_a", quota, 1, 43_200_000, DAY_MS // 2)


def test_a_refused_request_takes_nothing_of_either() -> None:
    """Where the bytes are used up, the entries of the request stay free."""
    quotas, quota = Quotas(), Quota(entries_per_s=1, bytes_per_day=1024)
    for _ in range(100):
        refused_for_s(quotas, quota, BURST_S, 1025, 0)
    quotas.take("org_a", quota, BURST_S, 1024, 0)


def test_a_request_larger_than_the_quota_is_never_taken() -> None:
    """Waiting does not help, and the message says what would."""
    quotas, quota = Quotas(), Quota(entries_per_s=10)
    with pytest.raises(QuotaError, match=r"at most 100 entries at once.* got 101: send less at a time") as refused:
        quotas.take("org_a", quota, 101, 0, 0)
    assert refused.value.retry_after_s is None


def test_organisations_do_not_use_up_what_others_have() -> None:
    """Each has its own."""
    quotas, quota = Quotas(), Quota(entries_per_s=1)
    quotas.take("org_a", quota, BURST_S, 0, 0)
    quotas.take("org_b", quota, BURST_S, 0, 0)
    refused_for_s(quotas, quota, 1, 0, 0)


def test_a_new_quota_counts_at_once() -> None:
    """A larger one gives room with the next request, a smaller one takes it; what was used stays used."""
    quotas = Quotas()
    quotas.take("org_a", Quota(entries_per_s=1), BURST_S, 0, 0)
    assert 1 == refused_for_s(quotas, Quota(entries_per_s=1000), 1, 0, 0)
    quotas.take("org_a", Quota(entries_per_s=1000), 500, 0, 500)
    quotas.take("org_a", UNLIMITED, 10**9, 0, 500)
    assert 10 == refused_for_s(quotas, Quota(entries_per_s=1), 10, 0, 500)


def test_nothing_is_free_even_when_all_is_used_up() -> None:
    """A request without entries or content takes nothing, and is never refused."""
    quotas, quota = Quotas(), Quota(entries_per_s=1, bytes_per_day=1024)
    quotas.take("org_a", quota, BURST_S, 1024, 0)
    quotas.take("org_a", quota, 0, 0, 0)


@pytest.mark.parametrize("quota", [Quota(entries_per_s=MAX_ENTRIES_PER_S), Quota(bytes_per_day=MAX_BYTES_PER_DAY)])
def test_the_largest_quotas_are_counted_closely(quota: Quota) -> None:
    """A thousandth is not lost to rounding, even at the upper ends; and nothing more is given than was said."""
    quotas = Quotas()
    per_s = quota.entries_per_s or MAX_BYTES_PER_DAY // 86_400
    all_at_once = per_s * BURST_S if quota.entries_per_s else MAX_BYTES_PER_DAY
    entries, content_bytes = (1, 0) if quota.entries_per_s else (0, 1)
    quotas.take("org_a", quota, all_at_once * entries, all_at_once * content_bytes, 0)
    after_1_s = per_s * 99 // 100
    quotas.take("org_a", quota, after_1_s * entries, after_1_s * content_bytes, 1000)
    more = per_s * 2 // 100
    refused_for_s(quotas, quota, more * entries, more * content_bytes, 1000)


def test_threads_together_get_no_more_than_one_alone() -> None:
    """Of many requests in the same millisecond, from many threads, as many are taken as the quota allows."""
    quotas, quota = Quotas(), Quota(entries_per_s=100)

    def take_some(_: int) -> int:
        taken = 0
        for _ in range(100):
            with suppress(QuotaError):
                quotas.take("org_a", quota, 1, 0, 0)
                taken += 1
        return taken

    with ThreadPoolExecutor(20) as threads:
        assert 100 * BURST_S == sum(threads.map(take_some, range(20)))


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 60)), min_size=1, max_size=40))
def test_no_window_ever_gets_more_than_the_burst_and_the_pace(
    entries_per_s: int, requests: list[tuple[int, int]]
) -> None:
    """Over any span of time, what was taken is at most ten seconds' worth and the span's own."""
    quotas, quota, now_ms = Quotas(), Quota(entries_per_s=entries_per_s), 0
    taken: list[tuple[int, int]] = []
    for pause_ms, entries in requests:
        now_ms += pause_ms
        try:
            quotas.take("org_a", quota, entries, 0, now_ms)
        except QuotaError:
            continue
        taken.append((now_ms, entries))
    for first, (start_ms, _) in enumerate(taken):
        for last in range(first, len(taken)):
            amount = sum(entries for _, entries in taken[first : last + 1])
            assert amount <= entries_per_s * (BURST_S + (taken[last][0] - start_ms) / 1000) + 1e-6
