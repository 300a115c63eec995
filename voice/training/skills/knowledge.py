"""Facts from tables: capitals, opposites, the order of days and months."""

from __future__ import annotations

import random
from functools import cache

from voice.training.skills.lexicon import is_in_use
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.tables import Country, countries, homophones, opposites
from voice.training.skills.turns import Split, Turn

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

CAPITAL = Phrasings.of(
    """
    <q> what is the capital of {x} <end>
    <q> what's the capital of {x} <end>
    <q> what is the capital city of {x} <end>
    <q> what's the capital city of {x} <end>
    <q> which city is the capital of {x}
    <q> what city is the capital of {x}
    <do> name the capital of {x} <end>
    <do> name the capital city of {x} <end>
    <do> tell me the capital (city|) of {x} <end>
    <ask> what the capital (city|) of {x} is
    <ask> which city is the capital of {x}
    <ask> the capital of {x}
    <ask> what is the capital of {x}
    <hey> the capital of {x} (please|)
    <hey> the capital city of {x} (please|)
    <q> what is the name of the capital (city|) of {x}
    <q> {x} what is (its|the) capital
    <hey> i (forgot|don't know|can't remember) the capital of {x}
    <hey> what about the capital of {x}
    <hey> i want the capital of {x}
    <hey> what city is {x}'s capital
    <q> what is {x}'s capital (city|)
    <ask> what {x}'s capital is
    <do> (find|look up) the capital (city|) of {x} <end>
    <q> which is the capital (city|) of {x}
    <q> in {x} what is the capital
    <q> (what|which) is the main city and capital of {x}
    <ask> the name of the capital (city|) of {x}
    <do> tell me what the capital of {x} is
    """,
    """
    <hey> capital of {x} (please|)
    <do> give me the capital (city|) of {x} <end>
    <hey> (which|what) is the capital city in {x}
    <hey> {x} has (which|what) capital
    <hey> (which|what) capital does {x} have
    <q> what is the capital called in {x}
    <q> what do you call the capital of {x}
    <do> say what the capital of {x} is
    <hey> do you remember the capital of {x}
    <q> which city is {x}'s capital
    <hey> i would like the capital of {x}
    <hey> {x}'s capital (please|)
    <q> (what|which) city is the capital in {x}
    <hey> do you know {x}'s capital
    <q> the capital of {x} is which city
    """,
    "capital",
)

OPPOSITE = Phrasings.of(
    """
    <q> what is the opposite of {x} <end>
    <q> what's the opposite of {x} <end>
    <q> what is the opposite of the word {x} <end>
    <do> name the opposite of {x} <end>
    <do> tell me the opposite of {x} <end>
    <ask> what the opposite of {x} is
    <ask> the opposite of {x}
    <ask> the opposite of the word {x}
    <q> which word is the opposite of {x}
    <q> what word is the opposite of {x}
    <q> what word means the opposite of {x}
    <hey> the opposite of {x} (please|)
    <q> {x} what is the opposite
    <q> what is the contrary of {x}
    <do> find the opposite of {x} <end>
    <hey> what about the opposite of {x}
    <hey> i need the opposite of {x}
    <q> what is the opposite word (of|for|to) {x}
    <q> what is the exact opposite of {x}
    <ask> which word is the opposite of {x}
    <q> which word means the opposite of {x}
    <do> tell me what the opposite of {x} is
    <do> look up the opposite of {x}
    <q> what is an antonym (of|for) {x}
    <q> the opposite of {x} is (what|which word)
    """,
    """
    <hey> opposite of {x} (please|)
    <do> give me the opposite of {x} <end>
    <do> give me a word that means the opposite of {x}
    <hey> {x} is the opposite of what
    <q> what would be the opposite of {x}
    <do> say the opposite of {x} <end>
    <q> how do you say the opposite of {x}
    <hey> do you have the opposite of {x}
    <hey> i am looking for the opposite of {x}
    <q> which word is opposite to {x}
    <q> what is {x} the opposite of
    <q> what's the opposite word of {x}
    <do> give me the opposite word for {x}
    """,
    "opposite",
)

DAY_AFTER = Phrasings.of(
    """
    <q> what day comes after {x} <end>
    <q> which day comes after {x} <end>
    <q> what day is after {x}
    <q> which day is after {x}
    <q> what is the day after {x}
    <q> what's the day after {x}
    <q> what comes after {x}
    <ask> what day (comes|is) after {x}
    <ask> the day after {x}
    <q> if today is {x} what day is tomorrow
    <q> if it is {x} today what day is it tomorrow
    <q> what is the next day after {x}
    <do> (name|tell me) the day after {x} <end>
    <hey> what about the day after {x}
    <q> after {x} comes (what|which day)
    <q> which day (of the week|) is next after {x}
    <q> tomorrow is the day after {x} what day is tomorrow
    <do> tell me (what|which) day comes after {x}
    <q> when {x} is over what day (is it|comes)
    """,
    """
    <q> what day follows {x}
    <q> which day follows {x}
    <hey> today is {x} so what is tomorrow
    <q> what day do we have after {x}
    <do> give me the day after {x}
    <q> when today is {x} what will tomorrow be
    <hey> {x} is followed by (what|which) day
    <q> what will tomorrow be if today is {x}
    <q> which day comes right after {x}
    <q> what day do you get after {x}
    <hey> and after {x} (what|which) day
    """,
    "day_after",
)

