"""Sessions on the clock of their samples: no threads, no sleeps, a voice whose words are countable.

Speech is noise and silence is zeros, told apart by loudness. The synthesiser speaks every word for
`WORD` samples, whose value is the number of the word, so a test can read off what was played.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, Future

import numpy as np
import pytest
import torch

from streaming.vad import Scorer, VoiceDetector
from tests.voice.tiny import write_tiny
from voice import load
from voice import session_events as events
from voice.conversation import MAX_TRANSCRIPT_TOKENS
from voice.engine import Engine
from voice.playback import SAMPLE_RATE_HZ
from voice.session_events import InputSpeechStarted, InputSpeechStopped
from voice.session_settings import ReplySettings, SessionSettings, StreamSettings
from voice.tts.synthesizer import SpeechBlock, Synthesizer, VoiceSettings, WordTiming

WORD = 4800
"""Samples of a word: 200 ms."""
FRAME = 320
FAST = StreamSettings(chunk_ms=320, left_ms=800, right_ms=160)
SHORT = ReplySettings(max_new_tokens=6)
SIX_WORDS = "One two three four five six."


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    """A random tiny model; a module may have another."""
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def engine(assistant):
    return Engine(assistant, open_voice=CountingVoice)


@pytest.fixture
def script(assistant, monkeypatch):
    return Scripted(assistant, monkeypatch)


@pytest.fixture
def call(engine):
    return Call(engine)


def close(actual, expected):
    """Logits are equal up to the rounding of another order of calls."""
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


class Loudness(Scorer):
    def score(self, window: np.ndarray) -> float:
        return float(np.abs(window).max() > 0.01)

    def reset(self) -> None:
        pass


class CountingVoice(Synthesizer):
    sample_rate = SAMPLE_RATE_HZ

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self.settings = settings or VoiceSettings()
        self.spoken: list[str] = []
        self._words = 0

    def speak(self, text, *, settings=None, cancelled=None) -> Iterator[SpeechBlock]:
        self.spoken.append(text)
        position = at = 0
        for word in text.split():
            start = text.index(word, position)
            position = start + len(word)
            self._words += 1
            sound = np.full(WORD, self._words / 1000, np.float32)
            timing = WordTiming(start, position, at, at + WORD)
            for first in range(0, WORD, 480):
                if cancelled is not None and cancelled.is_set():
                    return
                words = (timing,) if first == 0 else ()
                yield SpeechBlock(sound[first : first + 480], at + first, words)
            at += WORD

    def voices(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


class HeldExecutor(Executor):
    """Runs what was submitted when the test says so."""

    def __init__(self) -> None:
        self.held = []

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.held.append((future, lambda: fn(*args, **kwargs)))
        return future

    def release(self) -> None:
        held, self.held = self.held, []
        for future, call in held:
            future.set_result(call())

    def shutdown(self, wait=True, *, cancel_futures=False) -> None:
        pass


class Scripted:
    """Puts replies in the mouth of a model; transcriptions stay its own."""

    def __init__(self, assistant, monkeypatch) -> None:
        self.replies: list[str] = []
        self.always: dict[int, str] = {}
        """What is said wherever so many tokens are allowed."""
        generate = assistant.model.generate

        def scripted(state, *, max_new_tokens, stop=(), **options):
            if max_new_tokens in self.always:
                return self._write(assistant, state, self.always[max_new_tokens])
            if max_new_tokens == MAX_TRANSCRIPT_TOKENS or not self.replies:
                return generate(state, max_new_tokens=max_new_tokens, stop=stop, **options)
            return self._write(assistant, state, self.replies.pop(0))

        monkeypatch.setattr(assistant.model, "generate", scripted)

    def _write(self, assistant, state, text):
        for token in assistant.prompt.encode(text):
            if state.pending is not None:
                self._settle(assistant, state)
            state.pending = token
            yield token
        return assistant.stop_token_ids[0]

    @staticmethod
    def _settle(assistant, state):
        token, state.pending = state.pending, None
        assistant.model.prefill(state, tokens=[token])


class Call:
    """A session, and somebody who talks to it."""

    def __init__(
        self, engine: Engine, *, settings=None, noise_seed=0, detector="loudness", **options
    ) -> None:
        self.engine = engine
        self.events = []
        self.heard = [np.zeros(0, np.float32)]
        self.played = [np.zeros(0, np.float32)]
        self._rng = np.random.default_rng(noise_seed)
        settings = settings or SessionSettings(reply=SHORT, stream=FAST)
        self.session = engine.open_session(
            self.events.append,
            settings=settings,
            detector=VoiceDetector(Loudness()) if detector == "loudness" else detector,
            **options,
        )

    def speak(self, ms: int) -> None:
        self.send(self._rng.uniform(-0.2, 0.2, ms * 16).astype(np.float32))

    def silence(self, ms: int) -> None:
        self.send(np.zeros(ms * 16, np.float32))

    def send(self, samples: np.ndarray) -> None:
        """Sound in and out in frames of 20 ms, everything done between them."""
        self.heard.append(samples)
        for start in range(0, len(samples), FRAME):
            frame = samples[start : start + FRAME]
            self.session.hear(frame)
            self.engine.run()
            if not self.session.is_pushed:
                self.played.append(self.session.playback.read(len(frame) * 3 // 2))
                self.engine.run()

    def ask(self, ms: int = 1000) -> None:
        self.speak(ms)
        self.silence(600)

    def of(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.played)

    def turns(self) -> list[np.ndarray]:
        """The sound of the turns so far, as the session reports them."""
        heard = np.concatenate(self.heard)
        started, stopped = self.of(InputSpeechStarted), self.of(InputSpeechStopped)
        starts = {each.item_id: each.audio_start_ms * 16 for each in started}
        return [heard[starts[e.item_id] : e.audio_end_ms * 16] for e in stopped]

    def check_ladder(self) -> None:
        """Everything that is told of a response has its place between its begin and its end."""
        open_responses, open_items, open_parts = set(), set(), set()
        for event in self.events:
            match event:
                case events.ResponseCreated(response=response):
                    open_responses.add(response.id)
                case events.ResponseDone(response=response):
                    assert not open_items
                    assert all(item.status != "in_progress" for item in response.output)
                    open_responses.remove(response.id)
                case events.OutputItemAdded(response_id=response, item=item):
                    assert response in open_responses
                    open_items.add(item.id)
                case events.ContentPartAdded(item_id=item):
                    assert item in open_items
                    open_parts.add(item)
                case events.OutputTextDelta(item_id=item) | events.OutputAudioDelta(item_id=item):
                    assert item in open_parts
                case events.ContentPartDone(item_id=item):
                    open_parts.remove(item)
                case events.OutputItemDone(item=item):
                    assert item.id not in open_parts
                    open_items.remove(item.id)
        assert not open_responses

    @property
    def conversation(self):
        return self.session._core.model._conversation

    def logits(self):
        """Of the state, with what is due taken in."""
        self.engine.run()
        memory = self.conversation._past.memory.fork()
        memory.settle()
        return memory.state.logits


def told_whole(assistant, messages, audios=(), **options):
    """Logits of a fresh state that is told a whole conversation."""
    pieces = assistant.prompt.pieces(messages, reply=False, **options)
    state = assistant.model.new_state()
    return assistant.model.prefill(state, embeddings=assistant.embed_prompt(pieces, audios=audios))


def user(text=None):
    if text is not None:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [{"type": "audio"}]}


def assistant_said(text, calls=()):
    message = {"role": "assistant", "content": text}
    return message | ({"tool_calls": list(calls)} if calls else {})
