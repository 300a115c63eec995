"""Frames are due by the clock, on a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from web.media.pacing import MAX_LATENESS_S, Pacer

PERIOD_S = 0.02


def test_frames_are_due_one_period_apart():
    pacer, now = Pacer(PERIOD_S), 5.0
    for index in range(5):
        due = pacer.next(now)
        assert due.index == index
        assert abs(now + due.wait_s - (5.0 + index * PERIOD_S)) < 1e-9
        now += due.wait_s + 0.003


def test_who_comes_a_little_late_catches_up():
    pacer = Pacer(PERIOD_S)
    pacer.next(0.0)
    assert [pacer.next(0.09).wait_s for _ in range(4)] == [0.0] * 4
    assert pacer.next(0.09).wait_s > 0.0


def test_who_comes_too_late_skips_and_the_index_tells_the_time():
    pacer = Pacer(PERIOD_S)
    pacer.next(0.0)
    due = pacer.next(1.0)
    assert due.skipped == 48 or due.skipped == 49
    assert due.index == 1 + due.skipped


@given(st.lists(st.floats(0.0, 0.5), max_size=50))
def test_no_frame_is_early_or_far_behind_the_clock(stalls):
    pacer, now = Pacer(PERIOD_S), 0.0
    indices = []
    for stall in stalls:
        due = pacer.next(now)
        now += due.wait_s
        assert now - due.index * PERIOD_S >= -1e-9
        assert now - due.index * PERIOD_S <= MAX_LATENESS_S + 1e-9
        indices.append(due.index)
        now += stall
    assert indices == sorted(set(indices))
