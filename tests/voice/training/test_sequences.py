"""Training sequences: the layout of the chat template, word pieces, what is learnt."""

import random
from dataclasses import replace

import pytest

from voice.prompt import Prompt
from voice.training.pieces import BLANK, imagine_pieces, mishear, place_pieces
from voice.training.sequences import (
    IGNORED,
    TRANSCRIBE,
    Sequence,
    SequenceMaker,
    Wanted,
)
from voice.training.shares import SPOKEN_SHARES, Shares
from voice.training.skills import Conversation, Thing, Turn
from voice.training.tokenizer import IMAGE_TOKEN, build_tokenizer

TURNS = Conversation(
    (
        Turn("my name is anna", "Nice to meet you, Anna.", "name_memory"),
        Turn("what is my name", "Your name is Anna.", "name_memory"),
    )
)

ONLY_DRILLS = {
    "transcription": 0.0,
    "copying": 0.0,
    "spelling": 0.0,
    "digits": 0.0,
    "drill": 1.0,
    "further": 0.0,
    "further_drill": 0.0,
    "unfinished": 0.0,
    "short": 0.0,
    "tools": 0.0,
}


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for turn in TURNS.turns for text in (turn.user, turn.reply)]
    return build_tokenizer([*texts, TRANSCRIBE] * 5, 400)


def lay_out_spoken(tokenizer, typed_share):
    maker = SequenceMaker(tokenizer)
    sequence = Sequence()
    maker.add_conversation(sequence, TURNS, random.Random(0), typed_share)
    return sequence, sequence.lay_out([[BLANK] * 3 for _ in sequence.utterances])


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


SHOWN = Turn("what is it", "It is red.", "color", shown=(Thing("star", "red"),))


@pytest.mark.parametrize("typed_share", [0.0, 1.0])
def test_picture_comes_as_the_prompt_puts_it_with_a_turn_or_before_it(tokenizer, typed_share):
    maker, prompt, rng = SequenceMaker(tokenizer), Prompt(tokenizer), random.Random(0)
    seen = set()
    for _ in range(12):
        sequence = Sequence()
        maker.add_conversation(sequence, Conversation((SHOWN,)), rng, typed_share)
        (picture,) = sequence.pictures.values()
        pieces = prompt.user_turn(images=1) if picture.alone else []
        images = int(not picture.alone)
        if typed_share:
            pieces += prompt.user_turn(SHOWN.user, images=images)
        else:
            pieces += [*prompt.turn_opening(images=images), None, prompt.turn_closing()]
        pieces += [prompt.reply_opening(thinking=False) + SHOWN.reply, prompt.reply_closing()]
        expected: list[int] = []
        for piece in pieces:
            if isinstance(piece, str):
                expected += prompt.encode(piece)
            else:
                expected += [BLANK] * 3 if piece is None else [IMAGE_TOKEN] * picture.num_places
        tokens, _, targets = sequence.lay_out([[BLANK] * 3 for _ in sequence.utterances])
        assert tokens == expected
        assert IMAGE_TOKEN not in targets
        assert picture.num_places == picture.grid[0] * picture.grid[1] // 4
        seen.add(picture.alone)
    assert seen == {True, False}


def test_prompt_of_a_reply_has_the_pictures_before_it(tokenizer):
    maker, sequence = SequenceMaker(tokenizer), Sequence()
    maker.add_conversation(sequence, Conversation((SHOWN, SHOWN)), random.Random(0), 0.0)
    first, second = sequence.pictures
    reply = next(place for place, wanted in enumerate(sequence.wanted) if wanted)
    assert first < reply < second
    assert sequence.before(reply).pictures == {first: sequence.pictures[first]}
    assert sequence.before(second + 1).pictures == sequence.pictures


def test_sequences_are_about_pictures_only_where_they_are_to_be(tokenizer):
    rng = random.Random(0)
    for sight, some in ((0.0, False), (0.9, True)):
        none = dict.fromkeys(ONLY_DRILLS, 0.0)
        maker = SequenceMaker(tokenizer, Shares(**none, sight=sight))
        assert any(maker.sample(rng).pictures for _ in range(40)) == some


def test_sequence_learns_replies_and_their_end_only(tokenizer):
    _, (_, is_audio, targets) = lay_out_spoken(tokenizer, typed_share=0.0)
    learnt = [t for t, audio in zip(targets, is_audio, strict=True) if t != IGNORED and not audio]
    text = tokenizer.decode(learnt, skip_special_tokens=False)
    assert text == "".join(turn.reply + "<|im_end|>" for turn in TURNS.turns)


