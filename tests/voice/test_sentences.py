"""Cutting token streams: early, never inside a number or a name, and the same for every split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.sentences import SentenceSplitter, SplitterSettings


def pieces(text: str, settings: SplitterSettings | None = None) -> list[str]:
    splitter = SentenceSplitter(settings)
    return splitter.feed(text) + splitter.flush()


@pytest.mark.parametrize(
    "wanted",
    [
        ["Hello! ", "How are you? ", "I am fine today. ", "Thanks."],
        ["Dr. Smith met Mrs. Jones. ", "They left."],
        ["Pi is 3.14 or so. ", "It costs 1,000.50 dollars. ", "Good."],
        ["Use fruit e.g. apples i.e. food. ", "Eat it."],
        ["The U.S. Army is big. ", "So is the one in the U.S. ", "The end."],
        ["J. R. R. Tolkien wrote it. ", "I read it."],
        ["I like vitamin C. ", "It is good."],
        ["He is taller than I. ", "Nobody knew."],
        ["We meet at 5 p.m. ", "They know."],
        ["It is at 5 p.m. today. ", "They know."],
        ["The train goes at 7:05. ", "Hurry up."],
        ["See https://a.org/b.html?c=1. ", "It works."],
        ["Wait... what? ", "Did you really?! ", "I did not know that."],
        ["So it goes... ", "And goes on."],
        ['He said "Stop!" and left. ', '"Did he really?" she said. ', '"Yes, he did." ', "Well."],
        ["(This is an aside.) ", "This is not."],
        ["Apples, pears, etc. ", "All are fruit."],
        ["Take apples, etc. and pears. ", "Eat."],
        ["It is No. 5 in Fig. 3. ", "Look at it."],
        ["The answer is no. ", "We stay."],
        ["Born on Jan. 3 in St. Paul. ", "She left."],
        ["1. Wash the apples\n", "2. Eat them all\n\n", "That is all."],
        ["- one thing\n", "- another thing\n", "- a third"],
        ["I have two. ", "5 cats came by."],
        ["It was in 1984. ", "He was ten."],
        ["**Done.** ", "Next one."],
        ["Great news! ", "🎉 It works."],
        ["one sentence without an end"],
    ],
)
def test_splitter_cuts_at_sentences(wanted: list[str]) -> None:
    assert pieces("".join(wanted)) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        ["Well, that depends on the weather, ", "which is, as you know, bad. ", "Sorry."],
        ["On Monday, March 5, 2024, ", "we met, and talked, for long. ", "Bye."],
        ["The population is about 1,000,000; ", "that is, one million. ", "Big."],
        ["It is late (in the day, I mean), ", "so we go home, now. ", "Bye."],
        ["The capital of France is this: ", "Paris, of course. ", "Bye."],
        ["Yes, I do. ", "I do it every day, at noon, and at night. ", "Bye."],
    ],
)
def test_splitter_cuts_the_first_piece_at_a_clause(wanted: list[str]) -> None:
    assert pieces("".join(wanted)) == wanted


def test_splitter_gives_a_sentence_as_soon_as_the_next_begins() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("Hello") == splitter.feed(" there.") == splitter.feed(" ") == []
    assert splitter.feed("H") == ["Hello there. "]
    assert splitter.flush() == ["H"]


def test_splitter_waits_where_an_abbreviation_may_go_on() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("He lives in the U.S. The") == []
    assert splitter.feed("odore knows. But") == ["He lives in the U.S. Theodore knows. "]


def test_splitter_joins_short_sentences_after_the_first() -> None:
    assert pieces("Yes. No. Yes. Maybe. No. Well.") == ["Yes. ", "No. Yes. Maybe. ", "No. Well."]


def test_splitter_after_flush_starts_with_a_clause_again() -> None:
    splitter = SentenceSplitter()
    text = "This is a rather long clause, and it goes on"
    first = splitter.feed(text) + splitter.flush()
    assert len(first) == 2
    assert splitter.feed(text) + splitter.flush() == first
    assert splitter.flush() == []


def test_splitter_cuts_an_endless_sentence_between_words() -> None:
    settings = SplitterSettings(max_chars=80)
    text = "and so it goes on " * 40
    cut = pieces(text, settings)
    assert "".join(cut) == text
    assert all(40 < len(piece) <= 80 for piece in cut[:-1])
    assert all(piece.endswith(" ") for piece in cut[:-1])
    assert all(len(piece) <= 80 for piece in pieces("x" * 500, settings))


@pytest.mark.parametrize(
    "settings", [{"first_min_chars": 0}, {"sentence_min_chars": 0}, {"max_chars": 30}]
)
def test_splitter_settings_that_make_no_sense_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        SplitterSettings(**settings)


WORDS = st.sampled_from(
    'Dr. Smith the U.S. 3.5 1,000 e.g. etc. No. I said, Yes! "Really?" what... (so) J. 7:05 p.m. '
    "https://a.b/c?d. end. The next; word: – 🎉 it's \n \n\n 1. - **bold** a b c  x.y . , !?".split(
        " "
    )
)
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=5)), max_size=40).map(" ".join)
SMALL = SplitterSettings(first_min_chars=5, sentence_min_chars=4, max_chars=24)


@given(TEXTS, st.lists(st.integers(0, 300), max_size=12), st.sampled_from([None, SMALL]))
def test_splitter_with_any_split_equals_the_whole(
    text: str, cuts: list[int], settings: SplitterSettings | None
) -> None:
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    splitter = SentenceSplitter(settings)
    found = []
    for start, end in zip([0, *edges], edges, strict=False):
        found += splitter.feed(text[start:end])
    assert found + splitter.flush() == pieces(text, settings)


@given(TEXTS, st.sampled_from([None, SMALL]))
def test_splitter_pieces_joined_are_the_input(text: str, settings: SplitterSettings | None) -> None:
    found = pieces(text, settings)
    assert "".join(found) == text
    assert all(found)
    assert all(piece.strip() for piece in found[:-1])


@given(st.lists(st.sampled_from(["3.5", "1,000", "-2.75", "12:30", "U.S.", "e.g.", "a.m."])))
def test_splitter_never_cuts_inside_a_word(words: list[str]) -> None:
    text = "It is " + " ".join(words)
    settings = SplitterSettings(first_min_chars=1, sentence_min_chars=1, max_chars=400)
    assert all(piece[-1].isspace() for piece in pieces(text, settings)[:-1])
