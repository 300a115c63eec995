import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streaming.framing import Framer


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 40))
def test_frames_of_any_split_are_those_of_the_whole(lengths: list[int], size: int) -> None:
    samples = torch.arange(sum(lengths), dtype=torch.float32)
    framer = Framer(size)
    frames = torch.cat([framer.feed(piece) for piece in samples.split(lengths)] or [framer.flush()])
    assert framer.waiting_samples == len(samples) % size
    tail = framer.flush()
    whole = torch.cat((samples, torch.zeros(-len(samples) % size))).view(-1, size)
    assert torch.equal(torch.cat((frames, tail)), whole)
    assert framer.waiting_samples == 0


def test_reset_drops_the_remainder() -> None:
    framer = Framer(4)
    framer.feed(torch.ones(3))
    framer.reset()
    assert torch.equal(framer.feed(torch.zeros(4)), torch.zeros(1, 4))


def test_framer_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="size_samples=0"):
        Framer(0)
