"""What the decoder remembers of a session: one cache per block that needs one, and their sum.

The modules hold no memory of their own. A `DecoderState` is passed in and updated in place; going
back is a restore of the small recurrent tensors and a shorter length for the attention's.

Legend: B rows (sessions that advance together; a session's own cache has one), K conv width, C conv
channels, H heads, P head size, N state size, J key-value heads, S capacity in positions, D head
size, T new positions.
"""

import weakref
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class ContextFull(Exception):
    """The session's history has no room for the new positions; its state is as it was before."""


class MambaConstants(NamedTuple):
    """What the scan needs of a mixer's weights, in float32; a state belongs to its weights."""

    taps: Tensor
    """Convolution weights [K, C], oldest input first."""
    bias: Tensor | None
    """[C]"""
    rate: Tensor
    """−exp(A_log) [H]"""
    skip: Tensor
    """D [H, 1]"""
    dt_bias: Tensor
    """[H]"""


class MambaArrays(NamedTuple):
    """The memory of a `MambaCache` of one session on the CPU, as arrays."""

    window: np.ndarray
    """[K−1, C]"""
    ssm: np.ndarray
    """[H, P, N]"""
    constants: tuple[np.ndarray, ...]
    """`MambaConstants`, field by field; no bias is a bias of zero."""


class MambaCache:
    """The memory of a Mamba block: fixed in size, overwritten by every position.

    Attributes:
        conv: the last K−1 inputs of the convolution [B, K−1, C].
        ssm: the state [B, H, P, N], float32 whatever the weights are.
        constants: see `MambaConstants`; shared by all forks.
    """

    __slots__ = ("_arrays", "constants", "conv", "ssm")

    def __init__(self, conv: Tensor, ssm: Tensor, constants: MambaConstants) -> None:
        self.conv, self.ssm, self.constants = conv, ssm, constants
        self._arrays: MambaArrays | None = None

    @property
    def rows(self) -> int:
        """Sessions in this cache."""
        return self.ssm.shape[0]

    @property
    def arrays(self) -> MambaArrays:
        """This cache of one session on the CPU as `omni_core.single` uses it; made once."""
        if self._arrays is None:
            taps, bias, *others = self.constants
            if bias is None:
                bias = torch.zeros_like(taps[0])
            self._arrays = MambaArrays(
                window=self.conv[0].numpy(),
                ssm=self.ssm[0].numpy(),
                constants=tuple(each.numpy() for each in (taps, bias, *others)),
            )
        return self._arrays

    def snapshot(self) -> tuple[Tensor, Tensor]:
        """Owned copies of both tensors."""
        return self.conv.clone(), self.ssm.clone()

    def restore(self, mark: tuple[Tensor, Tensor]) -> None:
        """Writes a snapshot back in place."""
        self.conv.copy_(mark[0])
        self.ssm.copy_(mark[1])

    def settle(self, conv: Tensor, ssm: Tensor) -> None:
        """Moves to other buffers of the same shapes, contents included."""
        conv.copy_(self.conv)
        ssm.copy_(self.ssm)
        self.conv, self.ssm, self._arrays = conv, ssm, None

    def fork(self) -> "MambaCache":
        """A cache with copies of both tensors."""
        return MambaCache(self.conv.clone(), self.ssm.clone(), self.constants)


