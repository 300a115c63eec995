"""A recording asked through `ask` gets what a conversation would have answered."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.voice.tiny import write_tiny
from voice import load
from voice.ask import FRAME_SAMPLES, ask, sentences
from voice.assistant import Assistant
from voice.conversation import Conversation, ReplySettings
from voice.reply import ReplyText
from voice.tts.synthesizer import SpeechBlock, Synthesizer, VoiceSettings

SHORT = ReplySettings(max_new_tokens=12)


class CountingSynthesizer(Synthesizer):
    """Speaks every character as a hundred samples."""

    def __init__(self) -> None:
        self.sample_rate = 8000
        self.settings = VoiceSettings()
        self.spoken: list[str] = []

    def speak(
        self,
        text: str,
        *,
        settings: VoiceSettings | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[SpeechBlock]:
        self.spoken.append(text)
        for index in range(len(text)):
            yield SpeechBlock(np.full(100, 0.5, np.float32), 100 * index)

    def voices(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)


def replied(conversation: Conversation) -> str:
    return "".join(part.content for part in conversation.reply()).strip()


def test_answer_is_that_of_the_whole_recording(assistant: Assistant, speech: np.ndarray) -> None:
    answer = ask(assistant, speech, settings=SHORT)
    whole = Conversation(assistant, settings=SHORT)
    whole.listen(speech)
    whole.end_speech()
    assert answer.heard == whole.transcribe() != ""
    assert answer.reply == replied(whole) != ""


def test_recording_is_heard_in_live_frames(
    assistant: Assistant, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []
    listen = Conversation.listen

    def record(self: Conversation, samples: np.ndarray) -> None:
        lengths.append(len(samples))
        listen(self, samples)

    monkeypatch.setattr(Conversation, "listen", record)
    ask(assistant, speech, settings=SHORT)
    assert set(lengths[:-1]) == {FRAME_SAMPLES}
    assert sum(lengths) == len(speech)


def test_text_and_image_reach_the_model(assistant: Assistant, speech: np.ndarray) -> None:
    picture = Image.new("RGB", (64, 64), "red")
    plain = ask(assistant, speech, settings=SHORT)
    answer = ask(assistant, speech, text="Be brief.", images=[picture], settings=SHORT)
    expected = Conversation(assistant, settings=SHORT)
    expected.begin_turn([picture])
    expected.listen(speech)
    expected.end_speech("Be brief.")
    assert answer.reply == replied(expected) != plain.reply


def test_reply_is_handed_over_while_it_comes(assistant: Assistant, speech: np.ndarray) -> None:
    parts: list[ReplyText] = []
    answer = ask(assistant, speech, settings=SHORT, on_reply=parts.append)
    assert len(parts) > 1
    assert "".join(part.content for part in parts).strip() == answer.reply


def test_thought_is_kept_apart_and_unspoken(assistant: Assistant, speech: np.ndarray) -> None:
    settings = ReplySettings(max_new_tokens=12, thinking=True)
    synthesizer = CountingSynthesizer()
    answer = ask(assistant, speech, settings=settings, synthesizer=synthesizer)
    assert answer.reasoning
    assert "".join(synthesizer.spoken).strip() == answer.reply == ""


def test_reply_is_spoken_whole(assistant: Assistant, speech: np.ndarray) -> None:
    synthesizer = CountingSynthesizer()
    answer = ask(assistant, speech, settings=SHORT, synthesizer=synthesizer)
    assert "".join(synthesizer.spoken).strip() == answer.reply
    assert len(answer.audio) == 100 * len("".join(synthesizer.spoken))
    assert answer.audio_rate == 8000


def test_sentence_is_complete_before_the_next_text_is_asked_for() -> None:
    given: list[str] = []

    def texts() -> Iterator[str]:
        for text in ("It is Paris. ", "It lies on ", "the river Seine."):
            given.append(text)
            yield text

    pieces = sentences(texts())
    assert next(pieces).strip() == "It is Paris."
    assert len(given) == 2  # what follows the blank decides that the sentence was one
    assert "".join(pieces) == "It lies on the river Seine."


def test_timings_follow_the_turn(assistant: Assistant, speech: np.ndarray) -> None:
    times = ask(assistant, speech, settings=SHORT, synthesizer=CountingSynthesizer()).timings_ms
    assert times["audio"] == 1250.0
    exact, token = times["exact_encoding"], times["end_of_speech_to_first_token"]
    audio, reply = times["end_of_speech_to_first_audio"], times["reply"]
    assert None not in (exact, token, audio, reply)
    assert exact <= token <= audio <= reply <= times["total"]  # type: ignore[operator]


def test_unspoken_reply_has_no_time_of_first_audio(
    assistant: Assistant, speech: np.ndarray
) -> None:
    answer = ask(assistant, speech, settings=SHORT)
    assert answer.timings_ms["end_of_speech_to_first_audio"] is None
    assert not len(answer.audio)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.full(1600, np.nan, np.float32), "NaN"),
        (np.zeros((1600, 2), np.float32), "mono"),
    ],
    ids=["empty", "nan", "stereo"],
)
def test_unusable_audio_is_refused(assistant: Assistant, samples: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask(assistant, samples)


def test_questions_leave_no_trace_in_each_other(assistant: Assistant, speech: np.ndarray) -> None:
    first = ask(assistant, speech, settings=SHORT)
    ask(assistant, speech[::-1].copy(), settings=SHORT)
    assert ask(assistant, speech, settings=SHORT).reply == first.reply
