"""From encoder steps, or groups of image patches, to the decoder's embeddings."""

import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.layers import RMSNorm


class Projector(nn.Module):
    """RMSNorm → linear → relu² → linear, without bias.

    The names are those of the checkpoint's `sound_projection`; `mlp1` (vision) is the same module
    with its tensors called 0, 1 and 3.
    """

    def __init__(self, input_size: int, inner_size: int, output_size: int, eps: float) -> None:
        super().__init__()
        self.norm = RMSNorm(input_size, eps)
        self.linear1 = nn.Linear(input_size, inner_size, bias=False)
        self.linear2 = nn.Linear(inner_size, output_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x` [..., input_size] to [..., output_size]."""
        return self.linear2(F.relu(self.linear1(self.norm(x))).square())
