"""A summary that is written at leisure is written at the same moment again."""

from dataclasses import replace

import numpy as np

from tests.voice.test_context import (
    SUMMARISING,
    SUMMARY,
    SUMMARY_TOKENS,
    assistant,
    short_request,
)
from voice.session_events import HistoryTrimmed

__all__ = ["assistant", "short_request"]

SETTINGS = replace(SUMMARISING, transcribe=False)


def test_summary_replays(recorded, replay, script, question):
    script.always = {SUMMARY_TOKENS: SUMMARY, SETTINGS.reply.max_new_tokens: "Yes."}
    call = recorded(settings=SETTINGS)
    short = question[4000:20_000]
    for number in range(20):
        call.send(short)
        call.silence(600)
        if call.of(HistoryTrimmed):
            break
        # What comes in one piece leaves no leisure in between.
        call.session.hear(np.zeros(600 * (number % 3) * 16, np.float32))
        call.silence(800)
    call.send(short)
    call.silence(1500)
    recording = call.end()
    assert SUMMARY in [each.summary for each in call.of(HistoryTrimmed)]
    outcome = replay(recording)
    assert outcome.difference is None
    assert outcome.compared["HistoryTrimmed"] == len(call.of(HistoryTrimmed))
    facts = [each["facts"] for each in recording.events() if each.get("in") == "report"]
    done = [each["after"] for each in facts if "after" in each]
    assert len(done) >= 2
    assert done == sorted(done)
