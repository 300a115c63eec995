"""What Parley cannot answer: gibberish and cut speech, and questions outside of its abilities."""

from __future__ import annotations

import random
from zlib import crc32

from voice.training.skills.phrasing import Phrasings
from voice.training.skills.sentences import sample_word_salad
from voice.training.skills.turns import Split, Turn

NOT_UNDERSTOOD = "I'm sorry, I did not understand that."
NOT_KNOWN = "I'm sorry, I don't know that."

OUT_OF_SCOPE = Phrasings.of(
    """
    <q> what is the weather (like|) (today|tomorrow|in london|outside|)
    <q> will it (rain|snow) (today|tomorrow|tonight|this week)
    <q> who won the (game|match|race|election) (last night|yesterday|today|)
    <q> what time is it (now|)
    <q> what is the (news|price of gold) (today|)
    <q> where is the (nearest|next|closest) (hospital|station|restaurant|pharmacy|bank|hotel)
    <q> how (far|high|deep) is the (moon|sun|sea|mountain)
    <q> when (does|will) the (train|bus|plane) (leave|arrive)
    <do> (play|stop) (some|the) music
    <do> (call|text) (my mother|my friend|a taxi|the doctor)
    <do> order (a pizza|some food|a taxi) (for me|)
    <do> set (an alarm|a timer) (for five minutes|for seven|)
    <do> turn (on|off) the (light|lights|radio|television)
    <q> who (invented|wrote|painted|discovered) (the telephone|this book|that picture|electricity)
    <q> how much does (a car|this|it|a house) cost
    <q> how do i (get to|find) the (station|airport|city center)
    <q> where (is|did i put) my (phone|wallet|key)
    <q> what (did|will) i (eat|do) (yesterday|tomorrow)
    <q> who is the (president|king|prime minister) (now|)
    """,
    """
    <q> is it going to (rain|snow) (today|tomorrow)
    <q> how (hot|cold|warm) is it (outside|today)
    <q> what was the score (last night|yesterday)
    <do> book (a flight|a table|a hotel) for me
    <do> send (a message|an email) to my (boss|friend|brother)
    <q> when is my next (meeting|appointment|flight)
    <q> who will win the (game|election|cup)
    <q> what should i (wear|cook|buy) (today|tonight)
    <q> which (movie|film|book) should i (watch|read)
    """,
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
        user = OUT_OF_SCOPE.sample(rng, split)
        return Turn(user, NOT_KNOWN, "not_understood", (NOT_UNDERSTOOD,))
    while True:  # no phrasings here, so a quarter of all texts, by their hash, is held out
        user = _gibberish(rng)
        if (crc32(user.encode()) % 4 == 0) == (split == "heldout"):
            return Turn(user, NOT_UNDERSTOOD, "not_understood", (NOT_KNOWN,))
