"""What recordings say, with an omni model or a Parakeet TDT recogniser behind one function.

An omni model is asked for a transcription, clip by clip: any length fits, and every transcript
stays well below its limit. A recogniser walks through the whole recording and knows when each word
is spoken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer

from omni_core.weights import CheckpointError, checkpoint_directory
from streaming.captions import TimedWord, join_words
from streaming.tdt import ParakeetTdt, TimedToken
from voice.audio_file import SAMPLE_RATE_HZ
from voice.conversation import Conversation
from voice.loading import BUILTIN, load_assistant

CLIP_SAMPLES = 30 * SAMPLE_RATE_HZ
"""The encoder's own limit; nothing is gained by longer clips."""
SEARCH_SAMPLES = 8 * SAMPLE_RATE_HZ
"""The end of a full clip, in which the best place for a cut is looked for."""
PAUSE_SAMPLES = SAMPLE_RATE_HZ // 5


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recording says.

    Attributes:
        text: all of it.
        words: with their times; None from a model that does not know them.
    """

    text: str
    words: list[TimedWord] | None = None


Transcriber = Callable[[np.ndarray], Transcript]
"""Float32 mono 16 kHz [samples] → what they say."""


def open_transcriber(
    name_or_path: str | Path = BUILTIN, device: str = "cpu", dtype: torch.dtype | None = None
) -> Transcriber:
    """Loads what transcribes: an omni checkpoint, or one that transformers calls ParakeetForTDT.

    Args:
        name_or_path: "builtin", a checkpoint directory, or a Hub id.
        device: where it runs, such as "cpu" or "cuda".
        dtype: of the weights; by default float32 on the CPU and for a recogniser.

    Raises:
        CheckpointError: there is no such checkpoint, or it is of another kind.
        ValueError: the recogniser's files do not fit each other.
    """
    if str(name_or_path) != BUILTIN:
        directory = checkpoint_directory(name_or_path)
        if is_recogniser(directory):
            return Recogniser(directory, device, dtype)
    assistant = load_assistant(name_or_path, device, dtype)

    def transcribe(samples: np.ndarray) -> Transcript:
        texts = []
        for clip in split_at_pauses(samples):
            conversation = Conversation(assistant)
            conversation.listen(clip)
            conversation.end_speech()
            texts.append(conversation.transcribe())
        return Transcript(" ".join(filter(None, texts)))

    return transcribe


def split_at_pauses(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Cuts [samples] into clips of at most 30 s, each where the last 8 s before are quietest."""
    while len(samples) > CLIP_SAMPLES:
        first = CLIP_SAMPLES - SEARCH_SAMPLES
        energy = np.cumsum(samples[first:CLIP_SAMPLES].astype(np.float64) ** 2)
        quietest = int(np.argmin(energy[PAUSE_SAMPLES:] - energy[:-PAUSE_SAMPLES]))
        cut = first + quietest + PAUSE_SAMPLES // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def is_recogniser(directory: Path) -> bool:
    """Whether a checkpoint's directory holds what transformers calls ParakeetForTDT."""
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # whoever loads the checkpoint says what is wrong with it
    return isinstance(config, dict) and config.get("model_type") == "parakeet_tdt"


class Recogniser:
    """A Parakeet TDT checkpoint, and the words that its tokens make.

    Args:
        directory: of the checkpoint.
        device: where it runs.
        dtype: of its weights; by default float32.

    Raises:
        CheckpointError: it has no tokenizer.
        ValueError: its files do not fit each other.
    """

    def __init__(
        self, directory: Path, device: str = "cpu", dtype: torch.dtype | None = None
    ) -> None:
        self.model = ParakeetTdt.load(directory).to(device, dtype or torch.float32)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(directory)
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{directory} has no tokenizer that can be read ({error}); fetch tokenizer.json "
                "and tokenizer_config.json of the same checkpoint"
            ) from error

    def __call__(self, samples: np.ndarray) -> Transcript:
        """What a whole recording says: float32 mono 16 kHz [samples]."""
        return self.transcript(self.model.transcribe(samples))

    def transcript(self, tokens: Sequence[TimedToken]) -> Transcript:
        """The words of tokens, such as those of a `CaptionStream` of the model."""
        words = join_words(tokens, self._piece_of)
        return Transcript(" ".join(word.text for word in words), words)

    def _piece_of(self, token: int) -> str:
        piece = self._tokenizer.convert_ids_to_tokens(token)
        assert isinstance(piece, str)
        return piece
