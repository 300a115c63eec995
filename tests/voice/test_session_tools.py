"""Functions that a session runs: told, slow, failing, interrupted; and timers."""

from dataclasses import replace

import pytest

from streaming.turn_settings import TurnSettings
from tests.voice.talk import (
    FAST,
    Call,
    CountingVoice,
    HeldExecutor,
    assistant_said,
    close,
    told_whole,
    user,
)
from voice import session_events as events
from voice.decoding import ReplySettings
from voice.engine import Engine
from voice.session_events import Content, Item
from voice.session_settings import SessionSettings
from voice.tools import BUILTIN_TOOLS, Tool

SETTINGS = SessionSettings(reply=ReplySettings(max_new_tokens=80), stream=FAST)
FILLERS = SETTINGS.fillers
CALL = "<tool_call>\n<function=look>\n</function>\n</tool_call>\n"
MESSAGE = {"type": "function", "function": {"name": "look", "arguments": {}}}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def held():
    return HeldExecutor()


@pytest.fixture
def clock():
    return Clock()


def open_call(assistant, held, clock, tool, **options):
    engine = Engine(assistant, open_voice=CountingVoice, tool_executor=held, clock=clock)
    tools = [Tool(name="look", description="Looks.", run=tool)] if tool else BUILTIN_TOOLS
    settings = replace(
        SETTINGS, **{key: options.pop(key) for key in ("turns", "fillers") if key in options}
    )
    return Call(engine, settings=settings, tools=tools, **options)


def expected(assistant, call, first, result, last):
    messages = [
        user(),
        assistant_said(first, [MESSAGE]),
        {"role": "tool", "content": result},
        *([assistant_said(last)] if last else []),
    ]
    functions = [tool.function for tool in call.session._core.tools.values()]
    return told_whole(assistant, messages, call.turns(), tools=functions)


def test_result_goes_back_to_the_model(assistant, script, held, clock):
    call = open_call(assistant, held, clock, lambda: {"seen": 3})
    script.replies = [f"Let me look.\n{CALL}", "Three."]
    call.ask()
    assert len(held.held) == 1
    assert call.of(events.ResponseDone) == []
    held.release()
    call.silence(2500)
    assert [e.text for e in call.of(events.OutputTextDone)] == ["Let me look.", "Three."]
    assert len(call.of(events.ResponseDone)) == 1
    assert not {*FILLERS} & {*call.session._responder._speaker._voice.spoken}
    call.check_ladder()
    close(call.logits(), expected(assistant, call, "Let me look.", '{"seen": 3}', "Three."))


def test_call_of_the_session_s_own_is_told_and_is_no_item(assistant, script, held, clock):
    call = open_call(assistant, held, clock, lambda: "three")
    script.replies = [CALL, "Three."]
    call.ask()
    held.release()
    call.silence(1500)
    begun, over = call.of(events.ToolCalled)
    assert (begun.name, begun.arguments, begun.result) == ("look", "{}", None)
    assert over == replace(begun, result="three")
    assert call.of(events.FunctionCallArguments) == []
    (done,) = call.of(events.ResponseDone)
    assert [item.kind for item in done.response.output] == ["message"]
    assert [e.item.kind for e in call.of(events.ItemAdded)] == ["message", "message"]


def test_failing_tool_is_told_to_the_model(assistant, script, held, clock):
    def fail():
        raise RuntimeError("no light")

    call = open_call(assistant, held, clock, fail)
    script.replies = [CALL, "I cannot see."]
    call.ask()
    held.release()
    call.silence(2500)
    result = "Error: look failed: no light"
    call.check_ladder()
    close(call.logits(), expected(assistant, call, "", result, "I cannot see."))


@pytest.mark.parametrize("playback", ["pulled", "pushed"])
def test_slow_tool_is_bridged_by_a_word(assistant, script, held, clock, playback):
    call = open_call(assistant, held, clock, lambda: "three", playback=playback)
    script.replies = [CALL, "Three."]
    call.ask()
    call.silence(2500)
    assert call.session._responder._speaker._voice.spoken == [FILLERS[0]]
    held.release()
    call.silence(2000)
    assert call.session._responder._speaker._voice.spoken == [FILLERS[0], "Three."]
    call.check_ladder()
    close(call.logits(), expected(assistant, call, "", "three", "Three."))


def slow(
    assistant, script, held, clock, fillers=("One two three four.",), filler_ms=400, **options
):
    """A call in which a tool has been called and takes long."""
    turns = TurnSettings(filler_ms=filler_ms)
    call = open_call(
        assistant, held, clock, lambda: "three", turns=turns, fillers=fillers, **options
    )
    script.replies = [CALL, ""]
    call.ask()
    return call


def test_wait_before_a_filler_and_its_words_can_be_set(assistant, script, held, clock):
    call = slow(assistant, script, held, clock, ("Well.", "Hm."), 800)
    call.silence(640)
    assert call.of(events.OutputTextDone) == []
    call.silence(500)
    held.release()
    call.silence(1000)
    script.replies = [CALL, ""]
    call.ask()
    call.silence(1500)
    assert [e.text for e in call.of(events.OutputTextDone)] == ["Well.", "Hm."]


