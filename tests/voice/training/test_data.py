"""Training data: speech with labels in their places, recordings, batches."""

import random

import numpy as np
import pytest
import torch

from voice.training.augment import Augmenter
from voice.training.data import (
    Recording,
    SpeechBatches,
    collate_speech,
    corrupt_labels,
    num_encoder_steps,
    random_utterance,
    step_labels,
)
from voice.training.recipe import LABELS_PER_STEP, NUM_PHONEMES
from voice.training.sequences import IGNORED
from voice.training.speech import (
    ACCENTS,
    HELDOUT_ACCENT,
    HELDOUT_VARIANTS,
    VARIANTS,
    SpeakerSettings,
    SpeechMaker,
    phoneme_class,
    sample_speaker,
)

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


def test_speech_ends_its_words_in_order(maker):
    utterance = maker.speak("what is the capital of france", PLAIN)
    assert len(utterance.word_ends) == 6
    assert (np.diff(utterance.word_ends) >= 0).all()
    assert utterance.word_ends[-1] <= len(utterance.samples)


def test_labels_without_sound_agree_with_those_with_it(maker):
    heard = maker.speak("one two three", PLAIN)
    silent = maker.speak("one two three", PLAIN, sound=False)
    # espeak varies every utterance a little, by less than a label.
    assert np.abs(heard.word_ends - silent.word_ends).max() < 320
    assert abs(len(heard.phonemes) - len(silent.phonemes)) <= 1
    assert not silent.samples.any()
    assert heard.samples.std() > 0.01


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


def test_corrupted_labels_stay_labels():
    rng = random.Random(1)
    labels = np.zeros((50, LABELS_PER_STEP), np.int64)
    changed = [corrupt_labels(labels, rng) for _ in range(50)]
    assert all(c.min() >= 0 and c.max() < NUM_PHONEMES for c in changed)
    assert any((c != labels).any() for c in changed)
    assert not labels.any()


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


def test_collated_speech_is_padded_and_marked():
    def recording(steps):
        return Recording(np.ones((steps, 4), np.int64), [], torch.ones(8 * steps, 80))

    batch = collate_speech([recording(3), recording(5)])
    assert batch.features.shape == (2, 40, 80)
    assert batch.lengths.tolist() == [24, 40]
    assert (batch.labels[0, 3:] == IGNORED).all()
    assert (batch.labels[1] == 1).all()


def test_utterances_repeat_with_their_seed():
    first, again, other = (
        [random_utterance(rng) for _ in range(20)] for rng in map(random.Random, (1, 1, 2))
    )
    assert first == again != other


def test_speech_batch_holds_features_and_labels_of_one_length():
    batch = next(iter(SpeechBatches(3, seed=0)))
    assert batch.features.shape[0] == batch.lengths.shape[0] == 3
    steps = -(-batch.lengths // 8)
    assert ((batch.labels != IGNORED).all(-1).sum(-1) == steps).all()


@pytest.mark.parametrize(("samples", "steps"), [(1600, 2), (16_000, 13), (32_000, 25)])
def test_encoder_steps_are_counted_from_whole_features(samples, steps):
    assert num_encoder_steps(samples) == steps
