"""Speech synthesis as a stream: text in, blocks of sound and word timings out, cancel at will.

    SynthesisError         a synthesiser cannot speak; the message names the remedy
    └── EngineUnavailable  its engine is not installed or does not start

Engines are opened by name. A new one is a subclass of ``Synthesizer`` and one line in ``_ENGINES``,
or, from outside, a call of ``register_synthesizer``.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np


class SynthesisError(RuntimeError):
    """A synthesiser cannot speak; the message says why and what to do."""


class EngineUnavailable(SynthesisError):
    """The engine of a synthesiser is not installed or does not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """How to speak; the same dials for every engine.

    Attributes:
        voice: one of the engine's ``voices()``; empty: the engine's own default.
        speed: factor on the engine's normal pace, 0.5 to 2.5.
        pitch_semitones: shift of the voice's own pitch, -12 to 12.
        volume: factor on the voice's own loudness, 0 (silence) to 1.5 (still free of clipping).
    """

    voice: str = ""
    speed: float = 1.0
    pitch_semitones: float = 0.0
    volume: float = 1.0

    def __post_init__(self) -> None:
        _require_within("speed", self.speed, 0.5, 2.5)
        _require_within("pitch_semitones", self.pitch_semitones, -12.0, 12.0)
        _require_within("volume", self.volume, 0.0, 1.5)


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When a piece of the text is spoken.

    The timings of an utterance are in order, and their character spans cover every word of the
    text, markup and unspoken symbols included: after ``end_sample``, ``text[:end]`` was heard.

    Attributes:
        start: first character in the text given to ``speak``.
        end: one past the last character; the white space after it is not in.
        start_sample: where it begins in the utterance, at the synthesiser's rate.
        end_sample: where the next begins; the pause after the word is in.
    """

    start: int
    end: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class SpeechBlock:
    """The next stretch of an utterance.

    Attributes:
        samples: float32 mono at the synthesiser's rate, [samples], at most 20 ms.
        start_sample: samples of the utterance before it.
        words: timings of the words that begin in this block.
    """

    samples: np.ndarray = field(repr=False)
    start_sample: int
    words: tuple[WordTiming, ...] = ()


class Synthesizer(ABC):
    """One voice, which speaks one utterance at a time.

    A session opens its own. Any thread may iterate an utterance; ``close`` may be called from
    another one and ends the utterance under way with a ``SynthesisError``.

    Attributes:
        sample_rate: rate of all blocks, Hz.
        settings: how utterances are spoken that bring no settings of their own.
    """

    sample_rate: int
    settings: VoiceSettings

    @abstractmethod
    def speak(
        self,
        text: str,
        *,
        settings: VoiceSettings | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[SpeechBlock]:
        """Speaks ``text`` and yields its blocks as they come.

        Setting ``cancelled`` or closing the iterator ends the utterance within one block; that is
        no error, and the next call speaks as if nothing had been.

        Args:
            text: what to say, as it is written; numbers and symbols are spoken as people say them.
            settings: for this utterance only.
            cancelled: read before each block.

        Raises:
            SynthesisError: on the first block when there is no such voice or another utterance is
                still open; on any block when the engine died.
        """

    @abstractmethod
    def voices(self) -> list[str]:
        """Names that ``VoiceSettings.voice`` takes."""

    @abstractmethod
    def close(self) -> None:
        """Ends the engine and frees what it holds. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


SynthesizerFactory = Callable[[VoiceSettings], Synthesizer]


def _open_espeak(settings: VoiceSettings) -> Synthesizer:
    from voice.tts.espeak import EspeakSynthesizer

    return EspeakSynthesizer(settings)


_ENGINES: dict[str, SynthesizerFactory] = {"espeak": _open_espeak}


def register_synthesizer(name: str, factory: SynthesizerFactory) -> None:
    """Makes an engine known to ``open_synthesizer``.

    Raises:
        ValueError: the name is taken.
    """
    if name in _ENGINES:
        raise ValueError(f"there is a speech engine {name!r} already: choose another name")
    _ENGINES[name] = factory


def open_synthesizer(name: str = "espeak", settings: VoiceSettings | None = None) -> Synthesizer:
    """Opens a speech engine by name; close it, or use it in a ``with`` statement.

    Raises:
        ValueError: there is no such engine.
        EngineUnavailable: it is not installed or does not start.
    """
    if name not in _ENGINES:
        raise ValueError(f"there is no speech engine {name!r}: use {', '.join(sorted(_ENGINES))}")
    return _ENGINES[name](settings or VoiceSettings())


def _require_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # false for NaN, too
        raise ValueError(f"{name} must be from {low:g} to {high:g}, not {value!r}")
