"""Sentences to sound at the playback's rate, with the places of their words."""

import threading

import numpy as np
import pytest

from tests.voice.talk import CountingVoice
from voice.memory import finish
from voice.playback import SAMPLE_RATE_HZ
from voice.resampling import Resampler
from voice.speech import Speaker
from voice.tts.synthesizer import SpeechBlock, VoiceSettings


def spoken(voice, text, cancelled=None):
    speaker, sound, words, ended = Speaker(lambda settings: voice), [], [], []

    def on_sound(samples, begun):
        sound.append(samples)
        words.extend(begun)

    finish(
        speaker.speak(
            text,
            VoiceSettings(),
            cancelled or threading.Event(),
            on_sound,
            lambda: ended.append(True),
        )
    )
    return np.concatenate([*sound, np.zeros(0, np.float32)]), words, bool(ended)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 48_000])
def test_tone_keeps_its_pitch_and_length(rate_hz):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    resampler = Resampler(rate_hz, SAMPLE_RATE_HZ)
    pieces = [resampler.feed(tone[at : at + 441]) for at in range(0, len(tone), 441)]
    out = np.concatenate([*pieces, resampler.flush()])
    assert abs(len(out) - SAMPLE_RATE_HZ) <= 2
    expected = np.sin(2 * np.pi * 440 * np.arange(len(out)) / SAMPLE_RATE_HZ)
    middle = slice(200, -200)
    assert np.abs(out[middle] - expected[middle]).max() < 0.01


def test_words_are_placed_at_the_playback_s_rate():
    class Slow(CountingVoice):
        sample_rate = SAMPLE_RATE_HZ // 2

    sound, words, ended = spoken(Slow(), "one two")
    assert ended
    assert [word.end for word in words] == [3, 7]
    assert words[1].end_sample == pytest.approx(len(sound), abs=2)
    assert words[0].end_sample == words[1].start_sample == words[1].end_sample // 2


def test_cancelled_sentence_has_no_end():
    cancelled = threading.Event()
    cancelled.set()
    sound, words, ended = spoken(CountingVoice(), "one two", cancelled)
    assert (len(sound), words, ended) == (0, [], False)


def test_voice_that_is_opened_while_the_session_ends_is_closed():
    class Closing(CountingVoice):
        closed = False

        def close(self):
            self.closed = True

    voice = Closing()

    def open_voice(settings):
        speaker.close()
        return voice

    speaker = Speaker(open_voice)
    finish(speaker.speak("one", VoiceSettings(), threading.Event(), print, print))
    assert voice.closed
    assert voice.spoken == []


def test_block_without_sound_is_fine():
    class Empty(CountingVoice):
        def speak(self, text, *, settings=None, cancelled=None):
            yield SpeechBlock(np.zeros(0, np.float32), 0)

    assert len(spoken(Empty(), "one")[0]) == 0
