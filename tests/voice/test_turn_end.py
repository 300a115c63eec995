"""Whether a turn is over, from the model's own signal; whether what is said wants the floor."""

import json

import pytest
import torch

from omni_core.weights import CheckpointError
from streaming.turn_settings import TurnSettings
from tests.voice.talk import FAST, SHORT, Call, CountingVoice
from tests.voice.tiny import write_tiny
from voice import load
from voice import session_events as events
from voice.checkpoint import read_config
from voice.conversation import Conversation
from voice.engine import Engine
from voice.session_settings import SessionSettings
from voice.turn_end import EmptyReply, SilenceAlone, floor_probability, open_judge

FINISHED, UNFINISHED = 1, 2
"""Seeds of the noise of two turns that the model has learnt to tell apart."""
SIGNAL = {"turn_end_signal": "empty_reply"}


class Recorder(EmptyReply):
    """Keeps the logits that it reads."""

    def probability(self, memory):
        super().probability(memory)
        self.logits = memory.state.logits.clone()


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    """A tiny model whose reply to one turn ends at once, and to another one does not."""
    assistant = load(write_tiny(tmp_path_factory.mktemp("taught"), beside=SIGNAL))
    (end,) = assistant.stop_token_ids
    weight = assistant.model.lm_head.weight
    hidden, wanted = [], []
    for seed, distance in ((FINISHED, -20.0), (UNFINISHED, 20.0)):
        judge = Recorder(assistant)
        call = open_call(assistant, seed, judge=judge)
        call.speak(1000)
        call.silence(160)
        hidden.append(torch.linalg.lstsq(weight.double(), judge.logits.double()).solution)
        others = judge.logits.clone()
        others[end] = -torch.inf
        wanted.append(float(others.max()) + distance)
    row = torch.linalg.lstsq(torch.stack(hidden), torch.tensor(wanted).double()).solution
    weight[end] = row.float()
    return assistant


def open_call(assistant, seed, settings=None, **options):
    engine = Engine(assistant, open_voice=CountingVoice)
    return Call(engine, noise_seed=seed, settings=settings, **options)


def test_finished_turn_is_answered_after_200_ms(assistant):
    call = open_call(assistant, FINISHED)
    call.speak(1000)
    call.silence(260)
    (measured,) = call.of(events.LatencyMeasured)
    assert measured.endpoint_ms == 192
    assert measured.heard_ms <= 192 + 2 * 32


def test_unfinished_turn_waits_and_is_answered_in_the_end(assistant):
    call = open_call(assistant, UNFINISHED)
    call.speak(1000)
    call.silence(3900)
    assert call.of(events.InputCommitted, events.ResponseCreated) == []
    call.silence(300)
    assert call.of(events.LatencyMeasured)[0].endpoint_ms == 4000
    assert call.of(events.OutputTextDone)[0].text


def test_unfinished_turn_that_goes_on_is_one_turn(assistant):
    call = open_call(assistant, UNFINISHED)
    call.speak(1000)
    call.silence(1500)
    call.speak(1000)
    call.silence(1000)
    assert len(call.of(events.InputSpeechStarted)) == 1
    assert len(call.of(events.InputCommitted)) <= 1


def test_short_unfinished_turn_does_not_hang(assistant):
    call = open_call(assistant, UNFINISHED, judge=Fixed(0.0))
    call.speak(300)
    call.silence(700)
    assert len(call.of(events.InputCommitted)) == 1


class Fixed:
    """Is always equally sure."""

    def __init__(self, probability):
        self.given = probability

    def probability(self, memory):
        return self.given


