"""Decode steps as captured CUDA graphs: one launch for all the kernels of a token.

A graph reads and writes fixed addresses. So the sessions that decode are *bound*: their caches
become views of the graph's buffers, and stay ordinary caches for everything else (prefill,
snapshot, rollback, fork). When other sessions are bound, the earlier ones move to buffers of their
own. Per token nothing is copied but the embedding in and the logits out.

Legend: B sessions, J key-value heads, S capacity in positions, D head size.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from omni_core.cache import Cache, DecoderState, KVCache, KVRows, MambaCache

Layers = Callable[[Tensor, Sequence[Sequence[Any]], Sequence[int]], Tensor]
"""From embeddings [B, hidden], caches by block and session, and lengths to logits [B, vocab]."""


class StaticKV:
    """Keys and values of B sessions in fixed buffers; where to write is known to the device only.

    Attributes:
        keys, values: [B, J, S, D].
        positions: where the next position of each session goes [B], shared by all blocks.
        stores: the same buffers as the session caches see them, one per row.
    """

    def __init__(self, keys: Tensor, values: Tensor, positions: Tensor) -> None:
        self.keys, self.values, self.positions = keys, values, positions
        self.stores = [
            KVRows(keys[row : row + 1], values[row : row + 1]) for row in range(len(keys))
        ]
        self._row = torch.arange(keys.shape[0], device=keys.device)
        self._slot = torch.arange(keys.shape[2], device=keys.device)

    @property
    def rows(self) -> int:
        """Sessions in this cache."""
        return self.keys.shape[0]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Adds one position [B, J, 1, D]; returns the whole buffers and a mask [B, 1, 1, S]."""
        assert keys.shape[2] == 1, "a graph takes one position per session"
        self.keys[self._row, :, self.positions] = keys[:, :, 0]
        self.values[self._row, :, self.positions] = values[:, :, 0]
        past = self._slot <= self.positions[:, None]
        return self.keys, self.values, past[:, None, None]


class DecodeGraph:
    """One decode step of B sessions, captured, and the sessions bound to it.

    Args:
        layers: the arithmetic to capture; it must not depend on values of its inputs.
        fresh: makes an empty state, whose caches give the shapes.
        rows: sessions per step.
        capacity: positions each session has room for.
        embedding: any embedding [1, hidden], for its size, dtype and device. On CUDA the step is
            captured; elsewhere the same step runs kernel by kernel.
    """

    def __init__(
        self,
        layers: Layers,
        fresh: Callable[[], DecoderState],
        rows: int,
        capacity: int,
        embedding: Tensor,
    ) -> None:
        self.capacity = capacity
        self._bound: list[weakref.ref[DecoderState]] = []
        device = embedding.device
        self._input = embedding.new_zeros(rows, embedding.shape[-1])
        self._positions = torch.zeros(rows, dtype=torch.int64, device=device)
        self._expected = [0] * rows
        self._caches = [self._static(cache, rows) for cache in fresh().caches]
        self._layers = layers
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._capture()

    def _static(self, cache: Cache | None, rows: int) -> MambaCache | StaticKV | None:
        if cache is None:
            return None
        if isinstance(cache, MambaCache):
            conv = cache.conv.new_zeros(rows, *cache.conv.shape[1:])
            ssm = cache.ssm.new_zeros(rows, *cache.ssm.shape[1:])
            return MambaCache(conv, ssm, cache.constants)
        keys, values = cache.used
        shape = (rows, keys.shape[1], self.capacity, keys.shape[3])
        return StaticKV(keys.new_zeros(shape), values.new_zeros(shape), self._positions)

    def _capture(self) -> None:
        # Warm-up on a side stream lets libraries allocate what they keep, outside the graph.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._run()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._run()

    def _run(self) -> None:
        caches = [[cache] for cache in self._caches]
        self._output = self._layers(self._input, caches, [1])
        self._positions += 1

    def step(self, states: Sequence[DecoderState], embeddings: Tensor) -> Tensor:
        """Moves B sessions on by one position each; their logits [B, vocab], owned.

        Args:
            states: as many as the graph has rows, each with room below `capacity`.
            embeddings: [B, hidden].
        """
        self._bind(states)
        lengths = [state.position for state in states]
        if lengths != self._expected:
            self._positions.copy_(torch.tensor(lengths))
        self._input.copy_(embeddings)
        if self._graph is None:
            self._run()
        else:
            self._graph.replay()
        for state in states:
            for cache in state.caches:
                if isinstance(cache, KVCache):
                    cache.length += 1
        self._expected = [length + 1 for length in lengths]
        return self._output.clone()

    def release(self) -> None:
        """Gives the bound sessions, and their forks, buffers of their own."""
        for ref in self._bound:
            state = ref()
            for cache in [] if state is None else state.caches:
                if isinstance(cache, MambaCache):
                    cache.settle(torch.empty_like(cache.conv), torch.empty_like(cache.ssm))
        for static in self._caches:
            if isinstance(static, StaticKV):
                for store in static.stores:
                    store.evict()
        self._bound = []

    def _bind(self, states: Sequence[DecoderState]) -> None:
        new = [ref() for ref in self._bound] != list(states)
        if new:
            self.release()
            self._bound = [weakref.ref(state) for state in states]
        for row, state in enumerate(states):
            for cache, static in zip(state.caches, self._caches, strict=True):
                if isinstance(cache, KVCache):
                    assert isinstance(static, StaticKV)
                    cache.settle(static.stores[row])
                elif new and cache is not None:
                    assert isinstance(static, MambaCache)
                    cache.settle(static.conv[row : row + 1], static.ssm[row : row + 1])
