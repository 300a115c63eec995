"""One question, one answer: a recording goes the way of live audio, only faster.

The samples are heard in frames of 20 ms, drafts and all; at their end the drafts give way to the
exact steps, the reply is decoded, and each sentence is spoken as soon as it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from PIL.Image import Image

from voice.assistant import Assistant
from voice.audio_file import SAMPLE_RATE_HZ
from voice.conversation import Conversation, ReplySettings
from voice.reply import ReplyText
from voice.sentences import SentenceSplitter
from voice.tts.synthesizer import Synthesizer

FRAME_SAMPLES = SAMPLE_RATE_HZ // 50
"""20 ms, the transport unit of live audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question.

    Attributes:
        heard: the model's own transcription of the recording.
        reply: what it answered.
        reasoning: what it thought before; empty with thinking off.
        timings_ms: see ``Timings.as_dict``.
        real_time_factor: computing time until the reply was complete and spoken, by the length of
            the recording. The transcription is not in: no reply waits for it.
        audio: the spoken reply, float32 [samples]; empty without a synthesizer.
        audio_rate: its sample rate, Hz; 0 without a synthesizer.
    """

    heard: str
    reply: str
    reasoning: str
    timings_ms: dict[str, float | None]
    real_time_factor: float
    audio: np.ndarray = field(repr=False)
    audio_rate: int


def ask(
    assistant: Assistant,
    samples: np.ndarray,
    *,
    text: str = "",
    images: Sequence[Image] = (),
    settings: ReplySettings = ReplySettings(),
    synthesizer: Synthesizer | None = None,
    on_reply: Callable[[ReplyText], None] | None = None,
) -> Answer:
    """Asks a recorded question in a conversation of its own.

    Args:
        assistant: who is asked.
        samples: the question, float32 mono 16 kHz within [-1, 1], [samples].
        text: what was typed along with it.
        images: what was shown along with it.
        settings: of the reply.
        synthesizer: speaks the reply; None leaves it unspoken.
        on_reply: called with each new piece of the reply as it comes.

    Raises:
        ValueError: the audio is empty, not finite, or not of that kind.
        ContextFull: recording and reply do not fit into the model's context.
        MissingPart: the checkpoint cannot hear, or cannot see and an image is given.
        SynthesisError: the synthesizer cannot speak.
    """
    if not len(samples):
        raise ValueError("the recording is empty: record something first")
    conversation = Conversation(assistant, settings=settings)
    times = Timings(audio=len(samples) / SAMPLE_RATE_HZ)
    conversation.begin_turn(images)
    for start in range(0, len(samples), FRAME_SAMPLES):
        conversation.listen(samples[start : start + FRAME_SAMPLES])
    times.speech_end = perf_counter()
    conversation.end_speech(text)
    times.exact = perf_counter()

    parts: list[ReplyText] = []

    def said() -> Iterator[str]:
        for part in conversation.reply():
            times.first_token = times.first_token or perf_counter()
            parts.append(part)
            if on_reply is not None:
                on_reply(part)
            yield part.content

    sound: list[np.ndarray] = []
    for sentence in sentences(said()):
        if synthesizer is None:
            continue
        for block in synthesizer.speak(sentence):
            times.first_audio = times.first_audio or perf_counter()
            sound.append(block.samples)
    times.replied = perf_counter()
    heard = conversation.transcribe()
    times.transcribed = perf_counter()
    return Answer(
        heard=heard,
        reply="".join(part.content for part in parts).strip(),
        reasoning="".join(part.reasoning for part in parts).strip(),
        timings_ms=times.as_dict(),
        real_time_factor=times.real_time_factor,
        audio=np.concatenate(sound) if sound else np.zeros(0, np.float32),
        audio_rate=synthesizer.sample_rate if synthesizer else 0,
    )


def sentences(texts: Iterator[str]) -> Iterator[str]:
    """Cuts a reply that is being written into sentences, each as soon as it is complete."""
    splitter = SentenceSplitter()
    for text in texts:
        yield from splitter.feed(text)
    yield from splitter.flush()


@dataclass(slots=True, kw_only=True)
class Timings:
    """When each part of a turn was done, seconds on the clock of ``perf_counter``."""

    audio: float
    """Length of the recording, s."""
    start: float = field(default_factory=perf_counter)
    speech_end: float = 0.0
    exact: float = 0.0
    first_token: float | None = None
    first_audio: float | None = None
    replied: float = 0.0
    transcribed: float = 0.0

    @property
    def real_time_factor(self) -> float:
        """See ``Answer``."""
        return round((self.replied - self.start) / self.audio, 4)

    def as_dict(self) -> dict[str, float | None]:
        """Durations in ms, to a tenth; None for what did not happen.

        ``audio``: length of the recording; ``listening``: computing while it was heard;
        ``exact_encoding``: from its last sample until the drafts were replaced;
        ``end_of_speech_to_first_token`` and ``end_of_speech_to_first_audio``: from its last sample
        to the first text and to the first sound of the reply; ``reply``: to the end of both;
        ``transcription``: of what was heard, afterwards; ``total``: everything but ``audio``.
        """
        durations = {
            "audio": self.audio,
            "listening": self.speech_end - self.start,
            "exact_encoding": self.exact - self.speech_end,
            "end_of_speech_to_first_token": self._since_speech(self.first_token),
            "end_of_speech_to_first_audio": self._since_speech(self.first_audio),
            "reply": self.replied - self.speech_end,
            "transcription": self.transcribed - self.replied,
            "total": self.transcribed - self.start,
        }
        return {
            name: None if seconds is None else round(seconds * 1000, 1)
            for name, seconds in durations.items()
        }

    def _since_speech(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self.speech_end
