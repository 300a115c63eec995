"""Questions about a drawn picture: which color, shape or digit, how many, what is to be seen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from voice.training.skills.grammar import with_articles
from voice.training.skills.numbers import number_words
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Conversation, Split, Thing, Turn

COLORS = (
    *("red", "orange", "yellow", "green", "blue", "purple"),
    *("pink", "brown", "black", "white", "gray"),
)
PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "rectangle": "rectangles",
    "star": "stars",
    "cross": "crosses",
    "diamond": "diamonds",
    "heart": "hearts",
}
SHAPES = tuple(PLURALS)
SIGHT_SKILLS = frozenset(("color", "shape", "digit", "count_seen", "look"))
DIGITS = tuple(map(number_words, range(10)))
KINDS = SHAPES + DIGITS
MOST_THINGS = 6
BLIND = "I can't see a picture."

ASK_COLOR = Phrasings.of(
    """
    <q> what color is (it|this|that)
    <q> what color is the {thing}
    <q> what color do you see
    <q> which color is (it|this|the {thing})
    <q> which color do you see
    <q> what is the color of the {thing}
    <q> what's the color of the {thing}
    <ask> what color (it|this|the {thing}) is
    <ask> the color of the {thing}
    <do> name the color of the {thing} <end>
    <do> name the color <end>
    <q> what color does the {thing} have
    """,
    """
    <q> in (what|which) color is the {thing}
    <do> say what color (it|the {thing}) is
    <q> (what|which) color has the {thing}
    <q> the {thing} is (what|which) color
    <q> what color would you say (it|this|the {thing}) is
    <do> give me the color of the {thing}
    <q> what color am i showing you
    <hey> color of the {thing} (please|)
    <q> can you see what color the {thing} is
    <q> what color was used (here|for the {thing})
    """,
    "sight_color",
)

ASK_SHAPE = Phrasings.of(
    """
    <q> what shape is (it|this|that)
    <q> what shape is the {color} (thing|one)
    <q> what shape do you see
    <q> which shape is (it|this|that)
    <q> which shape do you see
    <q> what is the shape of the {color} thing
    <ask> what shape (it|this|the {color} thing) is
    <do> name the shape <end>
    <do> name the {color} shape <end>
    <q> what shape does the {color} thing have
    <q> what {color} shape do you see
    <q> which shape is {color}
    """,
    """
    <q> (what|which) shape has the {color} thing
    <do> say what shape (it|this|the {color} one) is
    <q> (what|which) shape am i showing you
    <do> give me the shape of the {color} thing
    <hey> the shape (please|)
    <q> can you see what shape (it|this|the {color} thing) is
    <q> what kind of shape is (it|this|the {color} thing)
    <q> what do you call (this shape|the {color} shape)
    <q> what shape would you say (it|this) is
    <hey> the {color} thing has (what|which) shape
    """,
    "sight_shape",
)

ASK_DIGIT = Phrasings.of(
    """
    <q> what number is (it|this|that)
    <q> what number do you see
    <q> which number is (it|this|that)
    <q> which digit do you see
    <q> what digit is (it|this|that)
    <do> read the number <end>
    <do> read the digit <end>
    <ask> what number (it|this|that) is
    <q> what number is written (here|there)
    <q> which number is in the picture
    <do> name the number in the picture
    <ask> which digit this is
    """,
    """
    <q> (what|which) digit am i showing you
    <do> say which number (this|that) is
    <do> read (me|) what number is in the picture
    <q> what number is in the drawing
    <q> which digit is written here
    <hey> the number (please|)
    <q> can you make out the (number|digit)
    <q> what number did i (write|draw)
    <q> what number would you say this is
    <do> give me the digit
    """,
    "sight_digit",
)

COUNT = Phrasings.of(
    """
    <q> how many {things} are there
    <q> how many {things} do you see
    <q> how many {things} are in the picture
    <q> how many are there
    <q> how many do you see
    <do> count the {things} <end>
    <ask> how many {things} (there are|you see)
    <q> how many {things} can you see
    <q> how many {things} can you count
    <ask> the number of {things}
    <q> what is the number of {things}
    <do> tell me how many {things} there are
    """,
    """
    <q> how many {things} are (here|shown|in the drawing)
    <q> how many {things} am i showing you
    <do> say how many {things} (there are|you see)
    <do> count (all|) the {things} (in the picture|that you see)
    <q> how many {things} did i draw
    <q> how many {things} does the picture have
    <do> give me the number of {things}
    <q> can you see how many {things} there are
    <q> how many {things} are there in all
    <hey> there are how many {things}
    """,
    "sight_count",
)

LOOK = Phrasings.of(
    """
    <q> what do you see
    <q> what can you see
    <q> what is this
    <q> what is (in|on) the picture
    <q> what's in the picture
    <do> describe the picture <end>
    <ask> what you see
    <do> tell me what you see
    <q> what is in this picture
    <do> look at the picture and tell me what you see
    <q> what do you see (here|there|in the picture)
    <ask> what is in the picture
    """,
    """
    <q> what am i showing you
    <q> what does the picture show
    <do> say what you see
    <do> describe what you see <end>
    <q> what did i draw
    <q> what is shown (here|in the picture)
    <q> what is it that you see
    <do> have a look (and tell me what it is|what is it)
    <q> what is to be seen in the picture
    <q> can you see what this is
    """,
    "sight_look",
)


def sample_things(rng: random.Random) -> tuple[Thing, ...]:
    """What is drawn: mostly one thing, two that differ in everything, or several shapes."""
    match rng.choices(("one", "two", "same", "mixed"), (5, 2, 2, 1))[0]:
        case "one":
            return sample_one(rng)
        case "two":
            shapes, colors = rng.sample(SHAPES, 2), rng.sample(COLORS, 2)
            kinds = (shapes[0], rng.choice((shapes[1], shapes[1], rng.choice(DIGITS))))
            return tuple(map(Thing, kinds, colors))
        case "same":
            return (Thing(rng.choice(SHAPES), _color(rng)),) * rng.randint(2, MOST_THINGS)
        case _:
            pairs = [*zip(rng.sample(SHAPES, 2), rng.sample(COLORS, 2), strict=True)]
            pairs += [rng.choice(pairs) for _ in range(rng.randint(1, MOST_THINGS - 2))]
            return tuple(Thing(*pair) for pair in pairs)


def sample_one(rng: random.Random) -> tuple[Thing]:
    """One thing alone; shapes are as frequent as digits."""
    return (Thing(rng.choice((rng.choice(SHAPES), rng.choice(DIGITS))), _color(rng)),)


def sample_crowd(rng: random.Random) -> tuple[Thing, ...]:
    """Many things of all kinds, more than anybody asks about: an eye learns more from them."""
    count = rng.randint(3, MOST_THINGS + 1)
    return tuple(Thing(rng.choice(KINDS), _color(rng)) for _ in range(count))


def _color(rng: random.Random) -> str:
    return rng.choice(COLORS)


def sample_sight(rng: random.Random, split: Split) -> Conversation:
    """One to three questions about a picture that comes with the first; at times none comes."""
    things = sample_things(rng)
    turns = [_ask(rng, split, things) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    if rng.random() < 0.1:
        return Conversation((replace(turns[0], reply=BLIND, accept=()),))
    return Conversation((replace(turns[0], shown=things), *turns[1:]))


def _ask(rng: random.Random, split: Split, things: Sequence[Thing]) -> Turn:
    """A question that the picture answers."""
    questions = [_ask_look, _ask_count]
    if len(set(things)) == len(things):
        questions += [_ask_color, _ask_color, _ask_color, _ask_shape, _ask_digit]
    while (turn := rng.choice(questions)(rng, split, things)) is None:
        pass
    return turn


def _ask_color(rng: random.Random, split: Split, things: Sequence[Thing]) -> Turn | None:
    thing = rng.choice(things)
    named = ["number" if thing.kind in DIGITS else thing.kind]
    if len(things) == 1:
        named += ["thing", "number" if thing.kind in DIGITS else "shape"]
    user = ASK_COLOR.sample(rng, split, {"thing": (name := rng.choice(named))})
    if len(things) > 1 and name not in user.split():
        return None  # nobody could tell which one is meant
    return Turn(user, f"It is {thing.color}.", "color")


def _ask_shape(rng: random.Random, split: Split, things: Sequence[Thing]) -> Turn | None:
    shapes = [thing for thing in things if thing.kind in SHAPES]
    if not shapes:
        return None
    shape = rng.choice(shapes)
    user = ASK_SHAPE.sample(rng, split, {"color": shape.color})
    if len(shapes) > 1 and shape.color not in user.split():
        return None
    return Turn(user, f"It is a {shape.kind}.", "shape")


def _ask_digit(rng: random.Random, split: Split, things: Sequence[Thing]) -> Turn | None:
    digits = [thing.kind for thing in things if thing.kind in DIGITS]
    if not digits:
        return None
    return Turn(ASK_DIGIT.sample(rng, split), f"It is {_a(digits[0])}.", "digit")


def _ask_count(rng: random.Random, split: Split, things: Sequence[Thing]) -> Turn | None:
    kinds = sorted({thing.kind for thing in things})
    if not set(kinds) <= set(SHAPES):
        return None
    named = rng.choice(("shapes", "things", rng.choice(kinds)))
    count = len(things)
    if named in kinds:
        count, named = sum(thing.kind == named for thing in things), PLURALS[named]
    user = COUNT.sample(rng, split, {"things": named})
    if count < len(things) and named not in user.split():
        return None
    return Turn(user, f"I see {number_words(count)}.", "count_seen")


def _ask_look(rng: random.Random, split: Split, things: Sequence[Thing]) -> Turn | None:
    user = LOOK.sample(rng, split)
    first, *others = things
    if not others:
        return Turn(user, f"I see {_a(f'{first.color} {first.kind}')}.", "look")
    if set(others) == {first}:
        seen = f"{number_words(len(things))} {first.color} {PLURALS[first.kind]}"
        return Turn(user, f"I see {seen}.", "look")
    if len(things) == 2:
        one, other = (_a(f"{thing.color} {thing.kind}") for thing in things)
        return Turn(user, f"I see {one} and {other}.", "look", (f"I see {other} and {one}.",))
    return Turn(user, f"I see {number_words(len(things))} shapes.", "look")


def _a(noun: str) -> str:
    return with_articles(f"a {noun}")
