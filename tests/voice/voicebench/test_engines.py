"""Our own engine answers in a batch as alone, and a server is asked as OpenAI's API has it."""

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.voice.tiny import write_tiny
from tests.voice.voicebench.tools import FakeServer, Torn, serving
from voice import load
from voice.assistant import Assistant
from voice.conversation import Conversation, ReplySettings
from voice.voicebench.engine import EngineUnusable, Failure, Question, Reply
from voice.voicebench.local_engine import LocalEngine
from voice.voicebench.settings import RunSettings
from voice.voicebench.url_engine import UrlEngine

SETTINGS = RunSettings(model="tiny", system="", max_new_tokens=12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


def questions(count: int = 4, system: str = "") -> list[Question]:
    made = []
    for index in range(count):
        noise = np.random.default_rng(index).normal(0, 0.1, 8_000 + 3_000 * index)
        made.append(Question(index, noise.astype(np.float32), "", system, index))
    return made


def answers(
    assistant: Assistant, settings: RunSettings, asked: list[Question], concurrency: int = 1
) -> dict[int, Reply]:
    engine = LocalEngine(assistant, settings)
    outcomes = list(engine.answer(asked, concurrency))
    replies = {q.index: outcome for q, outcome in outcomes if isinstance(outcome, Reply)}
    assert len(replies) == len(outcomes) == len(asked)
    return replies


def test_replies_are_those_of_a_conversation(tiny: Assistant) -> None:
    replies = answers(tiny, SETTINGS, questions(2, system="Be brief."))
    for question in questions(2):
        assert question.samples is not None
        settings = ReplySettings(max_new_tokens=12)
        conversation = Conversation(tiny, system="Be brief.", settings=settings)
        conversation.listen(question.samples)
        conversation.end_speech()
        said = "".join(part.content for part in conversation.reply()).strip()
        assert replies[question.index].text == said


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batch_answers_as_each_alone(tiny: Assistant, temperature: float) -> None:
    settings = RunSettings(model="tiny", system="", max_new_tokens=12, temperature=temperature)
    alone = answers(tiny, settings, questions(5))
    together = answers(tiny, settings, questions(5), concurrency=3)
    for index, reply in alone.items():
        other = together[index]
        assert (other.text, other.finish) == (reply.text, reply.finish)
        assert other.output_tokens == reply.output_tokens
        assert other.prompt_tokens == reply.prompt_tokens


def test_streamed_question_is_answered_as_the_whole(tiny: Assistant) -> None:
    streamed = RunSettings(model="tiny", system="", max_new_tokens=12, hearing="streamed")
    whole, heard = answers(tiny, SETTINGS, questions()), answers(tiny, streamed, questions())
    assert [heard[i].text for i in heard] == [whole[i].text for i in heard]
    assert [heard[i].prompt_tokens for i in heard] == [whole[i].prompt_tokens for i in heard]


def test_typed_question_needs_no_audio(tiny: Assistant) -> None:
    reply = answers(tiny, SETTINGS, [Question(0, None, "hello", "", 0)])[0]
    conversation = Conversation(tiny, settings=ReplySettings(max_new_tokens=12))
    conversation.type_turn("hello")
    assert reply.text == "".join(part.content for part in conversation.reply()).strip()


def test_limit_of_one_token_gives_its_time(tiny: Assistant) -> None:
    ticks = iter(range(100))
    settings = RunSettings(model="tiny", modality="ttft", max_new_tokens=1)
    engine = LocalEngine(tiny, settings, clock=lambda: float(next(ticks)))
    [(_, reply)] = engine.answer(questions(1), 1)
    assert isinstance(reply, Reply)
    assert reply.first_token_s == 1.0
    assert (reply.output_tokens, reply.finish) == (1, "length")


def test_reasoning_ends_with_its_budget(tiny: Assistant) -> None:
    budget = RunSettings(
        model="tiny", system="", thinking=True, max_new_tokens=12, reasoning_budget=4
    )
    unlimited = RunSettings(model="tiny", system="", thinking=True, max_new_tokens=12)
    assert answers(tiny, unlimited, questions(1))[0].text == ""
    assert answers(tiny, budget, questions(1))[0].text


def test_question_beyond_the_context_fails_alone(tiny: Assistant) -> None:
    long = Question(9, None, "word " * 40_000, "", 0)
    outcomes = {
        question.index: outcome
        for question, outcome in LocalEngine(tiny, SETTINGS).answer([long, *questions(2)], 2)
    }
    failure = outcomes[9]
    assert isinstance(failure, Failure)
    assert failure.permanent
    assert "does not fit" in failure.message
    assert isinstance(outcomes[0], Reply)
    assert isinstance(outcomes[1], Reply)


def test_identity_changes_with_the_weights(tiny: Assistant, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    first = write_tiny(tmp_path_factory.mktemp("first"))
    second = write_tiny(tmp_path_factory.mktemp("second"), seed=1)
    found = [LocalEngine(tiny, SETTINGS, folder).identity() for folder in (first, second, first)]
    assert found[0] == found[2] != found[1]
    assert found[0]["dtype"] == "float32"


def delta(finish: str | None = None, **content: str) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": content, "finish_reason": finish}],
    }


USAGE = {
    **delta(),
    "choices": [],
    "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
}
STREAM = [
    delta(reasoning="hm. "),
    delta(content=" The answer"),
    delta("stop", content=" is B. "),
    USAGE,
]


def url_engine(
    server: FakeServer,
    settings: RunSettings = SETTINGS,
    retries: int = 0,
    sleep: Callable[[float], None] = lambda seconds: None,
) -> UrlEngine:
    ticks: Iterator[float] = (float(tick) for tick in range(1000))
    return UrlEngine(
        server.url,
        "served",
        settings,
        api_key="secret",
        extra_body={"top_k": 7},
        retries=retries,
        timeout_s=10,
        clock=lambda: next(ticks),
        sleep=sleep,
    )


def test_server_is_sent_the_clip_and_the_settings() -> None:
    settings = RunSettings(model="m", temperature=0.6, top_p=0.9, max_new_tokens=99, thinking=True)
    with serving(lambda body, number: (200, STREAM)) as server:
        [(_, reply)] = url_engine(server, settings).answer(questions(1, "Be kind."), 1)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning) == ("The answer is B.", "hm.")
    assert (reply.first_token_s, reply.ttft_s, reply.latency_s) == (1.0, 2.0, 3.0)
    assert (reply.prompt_tokens, reply.output_tokens, reply.finish) == (9, 5, "stop")
    [body] = server.requests
    assert body["model"] == "served"
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.6, 0.9, 99)
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    assert (body["top_k"], body["stream"], body["seed"]) == (7, True, 0)
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Be kind."}
    [audio] = user["content"]
    assert audio["type"] == "input_audio"
    assert audio["input_audio"]["format"] == "wav"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(audio["input_audio"]["data"])))
    assert rate == 16_000
    assert np.allclose(samples, questions(1)[0].samples, atol=1e-4)


