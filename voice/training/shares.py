"""How often training sequences are of which kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often sequences are of which kind; the rest are conversations.

    Attributes:
        transcription: sequences that ask for a transcription.
        copying: those that ask for a transcription of nonsense, which nobody can guess.
        spelling: those that ask for the letters of a few words.
        digits: those that ask for sums and spans of time in digits.
        drill: those that practise one skill.
        further: conversations about `FURTHER_SKILLS`.
        further_drill: those that practise one of these.
        sight: those about a picture; only for what has an eye.
        unfinished: conversations whose last turn stops too early.
        short: turns of few words that are over.
        tools: conversations that offer functions.
        instructed: of the conversations, those that begin with a system text.
        typed_turns: of the turns of conversations, those that are typed and not spoken.
        typed_drills: of the turns of drills.
    """

    transcription: float = 0.08
    copying: float = 0.03
    spelling: float = 0.05
    digits: float = 0.03
    drill: float = 0.07
    further: float = 0.17
    further_drill: float = 0.08
    sight: float = 0.0
    unfinished: float = 0.07
    short: float = 0.03
    tools: float = 0.12
    instructed: float = 0.15
    typed_turns: float = 0.1
    typed_drills: float = 0.7


SPOKEN_SHARES = Shares(
    transcription=0.12,
    copying=0.01,
    spelling=0.05,
    digits=0.01,
    drill=0.19,
    further=0.13,
    further_drill=0.04,
    unfinished=0.07,
    short=0.03,
    tools=0.09,
    typed_drills=0.1,
)
"""Where every utterance has to be encoded: nonsense and lists of words take long to say, and what
they teach the decoder it has learnt by then. Drills are heard: facts it knows, names and words it
has to tell by their sound."""
