"""Remembering a name within the conversation."""

from __future__ import annotations

import random

from voice.training.skills.phrasing import Phrasings
from voice.training.skills.tables import lines
from voice.training.skills.turns import Split, Turn

NAME_NOT_TOLD = "You have not told me your name yet."

TELL = Phrasings.of(
    """
    (<hey>|hello|hi) my name is {name}
    (<hey>|hello|hi) my name's {name}
    (<hey>|hello|hi) i am {name}
    (<hey>|hello|hi) i'm {name}
    <hey> (you can|please|just) call me {name}
    <hey> (people|they|my friends) call me {name}
    <hey> the name is {name}
    (<hey>|hello|hi) this is {name}
    <hey> i want you to (know|remember) that my name is {name}
    <do> remember that my name is {name}
    <hey> let me introduce myself (i am|my name is) {name}
    <hey> it's {name} (here|speaking)
    <hey> you are (talking|speaking) (to|with) {name}
    (<hey>|hello|hi) my first name is {name}
    <hey> do you know my name it is {name}
    <hey> my (mother|father) named me {name}
    <hey> please remember my name it is {name}
    """,
    """
    <hey> {name} is my name
    <hey> i am called {name}
    <hey> i go by {name}
    <hey> everyone calls me {name}
    (hello|hi) parley my name is {name} nice to meet you
    <hey> my name it is {name}
    <do> remember me i am {name}
    (hello|hi) there (i'm|i am) {name}
    """,
    "tell_name",
)

CORRECT = Phrasings.of(
    """
    (no|no no|sorry|wait) (i said|i meant|it is|it's) {name}
    (no|no no|sorry|wait) my name is {name}
    (no|sorry) not that my name is {name}
    that is (wrong|not right|not my name) (i am|my name is|i said) {name}
    you (heard|understood) me wrong (i am|my name is|i said) {name}
    """,
    """
    (no|sorry) i am called {name}
    that's not correct it is {name}
    i didn't say that i said {name}
    (no|wait) please call me {name}
    """,
    "correct_name",
)

ASK = Phrasings.of(
    """
    <q> what is my name <end>
    <q> what's my name <end>
    <ask> (what my name is|my name)
    <q> who am i
    <ask> who i am
    <q> do you remember my name
    <q> do you know who i am
    <q> can you remember my name
    <do> (say|tell me) my name <end>
    <q> what did i say my name was
    <q> what was my name (again|)
    <q> what name did i (say|give you)
    <do> repeat my name
    <hey> i forgot my name can you help me
    <hey> my name is what
    <q> (what|who) did i say i was
    <do> tell me (again|) what my name is
    <q> can you say my name
    <q> do you know my name
    """,
    """
    <q> do you still know my name
    <q> what am i called
    <q> do you recall my name
    <q> which name did i tell you
    <q> have you forgotten my name
    <q> what's my name again
    <q> what did i tell you my name was
    <hey> i hope you know my name
    <hey> say who i am
    <q> what do my friends call me
    """,
    "ask_name",
)


def sample_name(rng: random.Random) -> str:
    """A first name, capitalised."""
    return rng.choice(lines("names.txt")).capitalize()


def tell_name(rng: random.Random, split: Split, name: str) -> Turn:
    """The user says their name."""
    user = TELL.sample(rng, split, {"name": name.lower()})
    return Turn(user, f"Nice to meet you, {name}.", "name_memory")


def correct_name(rng: random.Random, split: Split, name: str) -> Turn:
    """The user says that the name was misheard."""
    user = CORRECT.sample(rng, split, {"name": name.lower()})
    return Turn(user, f"Sorry. Nice to meet you, {name}.", "name_memory")


def ask_name(rng: random.Random, split: Split, name: str | None) -> Turn:
    """The user asks for their name; None: never told."""
    user = ASK.sample(rng, split)
    return Turn(user, f"Your name is {name}." if name else NAME_NOT_TOLD, "name_memory")


def sample_name_turn(rng: random.Random, split: Split) -> Turn:
    """A turn that needs no other: a name told, or asked for before it was told."""
    if rng.random() < 0.25:
        return ask_name(rng, split, None)
    return tell_name(rng, split, sample_name(rng))
