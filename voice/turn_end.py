"""What the model thinks about who has the floor: is the turn over, does a word want it.

A judge of the turn's end looks at a throw-away fork and never changes a conversation. It is an
object with one method, so that a trained signal can take the place of `SilenceAlone`: what the
built-in model would answer is no such signal (docs/log.md has the figures).
"""

from __future__ import annotations

import re
from typing import Protocol

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
