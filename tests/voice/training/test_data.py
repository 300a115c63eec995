"""Training data: speech with labels in their places, recordings, batches."""

import os
import random
import signal
from itertools import islice

import numpy as np
import pytest
import torch

from voice.training import recordings
from voice.training.augment import OPUS_RATES, Augmenter, in_noise, through_opus
from voice.training.data import (
    POSITIONS_PER_SEQUENCE,
    Batches,
    SequenceBatches,
    SpeechBatches,
    load_batches,
)
from voice.training.pieces import BLANK
from voice.training.recordings import (
    CLIP_PLAYS,
    CLIPS,
    Recorder,
    Recording,
    SpeechBatch,
    collate_speech,
    random_utterance,
    random_words,
    step_labels,
)
from voice.training.sequences import IGNORED, SequenceMaker
from voice.training.skills.lexicon import lexicon
from voice.training.speech import (
    ACCENTS,
    HELDOUT_ACCENT,
    HELDOUT_VARIANTS,
    VARIANTS,
    SpeakerSettings,
    SpeechMaker,
    Utterance,
    phoneme_class,
    sample_speaker,
)
from voice.training.tokenizer import IMAGE_TOKEN, build_tokenizer
from voice.tts.espeak_library import EventKind

PLAIN = SpeakerSettings("en-us", 175, 50, 50, 1.0)


@pytest.fixture(scope="module")
def maker():
    pytest.importorskip("espeakng_loader")
    return SpeechMaker()


def test_speech_has_labels_where_it_sounds(maker):
    utterance = maker.speak("see me", PLAIN)
    sounding = {phoneme_class(name) for name in ("s", "i:", "m")}
    assert sounding <= set(utterance.phonemes.tolist())
    assert abs(len(utterance.phonemes) * 320 - len(utterance.samples)) < 640
    s_bins = np.flatnonzero(utterance.phonemes == phoneme_class("s"))
    m_bins = np.flatnonzero(utterance.phonemes == phoneme_class("m"))
    assert s_bins.max() < m_bins.min()


def test_speech_begins_its_words_in_order(maker):
    utterance = maker.speak("what is the capital of france", PLAIN)
    assert len(utterance.word_starts) == 6
    assert (np.diff(utterance.word_starts) >= 0).all()
    assert utterance.word_starts[0] < 3200
    assert utterance.word_starts[-1] < len(utterance.samples) - 3200


