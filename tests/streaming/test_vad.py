"""Voice detection: the thresholds, the gate, what is missing, and real synthesised speech."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming import events, vad
from streaming.turn_settings import TurnMode, TurnSettings
from streaming.turn_stream import TurnStream
from streaming.vad import (
    WINDOW_SAMPLES,
    GatedScorer,
    Scorer,
    SileroScorer,
    VadUnavailable,
    VoiceDetector,
    VoiceWindow,
    WebRtcScorer,
    open_scorer,
)
from tests.speech import Recording, pink_noise, speak
from voice.tts.synthesizer import open_synthesizer

SCORERS = {
    "webrtc": WebRtcScorer,
    "silero": SileroScorer,
    "gated": lambda: GatedScorer(WebRtcScorer(0), SileroScorer()),
}
TEXTS = ("What is the capital of France?", "Yes.", "Six.", "Hello, who are you?")


class Script(Scorer):
    """Says what it is told, and remembers what it heard."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.left = list(probabilities)
        self.heard: list[float] = []

    def score(self, window: np.ndarray) -> float:
        self.heard.append(float(window[0]))
        return self.left.pop(0) if self.left else 0.0

    def reset(self) -> None:
        self.heard.append(-1.0)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    with open_synthesizer() as synthesizer:
        return [
            speak(text, synthesizer, voice=voice)
            for text, voice in zip(
                TEXTS, ("en-us", "en-us+m3", "en-us", "en-gb-x-rp+f3"), strict=True
            )
        ]


def facts(windows: Sequence[VoiceWindow]) -> list[tuple[int, float, bool, bytes]]:
    return [
        (each.start_sample, each.probability, each.is_voiced, each.samples.tobytes())
        for each in windows
    ]


def silence(windows: int) -> np.ndarray:
    return np.zeros(windows * WINDOW_SAMPLES, np.float32)


def test_voice_begins_at_the_threshold_and_lasts_until_well_below() -> None:
    script = Script([0.4, 0.5, 0.36, 0.35, 0.34, 0.4, 0.49, 0.9])
    windows = VoiceDetector(script).feed(silence(8))
    assert [each.is_voiced for each in windows] == [
        *(False, True, True, True, False, False, False, True)
    ]
    assert [each.start_sample for each in windows] == [512 * i for i in range(8)]


def test_threshold_can_be_changed_while_listening() -> None:
    detector = VoiceDetector(Script([0.6, 0.3, 0.6]), threshold=0.7)
    assert not detector.feed(silence(1))[0].is_voiced
    detector.threshold = 0.3
    assert [each.is_voiced for each in detector.feed(silence(2))] == [True, True]


@pytest.mark.parametrize("name", SCORERS)
@settings(max_examples=15)
@given(lengths=st.lists(st.integers(0, 9000), max_size=6))
def test_any_split_is_judged_as_the_whole(
    name: str, lengths: list[int], recordings: list[Recording]
) -> None:
    samples = recordings[1].samples[4000:24_000]
    whole = VoiceDetector(SCORERS[name]()).feed(samples)
    assert len({each.is_voiced for each in whole}) == 2
    detector, split = VoiceDetector(SCORERS[name]()), []
    for piece in np.split(samples, np.cumsum(lengths)):
        split += detector.feed(piece)
    assert facts(split) == facts(whole)


@pytest.mark.parametrize("name", SCORERS)
def test_reset_forgets_everything(name: str, recordings: list[Recording]) -> None:
    detector = VoiceDetector(SCORERS[name]())
    fresh = detector.feed(recordings[0].samples)
    detector.feed(recordings[1].samples[:20_100])
    detector.reset()
    assert facts(detector.feed(torch.from_numpy(recordings[0].samples))) == facts(fresh)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.full(600, np.nan, np.float32), 16000, "NaN"),
        (np.full(600, np.inf, np.float32), 16000, "infinite"),
        (np.zeros(600, np.float32), 24000, "24000 Hz.*16000 Hz.*resample"),
        (np.zeros(600, np.int16), 16000, "divide by 32768"),
        (np.zeros((600, 2), np.float32), 16000, "mono"),
        (np.full(600, 12_000.0, np.float32), 16000, "looks like integers"),
    ],
)
def test_audio_of_another_kind_is_refused_and_changes_nothing(
    samples: np.ndarray, rate: int, message: str
) -> None:
    detector = VoiceDetector(Script([]))
    detector.feed(np.ones(500, np.float32))
    with pytest.raises(ValueError, match=message):
        detector.feed(samples, sampling_rate=rate)
    windows = detector.feed(np.ones(12, np.float32))
    assert [each.start_sample for each in windows] == [0]


