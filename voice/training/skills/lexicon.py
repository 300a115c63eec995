"""The words the assistant knows, by kind, with their inflections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from voice.training.skills.numbers import NUMBER_WORDS
from voice.training.skills.tables import countries, lines, opposites, rows, spoken

NOUN_KINDS = (
    *("person", "animal", "food", "thing", "furniture", "machine", "clothes", "vehicle", "place"),
    *("nature", "plant", "body", "idea", "event", "illness", "instrument", "time"),
)
"""Kinds of nouns that can be counted: nouns_<kind>.txt."""

MASS_KINDS = (
    *("mass_food", "drink", "mass", "material", "sport", "subject", "language", "city", "other"),
)
"""Nouns without a plural here."""

ADJECTIVE_KINDS = (
    *("look", "color", "person", "food", "idea", "weather", "nation", "graded", "other"),
)
"""Kinds of adjectives; those of "graded" are compared with -er and -est."""

ADVERB_KINDS = ("manner", "time", "often", "comment", "degree", "other")
VERB_FRAMES = ("alone", "thing", "person", "food", "place", "idea", "animal", "to", "other")
"""What may follow a verb of verbs_<frame>.txt; "animal": what animals do alone."""

LONGEST_UNCOMMON = 5
"""Letters of the longest words that the lexicon holds unless common.txt names them.

Two cores train a small model in an hour or two: it learns few words well or many words badly.
"""

_VOWELS = "aeiou"
_IRREGULAR_THIRD = {"be": "is", "have": "has"}


@dataclass(frozen=True, slots=True)
class Verb:
    """The five forms of a verb."""

    base: str
    third: str
    past: str
    participle: str
    gerund: str


def plural(noun: str) -> str:
    """The plural of a noun that can be counted."""
    irregular = {row[0]: row[1] for row in rows("irregular_plurals.tsv")}
    return irregular.get(noun) or with_s(noun)


def with_s(word: str) -> str:
    """A regular plural or third person: "box" → "boxes", "carry" → "carries"."""
    if word.endswith("y") and word[-2] not in _VOWELS:
        return f"{word[:-1]}ies"
    if re.search(r"(s|x|z|ch|sh|[^aeiou]o)$", word):
        return f"{word}es"
    return f"{word}s"


@cache
def verb(base: str) -> Verb:
    """All forms of a verb, from the tables of exceptions and the rules of spelling."""
    exceptions = {row[0]: row[1:] for row in rows("irregular_verbs.tsv")}
    stem = base + base[-1] if base in lines("double_consonant.txt") else base
    if base.endswith("ie"):
        gerund = f"{base[:-2]}ying"
    elif base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        gerund = f"{base[:-1]}ing"
    else:
        gerund = f"{stem}ing"
    if base.endswith("e"):
        regular = f"{base}d"
    elif base.endswith("y") and base[-2] not in _VOWELS:
        regular = f"{base[:-1]}ied"
    else:
        regular = f"{stem}ed"
    past, participle = exceptions.get(base, (regular, regular))
    return Verb(base, _IRREGULAR_THIRD.get(base) or with_s(base), past, participle, gerund)


def graded(adjective: str) -> tuple[str, str]:
    """Comparative and superlative of a short adjective: "big" → ("bigger", "biggest")."""
    if adjective.endswith("y") and adjective[-2] not in _VOWELS:
        stem = f"{adjective[:-1]}i"
    elif adjective.endswith("e"):
        stem = adjective[:-1]
    elif re.fullmatch(r"[^aeiou]+[aeiou][bdgmnpt]", adjective):
        stem = adjective + adjective[-1]
    else:
        stem = adjective
    return f"{stem}er", f"{stem}est"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Everything the word lists hold.

    Attributes:
        kinds: list name ("nouns_animal") → its words as listed.
        words: every single word with its inflections, sorted, none twice.
    """

    kinds: dict[str, tuple[str, ...]]
    words: tuple[str, ...]

    @property
    def listed(self) -> set[str]:
        """Every word of the lists, without its inflections."""
        return {word for words in self.kinds.values() for word in words}

    def verbs(self, frame: str) -> tuple[Verb, ...]:
        """The verbs of a frame of `VERB_FRAMES`."""
        return tuple(verb(base) for base in self.kinds[f"verbs_{frame}"])


def is_in_use(word: str, longest: int = LONGEST_UNCOMMON) -> bool:
    """Whether the lexicon takes a word of the lists in."""
    return len(word) <= longest or word in _common()


@cache
def _common() -> frozenset[str]:
    return frozenset(lines("common.txt"))


@cache
def lexicon(longest: int = LONGEST_UNCOMMON) -> Lexicon:
    """The lexicon, built at first use; a larger ``longest`` makes it larger."""
    names = [f"nouns_{kind}" for kind in (*NOUN_KINDS, *MASS_KINDS)]
    names += [f"adjectives_{kind}" for kind in ADJECTIVE_KINDS]
    names += [f"adverbs_{kind}" for kind in ADVERB_KINDS]
    names += [f"verbs_{frame}" for frame in VERB_FRAMES]
    names.append("other_words")
    kinds = {
        name: tuple(word for word in lines(f"{name}.txt") if is_in_use(word, longest))
        for name in names
    }
    kinds |= {name: lines(f"{name}.txt") for name in ("names", "function_words")}
    words = {word for listed in kinds.values() for word in listed} | set(NUMBER_WORDS)
    words |= {plural(noun) for kind in NOUN_KINDS for noun in kinds[f"nouns_{kind}"]}
    words |= {form for word in kinds["adjectives_graded"] for form in graded(word)}
    for frame in VERB_FRAMES:
        for forms in map(verb, kinds[f"verbs_{frame}"]):
            words |= {forms.base, forms.third, forms.past, forms.participle, forms.gerund}
    words |= {word for word, _ in opposites() if is_in_use(word, longest)}
    for country in countries():
        for name in (*country.said, *map(spoken, country.capitals)):
            words |= set(name.split())
    return Lexicon(kinds, tuple(sorted(words)))
