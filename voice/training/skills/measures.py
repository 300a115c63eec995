"""The calendar and units: how many days a month has, minutes in three hours, the next season."""

from __future__ import annotations

import random

from voice.training.skills.knowledge import MONTHS
from voice.training.skills.numbers import number_words
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Split, Turn

SEASONS = ("spring", "summer", "autumn", "winter")
DAYS_OF_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEAP_YEAR = 29
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)

UNITS = (
    ("second", "minute", 60),
    ("minute", "hour", 60),
    ("hour", "day", 24),
    ("day", "week", 7),
    ("month", "year", 12),
    ("year", "century", 100),
    ("cent", "dollar", 100),
    ("centimeter", "meter", 100),
    ("inch", "foot", 12),
    ("egg", "dozen", 12),
)
"""(small, large, how many small ones make a large one)."""
_PLURALS = {"century": "centuries", "inch": "inches", "foot": "feet", "dozen": "dozen"}
LARGEST_CONVERTED = 999

DAYS_IN_MONTH = Phrasings.of(
    """
    <q> how many days (are in|are there in|does) {x} (have|)
    <q> how many days has {x}
    <q> how many days are there in the month of {x}
    <ask> how many days {x} has
    <ask> how many days (are|there are) in {x}
    <q> how long is (the month of|) {x}
    <q> what is the number of days in {x}
    <do> tell me how many days {x} has
    <q> {x} has how many days
    <ask> how long {x} is
    <ask> the number of days in {x}
    <q> how many days is {x}
    """,
    """
    <do> say how many days {x} has
    <q> how many days do we have in {x}
    <do> give me the number of days in {x}
    <q> of how many days is {x} made
    <q> does {x} have thirty or thirty one days
    <hey> {x} how many days does it have
    <q> how many days go into {x}
    <q> how many days will there be in {x}
    <q> what is the length of {x} in days
    <hey> days in {x} (please|)
    """,
    "days_in_month",
)

NTH_MONTH = Phrasings.of(
    """
    <q> (what|which) is the {n} month (of the year|)
    <q> (what|which) month is the {n} (of the year|)
    <q> what's the {n} month (of the year|)
    <ask> (what|which) the {n} month (of the year|) is
    <do> name the {n} month (of the year|)
    <do> tell me the {n} month (of the year|)
    <q> (what|which) month comes {n}
    <q> (what|which) month is number {k}
    <q> the {n} month (of the year|) is (what|which)
    <ask> the {n} month of the year
    <q> what is month (number|) {k} called
    """,
    """
    <do> give me the {n} month (of the year|)
    <do> say the {n} month
    <q> what is the name of the {n} month
    <q> what do you call the {n} month (of the year|)
    <hey> the {n} month (of the year|) please
    <q> what is the {n} month called
    <q> which month do we have in {n} place
    <q> month number {k} is which one
    <hey> do you know the {n} month
    <q> if you count the months which is the {n}
    """,
    "nth_month",
)

NEXT_SEASON = Phrasings.of(
    """
    <q> (what|which) season (comes|is) after {x}
    <q> what comes after {x}
    <q> what is the season after {x}
    <ask> (what|which) season (comes|is) after {x}
    <do> name the season after {x}
    <do> tell me the season after {x}
    <q> what is the next season after {x}
    <q> after {x} comes (what|which season)
    <q> when {x} is over (what|which season) comes
    <ask> the season after {x}
    <q> if it is {x} now what is the next season
    """,
    """
    <q> (what|which) season follows {x}
    <do> give me the season after {x}
    <hey> {x} is followed by (what|which) season
    <q> what season do we have after {x}
    <q> which season comes right after {x}
    <do> say which season comes after {x}
    <q> what time of the year comes after {x}
    <q> when {x} ends what begins
    <hey> it is {x} so what season is next
    <q> at the end of {x} what season is next
    """,
    "next_season",
)

CONVERT = Phrasings.of(
    """
    <q> how many {small} (are in|are there in|make) {many}
    <q> how many {small} (do|does) {many} have
    <q> how many {small} is {many}
    <ask> how many {small} (are|there are) in {many}
    <do> convert {many} (to|into) {small}
    <do> change {many} (to|into) {small}
    <q> what is {many} in {small}
    <q> how much is {many} in {small}
    <do> tell me how many {small} are in {many}
    <q> {many} (is|are) how many {small}
    <do> turn {many} into {small}
    """,
    """
    <q> {many} is what in {small}
    <q> how many {small} do you get from {many}
    <do> give me {many} in {small}
    <do> express {many} in {small}
    <do> say how many {small} are in {many}
    <q> how many {small} go into {many}
    <hey> {many} in {small} please
    <q> what would {many} be in {small}
    <q> how many {small} will {many} give me
    <hey> i need {many} in {small}
    """,
    "convert",
)


def _plural(unit: str) -> str:
    return _PLURALS.get(unit, f"{unit}s")


def sample_calendar(rng: random.Random, split: Split) -> Turn:
    """The length of a month, the month with a number, the season after another."""
    kind = rng.random()
    index = rng.randrange(len(MONTHS))
    month = MONTHS[index]
    if kind < 0.4:
        days = DAYS_OF_MONTHS[index]
        reply = f"{month} has {number_words(days)} days."
        accept = (f"{month} has {number_words(_LEAP_YEAR)} days.",) if month == "February" else ()
        user = DAYS_IN_MONTH.sample(rng, split, {"x": month.lower()})
        return Turn(user, reply, "calendar", accept)
    if kind < 0.75:
        ordinal = _ORDINALS[index]
        user = NTH_MONTH.sample(rng, split, {"n": ordinal, "k": number_words(index + 1)})
        return Turn(user, f"The {ordinal} month is {month}.", "calendar")
    place = rng.randrange(len(SEASONS))
    season, following = SEASONS[place], SEASONS[(place + 1) % len(SEASONS)]
    user = NEXT_SEASON.sample(rng, split, {"x": season})
    also = (f"The season after {season} is fall.",) if following == "autumn" else ()
    return Turn(user, f"The season after {season} is {following}.", "calendar", also)


def sample_convert(rng: random.Random, split: Split) -> Turn:
    """Small units in up to ten large ones."""
    small, large, factor = rng.choice(UNITS)
    count = rng.randint(1, min(10, LARGEST_CONVERTED // factor))
    many = f"{number_words(count)} {large if count == 1 else _plural(large)}"
    result = f"{number_words(count * factor)} {_plural(small)}"
    user = CONVERT.sample(rng, split, {"small": _plural(small), "many": many})
    return Turn(user, f"{many.capitalize()} {'is' if count == 1 else 'are'} {result}.", "convert")