DAY_BEFORE = Phrasings.of(
    """
    <q> what day comes before {x} <end>
    <q> which day comes before {x} <end>
    <q> what day is before {x}
    <q> which day is before {x}
    <q> what is the day before {x}
    <q> what's the day before {x}
    <q> what comes before {x}
    <ask> what day (comes|is) before {x}
    <ask> the day before {x}
    <q> if today is {x} what day was yesterday
    <q> if it is {x} today what day was it yesterday
    <do> (name|tell me) the day before {x} <end>
    <hey> what about the day before {x}
    <q> before {x} comes (what|which day)
    <do> tell me (what|which) day comes before {x}
    <q> what was the day before {x}
    <q> which day (of the week|) is right before {x}
    """,
    """
    <hey> today is {x} so what was yesterday
    <q> what day do we have before {x}
    <q> what day was it just before {x}
    <do> give me the day before {x}
    <q> when today is {x} what was yesterday
    <q> what was yesterday if today is {x}
    <q> which day comes right before {x}
    <q> which day do you find before {x}
    <hey> and before {x} (what|which) day
    """,
    "day_before",
)

MONTH_AFTER = Phrasings.of(
    """
    <q> what month comes after {x} <end>
    <q> which month comes after {x} <end>
    <q> what month is after {x}
    <q> which month is after {x}
    <q> what is the month after {x}
    <q> what's the month after {x}
    <q> what comes after {x}
    <ask> what month (comes|is) after {x}
    <ask> the month after {x}
    <q> what is the next month after {x}
    <do> (name|tell me) the month after {x} <end>
    <hey> what about the month after {x}
    <q> after {x} comes (what|which month)
    <q> which month (of the year|) is next after {x}
    <q> if this month is {x} what is the next month
    <do> tell me (what|which) month comes after {x}
    <q> when {x} is over what month (is it|comes)
    """,
    """
    <q> what month follows {x}
    <q> which month follows {x}
    <q> what month do we have after {x}
    <do> give me the month after {x}
    <hey> it is {x} now so what is the next month
    <hey> {x} is followed by (what|which) month
    <q> which month comes right after {x}
    <q> what will the next month be if it is {x}
    """,
    "month_after",
)

MONTH_BEFORE = Phrasings.of(
    """
    <q> what month comes before {x} <end>
    <q> which month comes before {x} <end>
    <q> what month is before {x}
    <q> which month is before {x}
    <q> what is the month before {x}
    <q> what's the month before {x}
    <q> what comes before {x}
    <ask> what month (comes|is) before {x}
    <ask> the month before {x}
    <do> (name|tell me) the month before {x} <end>
    <hey> what about the month before {x}
    <q> before {x} comes (what|which month)
    <q> if this month is {x} what was the last month
    <do> tell me (what|which) month comes before {x}
    <q> which month (of the year|) is right before {x}
    """,
    """
    <q> what month do we have before {x}
    <q> what month was it just before {x}
    <do> give me the month before {x}
    <hey> it is {x} now so what was the last month
    <q> which month comes right before {x}
    <q> which month do you find before {x}
    <q> what was last month if it is {x} now
    """,
    "month_before",
)

FOLLOW_UP = Phrasings.of(
    """
    (|okay|um|so) and of {x}
    (|okay|um|so) and {x} <end>
    (|okay|um|so|and) what about {x}
    (|okay|um|so|and) how about {x}
    (|okay|um|so) and what is it for {x}
    (|okay|um) now {x} <end>
    and that of {x}
    """,
    """
    (|okay|um|so) and for {x}
    (|okay|um|so) {x} too please
    (|okay|um) and what would it be for {x}
    the same (question|thing) for {x}
    """,
    "follow_up",
)
"""Asks again what was asked in the turn before, about something else."""

_ORDERS = (
    ("day", DAYS, ((DAY_AFTER, "after", 1), (DAY_BEFORE, "before", -1))),
    ("month", MONTHS, ((MONTH_AFTER, "after", 1), (MONTH_BEFORE, "before", -1))),
)


@cache
def weighted_countries() -> tuple[Country, ...]:
    """All countries, well known ones three times."""
    return tuple(c for c in countries() for _ in range(3 if c.is_well_known else 1))


def sample_capital(rng: random.Random, split: Split, phrasings: Phrasings = CAPITAL) -> Turn:
    """The capital of any country, well known ones three times as often."""
    country = rng.choice(weighted_countries())
    reply, *accept = (f"The capital of {country.name} is {city}." for city in country.capitals)
    user = phrasings.sample(rng, split, {"x": rng.choice(country.said)})
    return Turn(user, reply, "capital", tuple(accept))


@cache
def _known_opposites() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Those whose words are in use; they are asked more often."""
    return tuple(
        (word, others) for word, others in opposites() if all(map(is_in_use, (word, *others)))
    )


def sample_opposite(rng: random.Random, split: Split, phrasings: Phrasings = OPPOSITE) -> Turn:
    """The opposite of a word; "son" may be heard as "sun", so the opposite of either is right."""
    word, others = rng.choice(_known_opposites() if rng.random() < 0.7 else opposites())
    table = dict(opposites())
    heard = [*others, *(o for same in homophones().get(word, ()) for o in table.get(same, ()))]
    reply, *accept = (f"The opposite of {word} is {other}." for other in heard)
    return Turn(phrasings.sample(rng, split, {"x": word}), reply, "opposite", tuple(accept))


FOLLOWED_UP = {"capital": sample_capital, "opposite": sample_opposite}
"""skill → draws a turn with the phrasings it is given, such as `FOLLOW_UP`."""


def sample_next_day(rng: random.Random, split: Split) -> Turn:
    """The day or month after or before another."""
    unit, names, directions = _ORDERS[rng.random() < 0.45]
    phrasings, side, step = directions[rng.random() < 0.4]
    index = rng.randrange(len(names))
    name, answer = names[index], names[(index + step) % len(names)]
    user = phrasings.sample(rng, split, {"x": name.lower()})
    return Turn(user, f"The {unit} {side} {name} is {answer}.", "next_day")
