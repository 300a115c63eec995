"""What a client asks of a session: items, manual turns, truncation, functions, settings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from streaming.turn_settings import TurnSettings
from tests.voice.talk import (
    FAST,
    SHORT,
    SIX_WORDS,
    WORD,
    Call,
    assistant_said,
    close,
    told_whole,
    user,
)
from voice import session_events as events
from voice.client_wishes import MAX_WAITING_CHANGES
from voice.decoding import ReplySettings
from voice.session_events import Content, Item, SessionError
from voice.session_settings import ResponseSettings, SessionSettings

MANUAL = SessionSettings(reply=SHORT, stream=FAST, turns=TurnSettings.from_turn_detection(None))


@pytest.fixture
def manual(engine):
    return Call(engine, settings=MANUAL)


def typed(text):
    return Item(role="user", content=(Content(kind="input_text", text=text),))


def wait(call):
    """Until the reply has been heard."""
    call.engine.run()
    call.silence(2000)


def test_typed_item_is_answered_when_asked(call, script, assistant):
    script.replies = ["Yes."]
    call.session.add_item(typed("hello"))
    call.session.create_response(ResponseSettings(metadata={"client_event_id": "7"}))
    wait(call)
    created, done = call.of(events.ResponseCreated)[0], call.of(events.ResponseDone)[0]
    assert created.response.metadata == {"client_event_id": "7"}
    assert done.response.usage.output_tokens > 0
    assert done.response.usage.input_tokens > done.response.usage.input_audio_tokens == 0
    close(call.logits(), told_whole(assistant, [user("hello"), assistant_said("Yes.")]))


def test_typed_item_goes_before_the_turn_that_is_being_spoken(call, script, assistant):
    script.replies = ["Yes."]
    call.speak(600)
    call.session.add_item(typed("hello"))
    call.speak(600)
    call.silence(2000)
    messages = [user("hello"), user(), assistant_said("Yes.")]
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_item_added_in_a_pause_is_known_to_the_reply(call, script, assistant):
    script.replies = ["Yes.", "No."]
    call.speak(800)
    call.silence(200)
    call.session.add_item(typed("hello"))
    call.silence(2000)
    assert call.of(events.OutputTextDone)[0].text == "No."
    messages = [user("hello"), user(), assistant_said("No.")]
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_item_of_sound_and_picture_is_taken_in(call, assistant):
    sound = np.random.default_rng(1).uniform(-0.1, 0.1, 9000).astype(np.float32)
    picture = Image.new("RGB", (48, 32), "red")
    parts = (
        Content(kind="input_audio", audio=sound),
        Content(kind="input_image", image=picture),
        Content(kind="input_text", text="What is that?"),
    )
    call.session.add_item(Item(role="user", content=parts))
    content = [{"type": "image"}, {"type": "audio"}, {"type": "text", "text": "What is that?"}]
    pieces = assistant.prompt.pieces([{"role": "user", "content": content}], reply=False)
    state = assistant.model.new_state()
    expected = assistant.model.prefill(
        state, embeddings=assistant.embed_prompt(pieces, images=[picture], audios=[sound])
    )
    close(call.logits(), expected)


def test_manual_turn_is_what_came_before_the_commit(manual, script, assistant):
    script.replies = ["Yes."]
    manual.speak(1000)
    manual.session.commit()
    assert manual.of(events.ResponseCreated) == []
    manual.session.create_response()
    wait(manual)
    assert [e.text for e in manual.of(events.OutputTextDone)] == ["Yes."]
    assert manual.of(events.InputSpeechStarted) == []
    sound = np.concatenate(manual.heard)[: 1000 * 16]
    padded = np.concatenate((sound, np.zeros(-len(sound) % 512, np.float32)))
    assert len(manual.of(events.InputCommitted)) == 1
    manual.session.clear()
    close(manual.logits(), told_whole(assistant, [user(), assistant_said("Yes.")], [padded]))


def test_cleared_turn_leaves_no_trace(manual, assistant):
    manual.session.add_item(typed("hello"))
    before = manual.logits()
    manual.speak(700)
    manual.session.clear()
    assert torch.equal(manual.logits(), before)
    assert manual.of(events.InputCleared)


def test_cancelled_response_keeps_what_was_heard(call, script, assistant):
    script.replies = [SIX_WORDS]
    call.ask()
    call.silence(500)
    call.session.cancel_response()
    heard = call.of(events.ItemTruncated)[0].heard
    assert 1 <= len(heard.split()) <= 4
    assert SIX_WORDS.startswith(heard)
    messages = [user(), assistant_said(heard)]
    close(call.logits(), told_whole(assistant, messages, call.turns()))


@pytest.mark.parametrize("words", [0, 2, 6])
def test_truncation_after_the_end_changes_the_history(call, script, assistant, words):
    script.replies = [SIX_WORDS, "Yes."]
    call.ask()
    call.silence(2000)
    item = call.of(events.OutputTextDone)[0].item_id
    call.session.truncate(item, words * 200 + 50)
    call.ask()
    call.silence(1000)
    heard = " ".join(SIX_WORDS.split()[:words])
    messages = [user(), *([assistant_said(heard)] if heard else []), user(), assistant_said("Yes.")]
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_pushed_sound_is_truncated_where_the_client_stopped(engine, script, assistant):
    call = Call(engine, playback="pushed")
    script.replies = [SIX_WORDS, "Yes."]
    call.ask()
    sound = np.concatenate([e.samples for e in call.of(events.OutputAudioDelta)])
    assert len(sound) == 6 * WORD
    call.silence(300)
    call.speak(700)
    truncated = call.of(events.ItemTruncated)[0]
    assert 1 <= len(truncated.heard.split()) < 6
    call.session.truncate(truncated.item_id, 2 * 200 + 10)
    assert call.session.item(truncated.item_id).content[0].transcript == "One two"
    call.silence(2500)
    messages = [user(), assistant_said("One two"), user(), assistant_said("Yes.")]
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_pushed_session_answers_again_without_any_sound(engine, script):
    call = Call(engine, playback="pushed")
    script.replies = ["Yes.", "No."]
    for _ in range(2):
        call.session.add_item(typed("hello"))
        call.session.create_response()
        call.engine.run()
    assert [e.text for e in call.of(events.OutputTextDone)] == ["Yes.", "No."]


def test_deleted_item_never_was(call, script, assistant):
    first = call.session.add_item(typed("my name is anna"))
    call.session.add_item(typed("hello"))
    call.session.delete_item(first.id)
    close(call.logits(), told_whole(assistant, [user("hello")]))
    with pytest.raises(SessionError, match="no item"):
        call.session.item(first.id)


def test_change_that_turns_out_impossible_after_a_reply_is_reported(engine, script):
    settings = SessionSettings(reply=SHORT, stream=FAST, functions=(WEATHER,))
    call = Call(engine, settings=settings)
    made = Item(kind="function_call", name="weather", call_id="c", arguments="{}")
    call.session.add_item(made)
    output = call.session.add_item(Item(kind="function_call_output", call_id="c", output="rain"))
    script.replies = [SIX_WORDS]
    call.session.create_response()
    call.silence(100)
    call.session.delete_item(output.id)  # what is told with others cannot be taken out
    typed_item = call.session.add_item(typed("hello"))
    call.silence(2500)
    assert [each.code for each in call.of(events.ErrorOccurred)] == ["invalid_item"]
    assert call.conversation._past.entries[-1].item_id == typed_item.id
    assert not call.of(events.SessionEnded)


def test_item_is_put_where_it_belongs(call, assistant):
    first = call.session.add_item(typed("one"))
    call.session.add_item(typed("three"))
    call.session.add_item(typed("two"), first.id)
    call.session.add_item(typed("zero"), "root")
    expected = told_whole(assistant, [user(each) for each in ("zero", "one", "two", "three")])
    close(call.logits(), expected)
    assert [e.previous_item_id for e in call.of(events.ItemAdded)][2:] == [first.id, None]


def test_instructions_hold_from_the_start(call, assistant):
    call.session.add_item(typed("hello"))
    call.session.configure(SessionSettings(instructions="Be brief.", reply=SHORT, stream=FAST))
    system = {"role": "system", "content": "Be brief."}
    close(call.logits(), told_whole(assistant, [system, user("hello")]))


def test_response_s_own_instructions_are_not_kept(call, script, assistant):
    script.replies = ["Yes."]
    call.session.add_item(typed("hello"))
    call.session.create_response(ResponseSettings(instructions="Be brief."))
    wait(call)
    close(call.logits(), told_whole(assistant, [user("hello"), assistant_said("Yes.")]))


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
WEATHER_CALL = (
    "<tool_call>\n<function=weather>\n<parameter=city>\nRome\n</parameter>\n</function>\n"
    "</tool_call>\n"
)


def test_client_makes_the_call_and_brings_the_result(engine, script, assistant):
    settings = SessionSettings(
        reply=ReplySettings(max_new_tokens=60), stream=FAST, functions=(WEATHER,)
    )
    call = Call(engine, settings=settings)
    script.replies = [WEATHER_CALL, "It rains."]
    call.session.add_item(typed("how is the weather"))
    call.session.create_response()
    wait(call)
    made = call.of(events.FunctionCallArguments)[0]
    assert (made.name, made.arguments) == ("weather", '{"city": "Rome"}')
    output = Item(kind="function_call_output", call_id=made.call_id, output="rain")
    call.session.add_item(output)
    call.session.create_response()
    wait(call)
    assert call.of(events.OutputTextDone)[-1].text == "It rains."
    function = {"name": "weather", "arguments": {"city": "Rome"}}
    messages = [
        user("how is the weather"),
        assistant_said("", [{"type": "function", "function": function}]),
        {"role": "tool", "content": "rain"},
        assistant_said("It rains."),
    ]
    close(call.logits(), told_whole(assistant, messages, tools=[WEATHER]))


def test_bad_wishes_are_refused_and_change_nothing(call):
    session = call.session
    session.add_item(typed("hello"))
    before = call.logits()
    call.events.clear()
    huge = np.zeros(16_000 * 700, np.float32)
    for wish, code in (
        (lambda: session.hear(np.full(320, np.nan, np.float32)), "invalid_audio"),
        (lambda: session.hear(np.zeros((2, 320), np.float32)), "invalid_audio"),
        (lambda: session.hear(huge), "audio_too_long"),
        (lambda: session.hear([0.0]), "invalid_audio"),
        (lambda: session.hear(None), "invalid_audio"),
        (lambda: session.hear(np.zeros((), np.float32)), "invalid_audio"),
        (lambda: session.hear(np.array([None])), "invalid_audio"),
        (lambda: session.commit(), "input_audio_buffer_commit_empty"),
        (lambda: session.cancel_response(), "response_cancel_not_active"),
        (lambda: session.truncate("item_x", 10), "item_not_found"),
        (lambda: session.delete_item("item_x"), "item_not_found"),
        (lambda: session.item("item_x"), "item_not_found"),
        (lambda: session.add_item(typed(" ")), "invalid_item"),
        (lambda: session.add_item(typed("a"), "item_x"), "item_not_found"),
        (lambda: session.add_item(Item(content=typed("a").content)), "invalid_item"),
        (
            lambda: session.add_item(Item(kind="function_call_output", call_id="x")),
            "call_not_found",
        ),
        (lambda: session.add_item(_sound(huge)), "audio_too_long"),
        (lambda: session.add_item(_sound(np.full(9, np.inf, np.float32))), "invalid_audio"),
    ):
        with pytest.raises(SessionError) as refused:
            wish()
        assert refused.value.code == code
    call.engine.run()
    assert torch.equal(call.logits(), before)
    assert call.events == []


@pytest.mark.parametrize("properties", [{"where": "here"}, {"where": ["here"]}])
def test_functions_that_the_template_cannot_write_are_refused(call, properties):
    session = call.session
    session.add_item(typed("hello"))
    before, settings = call.logits(), session.settings
    schema = {"type": "object", "properties": properties}
    broken = {"type": "function", "function": {**WEATHER["function"], "parameters": schema}}
    with pytest.raises(SessionError, match="chat template") as refused:
        session.configure(replace(settings, functions=(broken,)))
    assert refused.value.code == "invalid_value"
    call.engine.run()
    assert session.settings == settings
    assert torch.equal(call.logits(), before)
    session.configure(replace(settings, functions=(broken,), tool_choice="none"))
    call.engine.run()
    assert call.of(events.SessionEnded) == []


def test_changes_that_the_model_cannot_keep_up_with_are_refused(call):
    for number in range(MAX_WAITING_CHANGES):
        call.session.add_item(typed(f"number {number}"))
    with pytest.raises(SessionError, match="wait for the model"):
        call.session.add_item(typed("one too many"))
    assert len(call.of(events.ItemDone)) == MAX_WAITING_CHANGES
    call.engine.run()
    call.session.add_item(typed("one more"))
    call.engine.run()
    assert len(call.conversation._past.entries) == 1 + MAX_WAITING_CHANGES + 1


def _sound(samples):
    return Item(role="user", content=(Content(kind="input_audio", audio=samples),))


def test_second_response_at_once_is_refused(call, script):
    script.replies = [SIX_WORDS]
    call.session.add_item(typed("hello"))
    call.session.create_response()
    with pytest.raises(SessionError, match="under way"):
        call.session.create_response()


def test_closed_session_refuses_everything(call):
    call.session.close()
    call.session.close()
    assert call.of(events.SessionEnded) == [events.SessionEnded()]
    with pytest.raises(SessionError, match="ended"):
        call.session.hear(np.zeros(320, np.float32))
    assert call.engine.sessions == set()
