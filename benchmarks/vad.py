"""Whose words are cut, and what noise is taken for speech: webrtcvad against Silero.

Every question is spoken by two voices of the synthesiser in a room full of noise, and turns end by
512 ms of silence. A word is cut when it begins outside of every turn; without pre-roll, when it
begins before the first voiced window of its turn. A turn hangs when it has not ended 1.4 s after
the speech. False starts are turns in 20 s of noise alone. Noise is pink and speech synthetic, so
what carries over to real rooms is the ranking.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.measure import Goal, Row, Spread, Unavailable, require_same
from benchmarks.sizes import Sizes
from streaming import events
from streaming.events import TurnEvent
from streaming.turn_settings import SAMPLES_PER_MS, TurnMode, TurnSettings
from streaming.turn_stream import TurnStream
from streaming.vad import (
    SAMPLING_RATE,
    WINDOW_SAMPLES,
    GatedScorer,
    Scorer,
    SileroScorer,
    VadUnavailable,
    VoiceDetector,
    WebRtcScorer,
)
from tests.speech import Recording, pink_noise, speak
from voice.tts.synthesizer import EngineUnavailable, open_synthesizer


class _CountedSilero(SileroScorer):
    """Counts the windows that the network judges."""

    judged = 0

    def score(self, window: np.ndarray) -> float:
        self.judged += 1
        return super().score(window)


SCORERS: Mapping[str, Callable[[_CountedSilero], Scorer]] = {
    "webrtcvad alone": lambda _: WebRtcScorer(),
    "Silero alone": lambda silero: silero,
    "Silero behind webrtcvad": lambda silero: GatedScorer(WebRtcScorer(0), silero),
}
PACKET = 320
"""Samples that arrive together, 20 ms."""

SETTINGS = TurnSettings(mode=TurnMode.SILENCE, create_response=False)
LEAD_S, TAIL_S = 2.0, 1.4


def run(sizes: Sizes) -> Iterator[Row]:
    """Each detector in each noise.

    Raises:
        Unavailable: a detector or the synthesiser is missing.
    """
    try:
        silero = _CountedSilero()
        scorers = {name: make(silero) for name, make in SCORERS.items()}
        with open_synthesizer() as synthesizer:
            recordings = [
                speak(text, synthesizer, voice=voice, before_s=LEAD_S, after_s=TAIL_S)
                for text in sizes.questions
                for voice in sizes.vad_voices
            ]
    except (VadUnavailable, EngineUnavailable) as error:
        raise Unavailable(str(error)) from error
    for snr_db in sizes.vad_snrs_db:
        for name, scorer in scorers.items():
            silero.judged = 0
            yield _row(sizes, name, VoiceDetector(scorer), silero, recordings, snr_db)


@dataclass(slots=True)
class _Tally:
    """What was counted over the recordings of one row."""

    words: int = 0
    cut: int = 0
    cut_without_pre_roll: int = 0
    hanging: int = 0
    waits_ms: list[float] = field(default_factory=list)
    """From the end of speech to the endpoint."""
    costs_ms: list[float] = field(default_factory=list)
    """Of each second of audio."""


def _row(
    sizes: Sizes,
    name: str,
    detector: VoiceDetector,
    silero: _CountedSilero,
    recordings: Sequence[Recording],
    snr_db: float,
) -> Row:
    tally = _Tally()
    for seed, recording in enumerate(recordings):
        noise = pink_noise(len(recording.samples), snr_db=snr_db, seed=seed)
        noisy = recording.samples + noise
        decisions, ms = _take_turns(noisy, detector)
        tally.costs_ms.append(ms / (len(noisy) / SAMPLING_RATE))
        _count(recording, decisions, tally)
    noise = pink_noise(
        round(sizes.vad_noise_s * SAMPLING_RATE), snr_db=snr_db, seed=len(recordings)
    )
    decisions, _ = _take_turns(noise, detector)
    heard = sum(len(each.samples) for each in recordings) + len(noise)
    network = silero.judged / (heard // WINDOW_SAMPLES)
    first = recordings[0].samples
    noisy = first + pink_noise(len(first), snr_db=snr_db, seed=0)
    _require_split_equal(noisy, detector, f"{name}, {snr_db:g} dB")
    false_starts = sum(isinstance(each, events.SpeechStarted) for each in decisions)
    goal = None
    if name == "Silero behind webrtcvad":
        errors = tally.cut + tally.hanging + false_starts
        goal = Goal("no word cut, nothing hangs, no false start", errors == 0)
    return Row(
        {
            "detector": name,
            "noise below speech, dB": snr_db,
            "words": tally.words,
            "cut": tally.cut,
            "cut without pre-roll": tally.cut_without_pre_roll,
            "turns": len(recordings),
            "hanging": tally.hanging,
            "false starts": false_starts,
            "speech end to endpoint, ms": Spread(tuple(tally.waits_ms)) if tally.waits_ms else "",
            "windows judged by Silero, %": round(100 * network),
            "ms per second of audio": Spread(tuple(tally.costs_ms)),
        },
        gate="packets of 20 ms judged as the whole",
        goal=goal,
    )


def _take_turns(samples: np.ndarray, detector: VoiceDetector) -> tuple[list[TurnEvent], float]:
    """The decisions, packet by packet, and the milliseconds they took."""
    detector.reset()
    stream = TurnStream(SETTINGS, detector)
    start = time.perf_counter()
    decisions = [each for packet in _packets(samples) for each in stream.feed(packet)]
    return decisions, (time.perf_counter() - start) * 1e3


def _packets(samples: np.ndarray) -> list[np.ndarray]:
    return np.split(samples, range(PACKET, len(samples), PACKET))


def _require_split_equal(samples: np.ndarray, detector: VoiceDetector, what: str) -> None:
    detector.reset()
    whole = [each.probability for each in detector.feed(samples)]
    detector.reset()
    split = [each.probability for packet in _packets(samples) for each in detector.feed(packet)]
    require_same(f"probabilities, {what}", split, whole)


def _count(recording: Recording, decisions: Sequence[TurnEvent], tally: _Tally) -> None:
    pre_roll = SETTINGS.prefix_padding_ms * SAMPLES_PER_MS
    turns: list[tuple[int, int]] = []
    for each in decisions:
        match each:
            case events.SpeechStarted(start=start):
                turns.append((start, len(recording.samples)))
            case events.EndpointReached(start=start, end=end):
                turns[-1] = (start, end)
                if each.at >= recording.end:
                    tally.waits_ms.append((each.at - recording.end) / SAMPLES_PER_MS)
    tally.words += len(recording.word_starts)
    for word in recording.word_starts:
        tally.cut += not any(start <= word < end for start, end in turns)
        tally.cut_without_pre_roll += not any(
            start + pre_roll <= word < end for start, end in turns
        )
    tally.hanging += bool(turns) and turns[-1][1] == len(recording.samples)
