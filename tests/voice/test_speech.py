"""Sentences to sound at the playback's rate, with the places of their words."""

import threading

import numpy as np
import pytest

from tests.voice.talk import CountingVoice
from voice.memory import finish
from voice.playback import SAMPLE_RATE_HZ
from voice.resampling import Resampler
from voice.speech import LONGEST_LEAD_S, Speaker
from voice.tts.synthesizer import EngineUnavailable, SpeechBlock, VoiceSettings, WordTiming


def spoken(voice, text, cancelled=None, at_once=False):
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
            at_once=at_once,
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


class Late(CountingVoice):
    """Says two words of 30 ms in blocks of 20 ms, after a silence."""

    def __init__(self, lead_ms):
        super().__init__()
        self.lead = lead_ms * SAMPLE_RATE_HZ // 1000

    def speak(self, text, *, settings=None, cancelled=None):
        word, block = 30 * SAMPLE_RATE_HZ // 1000, 20 * SAMPLE_RATE_HZ // 1000
        sound = np.concatenate([np.zeros(self.lead), np.linspace(0.5, 1, 2 * word)])
        starts = {0: WordTiming(0, 3, 0, self.lead + word)}
        starts[self.lead + word] = WordTiming(4, 7, self.lead + word, self.lead + 2 * word)
        for at in range(0, len(sound), block):
            words = tuple(starts[each] for each in starts if at <= each < at + block)
            yield SpeechBlock(sound[at : at + block].astype(np.float32), at, words)


@pytest.mark.parametrize("lead_ms", [0, 7, 20, 49, 99])
def test_silence_before_a_reply_is_left_out_when_somebody_waits(lead_ms):
    prompt, words, _ = spoken(Late(0), "one two")
    sound, moved, ended = spoken(Late(lead_ms), "one two", at_once=True)
    assert np.array_equal(sound, prompt)
    assert moved == words
    assert ended


def test_long_silence_before_a_reply_is_shortened():
    waiting, words, _ = spoken(Late(500), "one two")
    sound, moved, _ = spoken(Late(500), "one two", at_once=True)
    assert np.array_equal(sound, waiting[round(LONGEST_LEAD_S * SAMPLE_RATE_HZ) :])
    assert [word.end for word in moved] == [word.end for word in words]
    assert moved[-1].end_sample == len(sound)


def test_silence_before_a_later_sentence_is_kept():
    sound, _, _ = spoken(Late(49), "one two")
    assert np.argmax(sound > 0) == 49 * SAMPLE_RATE_HZ // 1000


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


def test_engine_that_does_not_start_is_told_of_with_the_first_sentence():
    def open_voice(settings):
        raise EngineUnavailable("install it")

    speaker = Speaker(open_voice)
    finish(speaker.prepare(VoiceSettings()))
    with pytest.raises(EngineUnavailable, match="install it"):
        finish(speaker.speak("one", VoiceSettings(), threading.Event(), print, print))


def test_block_without_sound_is_fine():
    class Empty(CountingVoice):
        def speak(self, text, *, settings=None, cancelled=None):
            yield SpeechBlock(np.zeros(0, np.float32), 0)

    assert len(spoken(Empty(), "one")[0]) == 0