def test_reasoning_inside_the_content_is_cut_off() -> None:
    stream = [
        delta(content="<think>A? "),
        delta(content="No.</think>\n"),
        delta("stop", content="B."),
    ]
    with serving(lambda body, number: (200, stream)) as server:
        [(_, reply)] = url_engine(server).answer(questions(1), 1)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning) == ("B.", "A? No.")


BEGUN = [delta(content="The answer"), delta(content=" is")]


@pytest.mark.parametrize(
    "torn",
    [
        Torn(BEGUN),
        Torn(BEGUN, missing_bytes=100),
        Torn([]),
        BEGUN,
        [*BEGUN, delta("abort")],
        [*BEGUN, {"error": {"message": "out of memory"}}],
    ],
    ids=["ends", "breaks", "is empty", "names no end", "is aborted", "tells an error"],
)
def test_answer_that_breaks_off_is_asked_for_again(torn: object) -> None:
    def answer(body: dict[str, Any], number: int) -> tuple[int, Any]:
        return 200, torn if number == 0 else STREAM

    with serving(answer) as server:
        [(_, reply)] = url_engine(server, retries=1).answer(questions(1), 1)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("The answer is B.", "stop")
    assert len(server.requests) == 2


def test_answer_that_always_breaks_off_is_no_answer() -> None:
    waits: list[float] = []
    with serving(lambda body, number: (200, Torn(BEGUN, missing_bytes=100))) as server:
        engine = url_engine(server, retries=3, sleep=waits.append)
        [(_, failure)] = engine.answer(questions(1), 1)
    assert isinstance(failure, Failure)
    assert not failure.permanent
    assert "broke off 4 times" in failure.message
    assert waits == [1.0, 2.0, 4.0]
    assert len(server.requests) == 4


def test_failures_of_a_server_fail_their_question_only() -> None:
    statuses = {0: 400, 1: 500, 2: 200}

    def answer(body: dict[str, Any], number: int) -> tuple[int, Any]:
        status = statuses[body["seed"]]
        return status, STREAM if status == 200 else {"error": {"message": f"no {status}"}}

    with serving(answer) as server:
        outcomes = {q.index: o for q, o in url_engine(server).answer(questions(3), 3)}
    assert isinstance(outcomes[2], Reply)
    for index, permanent in ((0, True), (1, False)):
        failure = outcomes[index]
        assert isinstance(failure, Failure)
        assert failure.permanent is permanent
        assert f"no {statuses[index]}" in failure.message


def test_server_that_knows_no_such_model_stops_the_run() -> None:
    with (
        serving(lambda body, number: (404, {"error": {"message": "no such model"}})) as server,
        pytest.raises(EngineUnusable, match=r"no such model.*--served-name"),
    ):
        list(url_engine(server).answer(questions(3), 2))


def test_nobody_at_the_address_is_a_failure_to_try_again() -> None:
    engine = UrlEngine("http://127.0.0.1:9/v1", "served", SETTINGS, retries=0, timeout_s=5)
    [(_, failure)] = engine.answer(questions(1), 1)
    assert isinstance(failure, Failure)
    assert not failure.permanent
