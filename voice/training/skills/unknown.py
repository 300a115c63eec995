"""What Parley cannot answer: gibberish and cut speech, and questions outside of its abilities."""

from __future__ import annotations

import random
from functools import cache
from zlib import crc32

from voice.training.skills.grammar import with_articles
from voice.training.skills.lexicon import lexicon, plural
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.sentences import sample_word_salad
from voice.training.skills.tables import countries
from voice.training.skills.turns import Split, Turn

NOT_UNDERSTOOD = "I'm sorry, I did not understand that."
NOT_KNOWN = "I'm sorry, I don't know that."

OUT_OF_SCOPE = Phrasings.of(
    """
    <q> what is the weather (like|) (today|tomorrow|in {country}|outside|)
    <q> will it (rain|snow) (today|tomorrow|tonight|this week)
    <q> who won the (game|match|race|election|{event}) (last night|yesterday|today|)
    <q> what time is it (now|in {country}|)
    <q> what is the (news|date|time) (today|)
    <q> where is the (nearest|next|closest) {place}
    <q> how (far|high|deep|big|old) is the (moon|sun|sea|{nature}|{place})
    <q> when (does|will) the {vehicle} (leave|arrive)
    <do> (play|stop) (some|the) music
    <do> play (the|my) {instrument}
    <do> (call|text) (my {person}|{name}|a taxi)
    <do> order (a {food}|some {mass_food}|a taxi) (for me|)
    <do> set (an alarm|a timer) (for five minutes|for seven|)
    <do> turn (on|off) the {machine}
    <do> (buy|find|bring|make|get) (me|us) a {thing}
    <do> tell me (a poem|the time|the news|something about {animals})
    <q> who (invented|made|discovered|found) the {machine}
    <q> who (wrote|painted|built) (this|that|the) {thing}
    <q> how much does (a|the|this) (car|house|{thing}|{machine}) cost
    <q> how do i (get to|find) the {place}
    <q> where (is|did i put) my {thing}
    <q> what (did|will) i (eat|do) (yesterday|tomorrow)
    <q> who is (the president|the king|{name}|my {person})
    <q> who is the (president|king|queen|leader) of {country}
    <q> how many people live in {country}
    <q> what language do (they|people) speak in {country}
    <q> what is the (population|flag|president|money|weather) of {country}
    <q> where is {country}
    <q> how big is {country}
    <q> why (do|can) {animals} {do_animal}
    <q> why is the {nature} {color}
    <q> what do {animals} eat
    <q> how (long|old) (is|was) (a|the) {animal}
    <q> how do (you|i) (make|cook) {mass_food}
    <q> what is the meaning of {idea}
    <q> how old are you
    <q> what is your favorite (color|food|song|{animal})
    <q> do you like {foods}
    """,
    """
    <q> is it going to (rain|snow) (today|tomorrow)
    <q> how (hot|cold|warm) is it (outside|today|in {country})
    <q> what was the score (last night|yesterday)
    <do> book (a flight|a table|a hotel) (in {country}|) for me
    <do> send (a message|an email) to (my {person}|{name})
    <q> when is my next (meeting|appointment|flight|{event})
    <q> who will win the (game|election|cup|{event})
    <q> what should i (wear|cook|buy) (today|tonight)
    <q> which (movie|film|book) should i (watch|read)
    <q> what is the fastest {vehicle}
    <q> how many {animals} are there (in the world|)
    <q> what is inside (a|the) {thing}
    <q> how do {animals} sleep
    <q> can you (drive|fly) a {vehicle}
    <q> is there a {place} near here
    <q> who owns the {place}
    <q> how heavy is (a|the) {animal}
    <do> remind me to call {name}
    <do> show me a picture of {country}
    <q> when was {country} founded
    """,
    "out_of_scope",
)

_ONSETS = (*"bdfgklmnprstvz", "bl", "gr", "kr", "sn", "st", "tr", "sh", "ch", "fl", "sk")
_VOWELS = ("a", "e", "i", "o", "u", "oo", "ee", "ay")
_CODAS = ("", "", "b", "d", "g", "k", "l", "m", "n", "p", "rk", "sh", "t", "x", "nd", "mp")
_FRAGMENTS = (
    "the",
    "of",
    "and",
    "to",
    "a",
    "in",
    "that",
    "it",
    "but",
    "with",
    "for",
    "on",
    "because",
    "if",
    "when",
    "or",
    "as",
    "what",
    "how",
    "which",
    "um",
    "uh",
    "is",
    "was",
    "my",
    "your",
    "this",
    "from",
    "about",
    "so",
    "then",
)


@cache
def _fillers() -> dict[str, tuple[str, ...]]:
    """Slot of `OUT_OF_SCOPE` → what may stand there."""
    kinds = lexicon().kinds
    return {
        "country": tuple(country.said[0] for country in countries()),
        "name": kinds["names"],
        "color": kinds["adjectives_color"],
        "animals": tuple(map(plural, kinds["nouns_animal"])),
        "foods": tuple(map(plural, kinds["nouns_food"])),
        "do_animal": kinds["verbs_animal"],
        **{name.removeprefix("nouns_"): kinds[name] for name in kinds if name.startswith("nouns_")},
    }


class _Fillings(dict[str, str]):
    """Draws what fills a slot only when the slot occurs."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng

    def __missing__(self, slot: str) -> str:
        return self._rng.choice(_fillers()[slot])


def _pseudo_word(rng: random.Random) -> str:
    syllables = (
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(rng.choice((1, 2, 2, 3)))
    )
    return "".join(syllables)


def _gibberish(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return " ".join(_pseudo_word(rng) for _ in range(rng.randint(1, 5)))
    if kind < 0.7:
        return " ".join(rng.choice(_FRAGMENTS) for _ in range(rng.randint(1, 4)))
    return sample_word_salad(rng, 2, 5)


def sample_not_understood(rng: random.Random, split: Split) -> Turn:
    """Something without an answer; either apology is right for either kind."""
    if rng.random() < 0.5:
        user = with_articles(OUT_OF_SCOPE.sample(rng, split, _Fillings(rng)))
        return Turn(user, NOT_KNOWN, "not_understood", (NOT_UNDERSTOOD,))
    while True:  # no phrasings here, so a quarter of all texts, by their hash, is held out
        user = _gibberish(rng)
        if (crc32(user.encode()) % 4 == 0) == (split == "heldout"):
            return Turn(user, NOT_UNDERSTOOD, "not_understood", (NOT_KNOWN,))
