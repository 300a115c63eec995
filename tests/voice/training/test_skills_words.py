"""Numbers, inflections and the grammar behind the skills."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.training.skills.grammar import Grammar, expand, matcher, sample, with_articles
from voice.training.skills.lexicon import graded, lexicon, plural, verb, with_s
from voice.training.skills.nonsense import sample_nonsense
from voice.training.skills.numbers import number_words, numbers_in
from voice.training.skills.tables import countries, homophones, lines, opposites
from voice.training.skills.wording import sample_key_words


@given(st.integers(-999, 999))
def test_number_words_read_back(number: int) -> None:
    assert numbers_in(number_words(number)) == [number]
    assert numbers_in(f"It is {number}.") == [number]


@given(st.lists(st.integers(0, 999), max_size=4))
def test_numbers_of_a_list_stay_apart(numbers: list[int]) -> None:
    assert numbers_in(" plus ".join(map(number_words, numbers))) == numbers
    assert numbers_in(", ".join(map(str, numbers))) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Forty-two", [42]),
        ("one hundred and five", [105]),
        ("three and four", [3, 4]),
        ("twenty and two", [20, 2]),
        ("ten minus seven", [10, 7]),
        ("no numbers", []),
    ],
)
def test_numbers_in_text(text: str, numbers: list[int]) -> None:
    assert numbers_in(text) == numbers


def test_number_words_refuse_what_they_cannot_say() -> None:
    with pytest.raises(ValueError, match="outside"):
        number_words(1000)


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("walk", ("walks", "walked", "walked", "walking")),
        ("stop", ("stops", "stopped", "stopped", "stopping")),
        ("carry", ("carries", "carried", "carried", "carrying")),
        ("play", ("plays", "played", "played", "playing")),
        ("lie", ("lies", "lay", "lain", "lying")),
        ("write", ("writes", "wrote", "written", "writing")),
        ("see", ("sees", "saw", "seen", "seeing")),
        ("visit", ("visits", "visited", "visited", "visiting")),
        ("have", ("has", "had", "had", "having")),
        ("catch", ("catches", "caught", "caught", "catching")),
    ],
)
def test_verb_forms(base: str, forms: tuple[str, ...]) -> None:
    known = verb(base)
    assert (known.third, known.past, known.participle, known.gerund) == forms


def test_noun_and_adjective_forms() -> None:
    assert [plural(w) for w in ("box", "city", "day", "leaf", "child")] == [
        *("boxes", "cities", "days", "leaves", "children")
    ]
    assert with_s("go") == "goes"
    assert graded("big") == ("bigger", "biggest")
    assert graded("happy") == ("happier", "happiest")
    assert graded("clean") == ("cleaner", "cleanest")


def test_lexicon_is_large_and_sayable() -> None:
    words = lexicon(longest=99).words
    assert len(words) >= 10_000
    assert set(lexicon().words) < set(words)
    assert len(lexicon().words) >= 5_000
    assert len(set(words)) == len(words)
    assert all(re.fullmatch(r"[a-z]+('[a-z]+)?|[a-z]+'[a-z]*", word) for word in words)


def test_homophones_are_mutual() -> None:
    table = homophones()
    assert all(word in table[other] for word, others in table.items() for other in others)


def test_grammar_samples_exactly_what_it_expands() -> None:
    grammar = Grammar({"color": ("red", "green"), "thing": "(|big) <color> (car|)"})
    node = grammar.compile("the <thing>")
    texts = expand(node)
    assert texts == {
        *("the red", "the green", "the red car", "the green car"),
        *("the big red", "the big green", "the big red car", "the big green car"),
    }
    rng = random.Random(0)
    assert {sample(node, rng) for _ in range(500)} == texts
    assert all(matcher(node).fullmatch(f"{text} ") for text in texts)
    assert not matcher(node).fullmatch("the big car ")


@pytest.mark.parametrize("pattern", ["(a|b", "a)", "<nobody> comes"])
def test_grammar_refuses_broken_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"unbalanced|unknown rule"):
        Grammar({}).compile(pattern)


def test_articles_follow_the_sound() -> None:
    assert with_articles("a apple and a uniform in a hour") == "an apple and a uniform in an hour"
    assert with_articles("a uninvited guest and a useful umbrella") == (
        "an uninvited guest and a useful umbrella"
    )


def test_nonsense_is_sayable_and_more_than_the_lexicon() -> None:
    rng = random.Random(3)
    texts = [sample_nonsense(rng, 2, 6) for _ in range(300)]
    words = {word for text in texts for word in text.split()}
    assert {len(text.split()) for text in texts} == {2, 3, 4, 5, 6}
    assert all(re.fullmatch("[a-z']+", word) for word in words)
    known = words & lexicon().listed
    assert 0.2 < len(known) / len(words) < 0.9


def test_key_words_are_what_answers_hang_on():
    rng = random.Random(0)
    drawn = [sample_key_words(rng, 1, 1) for _ in range(2000)]
    kinds = {
        "names": set(lines("names.txt")),
        "countries": {name for country in countries() for name in country.said},
        "opposites": {word for word, _ in opposites()},
        "to spell": lexicon().listed,
    }
    assert set(drawn) <= set.union(*kinds.values())
    for kind, words in kinds.items():
        assert sum(word in words for word in drawn) > 250, kind


def test_key_words_of_one_sound_have_one_spelling():
    rng = random.Random(0)
    drawn = {sample_key_words(rng, 1, 1) for _ in range(20_000)}
    assert not any(drawn & set(homophones().get(word, ())) for word in drawn)
