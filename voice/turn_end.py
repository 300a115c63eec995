"""What the model thinks about who has the floor: is the turn over, does a word want it.

Judges look at throw-away forks and never change a conversation. They are objects with one method,
so that a trained signal can take the place of these.
"""

from __future__ import annotations

import re
from typing import Protocol

from voice.assistant import Assistant
from voice.memory import Memory


class TurnEndJudge(Protocol):
    """How probable it is that a turn is over."""

    def probability(self, memory: Memory) -> float | None:
        """Judges the turn that `memory` ends with, exactly encoded.

        Args:
            memory: a fork of the conversation's, which may be used up.

        Returns:
            The probability, or None for no opinion: the silence alone decides then.
        """


class AnswerProbability:
    """Reads the turn's end off the reply that the model would begin.

    A model that answers what it understood and refuses what it did not tells one from the other
    with its first token: the probability that the reply does not begin as the refusal does.
    Where the model is as sure of one as of the other, there is no opinion.

    Args:
        assistant: the loaded model.
        refusal: how it says that it did not understand.
        margin: how far from ½ the probability has to be.
    """

    def __init__(
        self,
        assistant: Assistant,
        refusal: str = "I'm sorry, I did not understand that.",
        margin: float = 0.3,
    ) -> None:
        self._assistant, self._margin = assistant, margin
        self._refusal = assistant.prompt.encode(refusal)[0]

    def probability(self, memory: Memory) -> float | None:
        """See `TurnEndJudge`."""
        prompt = self._assistant.prompt
        memory.tell(prompt.turn_closing() + prompt.reply_opening(thinking=False))
        memory.settle()
        assert memory.state.logits is not None
        answers = 1.0 - float(memory.state.logits.softmax(0)[self._refusal])
        return answers if abs(answers - 0.5) >= self._margin else None


class SilenceAlone:
    """No opinion: turns end after the silence that `TurnSettings` names."""

    def probability(self, memory: Memory) -> float | None:
        """See `TurnEndJudge`."""
        return None


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
