"""Facts from tables: capitals, opposites, the order of days and months."""

from __future__ import annotations

import random
from functools import cache

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
    <q> what is the capital of {country} <end>
    <q> what's the capital of {country} <end>
    <q> what is the capital city of {country} <end>
    <q> what's the capital city of {country} <end>
    <q> which city is the capital of {country}
    <q> what city is the capital of {country}
    <do> name the capital of {country} <end>
    <do> name the capital city of {country} <end>
    <do> tell me the capital (city|) of {country} <end>
    <ask> what the capital (city|) of {country} is
    <ask> which city is the capital of {country}
    <ask> the capital of {country}
    <ask> what is the capital of {country}
    <hey> the capital of {country} (please|)
    <hey> the capital city of {country} (please|)
    <q> what is the name of the capital (city|) of {country}
    <q> {country} what is (its|the) capital
    <hey> i (forgot|don't know|can't remember) the capital of {country}
    <hey> what about the capital of {country}
    <hey> i want the capital of {country}
    <hey> what city is {country}'s capital
    <q> what is {country}'s capital (city|)
    <ask> what {country}'s capital is
    <do> (find|look up) the capital (city|) of {country} <end>
    <q> which is the capital (city|) of {country}
    <q> in {country} what is the capital
    <q> (what|which) is the main city and capital of {country}
    <ask> the name of the capital (city|) of {country}
    <do> tell me what the capital of {country} is
    """,
    """
    <hey> capital of {country} (please|)
    <do> give me the capital (city|) of {country} <end>
    <hey> (which|what) is the capital city in {country}
    <hey> {country} has (which|what) capital
    <hey> (which|what) capital does {country} have
    <q> what is the capital called in {country}
    <q> what do you call the capital of {country}
    <do> say what the capital of {country} is
    <hey> do you remember the capital of {country}
    """,
)

OPPOSITE = Phrasings.of(
    """
    <q> what is the opposite of {word} <end>
    <q> what's the opposite of {word} <end>
    <q> what is the opposite of the word {word} <end>
    <do> name the opposite of {word} <end>
    <do> tell me the opposite of {word} <end>
    <ask> what the opposite of {word} is
    <ask> the opposite of {word}
    <ask> the opposite of the word {word}
    <q> which word is the opposite of {word}
    <q> what word is the opposite of {word}
    <q> what word means the opposite of {word}
    <hey> the opposite of {word} (please|)
    <q> {word} what is the opposite
    <q> what is the contrary of {word}
    <do> find the opposite of {word} <end>
    <hey> what about the opposite of {word}
    <hey> i need the opposite of {word}
    <q> what is the opposite word (of|for|to) {word}
    <q> what is the exact opposite of {word}
    <ask> which word is the opposite of {word}
    <q> which word means the opposite of {word}
    <do> tell me what the opposite of {word} is
    <do> look up the opposite of {word}
    <q> what is an antonym (of|for) {word}
    <q> the opposite of {word} is (what|which word)
    """,
    """
    <hey> opposite of {word} (please|)
    <do> give me the opposite of {word} <end>
    <do> give me a word that means the opposite of {word}
    <hey> {word} is the opposite of what
    <q> what would be the opposite of {word}
    <do> say the opposite of {word} <end>
    <q> how do you say the opposite of {word}
    <hey> do you have the opposite of {word}
    """,
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
    """,
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
    """,
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
    """,
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
    """,
)

_ORDERS = (
    ("day", DAYS, ((DAY_AFTER, "after", 1), (DAY_BEFORE, "before", -1))),
    ("month", MONTHS, ((MONTH_AFTER, "after", 1), (MONTH_BEFORE, "before", -1))),
)


@cache
def _weighted_countries() -> tuple[Country, ...]:
    return tuple(c for c in countries() for _ in range(3 if c.is_well_known else 1))


def sample_capital(rng: random.Random, split: Split) -> Turn:
    """The capital of any country, well known ones three times as often."""
    country = rng.choice(_weighted_countries())
    reply, *accept = (f"The capital of {country.name} is {city}." for city in country.capitals)
    user = CAPITAL.sample(rng, split, {"country": rng.choice(country.said)})
    return Turn(user, reply, "capital", tuple(accept))


def sample_opposite(rng: random.Random, split: Split) -> Turn:
    """The opposite of a word; "son" may be heard as "sun", so the opposite of either is right."""
    word, others = rng.choice(opposites())
    table = dict(opposites())
    heard = [*others, *(o for same in homophones().get(word, ()) for o in table.get(same, ()))]
    reply, *accept = (f"The opposite of {word} is {other}." for other in heard)
    return Turn(OPPOSITE.sample(rng, split, {"word": word}), reply, "opposite", tuple(accept))


def sample_next_day(rng: random.Random, split: Split) -> Turn:
    """The day or month after or before another."""
    unit, names, directions = _ORDERS[rng.random() < 0.45]
    phrasings, side, step = directions[rng.random() < 0.4]
    index = rng.randrange(len(names))
    name, answer = names[index], names[(index + step) % len(names)]
    user = phrasings.sample(rng, split, {"x": name.lower()})
    return Turn(user, f"The {unit} {side} {name} is {answer}.", "next_day")
