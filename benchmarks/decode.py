"""Tokens per second of greedy decoding.

A decode step of a small model is hardly any arithmetic: 5 million parameters are a fraction of a
millisecond's worth of reading. What it costs is the number of operations that are started one by
one, so that is what an implementation for single tokens has to save: ours is a dozen compiled
functions. Several sessions in one step go one after the other on the CPU; a step that they share
would save less than it costs.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from transformers import NemotronHForCausalLM
from transformers.cache_utils import Cache as TransformersCache

from benchmarks import models
from benchmarks.measure import Candidate, Goal, Row, interleave, require_same
from benchmarks.sizes import Sizes
from omni_core.cache import DecoderState
from omni_core.model import OmniDecoder

GOAL_RATIO = 10.0


def run(sizes: Sizes) -> Iterator[Row]:
    """One session against transformers, then several sessions against one."""
    ours, theirs = models.decoder_pair(sizes)
    for context in sizes.contexts:
        yield _against_transformers(sizes, ours, theirs, context)
    yield from _together(sizes, ours)


def _against_transformers(
    sizes: Sizes, ours: OmniDecoder, theirs: NemotronHForCausalLM, context: int
) -> Row:
    tokens = models.random_tokens(sizes.decoder, context)
    state = ours.new_state()
    ours.prefill(state, tokens=tokens[:-1])
    mark = state.snapshot()
    _, cache = models.transformers_prefill(theirs, tokens[:-1])

    # Both take in the last token of the context and then decode: as many passes on either side.
    def decode_ours(_: None) -> list[int]:
        ours.prefill(state, tokens=tokens[-1:])
        return list(ours.generate(state, max_new_tokens=sizes.new_tokens))

    decode_theirs = partial(_transformers_generate, theirs, tokens, sizes.new_tokens)
    found = decode_ours(None)
    require_same(f"greedy tokens after {context}", found, decode_theirs(copy.deepcopy(cache)))
    times = interleave(
        {
            "ours": Candidate(decode_ours, prepare=lambda: state.rollback(mark)),
            "theirs": Candidate(decode_theirs, prepare=lambda: copy.deepcopy(cache)),
        },
        sizes.few_repeats,
    )
    mine, other = (times[name].per(sizes.new_tokens) for name in ("ours", "theirs"))
    ratio = other.over(mine)
    return Row(
        {
            "what": f"one session, context {context}",
            "ours, tokens/s": 1e3 / mine.median,
            "transformers, tokens/s": 1e3 / other.median,
            "ours, ms/token": mine,
            "transformers, ms/token": other,
            "times faster": ratio,
        },
        gate=f"{len(found)} greedy tokens equal to transformers'",
        goal=Goal(f"≥ {GOAL_RATIO:g}×", ratio >= GOAL_RATIO),
    )


@torch.inference_mode()
def _transformers_generate(
    model: NemotronHForCausalLM, tokens: list[int], count: int, cache: TransformersCache
) -> list[int]:
    """Decodes greedily; `cache` holds all tokens but the last, and is used up."""
    out = model.generate(  # type: ignore[misc]  # its self type is narrower than the class
        torch.tensor([tokens]),
        attention_mask=torch.ones(1, len(tokens), dtype=torch.int64),
        past_key_values=cache,
        max_new_tokens=count,
        do_sample=False,
        use_cache=True,
        eos_token_id=None,
    )
    return out[0, len(tokens) :].tolist()


def _together(sizes: Sizes, model: OmniDecoder) -> Iterator[Row]:
    """Sessions of different lengths in one step; each must be as if it were alone."""
    most = max(sizes.sessions)
    states = []
    for index in range(most):
        state = model.new_state()
        length = sizes.contexts[0] + index
        model.prefill(state, tokens=models.random_tokens(sizes.decoder, length, seed=index))
        states.append(state)
    marks = [state.snapshot() for state in states]
    alone = [list(model.generate(state, max_new_tokens=sizes.new_tokens)) for state in states]

    def rewind() -> None:
        for state, mark in zip(states, marks, strict=True):
            state.rollback(mark)

    def decode(count: int) -> Callable[[None], list[list[int]]]:
        return lambda _: _decode_together(model, states[:count], sizes.new_tokens)

    candidates = {str(count): Candidate(decode(count), rewind) for count in sizes.sessions}
    for count in sizes.sessions:
        rewind()
        require_same(f"{count} sessions in one step", decode(count)(None), alone[:count])
    times = interleave(candidates, sizes.few_repeats)
    for count in sizes.sessions:
        step = times[str(count)].per(sizes.new_tokens)
        yield Row(
            {
                "what": f"{count} session{'s'[: count > 1]} in one step",
                "ours, tokens/s": count * 1e3 / step.median,
                "ours, ms/token": step.per(count),
            },
            gate="tokens of every session equal to those it decodes alone",
        )


def _decode_together(model: OmniDecoder, states: list[DecoderState], count: int) -> list[list[int]]:
    """Greedy tokens of every session, one shared step per position."""
    logits = torch.stack([_logits(state) for state in states])
    steps = []
    for _ in range(count):
        chosen = logits.argmax(-1).tolist()
        steps.append(chosen)
        logits = model.step(states, chosen)
    return [list(tokens) for tokens in zip(*steps, strict=True)]


def _logits(state: DecoderState) -> torch.Tensor:
    assert state.logits is not None
    return state.logits
