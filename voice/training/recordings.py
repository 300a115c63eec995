"""Recordings: utterances as the encoder gets them, with what it is to find in them.

N utterances, T features, S encoder steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from streaming.config import EncoderConfig
from streaming.conformer import count_steps
from streaming.features import log_mel, normalize
from voice.training.augment import Augmenter
from voice.training.engines import VOICES, installed, speak_with_engine
from voice.training.pieces import place_pieces
from voice.training.recipe import LABELS_PER_STEP, SOUND_CONFIG
from voice.training.replay import replay
from voice.training.sequences import IGNORED, SequenceMaker
from voice.training.skills import (
    sample_key_words,
    sample_nonsense,
    sample_question,
    sample_word_salad,
    training_sentences,
)
from voice.training.speech import (
    LABEL_HOP_SAMPLES,
    SpeechMaker,
    Utterance,
    sample_speaker,
)

ENCODER_CONFIG = EncoderConfig.from_dict(SOUND_CONFIG)
ENGINES_SHARE = 0.3
"""Of the utterances from the stage words on, where other engines are installed: their voices."""
CLIP_PLAYS = 6
"""How often a clip of another engine is recorded where it does not matter what is said: a program
that is started for it takes 20 times as long as espeak-ng and 10 times as long as a recording."""
CLIPS = 64
"""Clips that wait for their next recording."""
WORTH_A_GROUP = 0.85
"""Part of a batch's cost, padding included, below which it is encoded in two groups."""
MAX_SAMPLES = 12 * 16_000
"""Longer utterances are cut: their batches would not fit beside the others."""


