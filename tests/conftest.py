"""One torch thread: on a small shared machine two threads wait for each other more than they work.

Property tests have no deadline for the same reason: how long an example takes is not the subject.
"""

import hypothesis
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile("parley", deadline=None)
hypothesis.settings.load_profile("parley")
