"""One conversation over any transport.

`load` is the way in. It imports what it needs when it is called, so that helper processes that only
want a part of this package stay small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from voice.assistant import Assistant

__all__ = ["load"]


def load(
    name_or_path: str | Path = "builtin",
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Assistant:
    """Loads a checkpoint.

    Args:
        name_or_path: "builtin" for the one shipped in the package, a checkpoint directory, or a
            Hub id (owner/name).
        device: where it runs, such as "cpu" or "cuda".
        dtype: of the weights; by default the checkpoint's own, float32 on the CPU.

    Raises:
        omni_core.weights.CheckpointError: there is no such checkpoint, or it is truncated,
            renamed, or of another kind; the message says what to do.
    """
    from voice.loading import load_assistant

    return load_assistant(name_or_path, device, dtype)
