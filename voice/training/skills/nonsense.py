"""Words without sense: what can be heard and said again, but not guessed."""

from __future__ import annotations

import random
from functools import cache

from voice.training.skills.lexicon import lexicon

INVENTED_SHARE = 0.3


def sample_nonsense(rng: random.Random, fewest: int, most: int) -> str:
    """Words of the lexicon in no order, and between them words that are none."""
    return " ".join(
        _invented_word(rng) if rng.random() < INVENTED_SHARE else rng.choice(_words())
        for _ in range(rng.randint(fewest, most))
    )


@cache
def _words() -> tuple[str, ...]:
    return tuple(sorted(lexicon().listed))


_ONSETS = (
    *"b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh".split(),
    *"sk sl sm sn sp st str sw t th tr tw v w wh y z".split(),
    *[""] * 4,
)
_NUCLEI = "a e i o u ai ay ea ee ie oa oo ou ow oy au er ir or ar ur a e i o u".split()
_CODAS = (
    *"b ck d f g l ll m mp n nd ng nk nt p r rd rk rm rn rt".split(),
    *"s sh ss st t th tch ve x ze ce ge le".split(),
    *[""] * 12,
)


def _invented_word(rng: random.Random) -> str:
    syllables = rng.choice((1, 1, 2, 2, 3))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(syllables)
    )
