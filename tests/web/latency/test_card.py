"""One clock for what is said and heard."""

import numpy as np

from web.latency.card import FRAME, MOST_WAITING, SoundCard


def test_what_is_said_leaves_frame_by_frame_and_is_recorded_where_it_was_announced():
    card = SoundCard()
    card.tick()
    said = np.linspace(0.1, 0.9, 500, dtype=np.float32)
    start = card.say(said)
    assert start == FRAME
    sent = np.concatenate([card.tick(), card.tick()])
    assert card.is_silent
    np.testing.assert_array_equal(sent[:500], said)
    np.testing.assert_array_equal(card.recording()[start : start + 500, 0], said)


def test_frame_is_heard_after_the_one_that_was_sent_at_the_same_tick():
    card = SoundCard()
    card.say(np.full(FRAME, 0.5, np.float32))
    card.hear(np.full(FRAME, 0.25, np.float32))
    card.tick()
    card.tick()
    said, heard = card.recording().T
    assert np.flatnonzero(said)[-1] == FRAME - 1
    assert np.flatnonzero(heard)[0] == FRAME


def test_silence_is_heard_where_nothing_has_come():
    card = SoundCard()
    card.hear(np.full(100, 0.25, np.float32))
    for _ in range(3):
        card.tick()
    assert np.count_nonzero(card.recording()[:, 1]) == 100


def test_sound_that_has_piled_up_does_not_delay_what_follows():
    card = SoundCard()
    card.hear(np.full(MOST_WAITING, 0.25, np.float32))
    card.hear(np.full(FRAME, 0.5, np.float32))
    for _ in range(3):
        card.tick()
    heard = card.recording()[:, 1]
    assert np.flatnonzero(heard == 0.5)[0] == FRAME


def test_missed_frames_stand_as_silence_in_the_recording():
    card = SoundCard()
    card.say(np.full(FRAME, 0.5, np.float32))
    card.tick(missed=2)
    assert card.missed_frames == 2
    assert np.flatnonzero(card.recording()[:, 0])[0] == 2 * FRAME


def test_recent_is_the_end_of_the_recording():
    card = SoundCard()
    rng = np.random.default_rng(0)
    for _ in range(8):
        card.say(rng.uniform(-1, 1, FRAME).astype(np.float32))
        card.hear(rng.uniform(-1, 1, FRAME).astype(np.float32))
        card.tick()
    np.testing.assert_array_equal(card.recent(700), card.recording()[-700:])
