"""Conversations: what is heard arrives exactly, and the history holds what was said."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from streaming.encoder import StreamSettings
from tests.voice.talk import Scripted
from voice.conversation import Conversation, ReplySettings
from voice.memory import finish

SPEECH = np.random.default_rng(0).normal(0, 0.1, 16_000 * 2).astype(np.float32)
FAST = StreamSettings(chunk_ms=160, left_ms=800, right_ms=160)
SHORT = ReplySettings(max_new_tokens=8)


def heard(assistant, samples, sizes=(320,), text="", **options):
    conversation = Conversation(assistant, settings=SHORT, stream=FAST, **options)
    start = 0
    while start < len(samples):
        for size in sizes:
            conversation.listen(samples[start : start + size])
            start += size
    conversation.end_speech(text)
    return conversation


def reply_of(conversation):
    return "".join(part.content for part in conversation.reply())


def told(assistant, pieces, **media):
    """Logits of a fresh state that takes in a whole prompt at once."""
    state = assistant.model.new_state()
    return assistant.model.prefill(state, embeddings=assistant.embed_prompt(pieces, **media))


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=5))
def test_speech_in_any_split_equals_the_whole(assistant, sizes):
    conversation = heard(assistant, SPEECH, sizes)
    pieces = [*assistant.prompt.turn_opening(), *_audio_place(assistant)]
    expected = told(assistant, pieces, audios=[SPEECH])
    torch.testing.assert_close(conversation.state.logits, expected, rtol=1e-4, atol=1e-4)


def _audio_place(assistant):
    messages = [{"role": "user", "content": [{"type": "audio"}]}]
    pieces = assistant.prompt.pieces(messages, reply=False)
    return [piece for piece in pieces if not isinstance(piece, str)]


def test_speech_beyond_a_clip_equals_the_whole(assistant):
    long = np.random.default_rng(1).normal(0, 0.1, 16_000 * 33).astype(np.float32)
    conversation = heard(assistant, long, sizes=(16_000,))
    pieces = [*assistant.prompt.turn_opening(), *_audio_place(assistant)]
    expected = told(assistant, pieces, audios=[long])
    torch.testing.assert_close(conversation.state.logits, expected, rtol=1e-4, atol=1e-4)


def test_reply_follows_the_rendered_prompt(assistant):
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "audio"}, {"type": "text", "text": "What was that?"}],
        },
    ]
    pieces = assistant.prompt.pieces(messages, thinking=False)
    first = told(assistant, pieces, audios=[SPEECH]).argmax()
    conversation = heard(assistant, SPEECH, text="What was that?", system="Be brief.")
    assert _tokens_of(conversation)[0] == int(first)


def _tokens_of(conversation):
    """Tokens of a reply, read off the decoder."""
    tokens = []
    model = conversation._assistant.model
    generate = model.generate

    def record(*args, **kwargs):
        for token in generate(*args, **kwargs):
            tokens.append(token)
            yield token

    model.generate = record
    try:
        reply_of(conversation)
    finally:
        del model.generate
    return tokens


def test_transcription_leaves_no_trace(assistant):
    plain, transcribed = heard(assistant, SPEECH), heard(assistant, SPEECH)
    before = transcribed.state.logits.clone()
    transcribed.transcribe()
    assert torch.equal(transcribed.state.logits, before)
    assert reply_of(plain) == reply_of(transcribed)
    assert torch.equal(plain.state.logits, transcribed.state.logits)


def test_second_turn_equals_a_fresh_state_told_the_history(assistant):
    conversation = heard(assistant, SPEECH)
    tokens = _tokens_of(conversation)
    conversation.type_turn("and now?")
    state = assistant.model.new_state()
    prompt, model = assistant.prompt, assistant.model
    model.prefill(state, tokens=prompt.encode(prompt.turn_opening()[0]))
    model.prefill(state, embeddings=assistant.embed_audio(SPEECH))
    rest = prompt.turn_closing() + prompt.reply_opening(thinking=False)
    model.prefill(state, tokens=prompt.encode(rest))
    if tokens:
        model.prefill(state, tokens=tokens)
    closing = prompt.reply_closing() + "".join(prompt.user_turn("and now?"))
    expected = model.prefill(state, tokens=prompt.encode(closing))
    torch.testing.assert_close(conversation.state.logits, expected, rtol=1e-4, atol=1e-4)


def test_reply_that_is_cut_short_stays_in_the_history_as_far_as_it_came(assistant):
    conversation = Conversation(assistant, settings=ReplySettings(max_new_tokens=40))
    conversation.type_turn("hello")
    replies = conversation.reply()
    said = next(replies).content
    replies.close()
    conversation.type_turn("go on")
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "go on"},
    ]
    expected = told(assistant, assistant.prompt.pieces(messages, reply=False))
    torch.testing.assert_close(conversation.state.logits, expected, rtol=1e-4, atol=1e-4)


def test_reasoning_is_not_in_the_history(assistant):
    thinking = ReplySettings(thinking=True, max_new_tokens=8)
    conversation = Conversation(assistant, settings=thinking)
    conversation.type_turn("hello")
    content = "".join(part.content for part in conversation.reply())
    conversation.type_turn("go on")
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "go on"},
    ]
    expected = told(assistant, assistant.prompt.pieces(messages, reply=False))
    torch.testing.assert_close(conversation.state.logits, expected, rtol=1e-4, atol=1e-4)


def test_reasoning_ends_with_its_budget(assistant, monkeypatch):
    Scripted(assistant, monkeypatch).replies = ["one two three four five six"]
    settings = ReplySettings(thinking=True, thinking_budget=3, max_new_tokens=12)
    conversation = Conversation(assistant, settings=settings)
    conversation.type_turn("hello")
    reply = conversation.draft()
    parts = list(reply.decode())
    assert reply.reasoning_tokens == 3
    assert len(reply.tokens) > 3
    assert "".join(part.content for part in parts)
    last_thought = max(i for i, part in enumerate(parts) if part.reasoning)
    assert not any(part.content for part in parts[:last_thought])


def test_dropped_draft_leaves_no_trace(assistant):
    conversation = heard(assistant, SPEECH)
    before = conversation.state.logits.clone()
    list(conversation.draft().decode())
    assert torch.equal(conversation.state.logits, before)
    assert reply_of(conversation) == reply_of(heard(assistant, SPEECH))


def test_turn_that_goes_on_after_a_pause_equals_the_whole(assistant):
    conversation = Conversation(assistant, settings=SHORT, stream=FAST)
    for part in np.split(SPEECH, [9000, 15_000, 26_000]):
        conversation.listen(part)
        conversation.pause()
        list(conversation.draft().decode())
    conversation.end_speech()
    assert reply_of(conversation) == reply_of(heard(assistant, SPEECH))


def test_history_can_be_changed_with_and_without_snapshots(assistant):
    def typed(texts):
        conversation = Conversation(assistant)
        for text in texts:
            finish(conversation.add(conversation.user_entry(text, item_id=text)))
        return conversation

    texts = [f"number {index}" for index in range(12)]
    for gone in (texts[1], texts[10]):
        changed = typed(texts)
        finish(changed.delete(gone))
        finish(changed.add(changed.user_entry("new", item_id="new"), behind=[texts[5]]))
        kept = [text for text in texts if text != gone]
        fresh = typed([*kept[: kept.index(texts[5]) + 1], "new", *kept[kept.index(texts[5]) + 1 :]])
        for conversation in (changed, fresh):
            conversation.type_turn("end")
        torch.testing.assert_close(changed.state.logits, fresh.state.logits, rtol=1e-4, atol=1e-4)


def test_image_shown_with_speech_comes_before_it(assistant):
    picture = Image.new("RGB", (48, 32), "red")
    conversation = Conversation(assistant, stream=FAST)
    conversation.begin_turn([picture])
    conversation.listen(SPEECH)
    conversation.end_speech()
    pieces = [*assistant.prompt.turn_opening(images=1), *_audio_place(assistant)]
    expected = told(assistant, pieces, images=[picture], audios=[SPEECH])
    torch.testing.assert_close(conversation.state.logits, expected, rtol=1e-4, atol=1e-4)


def test_conversations_side_by_side_do_not_meet(assistant):
    other_speech = SPEECH[::-1].copy()
    alone = [reply_of(heard(assistant, s)) for s in (SPEECH, other_speech)]
    both = [Conversation(assistant, settings=SHORT, stream=FAST) for _ in range(2)]
    for start in range(0, len(SPEECH), 320):
        both[0].listen(SPEECH[start : start + 320])
        both[1].listen(other_speech[start : start + 320])
    for conversation in both:
        conversation.end_speech()
    assert [reply_of(conversation) for conversation in both] == alone


def test_bad_samples_leave_the_turn_as_it_was(assistant):
    conversation = Conversation(assistant, settings=SHORT, stream=FAST)
    conversation.listen(SPEECH[:8000])
    with pytest.raises(ValueError, match="NaN"):
        conversation.listen(np.full(320, np.nan, np.float32))
    conversation.listen(SPEECH[8000:])
    conversation.end_speech()
    assert torch.equal(conversation.state.logits, heard(assistant, SPEECH).state.logits)


@pytest.mark.parametrize("call", ["end_speech", "transcribe"])
def test_turn_that_was_not_spoken_is_refused(assistant, call):
    with pytest.raises(ValueError, match=r"listen|end_speech"):
        getattr(Conversation(assistant), call)()


def test_typed_turn_while_someone_speaks_is_refused(assistant):
    conversation = Conversation(assistant)
    conversation.listen(SPEECH[:320])
    with pytest.raises(ValueError, match="end_speech"):
        conversation.type_turn("hello")


def test_transcript_has_no_more_tokens_than_its_sound_has_steps(assistant):
    conversation = heard(assistant, SPEECH)
    parts = [part for part in conversation.transcribing(conversation.last_steps) if part]
    assert len(parts) <= len(conversation.last_steps)
