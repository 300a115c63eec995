"""A real call, over WebRTC, to the built-in model."""

import asyncio

import numpy as np
import pytest

from tests.web.served import serving, serving_model
from web.latency.command import QUESTIONS, read_questions
from web.latency.interview import Interview
from web.latency.measure import AUDIBLE, STAGES
from web.media.interface import MediaError


def test_interview_hears_the_answer_and_reads_the_wait_off_its_recording(builtin):
    question = next(q for q in read_questions(QUESTIONS) if "France" in q.text)

    async def hold() -> Interview:
        async with serving_model(builtin) as server:
            interview = Interview(f"http://127.0.0.1:{server.port}")
            (interview.answer,) = await interview.hold([question])
            return interview

    interview = asyncio.run(hold())
    answer = interview.answer
    assert answer.reply
    assert answer.is_right is question.is_answered_by(answer.reply)
    assert set(answer.stages) == set(STAGES)
    assert not answer.cut_in
    said, heard = interview.card.recording().T
    last = np.flatnonzero(np.abs(said) > AUDIBLE)[-1]
    first = np.flatnonzero(np.abs(heard) > AUDIBLE)[0]
    assert answer.latency_ms == pytest.approx((first - last) / 16)
    # The endpoint alone takes longer than all that is before it on the way.
    assert answer.latency_ms > answer.stages["endpoint_ms"] / 2


def test_call_that_is_refused_says_why():
    async def hold() -> None:
        async with serving(max_sessions=0) as server:
            await Interview(f"http://127.0.0.1:{server.port}").hold([])

    with pytest.raises(MediaError, match="sessions are taken"):
        asyncio.run(hold())


def test_server_that_is_not_there_is_named():
    with pytest.raises(MediaError, match=r"no server answers at http://127\.0\.0\.1:9"):
        asyncio.run(Interview("http://127.0.0.1:9").hold([]))