def test_words_that_espeak_does_not_report_begin_by_their_letters(maker, monkeypatch):
    synthesize = maker._library.synthesize

    def report_phonemes(text, on_audio):
        def collect(audio, events):
            return on_audio(audio, [event for event in events if event.kind is EventKind.PHONEME])

        synthesize(text, collect)

    monkeypatch.setattr(maker._library, "synthesize", report_phonemes)
    utterance = maker.speak("hum seven", PLAIN)
    assert utterance.word_starts.tolist() == [0, len(utterance.samples) * 3 // 8]


def test_formant_shift_changes_the_length(maker):
    shifted = SpeakerSettings("en-us", 175, 50, 50, 1.15)
    assert len(maker.speak("hello", shifted).samples) < len(maker.speak("hello", PLAIN).samples)


def test_training_speakers_are_never_held_out():
    rng = random.Random(0)
    for _ in range(2000):
        voice = sample_speaker(rng).voice
        assert HELDOUT_ACCENT not in voice
        assert voice.partition("+")[2] not in HELDOUT_VARIANTS
    assert not set(VARIANTS) & set(HELDOUT_VARIANTS)
    assert HELDOUT_ACCENT not in ACCENTS


def test_labels_move_with_the_silence_before_the_speech():
    phonemes = np.arange(1, 41, dtype=np.int16)
    late = step_labels(phonemes, lead_samples=1280, num_steps=12)
    assert (late[1:] == step_labels(phonemes, 0, 11)).all()
    assert not late[0, :2].any()


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_augmented_speech_stays_in_range(strength):
    rng = random.Random(2)
    augment = Augmenter(rng, strength)
    speech = np.sin(np.arange(16_000) / 20).astype(np.float32)
    for _ in range(40):
        recorded, lead = augment(speech)
        assert recorded.dtype == np.float32
        assert np.isfinite(recorded).all()
        assert np.abs(recorded).max() <= 1
        assert len(recorded) >= lead + len(speech)


@pytest.mark.parametrize("bit_rate", OPUS_RATES)
def test_speech_through_opus_keeps_its_length_and_place(bit_rate):
    times = np.arange(8_123) / 16_000
    syllables = (np.sin(2 * np.pi * 3 * times) > 0) * np.sin(2 * np.pi * 220 * times) / 3
    heard = through_opus(syllables.astype(np.float32), bit_rate)
    assert heard.dtype == np.float32
    assert len(heard) == len(syllables)
    assert np.corrcoef(heard, syllables)[0, 1] > 0.9
    assert np.abs(heard - syllables).max() > 1e-3  # a codec leaves its mark


def test_collated_speech_is_padded_and_marked():
    def recording(steps):
        return Recording(np.ones((steps, 4), np.int64), [5] * steps, torch.ones(8 * steps, 80))

    batch = collate_speech([recording(3), recording(5)])
    assert batch.features.shape == (2, 40, 80)
    assert batch.lengths.tolist() == [24, 40]
    assert (batch.labels[0, 3:] == IGNORED).all()
    assert (batch.labels[1] == 1).all()
    assert batch.pieces.tolist() == [[5, 5, 5, IGNORED, IGNORED], [5] * 5]


def test_utterances_repeat_with_their_seed():
    first, again, other = (
        [random_utterance(rng) for _ in range(20)] for rng in map(random.Random, (1, 1, 2))
    )
    assert first == again != other


def test_words_drawn_evenly_hold_more_of_the_lexicon():
    drawn = {}
    for draw in (random_utterance, random_words):
        rng = random.Random(3)
        words = [word for _ in range(600) for word in draw(rng).split()][:2500]
        drawn[draw] = len(set(words) & set(lexicon().words))
    assert drawn[random_words] > 1.5 * drawn[random_utterance]


@pytest.fixture(scope="module")
def tokenizer():
    rng = random.Random(0)
    return build_tokenizer([random_utterance(rng) for _ in range(300)], 400)


@pytest.fixture
def small_pools(monkeypatch):
    monkeypatch.setattr(Batches, "POOL", 48)


def test_speech_batch_holds_what_is_said_beside_how_it_sounds(maker, tokenizer, small_pools):
    batch = next(iter(SpeechBatches(tokenizer, 3, seed=0)))
    assert batch.features.shape[0] == batch.lengths.shape[0] == 3
    steps = -(-batch.lengths // 8)
    assert ((batch.labels != IGNORED).all(-1).sum(-1) == steps).all()
    assert ((batch.pieces != IGNORED).sum(-1) == steps).all()
    assert (batch.pieces > BLANK).any(-1).all()


def test_clips_of_other_engines_are_recorded_several_times(maker, tokenizer, monkeypatch):
    spoken = []

    def speak(text, rng):
        spoken.append(text)
        tone = np.sin(np.arange(4000 + 160 * len(spoken)) / 20).astype(np.float32)
        return Utterance(text, tone, np.zeros(0, np.int16), np.zeros(1, np.int64))

    monkeypatch.setattr(recordings, "installed", lambda voices: voices)
    monkeypatch.setattr(recordings, "ENGINES_SHARE", 1.0)
    monkeypatch.setattr(recordings, "speak_with_engine", speak)
    rng = random.Random(0)
    recorder = Recorder(SequenceMaker(tokenizer), rng, engines=True)
    made = list(islice(recorder.recordings(lambda rng: "hello", rng), 40 * CLIP_PLAYS))
    assert len(spoken) == pytest.approx((len(made) + CLIPS) / CLIP_PLAYS, abs=1)
    # Those without room and noise may be equal: loudness is normalised away.
    assert len({recording.features.sum().item() for recording in made}) > 0.9 * len(made)


def test_heard_sequences_have_a_place_for_every_step_of_their_speech(maker, tokenizer, small_pools):
    batches = iter(SequenceBatches(tokenizer, 4, seed=0, heard=1.0, max_positions=320))
    batch = next(batch for batch in batches if batch.speech is not None)
    assert batch.speech is not None
    assert batch.is_audio.sum() == (-(-batch.speech.lengths // 8)).sum()


def test_ear_in_the_worker_sends_a_step_for_every_place_of_audio(maker, tokenizer, small_pools):
    def ear(speech):  # every step of an utterance is its number of features
        return speech.lengths[:, None, None].expand(-1, speech.pieces.shape[1], 1)

    batches = iter(SequenceBatches(tokenizer, 4, 0, heard=0.6, max_positions=320, ear=ear))
    kinds = [next(batches) for _ in range(12)]
    read = [batch for batch in kinds if batch.steps is None]
    heard = [batch for batch in kinds if batch.steps is not None]
    assert read
    assert heard
    for batch in heard:
        assert batch.speech is None
        assert len(batch.steps) == batch.is_audio.sum()
        counts = batch.steps[:, 0].unique_consecutive(return_counts=True)
        assert all(-(-int(t) // 8) <= int(n) for t, n in zip(*counts, strict=True))


def test_eye_in_the_worker_fills_every_place_of_a_picture(tokenizer):
    def eye(pixels):  # as many rows as places, each the picture's mean
        count = pixels.shape[-1] * pixels.shape[-2] // 16**2
        return pixels.mean((1, 2, 3))[:, None, None].expand(-1, count, 1)

    batches = iter(SequenceBatches(tokenizer, 16, 0, heard=0.0, max_positions=320, eye=eye))
    made = [next(batches) for _ in range(12)]
    seeing = [batch for batch in made if batch.seen is not None]
    assert seeing
    for batch in made:
        places = int((batch.tokens == IMAGE_TOKEN).sum())
        assert places == (0 if batch.seen is None else len(batch.seen))
    for batch in seeing:
        _, counts = batch.seen[:, 0].unique_consecutive(return_counts=True)
        in_rows = [int(count) for count in (batch.tokens == IMAGE_TOKEN).sum(-1) if count]
        assert sum(in_rows) == int(counts.sum())


def test_speech_for_the_ear_alone_comes_between_the_sequences(maker, tokenizer, small_pools):
    batches = iter(SequenceBatches(tokenizer, 4, 0, heard=0.3, max_positions=320, speech=0.4))
    made = [next(batches) for _ in range(12)]
    speech = [batch for batch in made if isinstance(batch, SpeechBatch)]
    sequences = [batch for batch in made if not isinstance(batch, SpeechBatch)]
    assert speech
    assert {batch.speech is None for batch in sequences} == {False, True}
    for batch in speech:
        assert batch.pieces.numel() <= 4 * POSITIONS_PER_SEQUENCE
        assert (batch.pieces > BLANK).any(-1).all()


@pytest.mark.parametrize("snr_db", [20.0, 5.0])
def test_noise_is_as_loud_as_asked_for(snr_db):
    speech = 0.1 * np.sin(np.arange(16_001) / 20).astype(np.float32)
    noise = in_noise(speech, snr_db, seed=1) - speech
    power = 10 * np.log10(np.mean(speech**2) / np.mean(noise**2))
    assert power == pytest.approx(snr_db, abs=0.1)
    assert (in_noise(speech, snr_db, seed=1) == in_noise(speech, snr_db, seed=1)).all()


def test_canceller_swallows_the_first_moments_of_some_recordings():
    augment = Augmenter(random.Random(4))
    speech = (np.sin(np.arange(16_000) / 20) * 0.3).astype(np.float32)
    swallowed = 0
    for _ in range(200):
        recorded, lead = augment(speech)
        first, rest = recorded[lead : lead + 480], recorded[lead + 8000 : lead + 16_000]
        swallowed += bool(np.square(first).mean() < np.square(rest).mean() / 10)
    assert 5 <= swallowed <= 30


@pytest.mark.parametrize(("strength", "least", "most"), [(0.0, 200, 200), (1.0, 100, 160)])
def test_some_recordings_are_but_louder_or_softer(strength, least, most):
    augment = Augmenter(random.Random(3), strength)
    speech = np.sin(np.arange(8000) / 20).astype(np.float32)
    clean = 0
    for _ in range(200):
        recorded, lead = augment(speech)
        part = recorded[lead : lead + len(speech)]
        gain = part @ speech / (speech @ speech)
        clean += bool(np.abs(part - gain * speech).max() < 1e-5)
    assert least <= clean <= most


def test_imagined_sequences_hold_the_words_where_sound_would_be(tokenizer):
    batches = iter(SequenceBatches(tokenizer, 4, seed=0, heard=0.0, max_positions=160))
    heard = []
    for batch in (next(batches) for _ in range(20)):
        assert batch.speech is None
        heard.append(batch.tokens[batch.is_audio])
    assert 0.1 < (torch.cat(heard) != BLANK).float().mean() < 0.9


def test_batches_of_sequences_cost_about_the_same(tokenizer):
    batches = iter(SequenceBatches(tokenizer, 8, seed=0, heard=0.0, max_positions=160))
    sizes = [next(batches).tokens.numel() for _ in range(12)]
    assert max(sizes) <= 8 * POSITIONS_PER_SEQUENCE
    assert np.median(sizes) > 0.7 * max(sizes)


class CrashingBatches(Batches):
    """Its first worker dies, as one in which espeak-ng crashes."""

    def _start(self, rng):
        if "again" not in self._seed:
            os.kill(os.getpid(), signal.SIGSEGV)

    def _examples(self, rng, count):
        return [rng.random()] * count

    def _kind_and_length(self, example):
        return 0, 1

    def _collate(self, examples, rng):
        return examples


def test_worker_that_crashes_is_replaced():
    batches = load_batches(CrashingBatches(2, seed=0), workers=1)
    assert len(next(batches)) == 2


def test_batches_put_back_the_handler_of_dead_children():
    def handler(number, frame):
        pass

    before = signal.signal(signal.SIGCHLD, handler)
    try:
        batches = load_batches(CrashingBatches(2, seed=0), workers=1)
        next(batches)
        batches.close()
        assert signal.getsignal(signal.SIGCHLD) is handler
    finally:
        signal.signal(signal.SIGCHLD, before)
