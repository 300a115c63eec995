"""Spoken sentences of open vocabulary: clause patterns over the lexicon, and word salads."""

from __future__ import annotations

import random
import re
from functools import cache

from voice.training.skills.grammar import Grammar, Node, sample
from voice.training.skills.lexicon import NOUN_KINDS, VERB_FRAMES, Lexicon, lexicon, plural
from voice.training.skills.numbers import number_words
from voice.training.skills.tables import countries, homophones, lines

SALAD_SHARE = 0.15
"""Part of the sentences that are random words, so that no word of the lexicon is rare."""

_VOWEL_SOUND = re.compile(r"(?!eu|uni(?!n)|use|usu|one\b|once\b)[aeiou]|hour|honest|heir|honor")


@cache
def _patterns() -> tuple[Node, ...]:
    grammar = Grammar(_rules(lexicon()))
    return tuple(grammar.compile(line) for line in lines("sentences.txt"))


@cache
def _salad_words() -> tuple[str, ...]:
    """The lexicon; of words that sound the same only the one that homophones.txt names first."""
    first = {line.split()[0] for line in lines("homophones.txt")}
    return tuple(w for w in lexicon().words if w in first or w not in homophones())


def _rules(known: Lexicon) -> dict[str, str | tuple[str, ...]]:
    """Rules for sentences.txt: one per word list and verb form, and those of phrases.tsv."""
    rules: dict[str, str | tuple[str, ...]] = {
        name.replace("adjectives_", "adj_").replace("adverbs_", "adv_").replace("nouns_", ""): words
        for name, words in known.kinds.items()
    }
    for kind in NOUN_KINDS:
        rules[f"{kind}s"] = tuple(map(plural, known.kinds[f"nouns_{kind}"]))
    for frame in VERB_FRAMES:
        verbs = known.verbs(frame)
        rules[f"do_{frame}"] = tuple(v.base for v in verbs)
        rules[f"does_{frame}"] = tuple(v.third for v in verbs)
        rules[f"did_{frame}"] = tuple(v.past for v in verbs)
        rules[f"done_{frame}"] = tuple(v.participle for v in verbs)
        rules[f"doing_{frame}"] = tuple(v.gerund for v in verbs)
    rules["name"] = known.kinds["names"]
    rules["country"] = tuple(c.said[0] for c in countries())
    rules["number"] = tuple(number_words(n) for n in range(2, 100))
    rules["few"] = tuple(number_words(n) for n in range(2, 13))
    for line in lines("phrases.tsv"):
        name, pattern = line.split("\t")
        rules[name] = pattern
    return rules


def _with_articles(text: str) -> str:
    """ "a apple" → "an apple"."""
    if " a " not in f" {text}":
        return text
    words = text.split()
    for index in range(len(words) - 1):
        if words[index] == "a" and _VOWEL_SOUND.match(words[index + 1]):
            words[index] = "an"
    return " ".join(words)


def sample_word_salad(rng: random.Random, shortest: int, longest: int) -> str:
    words = _salad_words()
    count = rng.randint(shortest, min(longest, 7))
    return " ".join(words[int(rng.random() * len(words))] for _ in range(count))


def sample_sentence(rng: random.Random, shortest: int, longest: int) -> str:
    """A spoken sentence of `shortest` to `longest` words."""
    if rng.random() < SALAD_SHARE:
        return sample_word_salad(rng, shortest, longest)
    patterns = _patterns()
    while True:
        text = sample(patterns[int(rng.random() * len(patterns))], rng)
        if shortest <= text.count(" ") + 1 <= longest:
            return _with_articles(text)


def training_sentences(rng: random.Random) -> str:
    """One spoken sentence of 3 to 12 words to learn transcription from."""
    return sample_sentence(rng, 3, 12)
