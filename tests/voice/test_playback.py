"""Playback: what was read counts as played; holds, fades, and the sample to go on from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.playback import FADE_SAMPLES, LOW_WATER_S, SAMPLE_RATE_HZ, Moment, Playback

SOUND = np.linspace(0.1, 0.9, 6000, dtype=np.float32)


@pytest.fixture
def moments():
    return []


@pytest.fixture
def playback(moments):
    playback = Playback(lambda *moment: moments.append(moment))
    playback.begin(1)
    return playback


@given(st.lists(st.integers(0, 2500), max_size=8), st.lists(st.integers(1, 3000), max_size=6))
def test_any_split_of_reads_and_writes_gives_the_whole(reads, writes):
    playback = Playback(lambda *moment: None)
    playback.begin(1)
    edges = np.cumsum([0, *writes])
    for start, end in zip(edges, [*edges[1:], len(SOUND)], strict=True):
        playback.append(SOUND[start:end])
    playback.finish()
    read = [playback.read(count) for count in reads]
    assert [len(each) for each in read] == reads
    out = np.concatenate([*read, playback.read(len(SOUND))])
    assert np.array_equal(out[: len(SOUND)], SOUND)
    assert not out[len(SOUND) :].any()


def test_silence_is_read_when_there_is_nothing_to_play(playback, moments):
    assert not playback.read(480).any()
    assert moments == []
    assert playback.position == 0


def test_start_and_end_are_told_once(playback, moments):
    playback.append(SOUND)
    playback.finish()
    for _ in range(20):
        playback.read(480)
    told = [moment for moment, reply in moments]
    assert told == [Moment.STARTED, Moment.LOW, Moment.ENDED]


def test_room_is_told_when_little_is_left(playback, moments):
    playback.append(np.ones(int((LOW_WATER_S + 1) * SAMPLE_RATE_HZ), np.float32))
    playback.read(SAMPLE_RATE_HZ // 2)
    assert (Moment.LOW, 1) not in moments
    playback.read(SAMPLE_RATE_HZ)
    assert moments.count((Moment.LOW, 1)) == 1


@given(st.lists(st.integers(1, 900), min_size=1, max_size=6))
def test_held_reply_goes_on_from_the_same_sample(reads):
    playback = Playback(lambda *moment: None)
    playback.begin(1)
    playback.append(SOUND)
    before = playback.read(1000)
    assert playback.hold() == 1000
    held = np.concatenate([playback.read(count) for count in reads])
    fade = held[:FADE_SAMPLES]
    assert (fade <= SOUND[1000 : 1000 + len(fade)] + 1e-6).all()
    assert not held[FADE_SAMPLES:].any()
    assert playback.position == 1000
    playback.resume()
    after = playback.read(5000)
    assert np.array_equal(before, SOUND[:1000])
    rest = after[FADE_SAMPLES:]
    if len(held) >= FADE_SAMPLES:
        assert np.array_equal(rest, SOUND[1000 + FADE_SAMPLES :])


def test_stop_fades_and_drops_the_rest(playback, moments):
    playback.append(SOUND)
    playback.read(1000)
    assert playback.stop() == 1000
    tail = playback.read(2000)
    assert tail[0] > 0.1
    assert not tail[FADE_SAMPLES:].any()
    assert np.abs(np.diff(tail)).max() < 0.01
    playback.append(SOUND)
    assert not playback.read(480).any()
    assert Moment.ENDED not in [moment for moment, reply in moments]


def test_stop_of_a_held_reply_is_where_it_was_held(playback):
    playback.append(SOUND)
    playback.read(1000)
    playback.hold()
    playback.read(2000)
    assert playback.stop() == 1000


def test_next_reply_starts_at_its_own_first_sample(playback, moments):
    playback.append(SOUND)
    playback.read(1000)
    playback.stop()
    playback.read(1000)
    playback.begin(2)
    assert playback.position == 0
    playback.append(SOUND)
    assert np.array_equal(playback.read(500), SOUND[:500])
    assert moments[-1] == (Moment.LOW, 2)
