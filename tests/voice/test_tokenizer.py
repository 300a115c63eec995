"""The built-in model's tokenizer."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from voice.training.tokenizer import SPECIAL_TOKENS, build_tokenizer

TEXTS = [
    "What is 12 plus 30? It is 42.",
    "Cat is spelled C, A, T. I don't know what comes after Monday.",
    "The capital of France is Paris, and the opposite of hot is cold.",
] * 4


@cache
def small_tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(TEXTS, 360)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return small_tokenizer()


def test_special_tokens_sit_at_the_ids_of_the_real_tokenizer(tokenizer):
    for index, text in SPECIAL_TOKENS.items():
        assert tokenizer.convert_tokens_to_ids(text) == index
        assert tokenizer.encode(text) == [index]
    assert tokenizer.convert_tokens_to_ids("<SPECIAL_5>") == 5
    assert tokenizer.eos_token == "<|im_end|>"


def test_digits_and_lone_capitals_are_tokens_of_their_own(tokenizer):
    ids = tokenizer.encode("C A T is 420, I think")
    pieces = [tokenizer.decode([i]) for i in ids]
    assert pieces[:5] == ["C", " ", "A", " ", "T"]
    assert "".join(pieces) == "C A T is 420, I think"
    for digit in "420":
        assert digit in pieces
    assert "I" in pieces


def test_words_of_the_training_texts_merge(tokenizer):
    ids = tokenizer.encode(" the opposite of the")
    assert tokenizer.decode(ids[:1]) == tokenizer.decode(ids[-1:]) == " the"


@given(st.text())
def test_any_text_round_trips(text):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text, split_special_tokens=True)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_saved_tokenizer_loads_the_same(tokenizer, tmp_path: Path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "<|im_start|>user\nWhat is 12 plus 30?<|im_end|>\n"
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.vocab_size == 360
    assert loaded.eos_token_id == tokenizer.eos_token_id


def test_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(ValueError, match="at least 288"):
        build_tokenizer(TEXTS, 100)