# --- The gate -------------------------------------------------------------------------------------


def numbered(windows: int) -> np.ndarray:
    return np.repeat(np.arange(windows, dtype=np.float32) / 100, WINDOW_SAMPLES)


def test_gate_lets_the_network_sleep_and_wakes_it_with_what_came_before() -> None:
    gate, inner = Script([*[0.0] * 30, 1.0, 0.0]), Script([0.9] * 60)
    windows = VoiceDetector(GatedScorer(gate, inner)).feed(numbered(32))
    assert [each.probability for each in windows] == [0.0] * 30 + [0.9, 0.9]
    assert inner.heard == pytest.approx([-1.0, 0.26, 0.27, 0.28, 0.29, 0.30, 0.31])


def test_gate_stays_open_through_pauses() -> None:
    gate, inner = Script([1.0, *[0.0] * 15, 1.0, *[0.0] * 20]), Script([0.2] * 60)
    windows = VoiceDetector(GatedScorer(gate, inner)).feed(numbered(37))
    assert inner.heard[1:] == pytest.approx([i / 100 for i in range(32)])
    assert [each.probability for each in windows[-5:]] == [0.0] * 5


def test_gate_moves_no_start_and_hardly_an_end(recordings: list[Recording]) -> None:
    for snr_db in (50.0, 10.0, 0.0):
        for seed, each in enumerate(recordings):
            noisy = each.samples + pink_noise(len(each.samples), snr_db=snr_db, seed=seed)
            ((start, end),) = turns_of(noisy, SileroScorer())
            ((gated_start, gated_end),) = turns_of(noisy, SCORERS["gated"]())
            assert gated_start == start
            assert end is not None
            assert gated_end is not None
            assert abs(gated_end - end) <= 3 * WINDOW_SAMPLES


# --- What is installed ----------------------------------------------------------------------------


@pytest.fixture
def unloaded() -> Iterator[None]:
    vad._load_silero.cache_clear()
    yield
    vad._load_silero.cache_clear()


def test_best_scorer_is_silero_behind_the_gate() -> None:
    assert isinstance(open_scorer(), GatedScorer)
    assert isinstance(VoiceDetector()._scorer, GatedScorer)


