"""What the model thinks about who has the floor: is the turn over, does a word want it.

A judge of the turn's end looks at a throw-away fork and never changes a conversation. Which one
there is depends on the checkpoint: one that has been trained to tell says so in its `config.json`
(`"turn_end_signal": "empty_reply"`). Of any other, silence alone tells: how probable a model finds
its answers is no such signal (docs/log.md has the figures).
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

from omni_core.cache import ContextFull
from voice.assistant import Assistant
from voice.memory import Memory

TurnEnd = Literal["auto", "silence", "reply"]
"""What tells that a turn is over: what the checkpoint declares, silence alone, or the reply's first
token, whatever the checkpoint declares."""


class TurnEndJudge(Protocol):
    """How probable it is that a turn is over."""

    def probability(self, memory: Memory) -> float | None:
        """Judges the turn that `memory` ends with, exactly encoded.

        Args:
            memory: a fork of the conversation's, which may be used up.

        Returns:
            The probability, or None for no opinion: the silence alone decides then.
        """


class SilenceAlone:
    """No opinion: turns end after the silence that `TurnSettings` names."""

    def probability(self, memory: Memory) -> float | None:
        """See `TurnEndJudge`."""
        return None


class EmptyReply:
    """The trained signal: to a turn that is not over the model replies with nothing.

    So the probability that the turn is over is that of a reply which does not end with its first
    token. It is read from the logits where the reply would begin; nothing is decoded.

    Args:
        assistant: whose replies are meant.
    """

    def __init__(self, assistant: Assistant) -> None:
        prompt = assistant.prompt
        self._rest = prompt.turn_closing() + prompt.reply_opening(thinking=False)
        self._stops = list(assistant.stop_token_ids)

    def probability(self, memory: Memory) -> float | None:
        """See `TurnEndJudge`; no opinion where the context is full."""
        try:
            memory.tell(self._rest)
            memory.settle()
        except ContextFull:
            return None
        assert memory.state.logits is not None
        goes_on = float(memory.state.logits.softmax(0)[self._stops].sum())
        return min(1.0, max(0.0, 1.0 - goes_on))


def open_judge(assistant: Assistant, turn_end: TurnEnd = "auto") -> TurnEndJudge:
    """The judge for an assistant's sessions; any number of them share one."""
    declared = assistant.config.turn_end_signal == "empty_reply"
    if turn_end == "reply" or (turn_end == "auto" and declared):
        return EmptyReply(assistant)
    return SilenceAlone()


def floor_probability(transcript: str) -> float | None:
    """How probable it is that an interjection with these words wants the floor.

    Returns:
        1 for words that stop people, 0 for those that tell them to go on, else None: whether it is
        long enough to be a turn decides.
    """
    words = re.sub(r"[^a-z ]", "", transcript.lower().replace("-", " ")).strip()
    if words in _STOPPING or words.startswith(_STOPPING_STARTS):
        return 1.0
    return 0.0 if words in _BACKCHANNELS else None


_STOPPING = frozenset("stop|wait|no|hold on|quiet|enough|excuse me|pause|cancel".split("|"))
_STOPPING_STARTS = ("stop ", "wait ", "hold on ", "no wait", "no stop")
_BACKCHANNELS = frozenset(
    "mm|mhm|mm hm|mm hmm|hm|hmm|uh huh|yeah|yes|yep|ok|okay|right|sure|i see|go on|wow|oh|ah|aha|"
    "really|great|good|nice|cool|exactly|of course".split("|")
)
