"""Remembering more than a name: favourite things and a shopping list."""

from __future__ import annotations

import random

from voice.training.skills.lexicon import lexicon
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Split, Turn

TELL_FAVOURITE = Phrasings.of(
    """
    <hey> my favorite {kind} is {x}
    <hey> {x} is my favorite {kind}
    <hey> the {kind} i (like|love) (best|most) is {x}
    <do> remember that my favorite {kind} is {x}
    <hey> i (like|love) {x} (best|most) it is my favorite {kind}
    <hey> you should know that my favorite {kind} is {x}
    <hey> i want you to (know|remember) that my favorite {kind} is {x}
    <hey> of all (kinds|things) my favorite {kind} is {x}
    <hey> please remember my favorite {kind} it is {x}
    <hey> when it comes to a {kind} i like {x} best
    """,
    """
    <hey> my very favorite {kind} is {x}
    <hey> my favorite {kind} has always been {x}
    <hey> for me the best {kind} is {x}
    <do> note that my favorite {kind} is {x}
    <hey> i have a favorite {kind} it is {x}
    <hey> the best {kind} is {x} if you ask me
    <hey> as a {kind} i like {x} most of all
    <hey> my favorite {kind} well that is {x}
    <hey> nothing is better than {x} as a {kind}
    <do> keep in mind that my favorite {kind} is {x}
    """,
    "tell_favorite",
)

ASK_FAVOURITE = Phrasings.of(
    """
    <q> what is my favorite {kind} <end>
    <q> what's my favorite {kind} <end>
    <ask> (what my favorite {kind} is|my favorite {kind})
    <q> do you remember my favorite {kind}
    <q> can you remember my favorite {kind}
    <q> (what|which) {kind} do i like (best|most)
    <do> (say|tell me) my favorite {kind} <end>
    <q> what did i say my favorite {kind} was
    <q> what was my favorite {kind} (again|)
    <q> do you know my favorite {kind}
    <do> tell me (what|which) {kind} i like best
    """,
    """
    <q> do you still know my favorite {kind}
    <q> do you recall my favorite {kind}
    <q> which {kind} is my favorite
    <q> have you forgotten my favorite {kind}
    <hey> say which {kind} i like best
    <q> which {kind} did i call my favorite
    <q> what is the {kind} that i like most
    <hey> my favorite {kind} is what
    <q> what did i tell you about my favorite {kind}
    <q> which {kind} do i love most of all
    """,
    "ask_favorite",
)

PUT_ON_LIST = Phrasings.of(
    """
    <do> (put|add|write) {x} (on|to) (my|the) (shopping|) list
    <do> add {x} to (my|the) (shopping|) list
    <do> put {x} on (my|the) (shopping|) list <end>
    <do> put {x} on it
    <do> add {x} <end>
    <hey> i need {x} on (my|the) (shopping|) list
    <hey> i need to buy {x}
    <hey> we need {x}
    <hey> {x} for (my|the) (shopping|) list
    <hey> my shopping list needs {x}
    <do> remember that i have to buy {x}
    """,
    """
    <do> note {x} on (my|the) (shopping|) list
    <hey> we are out of {x} put it on the list
    <hey> {x} should be on (my|the) (shopping|) list
    <hey> {x} goes on (my|the) list
    <hey> don't let me forget to buy {x}
    <do> include {x} in (my|the) (shopping|) list
    <hey> i want {x} on (my|the) list
    <hey> i also have to get {x} at the store
    <hey> we have no more {x} so write it down
    <hey> and {x} on (my|the) list too
    """,
    "put_on_list",
)

READ_LIST = Phrasings.of(
    """
    <q> what is on (my|the) (shopping|) list <end>
    <q> what's on (my|the) (shopping|) list <end>
    <ask> what is on (my|the) (shopping|) list
    <do> read (me|) (my|the) (shopping|) list <end>
    <do> tell me what is on (my|the) (shopping|) list
    <q> what do i (need|have) to buy
    <q> what did i put on (my|the) (shopping|) list
    <do> (say|repeat) (my|the) shopping list
    <q> do you remember (my|the) shopping list
    <hey> (my|the) shopping list please
    <q> which things are on (my|the) (shopping|) list
    """,
    """
    <q> what must i buy
    <q> what was on (my|the) (shopping|) list again
    <do> go through (my|the) (shopping|) list
    <q> what should i get at the store
    <hey> let me hear (my|the) (shopping|) list
    <do> list what i have to buy
    <q> what have i got on (my|the) (shopping|) list
    <q> can i hear (my|the) shopping list
    <q> what does (my|the) shopping list say
    <q> what is there on (my|the) list
    """,
    "read_list",
)

EMPTY_LIST = "Your shopping list is empty."
NOT_TOLD = "You have not told me that yet."
_FAVOURITES = {
    "color": "adjectives_color",
    "food": "nouns_food",
    "animal": "nouns_animal",
    "drink": "nouns_drink",
    "sport": "nouns_sport",
    "instrument": "nouns_instrument",
}
"""What somebody may have a favourite of → the words that it may be."""
MOST_ON_LIST = 3


def sample_favourite(rng: random.Random) -> tuple[str, str]:
    """A kind of things, and somebody's favourite of them."""
    kind = rng.choice(tuple(_FAVOURITES))
    return kind, rng.choice(lexicon().kinds[_FAVOURITES[kind]])


def tell_favourite(rng: random.Random, split: Split, kind: str, favourite: str) -> Turn:
    """The user says what they like best."""
    user = TELL_FAVOURITE.sample(rng, split, {"kind": kind, "x": favourite})
    return Turn(user, f"I will remember that your favorite {kind} is {favourite}.", "favorites")


def ask_favourite(rng: random.Random, split: Split, kind: str, favourite: str | None) -> Turn:
    """The user asks what they like best; None: never told."""
    user = ASK_FAVOURITE.sample(rng, split, {"kind": kind})
    reply = f"Your favorite {kind} is {favourite}." if favourite else NOT_TOLD
    return Turn(user, reply, "favorites")


def sample_goods(rng: random.Random, count: int) -> list[str]:
    """Different things to buy."""
    kinds = lexicon().kinds
    return rng.sample(kinds["nouns_mass_food"] + kinds["nouns_drink"], count)


def put_on_list(rng: random.Random, split: Split, thing: str) -> Turn:
    """The user needs something."""
    user = PUT_ON_LIST.sample(rng, split, {"x": thing})
    return Turn(user, f"I put {thing} on your shopping list.", "shopping_list")


def read_list(rng: random.Random, split: Split, things: list[str]) -> Turn:
    """The user asks what is on the list."""
    user = READ_LIST.sample(rng, split)
    if not things:
        return Turn(user, EMPTY_LIST, "shopping_list")
    *others, last = things
    told = f"{', '.join(others)} and {last}" if others else last
    verb = "is" if len(things) == 1 else "are"
    return Turn(user, f"{told.capitalize()} {verb} on your shopping list.", "shopping_list")