def test_probability_is_that_of_a_reply_that_does_not_end_at_once(assistant):
    call = open_call(assistant, UNFINISHED)
    call.speak(700)
    call.silence(96)
    memory = call.conversation.fork_turn()
    sound = call.conversation._turn.steps
    probability = EmptyReply(assistant).probability(memory)
    prompt = assistant.prompt
    state = assistant.model.new_state()
    assistant.model.prefill(state, tokens=prompt.encode("".join(prompt.turn_opening())))
    assistant.model.prefill(state, embeddings=sound)
    rest = prompt.turn_closing() + "<|im_start|>assistant\n<think></think>"
    logits = assistant.model.prefill(state, tokens=prompt.encode(rest))
    ends = logits.softmax(0)[prompt.encode("<|im_end|>")].sum()
    assert probability == pytest.approx(1 - float(ends), abs=1e-4)


def test_judging_leaves_no_trace(assistant):
    judged, plain = (
        open_call(assistant, UNFINISHED, judge=judge) for judge in (None, SilenceAlone())
    )
    for call in (judged, plain):
        call.speak(1000)
        call.silence(160)
    assert torch.equal(judged.logits(), plain.logits())


def test_silence_decides_alone_where_the_client_says_so(assistant):
    turns = TurnSettings.from_turn_detection({"type": "server_vad", "silence_duration_ms": 400})
    settings = SessionSettings(reply=SHORT, stream=FAST, turns=turns)
    call = open_call(assistant, UNFINISHED, settings)
    call.speak(1000)
    call.silence(600)
    assert call.of(events.LatencyMeasured)[0].endpoint_ms == 400


def test_reply_to_an_unfinished_turn_is_not_empty_where_one_has_to_come(assistant):
    manual = TurnSettings.from_turn_detection(None)
    settings = SessionSettings(reply=SHORT, stream=FAST, turns=manual)
    asked = open_call(assistant, UNFINISHED, settings)
    asked.speak(1000)
    asked.silence(96)
    asked.session.commit()
    asked.session.create_response()
    asked.silence(1500)
    assert asked.of(events.OutputTextDone)[0].text

    (end,) = assistant.stop_token_ids
    conversation = Conversation(assistant, settings=SHORT, stream=FAST)
    conversation.listen(asked.heard[1])
    conversation.listen(asked.heard[2])
    conversation.end_speech()
    fork = conversation._past.memory.fork()
    fork.tell(assistant.prompt.reply_opening(False))
    fork.settle()
    assert int(fork.state.logits.argmax()) == end  # it would be
    assert "".join(part.content for part in conversation.reply())


def test_transcript_may_be_empty(assistant, monkeypatch):
    asked = []
    generate = assistant.model.generate

    def noting(state, **options):
        asked.append(options["min_new_tokens"])
        return generate(state, **options)

    monkeypatch.setattr(assistant.model, "generate", noting)
    conversation = Conversation(assistant, settings=SHORT, stream=FAST)
    conversation.type_turn("hello")
    list(conversation.reply())
    list(conversation.transcribing(assistant.model.backbone.embeddings.weight[:3]))
    assert asked == [1, 0]


@pytest.mark.parametrize(
    ("beside", "choice", "judge"),
    [
        (SIGNAL, "auto", EmptyReply),
        (SIGNAL, "silence", SilenceAlone),
        ({}, "auto", SilenceAlone),
        ({}, "reply", EmptyReply),
    ],
)
def test_checkpoint_and_choice_say_who_judges(tmp_path, beside, choice, judge):
    other = load(write_tiny(tmp_path, beside=beside))
    assert type(open_judge(other, choice)) is judge
    assert other.min_reply_tokens == len(beside)


def test_signal_that_nobody_knows_is_refused(tmp_path):
    file = write_tiny(tmp_path) / "config.json"
    config = json.loads(file.read_text()) | {"turn_end_signal": "nod"}
    file.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"'nod'.*empty_reply"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("words", "probability"),
    [
        ("Stop!", 1.0),
        ("hold on a second", 1.0),
        ("Mm-hm.", 0.0),
        ("yeah", 0.0),
        ("", None),
        ("what about rome", None),
        ("stopwatch", None),
    ],
)
def test_words_say_whether_they_want_the_floor(words, probability):
    assert floor_probability(words) == probability
