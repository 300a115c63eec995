"""What it costs to take in a prompt piece by piece, as it is spoken, instead of at once.

Small pieces read all weights for a few positions each; the chunked scan of Mamba and the matrix
products get efficient from some dozens of positions on.
"""

from collections.abc import Callable, Iterator

from torch import Tensor

from benchmarks import models
from benchmarks.measure import Candidate, Row, interleave, require_close
from benchmarks.sizes import Sizes
from omni_core.cache import DecoderState
from omni_core.model import OmniDecoder

TOLERANCE = 1e-5


def run(sizes: Sizes) -> Iterator[Row]:
    """The same positions in pieces of several lengths."""
    model = models.decoder(sizes)
    tokens = models.random_tokens(sizes.decoder, sizes.prefill)
    lengths = (sizes.prefill, *sizes.chunks)
    whole_state, whole_logits = _prefill(model, tokens, sizes.prefill)
    gates = {sizes.prefill: "what the others are compared with"}
    for length in sizes.chunks:
        state, logits = _prefill(model, tokens, length)
        what = f"pieces of {length}"
        found = [require_close(f"logits, {what}", logits, whole_logits, TOLERANCE)]
        pairs = zip(models.memory(state), models.memory(whole_state), strict=True)
        found += [require_close(f"state, {what}", a, b, TOLERANCE) for a, b in pairs]
        gates[length] = f"logits and state within {max(found):.0e} of one shot"

    def taking(length: int) -> Callable[[None], object]:
        return lambda _: _prefill(model, tokens, length)

    candidates = {str(length): Candidate(taking(length)) for length in lengths}
    times = interleave(candidates, sizes.few_repeats)
    whole = times[str(sizes.prefill)]
    for length in lengths:
        spread = times[str(length)]
        yield Row(
            {
                "positions per piece": length,
                f"{sizes.prefill} positions, ms": spread,
                "ms per piece": spread.median * length / sizes.prefill,
                "times one shot": spread.over(whole),
            },
            gate=gates[length],
        )


def _prefill(model: OmniDecoder, tokens: list[int], length: int) -> tuple[DecoderState, Tensor]:
    """A state with all tokens, taken in by pieces of `length`, and the last logits."""
    state = model.new_state()
    for start in range(0, len(tokens), length):
        logits = model.prefill(state, tokens=tokens[start : start + length])
    return state, logits
