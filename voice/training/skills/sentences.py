"""Spoken sentences of open vocabulary: clause patterns over the lexicon, and word salads."""

from __future__ import annotations

import random
from functools import cache

from voice.training.skills.grammar import Grammar, Node, sample, with_articles
from voice.training.skills.lexicon import (
    NOUN_KINDS,
    VERB_FRAMES,
    Lexicon,
    graded,
    lexicon,
    plural,
)
from voice.training.skills.numbers import number_words
from voice.training.skills.tables import countries, lines, rows, told_by_sound

SALAD_SHARE = 0.06
"""Part of the sentences that are random words, so that no word of the lexicon is rare."""

ANY_WORDS_SHARE = 0.08
"""Part of the other sentences that take any words of a kind, sense or not."""

_VERB_FORMS = {
    "do": "base",
    "does": "third",
    "did": "past",
    "done": "participle",
    "doing": "gerund",
}
"""Rule → the field of `Verb` it draws from."""


@cache
def _patterns() -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """(sensible clauses, clauses of any words)."""
    grammar = Grammar(_rules(lexicon()))
    sensible, of_any_words = (
        tuple(grammar.compile(line) for line in lines(name))
        for name in ("sentences.txt", "sentences_any.txt")
    )
    return sensible, of_any_words


@cache
def _salad_words() -> tuple[str, ...]:
    return told_by_sound(lexicon().words)


def _rules(known: Lexicon) -> dict[str, str | tuple[str, ...]]:
    """Rules for sentences.txt: one per word list and verb form, and those of phrases.tsv."""
    short = {"adjectives_": "adj_", "adverbs_": "adv_", "nouns_": ""}
    rules: dict[str, str | tuple[str, ...]] = {}
    for name, words in known.kinds.items():
        prefix = next((prefix for prefix in short if name.startswith(prefix)), "")
        rules[short.get(prefix, "") + name.removeprefix(prefix)] = words
    rules["noun"] = _all_of(known, "nouns_")
    rules["adj"] = _all_of(known, "adjectives_")
    rules["adv"] = _all_of(known, "adverbs_")
    for kind in NOUN_KINDS:
        rules[f"{kind}s"] = tuple(map(plural, known.kinds[f"nouns_{kind}"]))
    rules["nouns"] = tuple(noun for kind in NOUN_KINDS for noun in rules[f"{kind}s"])
    for form, field in _VERB_FORMS.items():
        for frame in VERB_FRAMES:
            rules[f"{form}_{frame}"] = tuple(getattr(v, field) for v in known.verbs(frame))
        rules[form] = tuple(w for frame in VERB_FRAMES for w in rules[f"{form}_{frame}"])
    rules["more"] = tuple(graded(word)[0] for word in known.kinds["adjectives_graded"])
    rules["most"] = tuple(graded(word)[1] for word in known.kinds["adjectives_graded"])
    rules["country"] = tuple(c.said[0] for c in countries())
    rules["number"] = tuple(number_words(n) for n in range(2, 100))
    rules["few"] = tuple(number_words(n) for n in range(2, 13))
    rules.update((name, pattern) for name, pattern in rows("phrases.tsv"))
    return rules


def _all_of(known: Lexicon, prefix: str) -> tuple[str, ...]:
    kinds = (words for name, words in known.kinds.items() if name.startswith(prefix))
    return tuple(sorted({word for words in kinds for word in words}))


def sample_word_salad(rng: random.Random, shortest: int, longest: int) -> str:
    """Words drawn evenly from the lexicon, `shortest` to `longest` of them, but seven at most."""
    words = _salad_words()
    count = rng.randint(shortest, min(longest, 7))
    return " ".join(words[int(rng.random() * len(words))] for _ in range(count))


def sample_sentence(rng: random.Random, shortest: int, longest: int) -> str:
    """A spoken sentence of `shortest` to `longest` words."""
    if rng.random() < SALAD_SHARE:
        return sample_word_salad(rng, shortest, longest)
    patterns = _patterns()[rng.random() < ANY_WORDS_SHARE]
    while True:
        text = sample(patterns[int(rng.random() * len(patterns))], rng)
        if shortest <= text.count(" ") + 1 <= longest:
            return with_articles(text)


def training_sentences(rng: random.Random) -> str:
    """One spoken sentence of 3 to 12 words to learn transcription from."""
    return sample_sentence(rng, 3, 12)
