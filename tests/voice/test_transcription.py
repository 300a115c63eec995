"""Transcription of whole recordings, by an omni model and by a recogniser."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_core.weights import CheckpointError
from streaming.tdt import ParakeetTdt
from tests.voice.tiny import write_tiny, write_tiny_recogniser
from voice.transcription import CLIP_SAMPLES, open_transcriber, split_at_pauses


@pytest.fixture
def recogniser(tmp_path: Path) -> Path:
    return write_tiny_recogniser(tmp_path)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)


def test_recogniser_gives_words_with_their_times(recogniser: Path) -> None:
    samples = noise(3)
    transcript = open_transcriber(recogniser)(samples)
    tokens = ParakeetTdt.load(recogniser).transcribe(samples)
    assert transcript.words
    assert transcript.text == " ".join(word.text for word in transcript.words)
    assert transcript.text.replace(" ", "") == "".join(f"p{each.token}" for each in tokens)
    starts = [word.start_ms for word in transcript.words]
    assert starts == sorted(starts)
    assert 0 <= starts[0] <= starts[-1] <= 3000


def test_recogniser_without_tokenizer_is_explained(recogniser: Path) -> None:
    for file in recogniser.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"fetch tokenizer\.json"):
        open_transcriber(recogniser)


def test_recogniser_runs_in_the_type_that_is_asked_for(recogniser: Path) -> None:
    samples = noise(1)
    double = open_transcriber(recogniser, dtype=torch.float64)(samples)
    assert double == open_transcriber(recogniser)(samples)


def test_directory_of_another_model_is_explained(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match="bert"):
        open_transcriber(tmp_path)


def test_omni_model_transcribes_clip_by_clip(tmp_path: Path) -> None:
    transcribe = open_transcriber(write_tiny(tmp_path, vision=None))
    samples = noise(40)
    clips = list(split_at_pauses(samples))
    assert len(clips) == 2
    transcript = transcribe(samples)
    assert transcript.text == " ".join(transcribe(clip).text for clip in clips)
    assert transcript.words is None


@settings(max_examples=30)
@given(length=st.integers(1, 4 * CLIP_SAMPLES), seed=st.integers(0, 9))
def test_clips_are_the_recording(length: int, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(length, dtype=np.float32)
    clips = list(split_at_pauses(samples))
    assert all(0 < len(clip) <= CLIP_SAMPLES for clip in clips)
    np.testing.assert_array_equal(np.concatenate(clips), samples)


def test_cut_is_made_in_a_pause() -> None:
    samples = noise(45)
    pause = slice(25 * 16_000, 25 * 16_000 + 8_000)
    samples[pause] = 0
    first, _ = split_at_pauses(samples)
    assert pause.start < len(first) < pause.stop
