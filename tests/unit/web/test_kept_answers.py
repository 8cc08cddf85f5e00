"""Answers that are kept: for as long as they say, for everybody only, and within a bound."""

import pytest

from chains.web.asgi import Answer
from chains.web.kept_answers import LONGEST_S, KeptAnswers


class Clock:
    """A clock that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def answer(cache_control: str, body: bytes = b"body", status: int = 200) -> Answer:
    return Answer(status, body, headers=((b"cache-control", cache_control.encode()),))


@pytest.mark.parametrize(
    ("cache_control", "kept_s"),
    [("public, max-age=1", 1.0), ("public, max-age=60", 60.0), ("public, max-age=31536000, immutable", LONGEST_S)],
)
def test_what_is_everybody_s_is_kept_for_its_time(cache_control: str, kept_s: float) -> None:
    """Head and body are as they go out, until the time is over."""
    clock = Clock()
    kept = KeptAnswers(clock)
    kept.keep(b"/v1/checkpoint", answer(cache_control))
    found = kept.get(b"/v1/checkpoint")
    assert found is not None
    assert found.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: ")
    assert b"content-length: 4\r\n" in found
    assert found.endswith(b"\r\n\r\nbody")
    assert None is kept.get(b"/v1/other")
    clock.now_s += kept_s - 0.001
    assert found == kept.get(b"/v1/checkpoint")
    clock.now_s += 0.001
    assert None is kept.get(b"/v1/checkpoint")


@pytest.mark.parametrize("cache_control", ["private, no-cache", "private, max-age=31536000, immutable", "no-store", ""])
def test_what_is_one_s_own_is_not_kept(cache_control: str) -> None:
    """Whatever depends on who asks is asked for again; and so are errors."""
    kept = KeptAnswers(Clock())
    kept.keep(b"/v1/a", answer(cache_control))
    kept.keep(b"/v1/b", answer("public, max-age=60", status=404))
    assert (None, None) == (kept.get(b"/v1/a"), kept.get(b"/v1/b"))


def test_the_oldest_make_room() -> None:
    """More than the bound is never held; what is too large by itself is not kept at all."""
    kept = KeptAnswers(Clock(), most_bytes=16_000)
    for number in range(100):
        kept.keep(b"/%d" % number, answer("public, max-age=60", bytes(500)))
    held = [number for number in range(100) if kept.get(b"/%d" % number) is not None]
    assert list(range(held[0], 100)) == held
    assert 16 <= len(held) <= 32
    kept.keep(b"/large", answer("public, max-age=60", bytes(2000)))
    assert None is kept.get(b"/large")
