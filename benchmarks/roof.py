"""What memory can deliver, and what a pass of the decoder must move through it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks import models
from benchmarks.measure import Candidate, interleave
from omni_core.cache import DecoderState
from omni_core.model import OmniDecoder
from omni_core.moe import MoE


def bandwidths(
    device: str, size_bytes: int, repeats: int, synchronize: Callable[[], None]
) -> tuple[float, float]:
    """GB/s of reading, and of reading and writing; the best of the repeats."""
    source = torch.ones(size_bytes // 4, device=device)
    target = torch.empty_like(source)
    candidates = {
        "read": Candidate(lambda _: source.sum()),
        "copy": Candidate(lambda _: target.copy_(source)),
    }
    times = interleave(candidates, repeats, synchronize)
    read, copy = (min(times[name].values) * 1e6 for name in ("read", "copy"))
    return size_bytes / read, 2 * size_bytes / copy


def moved_bytes(model: OmniDecoder, state: DecoderState, distinct: Sequence[float]) -> float:
    """Bytes that one pass must at least move: weights once, states in and out, keys and values in.

    Args:
        model: the decoder; its embedding table is looked up, not read.
        state: a session of the length at hand.
        distinct: experts met in each MoE block.
    """
    total = float(sum(map(_bytes, model.parameters())) - _bytes(model.backbone.embeddings.weight))
    blocks = [module for module in model.modules() if isinstance(module, MoE)]
    for block, met in zip(blocks, distinct, strict=True):
        experts = block.experts
        unread = 1 - met / experts.up_proj.shape[0]
        total -= unread * (_bytes(experts.up_proj) + _bytes(experts.down_proj))
    # The recurrent part goes both ways, keys and values are read.
    return total + sum(map(_bytes, models.memory(state) + models.recurrent_memory(state)))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
