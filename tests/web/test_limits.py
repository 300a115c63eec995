"""Rates on a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.limits import OpeningLimit, TokenBucket


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_burst_is_let_through_and_then_the_rate():
    clock = Clock()
    bucket = TokenBucket(2.0, 3.0, clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_borrower_is_told_how_long_to_wait():
    clock = Clock()
    bucket = TokenBucket(2.0, 1.0, clock)
    assert [bucket.borrow_s() for _ in range(3)] == [0.0, 0.5, 1.0]


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_never_more_than_burst_and_rate(pauses):
    clock = Clock()
    bucket = TokenBucket(5.0, 4.0, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += bucket.take()
        assert taken <= 4.0 + 5.0 * clock.now + 1e-6


def test_addresses_are_counted_apart_and_forgotten():
    clock = Clock()
    limit = OpeningLimit(2, clock)
    assert [limit.allow("a") for _ in range(3)] == [True, True, False]
    assert limit.allow("b")
    clock.now = 60.0
    assert limit.allow("c")
    assert set(limit._buckets) == {"c"}


def test_waiting_makes_room_again():
    clock = Clock()
    limit = OpeningLimit(2, clock)
    assert [limit.allow("a") for _ in range(3)][-1] is False
    clock.now = 30.0
    assert limit.allow("a")


@pytest.mark.parametrize("per_minute", [1, 60])
def test_limit_of_any_size_allows_the_first(per_minute):
    assert OpeningLimit(per_minute, Clock()).allow("a")
