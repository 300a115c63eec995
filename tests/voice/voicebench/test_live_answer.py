"""When a live answer is complete, and which one it is, from a session's events alone."""

from typing import Any

import pytest

from voice.voicebench.live_answer import HEARD_ALL, NO_END, LiveAnswer, LiveFailure

HEARD: dict[str, Any] = {
    "type": "error",
    "error": {"type": "invalid_request_error", "code": "item_not_found", "event_id": HEARD_ALL},
}


def told(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def started() -> dict[str, Any]:
    return told("input_audio_buffer.speech_started")


def turn(item: str) -> list[dict[str, Any]]:
    """The end of a turn."""
    return [
        told("input_audio_buffer.speech_stopped"),
        told("input_audio_buffer.committed", item_id=item),
    ]


def response(text: str, status: str = "completed", **fields: Any) -> list[dict[str, Any]]:
    """A spoken response from its beginning to its end."""
    part = {"type": "output_audio", "transcript": text}
    usage = {"input_tokens": 40, "output_tokens": 7}
    body = {
        "status": status,
        "output": [{"type": "message", "content": [part]}],
        "usage": usage,
        **fields,
    }
    return [
        told("response.created", response={}),
        told("response.output_audio_transcript.delta", delta=text),
        told("response.output_audio.delta", delta="AAAA"),
        told("response.done", response=body),
    ]


def taken(
    *events: dict[str, Any], by_hand: bool = False, transcribes: bool = False
) -> tuple[LiveAnswer, list[bool]]:
    """The answer after events that come a second apart, and whether it was over after each."""
    answer = LiveAnswer(by_hand=by_hand, transcribes=transcribes)
    answer.ended_at = 2.0
    over = []
    for number, event in enumerate(events, 1):
        answer.take(event, float(number))
        over.append(answer.is_over)
    return answer, over


def test_answer_is_complete_with_the_response_to_the_turn() -> None:
    answer, over = taken(started(), HEARD, *turn("a"), *response("Paris."))
    assert over == [False] * 7 + [True]
    reply = answer.reply()
    assert (reply.text, reply.finish, reply.turns) == ("Paris.", "stop", 1)
    assert (reply.endpoint_s, reply.ttft_s, reply.first_audio_s) == (1.0, 4.0, 5.0)
    assert reply.latency_s == 6.0
    assert (reply.prompt_tokens, reply.output_tokens) == (40, 7)


def test_response_that_comes_before_the_clip_was_heard_waits_for_its_end() -> None:
    answer, over = taken(started(), *turn("a"), *response("Paris."), HEARD)
    assert over == [False] * 7 + [True]
    assert answer.reply().text == "Paris."


def test_last_turn_of_several_is_the_one_that_is_answered() -> None:
    events = [started(), *turn("a"), *response("What else?"), started(), HEARD]
    answer, over = taken(*events, *turn("b"), *response("Paris."))
    assert over.index(True) == len(over) - 1
    assert (answer.reply().text, answer.reply().turns) == ("Paris.", 2)


def test_turn_that_is_gone_on_with_counts_once() -> None:
    withdrawn = [
        *response("What", "cancelled"),
        told("conversation.item.deleted", item_id="a"),
        started(),
    ]
    events = [started(), *turn("a"), *withdrawn, HEARD, *turn("b"), *response("Paris.")]
    answer, over = taken(*events)
    assert over.index(True) == len(over) - 1
    assert (answer.reply().text, answer.reply().turns) == ("Paris.", 1)


def test_answer_that_noise_cut_off_is_what_the_user_got() -> None:
    events = [started(), *turn("a"), *response("The capital", "cancelled"), started()]
    answer, over = taken(*events, told("input_audio_buffer.cleared"), HEARD)
    assert over[-1]
    assert (answer.reply().text, answer.reply().finish) == ("The capital", "cancelled")


def test_silent_clip_is_an_error_that_stays() -> None:
    answer, over = taken(HEARD)
    assert over == [True]
    with pytest.raises(LiveFailure, match="heard no speech") as caught:
        answer.reply()
    assert caught.value.is_permanent


def test_turn_without_an_end_is_an_error_that_stays() -> None:
    no_end = {"type": "error", "error": {**HEARD["error"], "event_id": NO_END}}
    with pytest.raises(LiveFailure, match="no end of the turn") as caught:
        taken(started(), HEARD, no_end)
    assert caught.value.is_permanent
    _, over = taken(started(), HEARD, *turn("a"), no_end, *response("Paris."))
    assert over[-1]


def test_turn_by_hand_waits_for_its_response_alone() -> None:
    committed = told("input_audio_buffer.committed", item_id="a")
    answer, over = taken(committed, *response("Paris.", "incomplete"), by_hand=True)
    assert over == [False] * 4 + [True]
    assert (answer.reply().finish, answer.reply().endpoint_s) == ("length", None)


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        ({"type": "server_error", "code": "speech_failed"}, False),
        ({"type": "server_error", "code": "context_full"}, True),
    ],
)
def test_response_that_failed_is_no_answer(error: dict[str, str], is_permanent: bool) -> None:
    failed = response("Par", "failed", status_details={"error": {**error, "message": "because"}})
    with pytest.raises(LiveFailure, match=f"{error['code']}: because") as caught:
        taken(started(), HEARD, *turn("a"), *failed)
    assert caught.value.is_permanent is is_permanent


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        ({"type": "server_error", "code": "audio_dropped"}, False),
        ({"type": "server_error", "code": "session_failed"}, False),
        ({"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty"}, True),
    ],
)
def test_error_of_the_session_is_no_answer(error: dict[str, str], is_permanent: bool) -> None:
    with pytest.raises(LiveFailure, match=error["code"]) as caught:
        taken(started(), {"type": "error", "error": error})
    assert caught.value.is_permanent is is_permanent


def transcript(kind: str, item: str, **fields: Any) -> dict[str, Any]:
    return told(f"conversation.item.input_audio_transcription.{kind}", item_id=item, **fields)


def test_transcript_is_that_of_all_turns() -> None:
    events = [started(), *turn("a"), transcript("delta", "a", delta="one"), started(), HEARD]
    events += [*turn("b"), transcript("completed", "b", transcript="two ")]
    events += [transcript("completed", "a", transcript="one")]
    answer, over = taken(*events, transcribes=True)
    assert over.index(True) == len(over) - 1
    reply = answer.reply()
    assert (reply.text, reply.turns, reply.output_tokens) == ("one two", 2, None)
    assert (reply.ttft_s, reply.latency_s) == (2.0, 8.0)


def test_transcript_that_failed_is_none() -> None:
    error = {"type": "server_error", "code": "context_full", "message": "no room"}
    events = [HEARD, *turn("a"), transcript("failed", "a", error=error)]
    with pytest.raises(LiveFailure, match="no room"):
        taken(started(), *events, transcribes=True)
