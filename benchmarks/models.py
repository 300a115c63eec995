"""The pairs that are compared: ours and transformers', with the same random weights."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import NemotronHForCausalLM
from transformers import ParakeetEncoder as TransformersEncoder
from transformers.cache_utils import Cache as TransformersCache

from benchmarks.sizes import Sizes
from omni_core.cache import DecoderState, KVCache, MambaCache
from omni_core.model import OmniDecoder
from streaming.encoder import ParakeetEncoder
from tests.omni_core.reference import in_transformers, random_decoder
from tests.streaming.reference import tiny_pair


def decoder(sizes: Sizes) -> OmniDecoder:
    """Our decoder with random weights, always the same."""
    return random_decoder(**sizes.decoder)


def decoder_pair(sizes: Sizes) -> tuple[OmniDecoder, NemotronHForCausalLM]:
    """Our decoder and transformers' with the same weights, set up as transformers does by itself.

    Its Mamba kernels need a GPU; on a CPU it runs its PyTorch code, and says so in warnings that
    are no news here.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    ours = decoder(sizes)
    theirs = in_transformers(ours, **sizes.decoder)
    theirs.set_attn_implementation("sdpa")  # the parity tests ask for the slower "eager"
    return ours, theirs


def encoder_pair(sizes: Sizes) -> tuple[ParakeetEncoder, TransformersEncoder]:
    """Our encoder and transformers' with the same random weights."""
    conformer, theirs = tiny_pair(**sizes.encoder)
    ours = ParakeetEncoder(conformer.config)
    ours.conformer = conformer
    return ours.eval(), theirs


def random_tokens(llm_config: Mapping[str, Any], count: int, seed: int = 0) -> list[int]:
    """Token ids [count] of a decoder's vocabulary, always the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(llm_config["vocab_size"], (count,), generator=generator).tolist()


@torch.inference_mode()
def transformers_prefill(
    model: NemotronHForCausalLM, tokens: list[int]
) -> tuple[Tensor, TransformersCache]:
    """Logits of the last position [vocab], and the cache."""
    out = model(torch.tensor([tokens]), use_cache=True, logits_to_keep=1)
    return out.logits[0, -1], out.past_key_values


def memory(state: DecoderState) -> list[Tensor]:
    """All that a state remembers, as views: convolution inputs, SSM states, keys and values."""
    attended = [each for cache in state.caches if isinstance(cache, KVCache) for each in cache.used]
    return recurrent_memory(state) + attended


def recurrent_memory(state: DecoderState) -> list[Tensor]:
    """The part of a state that does not grow: convolution inputs and SSM states, as views."""
    caches = [cache for cache in state.caches if isinstance(cache, MambaCache)]
    return [tensor for cache in caches for tensor in (cache.conv, cache.ssm)]
