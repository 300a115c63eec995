"""Training sequences: the layout of the chat template, live captions, what is learnt."""

import random

import pytest

from voice.prompt import Prompt
from voice.training.sequences import (
    IGNORED,
    NO_CAPTION,
    TRANSCRIBE,
    Sequence,
    SequenceMaker,
    caption_steps,
)
from voice.training.skills import Conversation, Turn
from voice.training.tokenizer import build_tokenizer

TURNS = Conversation(
    (
        Turn("my name is anna", "Nice to meet you, Anna.", "name_memory"),
        Turn("what is my name", "Your name is Anna.", "name_memory"),
    )
)


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for turn in TURNS.turns for text in (turn.user, turn.reply)]
    return build_tokenizer([*texts, TRANSCRIBE] * 5, 400)


def lay_out_spoken(tokenizer, typed_share):
    maker = SequenceMaker(tokenizer)
    sequence = Sequence()
    maker.add_conversation(sequence, TURNS, random.Random(0), typed_share)
    return sequence, sequence.lay_out([[NO_CAPTION] * 3 for _ in sequence.utterances])


def test_sequence_of_typed_turns_equals_the_rendered_template(tokenizer):
    _, (tokens, is_audio, _) = lay_out_spoken(tokenizer, typed_share=1.0)
    prompt = Prompt(tokenizer)
    messages = []
    for turn in TURNS.turns:
        messages += [
            {"role": "user", "content": turn.user},
            {"role": "assistant", "content": turn.reply},
        ]
    assert tokens == prompt.encode(prompt.render(messages, reply=False))
    assert not any(is_audio)


def test_sequence_of_spoken_turns_equals_the_prompt_pieces(tokenizer):
    sequence, (tokens, is_audio, _) = lay_out_spoken(tokenizer, typed_share=0.0)
    prompt = Prompt(tokenizer)
    expected: list[int] = []
    for turn in TURNS.turns:
        expected += prompt.encode(prompt.session_opening()) if not expected else []
        for piece in prompt.turn_opening():
            assert isinstance(piece, str)
            expected += prompt.encode(piece)
        expected += [0] * 3
        rest = prompt.turn_closing() + prompt.reply_opening(thinking=False)
        expected += prompt.encode(rest + turn.reply + prompt.reply_closing())
    assert tokens == expected
    assert sum(is_audio) == 6
    assert sequence.utterances == [turn.user for turn in TURNS.turns]


def test_sequence_learns_replies_and_their_end_only(tokenizer):
    _, (_, is_audio, targets) = lay_out_spoken(tokenizer, typed_share=0.0)
    learnt = [t for t, audio in zip(targets, is_audio, strict=True) if t != IGNORED and not audio]
    text = tokenizer.decode(learnt, skip_special_tokens=False)
    assert text == "".join(turn.reply + "<|im_end|>" for turn in TURNS.turns)


def test_caption_says_every_word_in_order_after_its_end():
    caption = caption_steps([[5], [6, 7], [8]], word_ends=[1, 3, 4], num_steps=12)
    assert [token for token in caption if token != NO_CAPTION] == [5, 6, 7, 8]
    assert caption.index(5) == 3
    assert caption.index(6) == 5


def test_caption_leaves_out_what_comes_after_the_end():
    assert caption_steps([[5], [6]], word_ends=[0, 3], num_steps=4) == [0, 0, 5, 0]


def test_words_together_are_the_tokens_of_the_text(tokenizer):
    maker = SequenceMaker(tokenizer)
    text = "my name is anna what"
    joined = [token for word in maker.words(text) for token in word]
    assert joined == tokenizer.encode(text, add_special_tokens=False)