def test_webrtcvad_decides_where_onnxruntime_is_missing(
    unloaded: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(VadUnavailable, match="pip install onnxruntime"):
        SileroScorer()
    assert isinstance(open_scorer(), WebRtcScorer)
    assert "will hear speech in noise" in caplog.text


def test_silero_decides_alone_where_webrtcvad_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    assert isinstance(open_scorer(), SileroScorer)


def test_missing_packages_are_named(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    monkeypatch.setattr(vad, "find_spec", lambda name: None)
    with pytest.raises(VadUnavailable, match="pip install silero-vad"):
        SileroScorer()
    with pytest.raises(VadUnavailable, match="pip install webrtcvad-wheels"):
        open_scorer()


def test_silero_imports_neither_its_package_nor_torchaudio(
    unloaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "silero_vad"]:
        monkeypatch.delitem(sys.modules, name)
    SileroScorer().score(np.zeros(WINDOW_SAMPLES, np.float32))
    assert not {"silero_vad", "torchaudio"} & set(sys.modules)


def test_silero_scores_as_its_own_package_does(recordings: list[Recording]) -> None:
    from silero_vad import load_silero_vad

    reference, scorer = load_silero_vad(onnx=True), SileroScorer()
    windows = recordings[0].samples[: 60 * WINDOW_SAMPLES].reshape(-1, WINDOW_SAMPLES)
    ours = [scorer.score(window) for window in windows]
    theirs = [float(reference(torch.from_numpy(window), 16000)) for window in windows]
    assert max(ours) > 0.9
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_webrtcvad_hears_frames_that_join_across_windows(recordings: list[Recording]) -> None:
    from webrtcvad import Vad

    samples = recordings[0].samples[: 60 * WINDOW_SAMPLES]
    pcm, reference, scorer = (samples * 32767).astype(np.int16), Vad(3), WebRtcScorer()
    voiced = [
        reference.is_speech(frame.tobytes(), 16000)
        for frame in np.split(pcm, range(160, len(pcm), 160))
    ]
    assert len(set(voiced)) == 2
    ends = [end * WINDOW_SAMPLES // 160 for end in range(61)]
    expected = [np.mean(voiced[ends[i] : ends[i + 1]]) for i in range(60)]
    windows = samples.reshape(-1, WINDOW_SAMPLES)
    assert [scorer.score(window) for window in windows] == pytest.approx(expected)


# --- Speech and noise -----------------------------------------------------------------------------


def turns_of(samples: np.ndarray, scorer: Scorer) -> list[tuple[int, int | None]]:
    """The first and last samples of the turns that are found; no last one while it is open."""
    settings = TurnSettings(mode=TurnMode.SILENCE, create_response=False)
    turns: list[tuple[int, int | None]] = []
    for each in TurnStream(settings, VoiceDetector(scorer)).feed(samples):
        match each:
            case events.SpeechStarted(start=start):
                turns.append((start, None))
            case events.EndpointReached(end=end):
                turns[-1] = (turns[-1][0], end)
    return turns


@pytest.mark.parametrize("snr_db", [60.0, 20.0, 10.0, 5.0, 0.0])
def test_no_word_is_cut_in_noise(snr_db: float, recordings: list[Recording]) -> None:
    for seed, each in enumerate(recordings):
        noisy = each.samples + pink_noise(len(each.samples), snr_db=snr_db, seed=seed)
        ((start, end),) = turns_of(noisy, open_scorer())
        assert start <= each.word_starts[0]
        assert end is not None
        assert end >= each.word_starts[-1]
        # The pause is noticed within 64 ms of silence, and Silero's own lag.
        assert end < each.end + 16 * 600


def test_noise_alone_is_no_turn() -> None:
    for seed, snr_db in enumerate((60.0, 20.0, 0.0, -6.0)):
        assert turns_of(pink_noise(16_000 * 6, snr_db=snr_db, seed=seed), open_scorer()) == []


def test_webrtcvad_alone_hears_speech_in_loud_noise() -> None:
    noise = pink_noise(16_000 * 3, snr_db=0.0, seed=3)
    assert turns_of(noise, WebRtcScorer()) == [(0, None)]


def test_webrtcvad_alone_cuts_no_word_in_silence(recordings: list[Recording]) -> None:
    for each in recordings:
        ((start, end),) = turns_of(each.samples, WebRtcScorer())
        assert start <= each.word_starts[0]
        assert end is not None
        assert end >= each.word_starts[-1]


def test_spoken_question_with_a_pause_inside_is_one_turn() -> None:
    with open_synthesizer() as synthesizer:
        first = speak("Could you please tell me", synthesizer, after_s=0.5)
        second = speak("what the capital of France is?", synthesizer, before_s=0.3)
    wave = np.concatenate((first.samples, second.samples))
    end = len(first.samples) + second.end
    stream, log = TurnStream(), []
    for packet in np.split(wave, range(320, len(wave), 320)):
        decisions = stream.feed(packet)
        log += decisions
        for each in decisions:
            if isinstance(each, events.SpeechPaused):
                finished = 0.95 if each.at > end else 0.05
                told = events.TurnEndProbability(pause=each.at, probability=finished)
                log += stream.handle(told)
    (endpoint,) = (each for each in log if isinstance(each, events.EndpointReached))
    heard = np.concatenate([each.samples for each in log if isinstance(each, events.SpeechAudio)])
    assert np.array_equal(heard, wave[endpoint.start : endpoint.end])
    assert endpoint.start <= first.word_starts[0]
    assert endpoint.end > end
    assert endpoint.at - end < 16 * 300
    drafts = [type(each).__name__ for each in log if "Draft" in type(each).__name__]
    assert drafts[-2:] == ["ReplyDrafted", "DraftPromoted"]
    dropped = drafts[:-2]
    assert dropped
    assert dropped == ["ReplyDrafted", "DraftDropped"] * (len(dropped) // 2)
