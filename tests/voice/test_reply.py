"""Tokens to text, text to reasoning and content."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voice.test_tokenizer import small_tokenizer
from voice.reply import ReasoningSplitter, ReplyText, TokenText


def split(texts, thinking):
    splitter = ReasoningSplitter(thinking)
    parts = [*(splitter.feed(text) for text in texts), splitter.flush()]
    return ReplyText("".join(p.reasoning for p in parts), "".join(p.content for p in parts))


@pytest.mark.parametrize(
    ("thinking", "text", "reasoning", "content"),
    [
        (True, "Hmm, two.\n</think>\n\nTwo.\n", "Hmm, two.", "Two."),
        (True, "Never closed. ", "Never closed.", ""),
        (True, "<think>\nSaid again.</think>Yes.", "Said again.", "Yes."),
        (True, "</think>Yes.", "", "Yes."),
        (False, "Two, or 1 < 2.", "", "Two, or 1 < 2."),
        (False, "One.<think>slip</think> Two.", "slip", "One.Two."),
        (False, "</think>Two.", "", "Two."),
        (False, "a <thin", "", "a <thin"),
    ],
)
def test_splitter_never_says_reasoning(thinking, text, reasoning, content):
    assert split([text], thinking) == ReplyText(reasoning, content)


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "</thi", "<", "nk>", " ", "\n", "a", "b c"])),
    st.lists(st.integers(0, 40)),
    st.booleans(),
)
def test_splitter_gives_the_same_for_any_split(words, cuts, thinking):
    text = "".join(words)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    assert split(pieces, thinking) == split([text], thinking)


def test_splitter_says_text_at_once():
    splitter = ReasoningSplitter(False)
    assert splitter.feed("Hello") == ReplyText("", "Hello")
    assert splitter.feed(" wor") == ReplyText("", " wor")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_token_text_is_the_decoded_whole(text):
    stream = TokenText(small_tokenizer())
    ids = small_tokenizer().encode(text, split_special_tokens=True)
    assert "".join([*map(stream.feed, ids), stream.flush()]) == text


def test_token_text_keeps_tags_and_drops_other_special_tokens():
    tokenizer = small_tokenizer()
    stream = TokenText(tokenizer)
    ids = tokenizer.encode("a</think>b<so_embedding><tool_call><|im_end|>")
    assert "".join(map(stream.feed, ids)) == "a</think>b<tool_call>"


def test_token_text_holds_half_a_character():
    tokenizer = small_tokenizer()
    ids = tokenizer.encode("é")
    stream = TokenText(tokenizer)
    assert len(ids) == 2
    assert [stream.feed(i) for i in ids] == ["", "é"]
    assert stream.feed(ids[0]) == ""
    assert stream.flush() == "\N{REPLACEMENT CHARACTER}"
