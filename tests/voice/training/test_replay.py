import random
from collections import Counter
from itertools import islice

import torch

from voice.training.replay import replay


def test_every_batch_is_played_so_often():
    played = Counter(replay(iter(range(60)), 3, random.Random(0), shelf=20))
    assert sorted(played) == list(range(60))
    assert sum(played.values()) == 3 * 60 - 20  # which still wait when no new ones come
    assert max(played.values()) == 3


def test_batch_played_once_is_not_kept():
    assert list(replay(iter(range(5)), 1, random.Random(0), shelf=0)) == list(range(5))


def test_others_come_between_two_plays_of_a_batch():
    order = list(islice(replay(iter(range(10_000)), 2, random.Random(0), shelf=50), 1000))
    again = [
        order.index(batch, place + 1) - place
        for place, batch in enumerate(order[:500])
        if batch in order[place + 1 :]
    ]
    assert sum(again) / len(again) > 50


def test_batches_that_wait_hold_no_shared_memory():
    fresh = (torch.full((2,), float(n)).share_memory_() for n in range(20))
    again = [
        batch for batch in replay(fresh, 2, random.Random(0), shelf=5) if not batch.is_shared()
    ]
    assert len(again) == 20 - 5
    assert all(batch[0] == batch[1] for batch in again)
