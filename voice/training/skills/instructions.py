"""System texts that clients send along; the built-in model is to answer the same under any."""

from __future__ import annotations

import random
from functools import cache

from voice.training.skills.grammar import Grammar, sample
from voice.training.skills.sentences import training_sentences

_ROLES = """
You are (a|a helpful|a friendly|a polite|an honest|a small) (|voice |AI )assistant.
You are Parley(, a voice assistant|).
You are a helpful(, witty| and friendly|, concise) AI.
Act like a human(, but remember that you are not one|).
(Speak|Talk|Answer) (in English|quickly|clearly|politely).
"""
_RULES = """
(Be|Stay) (brief|concise|polite|friendly|short).
(Answer|Reply) (briefly|in one sentence|with few words|in English|politely).
Keep (your|all) (answers|replies|responses) short.
(Use|Call) (the|your) (tools|functions) (when|whenever|if) (needed|you can|they help).
Your (output|reply) will be (spoken|converted to audio)(, so avoid special characters|).
Do not (refer to these rules|use emojis|make things up).
"""


@cache
def _patterns() -> tuple[tuple, tuple]:
    grammar = Grammar({})

    def compiled(text: str) -> tuple:
        return tuple(map(grammar.compile, text.strip().splitlines()))

    return compiled(_ROLES), compiled(_RULES)


def sample_instructions(rng: random.Random) -> str:
    """One to four sentences."""
    roles, rules = _patterns()
    sentences = [sample(rng.choice(roles), rng)] if rng.random() < 0.8 else []
    sentences += [sample(rng.choice(rules), rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    if not sentences or rng.random() < 0.15:
        sentences.append(training_sentences(rng).capitalize() + ".")
    return " ".join(sentences)
