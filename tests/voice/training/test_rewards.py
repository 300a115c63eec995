"""Replies that are drawn and judged: what becomes likelier, what less likely."""

import math
import random

import pytest
import torch

from voice.training.data import SequenceBatch
from voice.training.recordings import random_utterance
from voice.training.rewards import PromptBatch, PromptBatches, Rewarded, advantages
from voice.training.sequences import IGNORED, Wanted
from voice.training.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    rng = random.Random(0)
    return build_tokenizer([random_utterance(rng) for _ in range(300)], 400)


@pytest.fixture
def rewarded(omni, tokenizer):
    torch.manual_seed(0)
    return Rewarded(omni, tokenizer, num_replies=4)


def prompt_batch(*texts):
    """For every text a prompt of one token and three places of audio, of different lengths."""
    count = len(texts)
    tokens = torch.ones(count, 4 + count, dtype=torch.long)
    is_audio = torch.zeros_like(tokens, dtype=torch.bool)
    is_audio[:, 1:4] = True
    steps = torch.randn(3 * count, 208, generator=torch.Generator().manual_seed(5))
    heard = SequenceBatch(tokens, is_audio, torch.full_like(tokens, IGNORED), steps=steps)
    return PromptBatch(heard, [5 + i for i in range(count)], [Wanted(text) for text in texts])


def test_reply_that_beats_the_others_has_an_advantage():
    found = advantages([(1,), (2,), (3,), (2,)], [1.0, 0.0, 0.5, 0.0])
    assert found == {
        (1,): pytest.approx(1 - 0.5 / 3),
        (2,): pytest.approx(-2 * 1.5 / 3),
        (3,): pytest.approx(0.5 - 1 / 3),
    }


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_replies_that_are_all_as_good_have_none(reward):
    assert set(advantages([(1,), (2,), (1,)], [reward] * 3).values()) == {0.0}


def test_rewarded_replies_become_likelier(rewarded, monkeypatch):
    batch = prompt_batch("a", "b")
    good, bad = (7, 9, rewarded._end), (8, rewarded._end)
    monkeypatch.setattr(rewarded, "_draw", lambda prompt: [good, bad, bad, good])
    monkeypatch.setattr(rewarded, "_reward", lambda wanted, reply: float(reply == good))

    def log_likelihoods():
        said = rewarded.omni.projector(batch.heard.steps)
        prompts = rewarded.omni.heard_embeddings(batch.heard, said)
        rows = [(prompts[1, :6], reply, 1.0) for reply in (good, bad)]
        return rewarded._log_likelihoods(rows)[0].sum(-1).detach()

    before = log_likelihoods()
    loss, figures = rewarded.loss(batch)
    loss.backward()
    assert figures["reward"] == 0.5
    kept = {name: weight.detach().clone() for name, weight in rewarded.named_parameters()}
    with torch.no_grad():
        for weight in rewarded.parameters():
            if weight.grad is not None:
                weight -= 1e-3 * weight.grad
    after = log_likelihoods()
    with torch.no_grad():
        for name, weight in rewarded.named_parameters():
            weight.copy_(kept[name])
            weight.grad = None
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_log_likelihoods_are_those_of_the_decoder(rewarded):
    decoder = rewarded.omni.language.decoder
    prompt = torch.randn(5, 256)
    rows = [(prompt, (7, 9, 11), 1.0), (prompt[:3], (8,), 1.0)]
    with torch.no_grad():
        found, is_reply = rewarded._log_likelihoods(rows)
    assert is_reply.sum(-1).tolist() == [3, 1]
    for row, (start, reply, _) in enumerate(rows):
        state = decoder.new_state()
        logits = decoder.prefill(state, embeddings=start)
        for token, log_likelihood in zip(reply, found[row][is_reply[row]], strict=True):
            assert float(logits.log_softmax(-1)[token]) == pytest.approx(
                float(log_likelihood), rel=1e-3, abs=1e-4
            )
            logits = decoder.step([state], [token])[0]


def test_drawn_replies_come_as_often_as_the_decoder_finds_them_likely(rewarded, monkeypatch):
    monkeypatch.setattr("voice.training.rewards.MAX_REPLY_TOKENS", 1)
    decoder = rewarded.omni.language.decoder
    with torch.no_grad():
        sharp = decoder.lm_head.weight.clone()
        decoder.lm_head.weight *= 3
    prompt = torch.randn(6, 256, generator=torch.Generator().manual_seed(1))
    likely = decoder.prefill(decoder.new_state(), embeddings=prompt).softmax(-1)
    drawn = [reply[0] for _ in range(100) for reply in rewarded._draw(prompt)]
    with torch.no_grad():
        decoder.lm_head.weight.copy_(sharp)
    token = int(likely.argmax())
    expected = float(likely[token])
    error = math.sqrt(expected * (1 - expected) / len(drawn))
    assert abs(drawn.count(token) / len(drawn) - expected) < 4 * error


def test_reply_that_never_ends_is_not_rewarded(rewarded):
    wanted = Wanted("one two")
    tokens = tuple(rewarded._tokenizer.encode(wanted.text, add_special_tokens=False))
    assert rewarded._reward(wanted, (*tokens, rewarded._end)) == 1.0
    assert rewarded._reward(wanted, tokens) == 0.0


def test_loss_of_drawn_replies_leaves_the_ear_alone(rewarded):
    loss, figures = rewarded.loss(prompt_batch("a b", "c"))
    loss.backward()
    assert 0 <= figures["reward"] <= 1
    assert all(weight.grad is None for weight in rewarded.omni.hearing.parameters())
    assert rewarded.omni.projector.linear1.weight.grad.abs().sum() > 0
    rewarded.zero_grad()


def test_prompts_end_where_their_reply_begins(tokenizer, monkeypatch):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr(PromptBatches, "POOL", 16)

    def ear(speech):
        return torch.zeros(*speech.pieces.shape, 1)

    batches = iter(PromptBatches(tokenizer, 2, 0, heard=1.0, max_positions=200, ear=ear))
    opening = tokenizer.encode("<think></think>", add_special_tokens=False)
    for batch in (next(batches) for _ in range(3)):
        assert len(batch.lengths) == len(batch.wanted) == len(batch.heard.tokens)
        assert len(batch.heard.steps) == batch.heard.is_audio.sum() > 0
        assert (batch.heard.targets[:, -1] == IGNORED).all()
        for tokens, length in zip(batch.heard.tokens.tolist(), batch.lengths, strict=True):
            assert tokens[length - len(opening) : length] == opening
            assert set(tokens[length:]) <= {0}