def test_without_fillers_a_slow_tool_is_waited_for_in_silence(assistant, script, held, clock):
    call = slow(assistant, script, held, clock, ())
    call.silence(3000)
    assert call.of(events.OutputTextDone) == []
    assert not call.sound.any()


def test_interrupted_filler_ends_where_it_was_heard_and_is_no_history(
    assistant, script, held, clock
):
    call = slow(assistant, script, held, clock)
    while not call.of(events.PlaybackBegan):
        call.silence(20)
    call.silence(300)
    call.speak(700)
    call.silence(800)
    (truncated,) = call.of(events.ItemTruncated)
    assert truncated.heard in ("One", "One two", "One two three")
    assert call.session.item(truncated.item_id).content[0].transcript == truncated.heard
    held.release()
    messages = [
        user(),
        assistant_said("", [MESSAGE]),
        {"role": "tool", "content": "Error: look failed: the user interrupted it"},
        user(),
        assistant_said(""),
    ]
    functions = [tool.function for tool in call.session._core.tools.values()]
    call.check_ladder()
    close(call.logits(), told_whole(assistant, messages, call.turns(), tools=functions))


def test_filler_is_truncated_where_the_client_stopped_it(assistant, script, held, clock):
    call = slow(assistant, script, held, clock, playback="pushed")
    call.silence(700)
    (added,) = (e.item for e in call.of(events.ItemAdded) if e.item.is_aside)
    call.session.truncate(added.id, 410)
    assert call.of(events.ItemTruncated)[-1].heard == "One two"
    assert call.session.item(added.id).content[0].transcript == "One two"


def test_filler_is_deleted_and_put_behind_like_any_item(assistant, script, held, clock):
    call = slow(assistant, script, held, clock)
    call.silence(600)
    held.release()
    script.replies = ["Three."]
    call.silence(3000)
    (filler,) = (e.item.id for e in call.of(events.ItemAdded) if e.item.is_aside)
    content = Content(kind="input_text", text="hello")
    call.session.add_item(Item(role="user", content=(content,)), filler)
    call.session.delete_item(filler)
    call.engine.run()
    assert call.of(events.ErrorOccurred) == []
    assert filler in [event.item_id for event in call.of(events.ItemDeleted)]
    messages = [
        user(),
        assistant_said("", [MESSAGE]),
        {"role": "tool", "content": "three"},
        user("hello"),
        assistant_said("Three."),
    ]
    functions = [tool.function for tool in call.session._core.tools.values()]
    close(call.logits(), told_whole(assistant, messages, call.turns(), tools=functions))


def test_tool_that_never_returns_is_given_up(assistant, script, held, clock):
    call = open_call(assistant, held, clock, lambda: "three")
    script.replies = [CALL, "Sorry."]
    call.ask()
    clock.now += 31
    call.silence(2500)
    assert call.of(events.OutputTextDone)[-1].text == "Sorry."
    held.release()
    call.silence(100)
    result = "Error: look failed: it has not returned within 30 s"
    call.check_ladder()
    close(call.logits(), expected(assistant, call, "", result, "Sorry."))


def test_interrupted_tool_is_known_to_have_been_called(assistant, script, held, clock):
    call = open_call(assistant, held, clock, lambda: "three")
    script.replies = [f"Let me look.\n{CALL}", ""]
    call.ask()
    call.silence(300)
    call.session.cancel_response()
    held.release()
    call.engine.run()
    heard = call.of(events.ItemTruncated)[0].heard
    messages = [
        user(),
        assistant_said(heard, [MESSAGE]),
        {"role": "tool", "content": "Error: look failed: the user interrupted it"},
    ]
    call.session._core.order(
        call.session._core.model.change(lambda c: iter([c._flush_results()]), print, lambda: None)
    )
    functions = [tool.function for tool in call.session._core.tools.values()]
    close(call.logits(), told_whole(assistant, messages, call.turns(), tools=functions))


def test_malformed_call_is_told_to_the_model(assistant, script, held, clock):
    call = open_call(assistant, held, clock, lambda: "three")
    script.replies = ["<tool_call>\n<function=fly>\n</function>\n</tool_call>", "I cannot."]
    call.ask()
    call.silence(2500)
    assert held.held == []
    assert call.of(events.FunctionCallArguments) == []
    assert [each.kind for each in call.of(events.ResponseDone)[0].response.output] == ["message"]
    assert call.of(events.OutputTextDone)[-1].text == "I cannot."


def test_timer_speaks_when_it_is_over(assistant, script, held, clock):
    call = open_call(assistant, held, clock, None)
    script.replies = [
        "<tool_call>\n<function=set_timer>\n<parameter=seconds>\n60\n</parameter>\n</function>\n"
        "</tool_call>",
        "It is set.",
    ]
    call.ask()
    held.release()
    call.silence(2500)
    clock.now += 59
    call.silence(100)
    assert len(call.of(events.ResponseDone)) == 1
    clock.now += 2
    call.silence(1500)
    assert call.of(events.OutputTextDone)[-1].text == "Your timer is over."