class KVRows:
    """Key and value buffers [1, J, S, D], and the caches that read them."""

    __slots__ = ("_arrays", "keys", "readers", "values")

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values
        self.readers: weakref.WeakSet[KVCache] = weakref.WeakSet()
        self._arrays: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys and values [J, S, D] on the CPU as `omni_core.single` uses them; made once."""
        if self._arrays is None:
            self._arrays = self.keys[0].numpy(), self.values[0].numpy()
        return self._arrays

    def evict(self, but: "KVCache | None" = None) -> None:
        """Moves the readers, all or all but one, to buffers of their own."""
        for reader in list(self.readers):
            if reader is not but:
                reader.reserve(reader.length)


class KVCache:
    """The memory of an attention block: it grows by doubling and is cut by its length.

    Forks share the buffers; whoever would write below the length of another living reader moves to
    a copy first. So a fork costs nothing, and neither does going on after the other side was
    dropped, however long the history is.
    """

    __slots__ = ("__weakref__", "_store", "length")

    rows = 1

    def __init__(self, keys: Tensor, values: Tensor, length: int = 0) -> None:
        """Takes buffers [1, J, S, D] that hold `length` positions."""
        self.length = length
        self._attach(KVRows(keys, values))

    def _attach(self, store: KVRows) -> None:
        self._store = store
        store.readers.add(self)

    @property
    def capacity(self) -> int:
        """Positions the buffers can hold."""
        return self._store.keys.shape[2]

    @property
    def used(self) -> tuple[Tensor, Tensor]:
        """Keys and values of the history, views [1, J, length, D]."""
        store = self._store
        return store.keys[:, :, : self.length], store.values[:, :, : self.length]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, None]:
        """Adds [1, J, T, D] and returns the whole history, two views [1, J, length, D].

        The third value is the mask that `omni_core.graphs.StaticKV` needs and this does not.
        """
        count = keys.shape[2]
        store = self.advance(count)
        end = self.length
        store.keys.narrow(2, end - count, count).copy_(keys)
        store.values.narrow(2, end - count, count).copy_(values)
        return store.keys.narrow(2, 0, end), store.values.narrow(2, 0, end), None

    def advance(self, count: int) -> KVRows:
        """Adds that many positions, still to be written, to the buffers that it returns."""
        end = self.length + count
        readers = self._store.readers
        overwrites = len(readers) > 1 and any(reader.length > self.length for reader in readers)
        if overwrites or end > self.capacity:
            self.reserve(end)
        self.length = end
        return self._store

    def reserve(self, positions: int) -> None:
        """Moves to buffers of its own with room for at least `positions`."""
        capacity = self.capacity
        while capacity < positions:
            capacity *= 2
        buffers = []
        for used in self.used:
            buffer = used.new_empty(*used.shape[:2], capacity, used.shape[3])
            buffer[:, :, : self.length] = used
            buffers.append(buffer)
        self._store.readers.discard(self)
        self._attach(KVRows(*buffers))

    def settle(self, store: KVRows) -> None:
        """Makes this store the one to write to, alone; forks that read it too move out."""
        if self._store is not store:
            for buffer, used in zip((store.keys, store.values), self.used, strict=True):
                buffer[:, :, : self.length] = used
            self._store.readers.discard(self)
            self._attach(store)
        elif len(store.readers) > 1:
            store.evict(but=self)

    def snapshot(self) -> int:
        """The length is enough: nothing below it is overwritten before a restore."""
        return self.length

    def restore(self, mark: int) -> None:
        """Forgets what came after the mark."""
        self.length = mark

    def fork(self) -> "KVCache":
        """A cache of the same history that shares the buffers."""
        twin = KVCache.__new__(KVCache)
        twin.length = self.length
        twin._attach(self._store)
        return twin


Cache = MambaCache | KVCache


@dataclass(slots=True, weakref_slot=True, eq=False)
class Snapshot:
    """A position to return to, taken by `DecoderState.snapshot`; it owns what it needs."""

    position: int
    pending: int | None
    logits: Tensor | None
    caches: list[tuple[Tensor, Tensor] | int | None]


class DecoderState:
    """One session's history, as the decoder remembers it.

    Attributes:
        position: positions taken in.
        limit: the most positions there can be.
        pending: a token that `generate` has yielded and that enters with the next call, as if it
            had been taken in already; None when there is none.
        logits: of the last position taken in [vocab], float32; None in an empty state.
        caches: one per block, None for blocks without memory.
    """

    __slots__ = ("__weakref__", "_marks", "caches", "limit", "logits", "pending", "position")

    def __init__(self, caches: list[Cache | None], limit: int) -> None:
        self.caches = caches
        self.limit = limit
        self.position = 0
        self.pending: int | None = None
        self.logits: Tensor | None = None
        self._marks: list[weakref.ref[Snapshot]] = []

    def __len__(self) -> int:
        """Positions of the history, the pending token included."""
        return self.position + (self.pending is not None)

    def __bool__(self) -> bool:
        """A state is a state, also when it is empty."""
        return True

    @torch.inference_mode()
    def snapshot(self) -> Snapshot:
        """Marks this position. Costs a copy of the recurrent tensors, whatever the history."""
        caches = [None if cache is None else cache.snapshot() for cache in self.caches]
        mark = Snapshot(self.position, self.pending, self.logits, caches)
        self._marks = [ref for ref in self._marks if ref() is not None]
        self._marks.append(weakref.ref(mark))
        return mark

    @torch.inference_mode()
    def rollback(self, mark: Snapshot) -> None:
        """Makes everything since the mark never have happened, in place and exactly.

        The mark stays valid, and so do older ones; younger ones become void.

        Raises:
            ValueError: the mark is of another session, or void.
        """
        for index, ref in enumerate(self._marks):
            if ref() is mark:
                del self._marks[index + 1 :]
                break
        else:
            raise ValueError(
                "this snapshot is not of this session's past: it was taken on another state, or "
                "after a position that was rolled back since. Take a new snapshot"
            )
        for cache, kept in zip(self.caches, mark.caches, strict=True):
            if isinstance(cache, MambaCache):
                assert isinstance(kept, tuple)
                cache.restore(kept)
            elif cache is not None:
                assert isinstance(kept, int)
                cache.restore(kept)
        self.position, self.pending, self.logits = mark.position, mark.pending, mark.logits

    @torch.inference_mode()
    def fork(self) -> "DecoderState":
        """A second session with the same history; neither ever changes the other.

        Snapshots taken before the fork are valid on both sides.
        """
        twin = DecoderState(
            [None if cache is None else cache.fork() for cache in self.caches], self.limit
        )
        twin.position, twin.pending, twin.logits = self.position, self.pending, self.logits
        twin._marks = list(self._marks)
        return twin

    def require_room(self, positions: int) -> None:
        """Raises `ContextFull` unless that many more positions fit."""
        if len(self) + positions > self.limit:
            raise ContextFull(
                f"{positions} more positions do not fit behind {len(self)} of at most "
                f"{self.limit} (max_position_embeddings). Roll back to an earlier snapshot, or "
                "begin a new state with a shortened history"
            )