def test_drills_are_heard_where_speech_is_learnt_and_mostly_read_elsewhere(tokenizer):
    spoken = {}
    for shares in (Shares(), SPOKEN_SHARES):
        maker, rng = SequenceMaker(tokenizer, replace(shares, **ONLY_DRILLS)), random.Random(0)
        drills = [maker.sample(rng) for _ in range(60)]
        turns = sum(wanted is not None for drill in drills for wanted in drill.wanted)
        spoken[shares] = sum(len(drill.utterances) for drill in drills) / turns
    assert spoken[Shares()] < 0.4
    assert spoken[SPOKEN_SHARES] > 0.8


def test_transcriptions_are_of_what_the_assistant_says_too(tokenizer):
    shares = Shares(**(dict.fromkeys(ONLY_DRILLS, 0.0) | {"transcription": 1.0}))
    maker, rng = SequenceMaker(tokenizer, shares), random.Random(0)
    written = [w.text for _ in range(300) for w in maker.sample(rng).wanted if w and not w.turn]
    assert any(text.startswith("the answer is") for text in written)


def test_pieces_begin_with_their_words_in_order():
    placed = place_pieces([[5], [6, 7], [8]], [1.2, 3.0, 7.5], end=9.0, num_steps=12)
    assert placed == [0, 5, 0, 6, 0, 7, 0, 8, 0, 0, 0, 0]


def test_pieces_of_words_said_as_one_share_their_time():
    assert place_pieces([[5], [6], [7]], [2.0, 2.0, 4.0], end=6.0, num_steps=6) == [
        *(0, 0, 5, 6, 7, 0)
    ]


def test_crowded_pieces_keep_their_order():
    placed = place_pieces([[5, 6, 7], [8]], [0.0, 1.0], end=2.0, num_steps=8)
    assert placed == [5, 6, 7, 8, 0, 0, 0, 0]


def test_pieces_beyond_the_last_step_are_left_out():
    assert place_pieces([[5], [6]], [0.0, 3.5], end=5.0, num_steps=3) == [5, 0, 0]


def test_imagined_pieces_are_the_words(tokenizer):
    maker = SequenceMaker(tokenizer)
    for seed in range(20):
        text = "my name is anna"
        pieces = imagine_pieces(maker.words(text), text, random.Random(seed))
        assert tokenizer.decode([piece for piece in pieces if piece != BLANK]) == text
        assert BLANK in pieces


def test_misheard_pieces_keep_their_places():
    rng = random.Random(0)
    pieces = [0, 40, 0, 41, 42, 0] * 20
    changed = [mishear(pieces, rng, range(32, 400)) for _ in range(30)]
    assert all(c[index] == BLANK for c in changed for index in (0, 2, 5))
    assert any(c != pieces for c in changed)
    assert any(c == pieces for c in changed)


def test_words_together_are_the_tokens_of_the_text(tokenizer):
    maker = SequenceMaker(tokenizer)
    text = "my name is anna what"
    joined = [token for word in maker.words(text) for token in word]
    assert joined == tokenizer.encode(text, add_special_tokens=False)


def test_sequence_before_a_reply_is_the_prompt_for_it(tokenizer):
    sequence, _ = lay_out_spoken(tokenizer, typed_share=0.0)
    first, second = (place for place, wanted in enumerate(sequence.wanted) if wanted)
    prompt = sequence.before(second)
    assert prompt.parts == sequence.parts[:second]
    assert prompt.utterances == ["my name is anna", "what is my name"]
    assert sequence.before(first).utterances == ["my name is anna"]
    assert sequence.wanted[second] == Wanted("Your name is Anna.", TURNS.turns[1])


@pytest.mark.parametrize(
    ("wanted", "said", "reward"),
    [
        (Wanted("Your name is Anna.", TURNS.turns[1]), "anna", 1.0),
        (Wanted("Your name is Anna.", TURNS.turns[1]), "Your name is Hannah.", 0.0),
        (Wanted("one two three four"), "one two three four", 1.0),
        (Wanted("one two three four"), "one too three", 0.5),
        (Wanted("one"), "one two three", 0.0),
        (Wanted("<a>\n1\n</a>\n", exact=True), "<a>\n1\n</a>", 1.0),
        (Wanted("<a>\n1\n</a>\n", exact=True), "<a>\n2\n</a>", 0.0),
    ],
)
def test_reply_is_rewarded_by_how_right_it_is(wanted, said, reward):
    assert wanted.reward(said) == reward
