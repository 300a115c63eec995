"""Answers in a form that was asked for: one word alone, or the letter of an option."""

from __future__ import annotations

import random

from voice.training.skills.knowledge import DAYS, sample_capital, sample_next_day, sample_opposite
from voice.training.skills.numbers import number_words
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.tables import countries, opposites, spoken
from voice.training.skills.turns import Split, Turn

IN_ONE_WORD = Phrasings.of(
    """
    (<hey>|please) in one word {question}
    (<hey>|please) with one word {question}
    (<hey>|please) answer (in|with) one word {question}
    (<hey>|please) answer with (just|only) one word {question}
    (<hey>|please) just one word {question}
    (<hey>|please) only one word {question}
    (<hey>|please) say it in one word {question}
    {question} (answer|) in one word (please|)
    {question} (answer|say it) with one word
    {question} just one word (please|)
    {question} only one word (please|)
    """,
    """
    (<hey>|please) use one word {question}
    (<hey>|please) in a single word {question}
    (<hey>|please) one word answer {question}
    (<hey>|please) keep it to one word {question}
    (<hey>|please) give me one word {question}
    {question} use one word
    {question} in a single word
    {question} one word is enough
    {question} one word (please|)
    {question} keep it to one word
    """,
    "one_word",
)

CHOOSE = Phrasings.of(
    """
    <q> {question} a {a} b {b} c {c}
    <q> {question} option a {a} option b {b} option c {c}
    <q> {question} is it a {a} b {b} or c {c}
    <do> choose the right answer {question} a {a} b {b} c {c}
    <do> pick the right answer {question} a {a} b {b} c {c}
    <q> {question} your options are a {a} b {b} or c {c}
    <q> {question} the options are a {a} b {b} c {c}
    <do> answer with a letter {question} a {a} b {b} or c {c}
    <hey> which answer is right {question} a {a} b {b} c {c}
    <hey> multiple choice {question} a {a} b {b} c {c}
    <hey> here is a question {question} a {a} b {b} or c {c}
    """,
    """
    <q> {question} a {a} or b {b} or c {c}
    <hey> quiz time {question} a {a} b {b} c {c}
    <do> select the right option {question} a {a} b {b} c {c}
    <q> {question} answers are a {a} b {b} c {c}
    <hey> which option is right {question} a {a} b {b} c {c}
    <q> {question} choose between a {a} b {b} and c {c}
    <do> give me the letter {question} a {a} b {b} c {c}
    <q> {question} choice a {a} choice b {b} choice c {c}
    <hey> which letter is right {question} a {a} b {b} c {c}
    <q> {question} you can choose a {a} b {b} or c {c}
    """,
    "choose",
)

LETTERS = "ABC"
_ASKED = sample_capital, sample_opposite, sample_next_day


def _bare(answer: str) -> str:
    """What a reply says: "The opposite of hot is cold." → "Cold."."""
    said = answer.rsplit(" is ", 1)[1]
    return f"{said[0].upper()}{said[1:]}"


def sample_one_word(rng: random.Random, split: Split) -> Turn:
    """A fact, said in one word."""
    turn = rng.choice(_ASKED)(rng, split)
    said, *accept = map(_bare, (turn.reply, *turn.accept))
    user = IN_ONE_WORD.sample(rng, split, {"question": turn.user})
    return Turn(user, said, "one_word", tuple(accept))


def _sum(rng: random.Random) -> tuple[str, str, list[str]]:
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    others = [number_words(n) for n in range(2, 21) if n != a + b]
    return f"what is {number_words(a)} plus {number_words(b)}", number_words(a + b), others


def _capital(rng: random.Random) -> tuple[str, str, list[str]]:
    known = [country for country in countries() if country.is_well_known]
    country = rng.choice(known)
    others = [spoken(each.capitals[0]) for each in known if each != country]
    right = spoken(country.capitals[0])
    return f"what is the capital of {country.said[0]}", right, others


def _opposite(rng: random.Random) -> tuple[str, str, list[str]]:
    word, (right, *also) = rng.choice(opposites())
    others = [other for other, _ in opposites() if other not in (word, right, *also)]
    return f"what is the opposite of {word}", right, others


def _day(rng: random.Random) -> tuple[str, str, list[str]]:
    index = rng.randrange(len(DAYS))
    right = DAYS[(index + 1) % len(DAYS)].lower()
    others = [day.lower() for day in DAYS if day.lower() != right]
    return f"what day comes after {DAYS[index].lower()}", right, others


def sample_choice(rng: random.Random, split: Split) -> Turn:
    """One of three options; its letter is the answer."""
    question, right, others = rng.choice((_sum, _capital, _opposite, _day))(rng)
    options = [right, *rng.sample(others, 2)]
    rng.shuffle(options)
    slots = dict(zip("abc", options, strict=True))
    user = CHOOSE.sample(rng, split, {"question": question, **slots})
    letter = LETTERS[options.index(right)]
    return Turn(user, f"The answer is {letter}.", "choice", (f"{letter}.",))
