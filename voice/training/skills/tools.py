"""Questions that a function answers: the call with its arguments, then the reply from its result.

A function is called only where the conversation offers it; without it the question cannot be
answered. The functions are those that Parley brings along (voice/tools.py) and three that clients
often show: lights, a coffee order, the weather.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from voice.training.skills.arithmetic import sample_add, sample_multiply, sample_subtract
from voice.training.skills.digits import OPERATORS, SPANS, sample_sum, shots_of_coffee
from voice.training.skills.knowledge import DAYS, MONTHS
from voice.training.skills.lexicon import lexicon
from voice.training.skills.numbers import number_words, numbers_in
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Function, Split, ToolCall, Turn
from voice.training.skills.unknown import NOT_KNOWN, NOT_UNDERSTOOD

FAILED = "I'm sorry, that did not work."

TIME = Phrasings.of(
    """
    <q> what time is it (now|right now|please|)
    <q> what is the time (now|right now|please|)
    <q> what's the time (now|please|)
    <ask> what time it is (now|)
    <ask> the (time|exact time)
    <q> how late is it
    <q> do you (have|know) the time
    <do> (check|look at) the (time|clock)
    <hey> the time please
    <q> what (hour|time of day) is it
    <q> is it late (already|yet|)
    <do> say the time
    what does the clock say
    """,
    """
    <do> give me the time
    <hey> time please
    <q> what time do we have
    <q> have you got the time
    """,
    "time",
)
DATE = Phrasings.of(
    """
    <q> what (is the date|date is it|is today's date) (today|)
    <q> what's the date (today|)
    <q> (what|which) day is (it|today)
    <q> what day is it today
    <ask> what day it is (today|)
    <ask> (the|today's) date
    <q> which day of the week is it (today|)
    <q> which month (is it|are we in)
    <q> what year is it
    <q> what is today
    <hey> the date please
    <do> (check|look up) the date
    """,
    """
    <do> give me (the|today's) date
    <q> what date do we have (today|)
    <q> what day of the month is it
    <ask> which day it is today
    """,
    "date",
)
TIMER = Phrasings.of(
    """
    <do> set a timer (for|to|of) {span}
    <do> start a timer (for|of) {span}
    <do> set (the|my) timer (for|to) {span}
    <do> start a {span} timer
    <do> set a {span} timer
    <hey> i need a timer (for|of) {span}
    <hey> timer for {span}
    <hey> timer {span} (please|)
    <do> remind me in {span}
    <do> (tell me|let me know) when {span} (are|is) over
    <do> wake me (up|) in {span}
    <do> time {span} (for me|)
    <do> count down {span}
    <hey> i want a timer (for|of) {span}
    """,
    """
    <do> make a timer (for|of) {span}
    <do> put {span} on the timer
    <do> give me a timer (for|of) {span}
    <do> alert me in {span}
    """,
    "timer",
)
CALCULATE = Phrasings.of(
    """
    <q> what is {a} {op} {b}
    <q> what's {a} {op} {b}
    <q> how much is {a} {op} {b}
    <do> (calculate|compute|work out) {a} {op} {b}
    <hey> {a} {op} {b}
    <q> what (does|do) {a} {op} {b} (make|give)
    """,
    """
    <ask> what {a} {op} {b} is
    <do> figure out {a} {op} {b}
    """,
    "calculate",
)
LIGHT = Phrasings.of(
    """
    <do> (turn|switch) {state} the light in the {room}
    <do> (turn|switch) the light in the {room} {state}
    <do> (turn|switch) {state} the {room} (light|lights)
    <do> (turn|switch) the {room} (light|lights) {state}
    <do> put the {room} (light|lights) {state}
    <do> put {state} the light in the {room}
    <hey> {room} (light|lights) {state} (please|)
    <hey> light {state} in the {room} (please|)
    <hey> i (want|need) the {room} (light|lights) {state}
    <hey> the {room} (light|lights) should be {state}
    """,
    """
    <do> make the {room} (light|lights) go {state}
    <hey> lights {state} in the {room}
    <hey> i would like the light in the {room} {state}
    """,
    "light",
)
COFFEE = Phrasings.of(
    """
    <hey> i (would like|want|will have) a {size} {roast} coffee with {milk} milk and {shots}
    <hey> i will take a {size} {roast} coffee with {milk} milk and {shots}
    <hey> i'd like a {size} {roast} coffee with {milk} milk and {shots}
    <do> order a {size} {roast} coffee with {milk} milk and {shots} (for me|)
    <do> get me a {size} {roast} coffee with {shots} and {milk} milk
    <hey> can i (have|get) a {size} coffee with {roast} roast {milk} milk and {shots}
    <hey> a {size} {roast} coffee with {milk} milk and {shots} please
    <hey> one {size} {roast} coffee {shots} {milk} milk (please|)
    """,
    """
    <do> make me a {size} {roast} coffee with {milk} milk and {shots}
    <hey> i'll have a {size} {roast} coffee with {shots} and {milk} milk
    <hey> could i have a {size} {roast} coffee with {milk} milk and {shots}
    """,
    "coffee",
)
WEATHER = Phrasings.of(
    """
    <q> what is the weather (like|) in {city} (today|now|)
    <q> what's the weather (like|) in {city} (today|now|)
    <q> how is the weather in {city} (today|)
    <ask> what the weather is (like|) in {city}
    <ask> the weather in {city}
    <q> how (warm|cold|hot) is it in {city} (today|)
    <do> check the weather in {city}
    <q> is it (raining|sunny|cold|warm) in {city}
    <hey> weather in {city} (please|)
    <q> what is the temperature in {city}
    <hey> and in {city} what is the weather there
    """,
    """
    <do> give me the weather (for|in) {city}
    <q> what kind of weather (is there|do they have) in {city}
    <do> look up the weather in {city}
    """,
    "weather",
)

_ROOMS = (
    "kitchen", "bedroom", "living room", "bathroom", "hall", "garden", "garage", "office", "cellar",
)  # fmt: skip
_CONDITIONS = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear", "stormy", "dry")
_ZONES = ("UTC", "CET", "CEST", "EST", "EDT", "PST", "GMT", "BST", "JST")
_CITY_PARAMETERS = ("city", "city", "location")


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, the arguments of the call, what it may return, and the reply to that."""

    user: str
    arguments: dict[str, str]
    results: tuple[str, ...]
    reply: str


def _time(rng: random.Random, split: Split, function: Function) -> _Question:
    hour, minute, half = rng.randint(1, 12), rng.randint(0, 59), rng.choice(("AM", "PM"))
    time = rng.choice((f"{hour}:{minute:02} {half}", f"{rng.randint(0, 23):02}:{minute:02}"))
    results = (f"{time}, {rng.choice(_ZONES)}", time, json.dumps({"time": time}))
    return _Question(TIME.sample(rng, split), {}, results, f"It is {time}.")


def _date(rng: random.Random, split: Split, function: Function) -> _Question:
    day, month = rng.choice(DAYS).title(), rng.choice(MONTHS).title()
    date = f"{day}, {month} {rng.randint(1, 31)}"
    dated = f"{date}, {rng.randint(2024, 2035)}"
    results = (dated, dated, json.dumps({"date": dated}))
    return _Question(DATE.sample(rng, split), {}, results, f"Today is {date}.")


def _timer(rng: random.Random, split: Split, function: Function) -> _Question:
    span, seconds = rng.choice(SPANS)
    user = TIMER.sample(rng, split, {"span": span})
    told = f"The timer is set: {seconds} seconds from now."
    return _Question(user, {"seconds": str(seconds)}, (told, *_DONE), "The timer is set.")


_DONE = ("ok", "done", json.dumps({"status": "ok"}), json.dumps({"success": True}))


def _calculate(rng: random.Random, split: Split, function: Function) -> _Question:
    if rng.random() < 0.6:
        a, words, b = sample_sum(rng)
        sign = OPERATORS[words]
        said = {"a": number_words(a), "b": number_words(b), "op": words}
        user = CALCULATE.sample(rng, split, said)
    else:
        kinds = {"+": sample_add, "-": sample_subtract, "*": sample_multiply}
        sign = rng.choice(tuple(kinds))
        turn = kinds[sign](rng, split)
        a, b = numbers_in(turn.user)[:2]
        if sign == "-" and numbers_in(turn.reply)[-1:] != [a - b]:
            a, b = b, a
        user = turn.user
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if b else 0}[sign]
    results = (str(value), str(value), json.dumps({"result": value}))
    return _Question(user, {"expression": f"{a} {sign} {b}"}, results, f"The answer is {value}.")


def _light(rng: random.Random, split: Split, function: Function) -> _Question:
    room, state = rng.choice(_ROOMS), rng.choice(("on", "off"))
    user = LIGHT.sample(rng, split, {"room": room, "state": state})
    reply = f"The {room} light is {state}."
    return _Question(user, {"room": room, "state": state}, _DONE, reply)


def _coffee(rng: random.Random, split: Split, function: Function) -> _Question:
    shots = rng.randint(1, 4)
    order = {
        "size": rng.choice(("small", "medium", "large")),
        "roast": rng.choice(("light", "medium", "dark")),
        "milk": rng.choice(("whole", "oat", "soy", "almond", "no")),
    }
    user = COFFEE.sample(rng, split, {**order, "shots": shots_of_coffee(shots)})
    reply = f"Your {order['size']} coffee is ordered."
    return _Question(user, {**order, "shots": str(shots)}, _DONE, reply)


def _weather(rng: random.Random, split: Split, function: Function) -> _Question:
    city = rng.choice(lexicon().kinds["nouns_city"])
    degrees, condition = rng.randint(-15, 39), rng.choice(_CONDITIONS)
    results = (
        f"{degrees} degrees, {condition}",
        f"{condition}, {degrees} degrees",
        json.dumps({"temperature": degrees, "condition": condition}),
        json.dumps({"condition": condition, "temperature": degrees}),
        json.dumps({"weather": condition, "temperature": degrees}),
    )
    user = WEATHER.sample(rng, split, {"city": city})
    # The schema says what the place is called.
    arguments = {function.parameters[0]: city.title()}
    return _Question(user, arguments, results, f"It is {degrees} degrees and {condition}.")


_KINDS: dict[str, tuple[Callable[[random.Random, Split, Function], _Question], tuple[str, ...]]] = {
    "get_time": (_time, ()),
    "get_date": (_date, ()),
    "set_timer": (_timer, ("seconds",)),
    "calculate": (_calculate, ("expression",)),
    "set_light": (_light, ("room", "state")),
    "order_coffee": (_coffee, ("size", "roast", "milk", "shots")),
    "get_weather": (_weather, ("city",)),
}
"""function → how to ask for it, and its parameters."""

FUNCTIONS: tuple[str, ...] = tuple(_KINDS)


def sample_functions(rng: random.Random) -> tuple[Function, ...]:
    """What a conversation offers: one to all of the functions, in any order."""
    names = rng.sample(FUNCTIONS, rng.choice((1, 1, 2, 3, 4, 4, 5, len(FUNCTIONS))))
    return tuple(_function(name, rng) for name in names)


def _function(name: str, rng: random.Random) -> Function:
    parameters = _KINDS[name][1]
    if name == "get_weather":
        parameters = (rng.choice(_CITY_PARAMETERS),)
    return Function(name, parameters)


def sample_tool_turn(rng: random.Random, split: Split, function: Function) -> Turn:
    """A turn that calls ``function``; now and then the call fails."""
    question = _KINDS[function.name][0](rng, split, function)
    call = ToolCall(function.name, question.arguments)
    turn = Turn(
        question.user, question.reply, "tool", call=call, result=rng.choice(question.results)
    )
    if rng.random() < 0.06:
        return replace(
            turn, result=f"Error: {function.name} failed: {rng.choice(_REASONS)}", reply=FAILED
        )
    return turn


_REASONS = (
    "timeout", "no answer", "not available", "unknown value", "connection refused", "try later",
)  # fmt: skip


def sample_missing_tool_turn(
    rng: random.Random, split: Split, offered: tuple[Function, ...]
) -> Turn | None:
    """A turn that would need a function that is not offered; None where there is no such."""
    names = {function.name for function in offered}
    # What `calculate` would be asked for can be answered without it.
    missing = [name for name in FUNCTIONS if name not in names and name != "calculate"]
    if not missing:
        return None
    name = rng.choice(missing)
    user = _KINDS[name][0](rng, split, _function(name, rng)).user
    return Turn(user, NOT_KNOWN, "not_understood", (NOT_UNDERSTOOD,))
