"""One torch thread: on a small shared machine two threads wait for each other more than they work."""

import torch

torch.set_num_threads(1)
