"""The decoder against transformers' NemotronH on random tiny checkpoints."""

import pytest
import torch

from omni_core.cache import MambaCache
from tests.omni_core.reference import SHAPES, in_transformers, random_decoder

pytestmark = pytest.mark.usefixtures("each_way")


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference on the scale of the reference."""
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max())


@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_of_whole_sequences_equals_transformers(shape: str) -> None:
    model = random_decoder(**SHAPES[shape])
    reference = in_transformers(model, **SHAPES[shape])
    tokens = torch.randint(0, model.config.vocab_size, (3, 29))
    with torch.no_grad():
        theirs = reference(tokens, use_cache=False).logits
        ours = model.lm_head(model.hidden(model.embed(tokens)))
    assert theirs.std() > 0.3
    assert relative(ours, theirs) < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_prefill_and_every_decode_step_equal_transformers(shape: str) -> None:
    model = random_decoder(1, **SHAPES[shape])
    reference = in_transformers(model, **SHAPES[shape])
    tokens = torch.randint(0, model.config.vocab_size, (40,))
    state = model.new_state()
    ours = model.prefill(state, tokens=tokens[:19])
    with torch.no_grad():
        output = reference(tokens[None, :19], use_cache=True)
        assert relative(ours, output.logits[0, -1]) < 1e-4
        for token in tokens[19:]:
            ours = model.prefill(state, tokens=[int(token)])
            output = reference(
                token.view(1, 1), past_key_values=output.past_key_values, use_cache=True
            )
            assert relative(ours, output.logits[0, -1]) < 1e-4


def test_greedy_tokens_equal_transformers_generate() -> None:
    model = random_decoder(2)
    prompt = torch.randint(1, model.config.vocab_size, (1, 12))
    theirs = in_transformers(model).generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=60,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    state = model.new_state()
    model.prefill(state, tokens=prompt[0])
    assert list(model.generate(state, max_new_tokens=60)) == theirs[0, 12:].tolist()


def test_stop_token_that_must_not_come_first_is_avoided_as_in_transformers() -> None:
    model = random_decoder(2)
    prompt = torch.randint(1, model.config.vocab_size, (1, 12))
    state = model.new_state()
    stop = int(model.prefill(state, tokens=prompt[0]).argmax())
    assert list(model.generate(state.fork(), max_new_tokens=30, stop=[stop])) == []
    theirs = (
        in_transformers(model)
        .generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=30,
            min_new_tokens=1,
            do_sample=False,
            eos_token_id=stop,
            pad_token_id=0,
        )[0, 12:]
        .tolist()
    )
    ours = list(model.generate(state, max_new_tokens=30, min_new_tokens=1, stop=[stop]))
    assert ours == [token for token in theirs if token != stop]


def test_embeddings_and_tokens_mixed_equal_transformers() -> None:
    model = random_decoder(3)
    tokens = torch.randint(0, model.config.vocab_size, (9,))
    sound = torch.randn(7, model.config.hidden_size)
    with torch.no_grad():
        whole = torch.cat([model.embed(tokens[:5]), sound, model.embed(tokens[5:])])
        theirs = in_transformers(model)(inputs_embeds=whole[None]).logits[0, -1]
    state = model.new_state()
    model.prefill(state, tokens=tokens[:5])
    model.prefill(state, embeddings=sound)
    assert relative(model.prefill(state, tokens=tokens[5:]), theirs) < 1e-4


@pytest.mark.parametrize("shape", ["base", "four_groups", "one_expert"])
def test_bfloat16_stays_within_its_rounding(shape: str) -> None:
    # The choice of experts is a step function: rounding may flip it, so the comparison uses
    # a model whose experts are all chosen.
    changes = {**SHAPES[shape], "n_routed_experts": 2, "num_experts_per_tok": 2}
    exact = random_decoder(4, **changes)
    rounded = random_decoder(4, **changes).to(torch.bfloat16)
    tokens = torch.randint(0, exact.config.vocab_size, (30,))
    states = exact.new_state(), rounded.new_state()
    for part in tokens.split([20, *[1] * 10]):
        theirs = exact.prefill(states[0], tokens=part)
        ours = rounded.prefill(states[1], tokens=part)
        assert ours.dtype == torch.float32
        assert relative(ours, theirs) < 0.06  # some ten roundings of 2^-9 on the way
    mamba = [cache for cache in states[1].caches if isinstance(cache, MambaCache)]
    assert mamba
    assert all(cache.ssm.dtype == torch.float32 for cache in mamba)
