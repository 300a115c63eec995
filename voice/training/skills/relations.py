"""What belongs together: synonyms, rhymes, countries and continents, things and their qualities."""

from __future__ import annotations

import random
from functools import cache

from voice.training.skills.grammar import with_articles
from voice.training.skills.knowledge import weighted_countries
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.tables import lines, others_of, rows
from voice.training.skills.turns import Split, Turn

SYNONYM = Phrasings.of(
    """
    <q> what is another word for {x} <end>
    <q> what's another word for {x} <end>
    <q> what is a synonym (of|for) {x}
    <q> what's a synonym (of|for) {x}
    <ask> another word for {x}
    <ask> a synonym (of|for) {x}
    <do> tell me another word for {x}
    <do> name a synonym (of|for) {x}
    <q> which word means the same as {x}
    <q> what word means the same as {x}
    <do> find another word for {x}
    <hey> i need another word for {x}
    <q> what else can i say for {x}
    """,
    """
    <hey> another word for {x} please
    <do> give me another word for {x}
    <do> give me a synonym (of|for) {x}
    <q> how else can you say {x}
    <q> what is a different word for {x}
    <q> is there another word for {x}
    <q> what can i say instead of {x}
    <hey> i am looking for a synonym of {x}
    <q> what would be another word for {x}
    <hey> a word like {x} please
    """,
    "synonym",
)

RHYME = Phrasings.of(
    """
    <q> what rhymes with {x} <end>
    <q> what word rhymes with {x}
    <q> which word rhymes with {x}
    <q> what is a rhyme (for|with) {x}
    <ask> (what|which word) rhymes with {x}
    <ask> a word that rhymes with {x}
    <do> tell me a word that rhymes with {x}
    <do> find a rhyme (for|with) {x}
    <do> find a word that rhymes with {x}
    <do> name a word that rhymes with {x}
    <hey> i need a rhyme (for|with) {x}
    <q> do you know a rhyme (for|with) {x}
    """,
    """
    <hey> a rhyme for {x} please
    <do> give me a rhyme (for|with) {x}
    <do> give me a word that rhymes with {x}
    <do> rhyme something with {x}
    <q> what can i rhyme with {x}
    <q> what sounds like {x}
    <q> is there a word that rhymes with {x}
    <hey> i am looking for a rhyme for {x}
    <q> {x} rhymes with what
    <do> make a rhyme with {x}
    """,
    "rhyme",
)

CONTINENT = Phrasings.of(
    """
    <q> (what|which) continent is {x} (in|on)
    <q> on (what|which) continent is {x}
    <q> in (what|which) continent is {x}
    <ask> (what|which) continent {x} is (in|on)
    <ask> the continent of {x}
    <q> what is the continent of {x}
    <do> tell me (what|which) continent {x} is (in|on)
    <do> name the continent of {x}
    <q> {x} is (in|on) (what|which) continent
    <q> (what|which) continent does {x} belong to
    <q> (what|which) part of the world is {x} in
    """,
    """
    <do> say (what|which) continent {x} is on
    <q> (what|which) continent (has|holds) {x}
    <do> give me the continent of {x}
    <q> on (what|which) continent (will|do) i find {x}
    <q> (what|which) continent is {x} part of
    <hey> {x} (what|which) continent is that
    <q> (what|which) continent do you find {x} on
    <q> to (what|which) continent does {x} belong
    <q> where in the world is {x} (what|which) continent
    <hey> the continent of {x} please
    """,
    "continent",
)

CAN_IT = Phrasings.of(
    """
    <q> can {x} {verb}
    <ask> (if|whether) {x} can {verb}
    <q> is {x} able to {verb}
    <q> do you think {x} can {verb}
    <do> tell me (if|whether) {x} can {verb}
    <q> is it possible for {x} to {verb}
    <q> {x} can {verb} (right|is that right|yes or no|is that true)
    <q> yes or no can {x} {verb}
    <q> would you say that {x} can {verb}
    <q> is it true that {x} can {verb}
    <hey> i wonder (if|whether) {x} can {verb}
    """,
    """
    <do> say (if|whether) {x} can {verb}
    <q> could {x} {verb}
    <q> would {x} be able to {verb}
    <q> does {x} know how to {verb}
    <q> is {verb} something that {x} can do
    <hey> {x} can {verb} can't it
    <q> am i right that {x} can {verb}
    <q> true or false {x} can {verb}
    <q> have you heard of {x} that can {verb}
    <hey> they say {x} can {verb} is that so
    """,
    "can_it",
)

