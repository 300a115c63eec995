"""The built-in model in live sessions, behind the real voice detector."""

import numpy as np
import pytest

from tests.voice.talk import Call, CountingVoice
from tests.voice.test_builtin import SAMPLE
from voice import load
from voice import session_events as events
from voice.ask import ask
from voice.audio_file import read_audio
from voice.engine import Engine
from voice.session_settings import SessionSettings


@pytest.fixture(scope="module")
def assistant():
    return load()


@pytest.fixture(scope="module")
def question():
    return read_audio(SAMPLE).samples


def test_sessions_at_once_answer_as_alone(assistant, question):
    engine = Engine(assistant, open_voice=CountingVoice)
    calls = [Call(engine, settings=SessionSettings(), detector=None) for _ in range(3)]
    silence = np.zeros(16_000, np.float32)
    sound = np.concatenate((silence, question, silence))
    for start in range(0, len(sound), 320):
        for number, call in enumerate(calls):
            # Out of step by a third of a second each, and the work always half done.
            call.session.hear(np.roll(sound, 5000 * number)[start : start + 320])
            engine.step()
    engine.run()
    alone = ask(assistant, question)
    for call in calls:
        assert [e.text for e in call.of(events.OutputTextDone)] == [alone.reply]
        (transcript,) = call.of(events.InputTranscriptDone)
        assert transcript.transcript.startswith("what is the capital of ")
        call.check_ladder()


def test_interrupted_assistant_still_answers_the_next_question(assistant, question):
    call = Call(
        Engine(assistant, open_voice=CountingVoice), settings=SessionSettings(), detector=None
    )
    for _ in range(2):
        call.send(question)
        call.silence(400)
    assert call.of(events.ItemTruncated)
    call.silence(3000)
    assert call.of(events.OutputTextDone)[-1].text == ask(assistant, question).reply
