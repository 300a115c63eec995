"""From the end of a turn to the first token of the reply, by the length of the history.

A voice assistant that keeps its state pays for the new turn only. One that sends the conversation
again pays for all of it, every turn. Mamba's state does not grow; of the two attention blocks only
the reading of keys and values does, which is why the line is nearly, not wholly, flat.
"""

from collections.abc import Iterator

from torch import Tensor
from transformers import NemotronHForCausalLM

from benchmarks import models
from benchmarks.measure import Candidate, Goal, Row, interleave, require_close, require_same
from benchmarks.sizes import Sizes
from omni_core.model import OmniDecoder

GOAL_RATIO, GOAL_HISTORY = 50.0, 4096
TOLERANCE = 1e-4


def run(sizes: Sizes) -> Iterator[Row]:
    """Kept state against re-prefill, ours and transformers'."""
    ours, theirs = models.decoder_pair(sizes)
    for history in sizes.histories:
        yield _row(sizes, ours, theirs, history)


def _row(sizes: Sizes, ours: OmniDecoder, theirs: NemotronHForCausalLM, history: int) -> Row:
    tokens = models.random_tokens(sizes.decoder, history + sizes.turn)
    turn = tokens[history:]
    state = ours.new_state()
    if history:
        ours.prefill(state, tokens=tokens[:history])
    mark = state.snapshot()
    logits: dict[str, Tensor] = {}

    def keep(_: None) -> None:
        logits["kept"] = ours.prefill(state, tokens=turn)
        next(ours.generate(state, max_new_tokens=1))

    def again(_: None) -> None:
        fresh = ours.new_state()
        logits["again"] = ours.prefill(fresh, tokens=tokens)
        next(ours.generate(fresh, max_new_tokens=1))

    def theirs_again(_: None) -> None:
        logits["theirs"], _cache = models.transformers_prefill(theirs, tokens)
        logits["theirs"].argmax().item()

    times = interleave(
        {
            "kept": Candidate(keep, prepare=lambda: state.rollback(mark)),
            "again": Candidate(again),
            "theirs": Candidate(theirs_again),
        },
        sizes.few_repeats,
    )
    kept, found = logits.pop("kept"), 0.0
    for name, other in logits.items():
        what = f"{history} tokens, kept against {name}"
        found = max(found, require_close(f"logits after {what}", kept, other, TOLERANCE))
        require_same(f"first token after {what}", int(kept.argmax()), int(other.argmax()))
    ratio = times["again"].over(times["kept"])
    goal = Goal(f"≥ {GOAL_RATIO:g}×", ratio >= GOAL_RATIO) if history >= GOAL_HISTORY else None
    return Row(
        {
            "history, tokens": history,
            "state kept, ms": times["kept"],
            "all again (ours), ms": times["again"],
            "all again (transformers), ms": times["theirs"],
            "times faster than ours again": ratio,
            "than transformers": times["theirs"].over(times["kept"]),
        },
        gate=f"same token, logits within {found:.0e}",
        goal=goal,
    )
