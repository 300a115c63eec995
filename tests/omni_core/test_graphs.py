"""Sessions bound to a decode step with fixed buffers; the same code is captured on CUDA."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from omni_core.cache import DecoderState
from omni_core.graphs import DecodeGraph
from omni_core.model import OmniDecoder
from tests.omni_core.reference import random_decoder


def eager_graph(model: OmniDecoder, rows: int) -> DecodeGraph:
    """A step with fixed buffers, on the CPU where nothing can be captured."""
    embedding = model.backbone.embeddings.weight[:1]
    return DecodeGraph(model._logits, model.new_state, rows, 64, embedding)


@torch.inference_mode()
def step(
    graph: DecodeGraph, model: OmniDecoder, states: Sequence[DecoderState], tokens: list[int]
) -> Tensor:
    """What the model does around a graph."""
    logits = graph.step(states, model.embed(torch.tensor(tokens)))
    for state in states:
        state.position += 1
    return logits


def expected(model: OmniDecoder, history: list[int]) -> Tensor:
    """Logits after a history, without any state."""
    with torch.no_grad():
        return model.lm_head(model.hidden(model.embed(torch.tensor([history]))))[0, -1]


def filled(model: OmniDecoder, history: list[int]) -> DecoderState:
    """A session that has taken in a history."""
    state = model.new_state()
    model.prefill(state, tokens=history)
    return state


def test_graph_steps_of_two_sessions_equal_offline() -> None:
    model = random_decoder()
    graph = eager_graph(model, 2)
    histories = [[1, 2, 3], [4, 5, 6, 7, 8]]
    states = [filled(model, history) for history in histories]
    for token in (9, 10, 11):
        logits = step(graph, model, states, [token, token + 20])
        for row, (history, new) in enumerate(zip(histories, (token, token + 20), strict=True)):
            history.append(new)
            torch.testing.assert_close(logits[row], expected(model, history), rtol=1e-4, atol=1e-4)


def test_graph_with_changing_sessions_keeps_each_history() -> None:
    model = random_decoder()
    graph = eager_graph(model, 1)
    first, second = filled(model, [1, 2, 3]), filled(model, [4, 5])
    histories = {id(first): [1, 2, 3], id(second): [4, 5]}
    for token, state in enumerate([first, first, second, first, second, second]):
        histories[id(state)].append(token)
        if token == 4:  # a prefill of a bound session in between
            histories[id(state)].append(30)
            step(graph, model, [state], [token])
            logits = model.prefill(state, tokens=[30])
        else:
            logits = step(graph, model, [state], [token])[0]
        torch.testing.assert_close(
            logits, expected(model, histories[id(state)]), rtol=1e-4, atol=1e-4
        )


def test_forks_of_a_bound_session_live_on_after_it() -> None:
    model = random_decoder()
    graph = eager_graph(model, 1)
    parent = filled(model, [1, 2, 3])
    step(graph, model, [parent], [4])
    mark = parent.snapshot()
    twin = parent.fork()
    step(graph, model, [parent], [5])
    parent.rollback(mark)
    step(graph, model, [parent], [6])
    step(graph, model, [twin], [7])
    third = twin.fork()
    del twin
    other = filled(model, [20, 21])
    step(graph, model, [other], [22])
    pasts = ([1, 2, 3, 4, 6], [1, 2, 3, 4, 7], [20, 21, 22])
    for state, history in zip((parent, third, other), pasts, strict=True):
        logits = model.prefill(state, tokens=[8])
        torch.testing.assert_close(logits, expected(model, [*history, 8]), rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_generate_through_a_captured_graph_equals_eager() -> None:
    model = random_decoder(hidden_size=64, moe_intermediate_size=32).to("cuda", torch.bfloat16)
    if not model._captures:
        pytest.skip("graphs need a Hopper device or newer")
    state = model.new_state()
    model.prefill(state, tokens=[1, 2, 3])
    eager = state.fork()
    for token in model.generate(state, max_new_tokens=30):
        assert eager.logits is not None
        # bfloat16 rounds kernels differently; the choice must be among the best of the other.
        assert eager.logits.max() - eager.logits[token] < 0.1
        with torch.inference_mode():
            eager.logits = model._head(model._pass([eager], [model._embeddings([token])]))[0]
    assert model._graphs