@dataclass(slots=True)
class SpeechBatch:
    """Utterances as the encoder gets them, and what it is to find in them.

    Attributes:
        features: [N, T, mels]. lengths: [N] in features.
        labels: [N, S, 4], the phoneme of every 20 ms; IGNORED beyond the end.
        pieces: [N, S], the word piece that begins at every step; IGNORED beyond the end.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    pieces: Tensor

    def to(self, device: torch.device) -> SpeechBatch:
        """The same batch on a device."""
        return SpeechBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


def step_labels(phonemes: np.ndarray, lead_samples: int, num_steps: int) -> np.ndarray:
    """The four 20 ms labels around the centre of every encoder step: int64 [num_steps, 4]."""
    centres = np.arange(num_steps) * ENCODER_CONFIG.step_samples
    times = centres[:, None] + np.array([-480, -160, 160, 480])
    bins = (times - lead_samples) // LABEL_HOP_SAMPLES
    inside = (bins >= 0) & (bins < len(phonemes))
    return np.where(inside, phonemes[np.clip(bins, 0, len(phonemes) - 1)], 0).astype(np.int64)


@dataclass(slots=True)
class Recording:
    """One utterance as the encoder gets it.

    Attributes:
        labels: int64 [S, 4], IGNORED where they are not known. pieces: of every step.
        features: normalised [T, mels].
    """

    labels: np.ndarray
    pieces: list[int]
    features: Tensor


def collate_speech(recordings: list[Recording]) -> SpeechBatch:
    """Pads recordings to one batch."""
    count, mels = len(recordings), recordings[0].features.shape[1]
    features = torch.zeros(count, max(len(r.features) for r in recordings), mels)
    longest = max(len(r.pieces) for r in recordings)
    labels = torch.full((count, longest, LABELS_PER_STEP), IGNORED)
    pieces = torch.full((count, longest), IGNORED)
    for index, recording in enumerate(recordings):
        features[index, : len(recording.features)] = recording.features
        labels[index, : len(recording.labels)] = torch.from_numpy(recording.labels)
        pieces[index, : len(recording.pieces)] = torch.tensor(recording.pieces)
    lengths = torch.tensor([len(r.features) for r in recordings])
    return SpeechBatch(features, lengths, labels, pieces)


def similar_lengths(lengths: Tensor) -> list[Tensor]:
    """Clips [N] in one or two groups of similar lengths: [N₁], [N₂].

    Half of a batch of questions and sentences would be padding if it were encoded as one.
    """
    longest_first, order = lengths.sort(descending=True)
    before = torch.arange(len(lengths), device=lengths.device)
    costs = before * longest_first[0] + (len(lengths) - before) * longest_first
    cut = int(costs.argmin())
    if costs[cut] > WORTH_A_GROUP * costs[0]:
        return [order]
    return [order[:cut], order[cut:]]


class Recorder:
    """Speech as the encoder gets it: spoken, recorded, turned into normalised features."""

    def __init__(self, maker: SequenceMaker, rng: random.Random, engines: bool) -> None:
        self._maker = maker
        self._engines_share = ENGINES_SHARE if engines and installed(VOICES) else 0.0
        self._speech = SpeechMaker()
        self._augment = Augmenter(rng)

    def record(self, text: str, rng: random.Random) -> Recording:
        """One recording of what is to be said."""
        if rng.random() < self._engines_share:
            return self._record(speak_with_engine(text, rng))
        return self._record(self._speech.speak(text, sample_speaker(rng)))

    def recordings(
        self, draw: Callable[[random.Random], str], rng: random.Random
    ) -> Iterator[Recording]:
        """Endless recordings of what is drawn; clips that take long to make come several times."""
        clips = replay(_clips(draw, rng), CLIP_PLAYS, rng, CLIPS)
        while True:
            if rng.random() < self._engines_share:
                yield self._record(next(clips))
            else:
                yield self._record(self._speech.speak(draw(rng), sample_speaker(rng)))

    def _record(self, utterance: Utterance) -> Recording:
        samples, lead = self._augment(utterance.samples)
        samples = np.pad(samples, (0, max(0, 1600 - len(samples))))[:MAX_SAMPLES]
        features = normalize(log_mel(torch.from_numpy(samples), ENCODER_CONFIG.mel))
        return self._label(utterance, lead, features)

    def _label(self, utterance: Utterance, lead: int, features: Tensor) -> Recording:
        num_steps = count_steps(len(features))
        step_samples = ENCODER_CONFIG.step_samples
        # A step is about the samples around its centre, the first one's is at the very start.
        starts = (utterance.word_starts + lead) / step_samples + 0.5
        end = (len(utterance.samples) + lead) / step_samples + 0.5
        words = self._maker.words(utterance.text)
        pieces = place_pieces(words, starts.tolist(), end, num_steps)
        labels = np.full((num_steps, LABELS_PER_STEP), IGNORED)
        if len(utterance.phonemes):
            labels = step_labels(utterance.phonemes, lead, num_steps)
        return Recording(labels, pieces, features)


def _clips(draw: Callable[[random.Random], str], rng: random.Random) -> Iterator[Utterance]:
    while True:
        yield speak_with_engine(draw(rng), rng)


def random_utterance(rng: random.Random) -> str:
    """Something a user may say: a sentence, a question to the assistant; or words, or nonsense.

    Nonsense keeps the ear from learning the lexicon instead of the sounds; words drawn evenly keep
    it from forgetting those that are seldom said. The words that answers hang on get a share of
    their own: of some hundred names, a question holds one now and then.
    """
    kind = rng.random()
    if kind < 0.06:
        return sample_nonsense(rng, 2, 8)
    if kind < 0.15:
        return sample_word_salad(rng, 2, 7)
    if kind < 0.35:
        return sample_key_words(rng, 1, 4)
    if kind < 0.63:
        return training_sentences(rng)
    return sample_question(rng)


def random_words(rng: random.Random) -> str:
    """Mostly words drawn evenly from the lexicon, else a `random_utterance`.

    In sentences and questions half of the lexicon is hardly ever met, and words that are seldom
    met are misspelt.
    """
    if rng.random() < 0.3:
        return random_utterance(rng)
    return sample_word_salad(rng, 2, 7)
