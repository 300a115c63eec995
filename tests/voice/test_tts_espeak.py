"""The espeak-ng voice: real speech, honest timings, quick cancelling, and a helper that may die."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np
import pytest

from voice.tts.espeak import EspeakSynthesizer
from voice.tts.synthesizer import (
    EngineUnavailable,
    SpeechBlock,
    SynthesisError,
    VoiceSettings,
    WordTiming,
)

LONG_TEXT = "One two three four five six seven eight nine ten. " * 200


@pytest.fixture(scope="module")
def shared() -> Iterator[EspeakSynthesizer]:
    with EspeakSynthesizer() as synthesizer:
        yield synthesizer


@pytest.fixture
def own() -> Iterator[EspeakSynthesizer]:
    with EspeakSynthesizer() as synthesizer:
        yield synthesizer


def helper_id(synthesizer: EspeakSynthesizer) -> int:
    return synthesizer._process.pid


def sound(blocks: list[SpeechBlock]) -> np.ndarray:
    return np.concatenate([block.samples for block in blocks])


def words(blocks: list[SpeechBlock]) -> list[WordTiming]:
    return [word for block in blocks for word in block.words]


def spans(blocks: list[SpeechBlock]) -> list[tuple[int, int]]:
    return [(word.start, word.end) for word in words(blocks)]


def pitch_hz(samples: np.ndarray, rate: int) -> float:
    """Median of the strongest period of the loud stretches, between 60 and 400 Hz."""
    length = rate // 20
    frames = samples[: len(samples) // length * length].reshape(-1, length)
    frames = frames[np.sqrt(np.mean(frames**2, axis=1)) > 0.05] * np.hanning(length)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 2 * length)) ** 2)
    low, high = rate // 400, rate // 60
    return float(np.median(rate / (low + np.argmax(correlation[:, low:high], axis=1))))


def test_speak_a_sentence_is_speech(shared: EspeakSynthesizer) -> None:
    blocks = list(shared.speak("Hello, I am glad to hear you."))
    samples = sound(blocks)
    assert shared.sample_rate == 22050
    assert samples.dtype == np.float32
    assert 1.0 < len(samples) / shared.sample_rate < 4.0
    assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.5
    assert np.abs(samples).max() <= 1.0
    assert 60 < pitch_hz(samples, shared.sample_rate) < 200


def test_speak_yields_small_blocks_without_gaps(shared: EspeakSynthesizer) -> None:
    blocks = list(shared.speak("Hello, I am glad to hear you."))
    assert all(0 < len(block.samples) <= shared.sample_rate // 50 for block in blocks)
    ends = np.cumsum([len(block.samples) for block in blocks])
    assert [block.start_sample for block in blocks] == [0, *ends[:-1]]


def test_speak_more_text_takes_longer(shared: EspeakSynthesizer) -> None:
    texts = ["one", "one two three", "one two three four five six"]
    lengths = [len(sound(list(shared.speak(text)))) for text in texts]
    assert lengths == sorted(lengths)
    assert lengths[-1] > 2 * lengths[0]


@pytest.mark.parametrize("voice", ["en-us", "en-us+f3"])
def test_speak_is_the_same_whatever_was_said_before(
    shared: EspeakSynthesizer, own: EspeakSynthesizer, voice: str
) -> None:
    settings = VoiceSettings(voice=voice)
    cut = own.speak("Something else that nobody wants to hear to its end.")
    next(cut)
    cut.close()  # type: ignore[attr-defined]
    spoken = (list(each.speak("The same again.", settings=settings)) for each in (shared, own, own))
    first, second, third = spoken
    np.testing.assert_array_equal(sound(first), sound(second))
    np.testing.assert_array_equal(sound(first), sound(third))
    assert [len(block.samples) for block in first] == [len(block.samples) for block in second]
    assert words(first) == words(second)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello there, friend.", ["Hello", "there,", "friend."]),
        ("It costs $3.50 today.", ["It", "costs", "$3.50", "today."]),
        ("3 × 4 = 12", ["3", "×", "4", "=", "12"]),
        ("**Very** good 🙂 news", ["**Very**", "good 🙂", "news"]),
    ],
)
def test_speak_times_the_words_as_they_are_written(
    shared: EspeakSynthesizer, text: str, wanted: list[str]
) -> None:
    timings = words(list(shared.speak(text)))
    assert [text[word.start : word.end] for word in timings] == wanted


def test_speak_times_words_in_order_within_the_sound(shared: EspeakSynthesizer) -> None:
    text = "On March 5, 2024 we paid $3.50 for 2 kg at 7:05 pm. Was that, e.g., too much? No!"
    blocks = list(shared.speak(text))
    timings = words(blocks)
    starts = [word.start_sample for word in timings]
    assert starts == sorted(set(starts))
    assert [word.end_sample for word in timings] == [*starts[1:], len(sound(blocks))]
    assert timings[0].start == 0
    assert timings[-1].end == len(text)
    for before, after in pairwise(timings):
        assert not text[before.end : after.start].strip()
    for block in blocks:
        for word in block.words:
            within = word.start_sample - block.start_sample
            assert 0 <= within < len(block.samples)


@pytest.mark.parametrize("text", ["", " ", "...", "**", "🙂", "\x00", "\ud800", "中文", "a" * 3000])
def test_speak_odd_text_comes_to_an_end(shared: EspeakSynthesizer, text: str) -> None:
    assert all(np.isfinite(block.samples).all() for block in shared.speak(text))


def test_speak_with_settings_changes_the_voice(shared: EspeakSynthesizer) -> None:
    def spoken(**settings: float | str) -> np.ndarray:
        text = "We all were away a year ago."
        return sound(list(shared.speak(text, settings=VoiceSettings(**settings))))  # type: ignore[arg-type]

    plain = spoken()
    assert len(spoken(speed=2.0)) < 0.7 * len(plain)
    assert len(spoken(speed=0.5)) > 1.5 * len(plain)
    assert np.sqrt(np.mean(spoken(volume=0.5) ** 2)) == pytest.approx(
        0.5 * np.sqrt(np.mean(plain**2)), rel=0.1
    )
    assert pitch_hz(spoken(pitch_semitones=8), 22050) > 1.2 * pitch_hz(plain, 22050)
    assert pitch_hz(spoken(voice="en-us+f3"), 22050) > 1.2 * pitch_hz(plain, 22050)
    assert np.abs(spoken(volume=1.5)).max() < 1.0
    assert len(spoken()) == pytest.approx(len(plain), rel=0.01)


def test_speak_another_language_leaves_the_text_alone(shared: EspeakSynthesizer) -> None:
    settings = VoiceSettings(voice="de")
    blocks = list(shared.speak("Es kostet 5 Euro", settings=settings))
    assert [w.start for w in words(blocks)] == [0, 3, 10, 12]


@pytest.mark.parametrize(("voice", "near"), [("en-uz", "en-us"), ("en-us+f33", "f3")])
def test_speak_with_an_unknown_voice_names_near_ones(
    shared: EspeakSynthesizer, voice: str, near: str
) -> None:
    with pytest.raises(SynthesisError, match=f"has no v.*try .*{near}"):
        list(shared.speak("hello", settings=VoiceSettings(voice=voice)))
    assert list(shared.speak("hello"))


def test_voices_are_usable_names(shared: EspeakSynthesizer) -> None:
    assert {"en-us", "en-gb", "de"} <= set(shared.voices())
    assert {"f3", "m1"} <= set(shared.variants())


def test_speak_cancelled_stops_within_a_block(shared: EspeakSynthesizer) -> None:
    cancelled = threading.Event()
    taken = 0
    for _ in shared.speak(LONG_TEXT, cancelled=cancelled):
        taken += 1
        if taken == 3:
            cancelled.set()
    assert taken == 3


def test_speak_after_a_cancel_starts_clean(shared: EspeakSynthesizer) -> None:
    wanted = list(shared.speak("A fresh start."))
    for _ in range(3):
        utterance = shared.speak(LONG_TEXT)
        next(utterance)
        utterance.close()  # type: ignore[attr-defined]
        spoken = list(shared.speak("A fresh start."))
        assert spans(spoken) == spans(wanted)
        np.testing.assert_array_equal(sound(spoken), sound(wanted))


def test_speak_cancelled_before_the_start_says_nothing(shared: EspeakSynthesizer) -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert not list(shared.speak("hello", cancelled=cancelled))


def test_speak_while_speaking_is_refused(shared: EspeakSynthesizer) -> None:
    utterance = shared.speak(LONG_TEXT)
    next(utterance)
    with pytest.raises(SynthesisError, match="still speaking"):
        next(shared.speak("me too"))
    utterance.close()  # type: ignore[attr-defined]
    assert list(shared.speak("me too"))


def test_speak_in_two_synthesizers_at_once_is_independent(own: EspeakSynthesizer) -> None:
    with EspeakSynthesizer(VoiceSettings(speed=2.0)) as other:
        text = "One two three four."
        lengths = [len(sound(list(speaker.speak(text)))) for speaker in (own, other)]
        mixed: tuple[list[SpeechBlock], ...] = ([], [])
        for pair in zip_longest(own.speak(text), other.speak(text)):
            for blocks, block in zip(mixed, pair, strict=True):
                blocks += [block] if block else []
        assert [len(sound(blocks)) for blocks in mixed] == lengths
        assert spans(mixed[0]) == spans(mixed[1]) == [(0, 3), (4, 7), (8, 13), (14, 19)]


def test_speak_when_the_helper_dies_says_so_and_recovers(own: EspeakSynthesizer) -> None:
    utterance = own.speak(LONG_TEXT)
    next(utterance)
    os.kill(helper_id(own), signal.SIGKILL)
    with pytest.raises(SynthesisError, match=r"was killed by signal 9.*next call"):
        list(utterance)
    assert words(list(own.speak("Here again.")))


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_speak_when_the_engine_crashes_says_so_and_recovers(own: EspeakSynthesizer) -> None:
    utterance = own.speak("one two three " * 1000)
    next(utterance)
    helper = own._process.pid
    (speaking,) = Path(f"/proc/{helper}/task/{helper}/children").read_text().split()
    os.kill(int(speaking), signal.SIGSEGV)
    with pytest.raises(SynthesisError, match="killed by signal 11"):
        list(utterance)
    assert len(sound(list(own.speak("Hello.")))) > 5000


def test_speak_when_the_helper_died_idle_starts_another(own: EspeakSynthesizer) -> None:
    list(own.speak("hello"))
    dead = helper_id(own)
    os.kill(dead, signal.SIGKILL)
    own._process.wait()
    assert list(own.speak("hello"))
    assert helper_id(own) != dead


def test_close_while_speaking_ends_the_utterance_and_the_helper() -> None:
    synthesizer = EspeakSynthesizer()
    utterance = synthesizer.speak(LONG_TEXT)
    next(utterance)
    synthesizer.close()
    synthesizer.close()
    assert synthesizer._process.returncode is not None
    with pytest.raises(SynthesisError, match="closed"):
        list(utterance)
    with pytest.raises(SynthesisError, match="open another"):
        list(synthesizer.speak("hello"))


def test_synthesizer_without_the_engine_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"pip install 'parley-voice\[espeak\]'"):
        EspeakSynthesizer()


def test_synthesizer_whose_helper_breaks_at_the_start_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "espeakng_loader.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="ended with status 3"):
        EspeakSynthesizer()


def test_interpreter_that_exits_while_speaking_leaves_no_helper() -> None:
    code = (
        "from voice.tts.espeak import EspeakSynthesizer\n"
        "synthesizer = EspeakSynthesizer()\n"
        "utterance = synthesizer.speak('one two three ' * 1000)\n"
        "next(utterance)\n"
        "print(synthesizer._process.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_interpreter_that_is_killed_leaves_no_helper() -> None:
    code = (
        "import os, signal, sys\n"
        "from voice.tts.espeak import EspeakSynthesizer\n"
        "synthesizer = EspeakSynthesizer()\n"
        "next(synthesizer.speak('one two three ' * 1000))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The helper inherits standard error: communicate() returns once both have gone.
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_helper_program_imports_nothing_heavy() -> None:
    code = (
        "import sys, voice.tts.espeak_process\n"
        "sys.exit(', '.join({'torch', 'numpy', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""
