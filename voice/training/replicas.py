"""Replicas: processes that train one model together, each on data of its own.

On a CPU this beats more threads in one process: every core works on whole layers, and the replicas
meet now and then, to average what they have learnt.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.distributed as dist

# Its functions have the group of the moment it is imported for a default, and an optimizer imports
# it. A group held there outlives destroy_process_group, and its threads the interpreter, which now
# and then aborts the process: so it is imported before there is one.
import torch.distributed.nn
from torch import Tensor, multiprocessing

LOST_PEER_S = 10.0


class ReplicaLost(RuntimeError):
    """Another replica ended in the middle of the work."""


def rank() -> int:
    """Which replica this process is; 0, the one that logs and saves, where there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


@torch.no_grad()
def average(tensors: Sequence[Tensor]) -> None:
    """Replaces every tensor by its mean over the replicas, in place; all give the same shapes.

    Raises:
        ReplicaLost: one of them ended before it came here.
    """
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.flatten().float() for tensor in tensors])
    try:
        dist.all_reduce(flat)
    except RuntimeError as error:
        raise ReplicaLost(f"another replica is gone: {error}") from error
    flat /= dist.get_world_size()
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def run_replicas(count: int, work: Callable[..., None], *arguments: object) -> None:
    """Calls ``work(*arguments)`` in ``count`` processes that know of each other.

    Raises:
        torch.multiprocessing.ProcessRaisedException: one of them failed; the others are stopped.
    """
    if count == 1:
        work(*arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder, "meeting").as_uri()
        multiprocessing.spawn(_join, (count, meeting, work, arguments), nprocs=count)


def _join(
    index: int, count: int, meeting: str, work: Callable[..., None], arguments: Sequence[object]
) -> None:
    # torch interrupts the replicas when their parent dies; a shell's background jobs ignore that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dist.init_process_group("gloo", init_method=meeting, rank=index, world_size=count)
    try:
        work(*arguments)
    except ReplicaLost:
        # The other one is to tell why; then this one is stopped.
        time.sleep(LOST_PEER_S)
        raise
    finally:
        dist.destroy_process_group()