IS_IT = Phrasings.of(
    """
    <q> is {x} {quality}
    <ask> (if|whether) {x} is {quality}
    <q> is {x} something {quality}
    <q> do you think {x} is {quality}
    <do> tell me (if|whether) {x} is {quality}
    <q> {x} is {quality} (right|is that right|yes or no|is that true)
    <q> yes or no is {x} {quality}
    <q> would you say that {x} is {quality}
    <q> is it true that {x} is {quality}
    <hey> i wonder (if|whether) {x} is {quality}
    <q> would you call {x} {quality}
    """,
    """
    <do> say (if|whether) {x} is {quality}
    <q> could {x} be {quality}
    <q> does {x} count as {quality}
    <hey> {x} is {quality} isn't it
    <q> am i right that {x} is {quality}
    <q> true or false {x} is {quality}
    <q> is {quality} what you would call {x}
    <hey> they say {x} is {quality} is that so
    <q> should i think of {x} as {quality}
    <q> do people call {x} {quality}
    """,
    "is_it",
)

_WITHOUT_ARTICLE = frozenset(
    "ice snow winter summer fire lava steam sugar honey candy chocolate salt vinegar mustard soap "
    "water rain sand dust grass spinach broccoli lettuce milk flour coal blood iron cotton butter "
    "cream paper bread".split()
)
_ONLY_ONE = frozenset(("sun", "sea", "sky"))


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """word → others that mean the same, the first of which is the answer."""
    return others_of((word, *same.split("|")) for word, same in rows("synonyms.tsv"))


@cache
def rhymes() -> dict[str, tuple[str, ...]]:
    """word → others that rhyme with it, the first of which is the answer."""
    return others_of(line.split() for line in lines("rhymes.txt"))


@cache
def continents() -> dict[str, tuple[str, ...]]:
    """Country → its continent, or both of them."""
    return {
        country: tuple(names.split("|"))
        for names, listed in rows("continents.tsv")
        for country in listed.split("|")
    }


def sample_synonym(rng: random.Random, split: Split) -> Turn:
    """Another word that means the same."""
    word = rng.choice(tuple(synonyms()))
    reply, *accept = (f"Another word for {word} is {other}." for other in synonyms()[word])
    return Turn(SYNONYM.sample(rng, split, {"x": word}), reply, "synonym", tuple(accept))


def sample_rhyme(rng: random.Random, split: Split) -> Turn:
    """A word that rhymes."""
    word = rng.choice(tuple(rhymes()))
    reply, *accept = (f"{other.capitalize()} rhymes with {word}." for other in rhymes()[word])
    return Turn(RHYME.sample(rng, split, {"x": word}), reply, "rhyme", tuple(accept))


def sample_continent(rng: random.Random, split: Split) -> Turn:
    """The continent of a country."""
    country = rng.choice(weighted_countries())
    reply, *accept = (f"{country.name} is in {each}." for each in continents()[country.name])
    user = CONTINENT.sample(rng, split, {"x": rng.choice(country.said)})
    return Turn(user, f"{reply[0].upper()}{reply[1:]}", "continent", tuple(accept))


def _a(thing: str) -> str:
    """The thing as it is talked about in general."""
    if thing in _ONLY_ONE:
        return f"the {thing}"
    return thing if thing in _WITHOUT_ARTICLE else with_articles(f"a {thing}")


def sample_common_sense(rng: random.Random, split: Split) -> Turn:
    """Whether something can do something, or has a quality."""
    does = rng.random() < 0.5
    about, yes, no = rng.choice(rows("abilities.tsv" if does else "qualities.tsv"))
    true = rng.random() < 0.5
    thing = _a(rng.choice((yes if true else no).split("|")))
    if does:
        user = CAN_IT.sample(rng, split, {"x": thing, "verb": about})
        reply = f"Yes, {thing} can {about}." if true else f"No, {thing} can't {about}."
    else:
        user = IS_IT.sample(rng, split, {"x": thing, "quality": about})
        reply = f"Yes, {thing} is {about}." if true else f"No, {thing} is not {about}."
    return Turn(user, reply, "common_sense", ("Yes." if true else "No.",))
