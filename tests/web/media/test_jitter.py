"""Packets leave in order, at once where nothing is missing, and never twice."""

from hypothesis import given
from hypothesis import strategies as st

from web.media.jitter import DEPTH_PACKETS, JitterBuffer


def feed(sequences: list[int], buffer: JitterBuffer | None = None) -> list[list[int]]:
    """What each packet releases; a packet's timestamp is its sequence number."""
    buffer = buffer or JitterBuffer()
    return [
        [each.timestamp for each in buffer.add(sequence & 0xFFFF, sequence, b"x")]
        for sequence in sequences
    ]


def test_packet_in_order_leaves_at_once():
    assert feed([7, 8, 9]) == [[7], [8], [9]]


def test_swapped_packets_leave_in_order():
    assert feed([1, 3, 2, 4]) == [[1], [], [2, 3], [4]]


def test_lost_packet_holds_up_only_so_long():
    assert feed([1, 3, 4, 5, 6, 7]) == [[1], [], [], [3, 4, 5], [6], [7]]


def test_duplicate_and_late_packets_are_dropped_and_counted():
    buffer = JitterBuffer()
    assert feed([1, 2, 2, 1, 3], buffer) == [[1], [2], [], [], [3]]
    assert buffer.late_packets == 2


def test_sequence_numbers_wrap_around():
    assert feed([65534, 65535, 65536, 65538, 65537]) == [
        [65534],
        [65535],
        [65536],
        [],
        [65537, 65538],
    ]


def test_sender_that_starts_anew_is_followed():
    assert feed([5, 7, 30_000, 30_001]) == [[5], [], [7, 30_000], [30_001]]


@given(st.permutations(range(12)), st.integers(0, 65_535), st.sets(st.integers(0, 11)))
def test_any_order_releases_each_packet_at_most_once_and_in_order(order, start, lost):
    arrivals = [start + each for each in order if each not in lost]
    released = [each for group in feed(arrivals) for each in group]
    assert released == sorted(set(released))
    assert set(released) <= set(arrivals)


@given(st.lists(st.integers(0, DEPTH_PACKETS - 1), min_size=20, max_size=20))
def test_jitter_below_the_depth_loses_nothing(delays):
    order = sorted(range(20), key=lambda each: (each + delays[each], each))
    first = order.index(0)
    order.insert(0, order.pop(first))  # the buffer starts with the first packet it sees
    released = [each for group in feed(order) for each in group]
    assert released == list(range(20))
