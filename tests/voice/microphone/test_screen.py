"""What is shown of a conversation, from its events alone."""

import io

import pytest
from rich.console import Console

from voice import session_events as events
from voice.microphone.screen import Captions, Screen, meter
from voice.session_events import Item, ResponseInfo


def asked(item: str, text: str) -> list[events.SessionEvent]:
    return [
        events.InputTranscriptDelta(item_id=item, delta=text),
        events.InputTranscriptDone(item_id=item, transcript=text, seconds=1.0),
    ]


def committed(item: str) -> events.InputCommitted:
    return events.InputCommitted(item_id=item, previous_item_id=None)


def answering(response: str, item: str, text: str) -> list[events.SessionEvent]:
    return [
        events.OutputItemAdded(
            response_id=response, output_index=0, item=Item(id=item, role="assistant")
        ),
        events.OutputTextDelta(
            response_id=response, item_id=item, output_index=0, delta=text, is_transcript=True
        ),
    ]


def measured(response: str, heard_ms: float) -> events.LatencyMeasured:
    return events.LatencyMeasured(
        response_id=response,
        speech_end_ms=0,
        endpoint_ms=0,
        first_token_ms=None,
        first_audio_ms=None,
        heard_ms=heard_ms,
    )


def lines(captions: Captions, told: list[events.SessionEvent]) -> list[str]:
    return [line for event in told for line in captions.on(event)]


def test_lines_are_in_the_order_of_the_conversation_whatever_is_known_first():
    captions = Captions(sound_ms=100)
    told = [committed("u"), *answering("r", "a", " It is five."), measured("r", 250.0)]
    assert lines(captions, [*told, events.PlaybackEnded(response_id="r")]) == []
    assert lines(captions, asked("u", "two plus three")) == [
        "You     two plus three",
        "Parley  It is five.  (350 ms)",
    ]
    assert not captions.lines


def test_answer_that_was_cut_off_shows_what_was_heard():
    captions = Captions()
    told = answering("r", "a", "It is five. Or six.")
    cut = events.ItemTruncated(item_id="a", audio_end_ms=10, heard="It is")
    assert lines(captions, [*told, events.PlaybackCleared(response_id="r"), cut]) == []
    assert lines(captions, [committed("u")]) == ["Parley  It is –"]


def test_answer_of_which_nothing_was_heard_is_not_shown():
    captions = Captions()
    cut = events.ItemTruncated(item_id="a", audio_end_ms=0, heard="")
    told = [*answering("r", "a", "It"), events.PlaybackCleared(response_id="r"), cut]
    assert lines(captions, [*told, committed("u")]) == []
    assert list(captions.lines) == ["u"]


def test_turn_that_goes_on_and_one_without_transcript():
    captions = Captions()
    told = [committed("u"), events.ItemDeleted(item_id="u"), committed("v")]
    failed = events.InputTranscriptFailed(item_id="v", code="x", message="y")
    assert lines(captions, [*told, failed]) == ["You     …"]


def test_written_answer_is_complete_when_it_is_made():
    captions = Captions()
    done = events.ResponseDone(response=ResponseInfo(id="r", status="completed", modality="text"))
    assert lines(captions, [*answering("r", "a", "Five."), done]) == ["Parley  Five."]


def test_troubles_and_calls_are_told():
    captions = Captions()
    called = events.ToolCalled(response_id="r", call_id="c", name="time", arguments="{}")
    error = events.ErrorOccurred(code="x", message="the model is too slow")
    assert lines(captions, [called, error]) == ["(time {})", "(the model is too slow)"]


@pytest.mark.parametrize(
    ("user", "assistant", "floor"),
    [
        ("silent", "idle", "listening"),
        ("speaking", "idle", "you speak"),
        ("paused", "drafting", "a pause"),
        ("silent", "thinking", "Parley is thinking"),
        ("silent", "speaking", "Parley speaks"),
        ("interjecting", "held", "somebody speaks"),
    ],
)
def test_floor_is_named(user, assistant, floor):
    captions = Captions()
    captions.on(events.FloorChanged(user=user, assistant=assistant, audio_ms=0))
    assert captions.floor == floor


def test_meter_rises_with_the_level():
    bars = [meter(level) for level in (0.0, 0.002, 0.02, 0.2, 1.0)]
    assert bars[0].strip() == ""
    assert bars[-1] == "█" * 8
    assert [len(bar) for bar in bars] == [8] * 5
    filled = [len(bar.strip()) for bar in bars]
    assert filled == sorted(filled)


def test_plain_lines_where_there_is_no_terminal():
    out = io.StringIO()
    with Screen(Console(file=out)) as screen:
        for event in [committed("u"), *asked("u", "[bold]hello[/bold] " + "word " * 40)]:
            screen.on(event)
        screen.on(committed("v"))
        screen.on(events.InputTranscriptDelta(item_id="v", delta="unfinished"))
    assert out.getvalue().splitlines() == [
        "You     [bold]hello[/bold] " + ("word " * 40).strip(),
        "You     unfinished",
    ]


def test_terminal_shows_level_floor_and_mute():
    out = io.StringIO()
    with Screen(Console(file=out, force_terminal=True, width=100)) as screen:
        screen.is_muted = True
        screen.on(committed("u"))
        screen.on(events.InputTranscriptDelta(item_id="u", delta="what is"))
        screen._live.refresh()
    assert "listening │ muted" in out.getvalue()
    assert "You     what is" in out.getvalue()
