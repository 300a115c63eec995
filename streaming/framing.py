"""Any lengths of input → frames of one length."""

import torch
from torch import Tensor


class Framer:
    """Cuts a stream of samples into frames of `size_samples`; what is left waits for more.

    However the samples are split over calls, the frames are those of the whole. Serves 20 ms frames
    and 32 ms windows alike.
    """

    def __init__(self, size_samples: int) -> None:
        if size_samples < 1:
            raise ValueError(f"size_samples={size_samples} must be at least 1")
        self.size_samples = size_samples
        self._remainder = torch.empty(0)

    @property
    def waiting_samples(self) -> int:
        """Samples that do not fill a frame yet."""
        return len(self._remainder)

    def feed(self, samples: Tensor) -> Tensor:
        """Takes float32 [samples], returns the frames they complete [frames, size_samples]."""
        pending = torch.cat((self._remainder, samples))
        whole = len(pending) // self.size_samples * self.size_samples
        self._remainder = pending[whole:].clone()
        return pending[:whole].view(-1, self.size_samples)

    def flush(self) -> Tensor:
        """Returns the remainder as one frame filled up with zeros, or no frame; and starts anew."""
        padding = -len(self._remainder) % self.size_samples
        frames = torch.cat((self._remainder, torch.zeros(padding))).view(-1, self.size_samples)
        self.reset()
        return frames

    def reset(self) -> None:
        """Drops the remainder."""
        self._remainder = torch.empty(0)
