"""Detector and machine together: the right samples come, once, and however the input is split."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import events
from streaming.events import TurnEvent, TurnInput
from streaming.turn_settings import TurnMode, TurnSettings
from streaming.turn_stream import TurnStream
from streaming.turn_table import Assistant, User
from streaming.vad import WINDOW_SAMPLES, Scorer, VoiceDetector

W = WINDOW_SAMPLES
Reels = list[tuple[int, bool]]


class Sign(Scorer):
    """Hears positive samples as speech."""

    def score(self, window: np.ndarray) -> float:
        return float(window[0] > 0)

    def reset(self) -> None:
        pass


def open_stream(settings: TurnSettings | None = None) -> TurnStream:
    return TurnStream(settings, VoiceDetector(Sign()))


def sound(reels: Sequence[tuple[int, bool]]) -> np.ndarray:
    """Windows, voiced (positive) or not; every sample tells where it stands."""
    signs = np.concatenate([np.full(count * W, 1.0 if voiced else -1.0) for count, voiced in reels])
    return (signs * (1 + np.arange(len(signs))) / 1e6).astype(np.float32)


def audio(decisions: Sequence[TurnEvent]) -> list[events.SpeechAudio]:
    return [each for each in decisions if isinstance(each, events.SpeechAudio)]


def comparable(decisions: Sequence[TurnEvent]) -> list[object]:
    return [
        (each.turn, each.start, each.samples.tobytes())
        if isinstance(each, events.SpeechAudio)
        else each
        for each in decisions
    ]


def test_audio_runs_from_the_pre_roll_to_the_pause() -> None:
    wave = sound([(20, False), (30, True), (20, False)])
    decisions = open_stream().feed(wave)
    kinds = [type(each).__name__ for each in decisions if type(each) is not events.SpeechAudio]
    assert kinds == [
        *("SpeechStarted", "SpeechPaused", "ReplyDrafted", "EndpointReached", "DraftPromoted")
    ]
    started, end = decisions[0], 52 * W
    assert isinstance(started, events.SpeechStarted)
    assert started.start == 20 * W - 16 * 300
    pieces = audio(decisions)
    assert np.array_equal(
        np.concatenate([each.samples for each in pieces]), wave[started.start : end]
    )
    assert [each.start for each in pieces[1:]] == [
        each.start + len(each.samples) for each in pieces[:-1]
    ]


def test_all_audio_of_a_pause_has_come_when_it_is_told() -> None:
    decisions = open_stream().feed(sound([(2, False), (30, True), (3, False)]))
    paused = next(i for i, each in enumerate(decisions) if isinstance(each, events.SpeechPaused))
    assert not audio(decisions[paused:])
    last = audio(decisions)[-1]
    assert last.start + len(last.samples) == 34 * W


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12),
    st.lists(st.integers(0, 3 * W), max_size=12),
    st.sampled_from([TurnSettings(), TurnSettings(mode=TurnMode.MANUAL)]),
)
def test_any_split_decides_as_the_whole(
    reels: Reels, lengths: list[int], settings: TurnSettings
) -> None:
    wave = sound(reels)
    whole = open_stream(settings).feed(wave)
    stream, split = open_stream(settings), []
    for piece in np.split(wave, np.cumsum(lengths)):
        split += stream.feed(piece)
    assert comparable(split) == comparable(whole)


TOLD: list[TurnInput] = [
    events.ClearTurn(),
    events.CommitTurn(),
    events.RequestReply(),
    events.CancelReply(),
]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([1, 2, 3, 5, 7, 10, 17, 60]), st.booleans()),
            st.sampled_from(["told", "play", "end"]),
        ),
        min_size=5,
        max_size=40,
    ),
    st.sampled_from(TOLD),
)
def test_audio_of_every_turn_is_the_microphones(
    acts: list[tuple[int, bool] | str], told: TurnInput
) -> None:
    reels = [act for act in acts if isinstance(act, tuple)]
    wave = sound([*reels, (200, False)])
    stream, fed, log = open_stream(), 0, []
    for act in [*acts, (200, False)]:
        reply = max(
            (each.reply for each in log if isinstance(each, events.ReplyDrafted)), default=0
        )
        if isinstance(act, tuple):
            log += stream.feed(wave[fed : fed + act[0] * W])
            fed += act[0] * W
        elif act == "told":
            log += stream.handle(told)
        elif act == "play" and stream.assistant is Assistant.THINKING:
            log += stream.handle(events.PlaybackStarted(reply=reply))
        elif act == "end" and reply:
            log += stream.handle(events.ReplyEnded(reply=reply))
    heard: dict[int, int] = {}
    starts: dict[int, int] = {}
    over: set[int] = set()
    for each in log:
        match each:
            case events.SpeechStarted(turn=turn, start=start):
                heard[turn] = starts[turn] = start
            case events.SpeechAudio(turn=turn, start=start, samples=samples):
                assert turn not in over
                assert start == heard[turn]
                assert np.array_equal(samples, wave[start : start + len(samples)])
                heard[turn] += len(samples)
            case events.SpeechPaused(turn=turn, at=at):
                assert heard[turn] == at
            case events.EndpointReached(turn=turn, start=start, end=end):
                assert (starts[turn], heard[turn]) == (start, end)
                over.add(turn)
            case events.EndpointWithdrawn(turn=turn):
                over.remove(turn)
            case events.TurnDiscarded(turn=turn):
                over.add(turn)


def test_going_on_brings_the_silence_that_was_kept_back() -> None:
    wave = sound([(30, True), (20, False), (10, True)])
    decisions = open_stream().feed(wave)
    withdrawn = next(i for i, e in enumerate(decisions) if isinstance(e, events.EndpointWithdrawn))
    assert audio(decisions[withdrawn:])[0].start == 32 * W
    pieces = [each.samples for each in audio(decisions)]
    assert np.array_equal(np.concatenate(pieces), wave)


def test_interjection_can_be_judged_by_its_audio() -> None:
    wave = sound([(30, True), (16, False), (60, False), (8, True), (3, False)])
    stream = open_stream()
    stream.feed(wave[: 46 * W])
    stream.handle(events.PlaybackStarted(reply=1))
    decisions = stream.feed(wave[46 * W :])
    ended = decisions[-1]
    assert isinstance(ended, events.InterjectionEnded)
    assert not audio(decisions)
    assert np.array_equal(stream.audio_since(ended.start), wave[ended.start :])
    started = decisions[0]
    told = events.FloorProbability(interjection=started.at, probability=1.0)
    taken = stream.handle(told)
    assert isinstance(taken[0], events.BargeIn)
    pieces = [each.samples for each in audio(taken)]
    assert np.array_equal(np.concatenate(pieces), wave[ended.start :])
    assert (stream.user, stream.assistant) == (User.PAUSED, Assistant.DRAFTING)


def test_audio_that_is_not_kept_is_refused() -> None:
    stream = open_stream()
    stream.feed(sound([(100, False)]))
    assert len(stream.audio_since(stream.now)) == 0
    for start in (0, stream.now + 1):
        with pytest.raises(ValueError, match=f"sample {start} is not kept; there are"):
            stream.audio_since(start)


def test_settings_reach_the_detector() -> None:
    detector = VoiceDetector(Sign())
    stream = TurnStream(TurnSettings(threshold=0.8), detector)
    assert detector.threshold == 0.8
    assert stream.configure(TurnSettings(threshold=0.3)) == []
    assert detector.threshold == 0.3
    assert stream.settings.threshold == 0.3


def test_audio_of_another_kind_changes_nothing() -> None:
    stream = open_stream()
    wave = sound([(5, False), (30, True)])
    for wrong in (
        np.full(W, np.nan, np.float32),
        np.zeros(W, np.int16),
        np.zeros((2, W), np.float32),
    ):
        with pytest.raises(ValueError, match="audio"):
            stream.feed(wrong)
    with pytest.raises(ValueError, match="48000 Hz"):
        stream.feed(wave, sampling_rate=48000)
    assert comparable(stream.feed(wave)) == comparable(open_stream().feed(wave))
