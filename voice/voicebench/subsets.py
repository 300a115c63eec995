"""The subsets: their splits, how many rows each has, and which evaluator scores them.

Counts are those of the data set `hlt-lab/voicebench`. Two further formats go the same way:
Big Bench Audio, and speech with transcripts, which gives a word error rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HUB_ID = "hlt-lab/voicebench"
ALL = "all"
"""The split that is all of a subset, where data or files have them together."""

_MMSU = {
    "law": 51, "engineering": 107, "other": 546, "biology": 172, "business": 236, "economics": 280,
    "health": 406, "philosophy": 305, "psychology": 317, "history": 104, "chemistry": 167,
    "physics": 383,
}  # fmt: skip
_REGIONS = ("aus", "gbr", "ind_n", "ind_s", "irl", "kenya", "nga", "nzl", "phl", "usa", "zaf")
_SPEAKERS = (
    *(f"en_{place}_Wavenet_{voice}_1.0_0.0_0.0" for place in ("AU", "IN", "GB") for voice in "AB"),
    *(f"en_US_Wavenet_{voice}_1.0_0.0_0.0" for voice in "AC"),
    *(f"en_US_Wavenet_A_{rate}_0.0_0.0" for rate in (0.5, 1.5, 2.0)),
)


@dataclass(frozen=True, slots=True)
class Subset:
    """One part of a benchmark.

    Attributes:
        name: of the data set's configuration.
        evaluator: of `voice.voicebench.scoring`, or "correct" or "wer"; None if nothing scores it.
        rows: split → how many rows it has; empty if that is not fixed.
        main_splits: those that count on the leaderboard; empty for all.
    """

    name: str
    evaluator: str | None
    rows: Mapping[str, int] = field(default_factory=dict)
    main_splits: tuple[str, ...] = ()

    def size(self, split: str) -> int | None:
        """How many rows a split has in VoiceBench; None if that is not fixed."""
        return sum(self.rows.values()) if split == ALL else self.rows.get(split)

    @property
    def is_judged(self) -> bool:
        """Whether its score takes the votes of a judge."""
        return self.evaluator in ("open", "qa", "correct")


_ALL = (
    Subset("alpacaeval", "open", {"test": 199}),
    Subset("alpacaeval_full", "open", {"test": 636}),
    Subset("alpacaeval_speaker", "open", dict.fromkeys(_SPEAKERS, 636)),
    Subset("commoneval", "open", {"test": 200}),
    Subset("wildvoice", "open", {"test": 1000}),
    Subset("sd-qa", "qa", dict.fromkeys(_REGIONS, 553), ("usa",)),
    Subset("mmsu", "mcq", _MMSU),
    Subset("openbookqa", "mcq", {"test": 455}),
    Subset("bbh", "bbh", {"test": 1000}),
    Subset("ifeval", "ifeval", {"test": 345}),
    Subset("advbench", "harm", {"test": 520}),
    Subset("mtbench", None, {"test": 46}),
    Subset("big_bench_audio", "correct"),
    Subset("asr", "wer"),
)
SUBSETS: dict[str, Subset] = {subset.name: subset for subset in _ALL}
LEADERBOARD = (
    "alpacaeval_full", "commoneval", "wildvoice", "sd-qa", "mmsu", "openbookqa", "bbh", "ifeval",
    "advbench",
)  # fmt: skip
VOICEBENCH = tuple(subset.name for subset in _ALL if subset.rows)


def parse_subsets(text: str) -> list[Subset]:
    """Subsets by name, separated by commas; ``leaderboard`` and ``all`` stand for several.

    Raises:
        ValueError: a name that is none.
    """
    names: list[str] = []
    for name in filter(None, text.replace(" ", "").split(",")):
        names += {"leaderboard": LEADERBOARD, "all": VOICEBENCH}.get(name, (name,))
    unknown = [name for name in names if name not in SUBSETS]
    if unknown or not names:
        raise ValueError(
            f"no subset {', '.join(unknown) or 'given'}: use leaderboard, all, {', '.join(SUBSETS)}"
        )
    return [SUBSETS[name] for name in dict.fromkeys(names)]


def hub_patterns(
    subsets: Sequence[Subset], asked: Sequence[str], config: str | None, *, main: bool
) -> list[str]:
    """Which files of VoiceBench on the Hub hold what is asked for; empty for all there are."""
    if config:
        return [f"{config}/*"]
    if not all(subset.rows for subset in subsets):
        return []
    places = [
        f"{subset.name}/{split}"
        for subset in subsets
        for split in asked or (subset.main_splits if main else ()) or ("*",)
    ]
    # As the data set's own branch has them, as its converted one, and below folders of a mirror.
    forms = ("{}-*", "{}/*.parquet", "*/{}-*")
    return [form.format(place) for place in places for form in forms]


def wanted_splits(
    subset: Subset, available: Sequence[str], asked: Sequence[str], *, main: bool
) -> list[str]:
    """Which splits of a subset to run.

    Args:
        subset: whose.
        available: those that the data has.
        asked: by the user; empty for all that there are.
        main: leave out what does not count on the leaderboard.

    Raises:
        ValueError: the data has no split that was asked for.
    """
    if asked:
        missing = sorted(set(asked) - set(available))
        if missing:
            raise ValueError(
                f"{subset.name} has no split {', '.join(missing)}: there are {', '.join(available)}"
            )
        return list(asked)
    if main and subset.main_splits:
        return [split for split in available if split in subset.main_splits] or list(available)
    order = list(subset.rows)
    return sorted(available, key=lambda split: order.index(split) if split in order else len(order))
