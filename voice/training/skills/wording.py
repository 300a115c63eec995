"""Working with words themselves: saying a sentence again and spelling a word."""

from __future__ import annotations

import random
from functools import cache

from voice.training.skills.lexicon import lexicon
from voice.training.skills.nonsense import sample_nonsense
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.sentences import sample_sentence
from voice.training.skills.tables import countries, homophones, lines, opposites, told_by_sound
from voice.training.skills.turns import Split, Turn

NONSENSE_SHARE = 0.3
"""Of the sentences to repeat, in training."""
KEY_WORD_WEIGHTS = (0.35, 0.15, 0.2, 0.3)
"""Of names, countries, words with an opposite, words to spell."""

REPEAT = Phrasings.of(
    """
    <do> repeat after me {text}
    <do> repeat {text}
    <do> repeat this {text}
    <do> repeat the sentence {text}
    <do> repeat this sentence {text}
    <do> repeat the words {text}
    <do> repeat what i say {text}
    <do> repeat the following {text}
    <do> say {text}
    <do> say {text}
    <do> say after me {text}
    <do> say the words {text}
    <do> say the sentence {text}
    <do> say the following {text}
    <hey> (let us|let's) play repeat after me {text}
    <hey> i say {text} now you say it
    <do> copy me {text}
    <do> echo {text}
    <do> repeat exactly what i say {text}
    <do> repeat this for me {text}
    <do> repeat my words {text}
    <do> repeat after me the sentence {text}
    <do> repeat after me the words {text}
    <do> say exactly {text}
    <do> say out loud {text}
    <hey> listen and repeat {text}
    <hey> say it with me {text}
    """,
    """
    <do> say this {text}
    <do> say this sentence {text}
    <do> say it after me {text}
    <do> repeat the following words {text}
    <do> repeat these words {text}
    <do> repeat these words after me {text}
    <do> repeat the phrase {text}
    <do> repeat this after me {text}
    <do> say these words {text}
    <do> say this for me {text}
    <do> say this after me {text}
    <do> repeat it after me {text}
    <hey> after me please {text}
    <do> repeat the next words {text}
    """,
    "repeat",
)

SPELL = Phrasings.of(
    """
    <q> how do you spell {word} <end>
    <q> how do you spell the word {word} <end>
    <q> how do i spell {word} <end>
    <q> how do i spell the word {word} <end>
    <q> how is {word} spelled
    <q> how is the word {word} spelled
    <do> spell {word} <end>
    <do> spell the word {word} <end>
    <do> spell out {word} <end>
    <ask> how to spell {word}
    <ask> how to spell the word {word}
    <ask> how {word} is spelled
    <ask> how you spell {word}
    <q> what is the spelling of {word}
    <hey> what about spelling {word}
    <hey> i don't know how to spell {word}
    <hey> spelling of {word} <end>
    <do> help me spell {word}
    <do> help me to spell the word {word}
    <q> how is {word} written
    <do> tell me how to spell {word}
    <do> tell me the spelling of {word}
    <q> can you spell {word}
    <q> (what|which) letters do i need (for|to write) {word}
    <do> say the letters of {word} <end>
    <q> how should i spell {word}
    <do> spell for me the word {word}
    """,
    """
    <q> how would you spell {word} <end>
    <q> how do we spell {word}
    <q> how do people spell {word}
    <q> what's the spelling of the word {word}
    <do> give me the spelling of {word} <end>
    <do> give me the letters of {word} <end>
    <q> which letters are in {word}
    <q> how do you write {word} <end>
    <hey> can you help me with the spelling of {word}
    <q> what are the letters of {word}
    <do> spell me {word}
    <hey> i can't spell {word} (can|could) you help
    <do> name the letters of {word}
    <do> spell {word} letter by letter
    """,
    "spell",
)


def as_sentence(words: str) -> str:
    """Spoken words as a written sentence: capital at the start and for "i", full stop."""
    text = " ".join(
        word.capitalize() if word == "i" or word.startswith("i'") else word
        for word in words.split()
    )
    return f"{text[0].upper()}{text[1:]}."


def spelled(word: str) -> str:
    """The letters of a word: "cat" → "C, A, T."."""
    return ", ".join(word.upper()) + "."


@cache
def _spelling_words() -> tuple[str, ...]:
    """Words of the lists, without their inflections."""
    listed = lexicon().listed
    return tuple(sorted(word for word in listed if 2 < len(word) < 8 and word.isalpha()))


def sample_words_to_spell(rng: random.Random) -> str:
    """Two to six words."""
    return " ".join(rng.choice(_spelling_words()) for _ in range(rng.randint(2, 6)))


@cache
def _key_words() -> tuple[tuple[str, ...], ...]:
    kinds = (
        lines("names.txt"),
        tuple(name for country in countries() for name in country.said),
        tuple(word for word, _ in opposites()),
        _spelling_words(),
    )
    return tuple(map(told_by_sound, kinds))


def sample_key_words(rng: random.Random, fewest: int, most: int) -> str:
    """Words that answers hang on: names, countries, words with an opposite, words to spell.

    Nothing around them tells what they are, in a question either.
    """
    kinds = rng.choices(_key_words(), KEY_WORD_WEIGHTS, k=rng.randint(fewest, most))
    return " ".join(map(rng.choice, kinds))


def sample_repeat(rng: random.Random, split: Split) -> Turn:
    """A sentence of open vocabulary, two to seven words, said again.

    In training some of them make no sense: they can't be guessed and have to be listened to.
    """
    if split == "train" and rng.random() < NONSENSE_SHARE:
        text = sample_nonsense(rng, 2, 6)
    else:
        text = sample_sentence(rng, 2, 7)
    return Turn(REPEAT.sample(rng, split, {"text": text}), as_sentence(text), "repeat")


def sample_spell(rng: random.Random, split: Split) -> Turn:
    """The letters of a word; the spelling of a word that sounds the same is accepted."""
    word = rng.choice(_spelling_words())
    accept = tuple(spelled(other) for other in homophones().get(word, ()))
    return Turn(SPELL.sample(rng, split, {"word": word}), spelled(word), "spell", accept)
