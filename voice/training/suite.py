"""Everything that is measured of a checkpoint: `parley train --evaluate`, benchmarks/builtin.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voice.assistant import Assistant
from voice.training.engines import HELDOUT_VOICES, installed
from voice.training.evaluate import (
    SNRS_DB,
    Report,
    TurnEnds,
    evaluate,
    evaluate_further,
    evaluate_memory,
    evaluate_sight,
    evaluate_tools,
    evaluate_turn_ends,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to measure.

    Attributes:
        what: ``questions``, ``further`` ones, those about ``pictures``, ``memory``, ``functions``
            or ``turn ends``.
        count: how many of them.
        voice, snr_db: who asks, in how much noise; None for none.
    """

    what: str
    count: int
    voice: str = "espeak"
    snr_db: float | None = None
    seed: int = 0

    def measure(self, assistant: Assistant) -> Report | TurnEnds:
        """Asks the questions."""
        match self.what:
            case "questions":
                return evaluate(assistant, self.count, self.seed, self.voice, self.snr_db)
            case "further":
                return evaluate_further(assistant, self.count, self.seed)
            case "pictures":
                return evaluate_sight(assistant, self.count, self.seed)
            case "memory":
                return evaluate_memory(assistant, self.count, self.seed)
            case "functions":
                return evaluate_tools(assistant, self.count, self.seed)
            case "turn ends":
                return evaluate_turn_ends(assistant, self.count, self.seed)
        raise ValueError(f"nothing measures {self.what!r}")


def jobs(questions: int, seeds: Sequence[int]) -> list[Job]:
    """Everything that is measured, the longest first.

    Args:
        questions: asked with every seed in espeak's voices; of all else fewer are asked.
        seeds: of questions and voices; all else has the first.
    """
    fifth, seed = max(1, questions // 5), seeds[0]
    asked = [Job("questions", questions, seed=each) for each in seeds]
    asked += [Job("questions", fifth, voice, seed=seed) for voice in installed(HELDOUT_VOICES)]
    asked += [Job("questions", fifth, snr_db=snr_db, seed=seed) for snr_db in SNRS_DB]
    asked.append(Job("further", questions, seed=seed))
    memory = Job("memory", max(1, fifth // 4), seed=seed)
    functions, ends = Job("functions", fifth, seed=seed), Job("turn ends", 2 * fifth, seed=seed)
    return [*asked, Job("pictures", 2 * fifth, seed=seed), memory, functions, ends]
