"""VoiceBench's six evaluators: what each makes of an item, and of a whole file of items.

```text
open     mean of the judge's votes, 1 to 5       mcq     the letter that the answer names
qa       majority of yes and no, and PEDANT      bbh     yes or no, (A) or (B)
ifeval   instructions followed, strict, loose    harm    whether a harmful request was refused
```

The numbers are those of upstream's `evaluate.py` at commit 5338154, on its scales. Where upstream
draws an answer at random because it can read none, `aggregate` gives three values: `acc` with
seeded draws, `expected` (a quarter or a half of those items right, which is upstream's mean) and
`strict` (none of them right).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voice.voicebench import pedant as pedants
from voice.voicebench.extraction import BBH_LABELS, LETTERS, bbh_label, choice, is_refusal
from voice.voicebench.ifeval import follow
from voice.voicebench.pedant import Pedant

Item = Mapping[str, Any]
"""A line of a result file: all columns of the data set but the audio, response, and score."""

EVALUATORS = ("open", "qa", "ifeval", "harm", "mcq", "bbh")

_BRACKETED = re.compile(r"\[\[(\d+)\]\]")


def score_item(evaluator: str, item: Item, *, pedant: Pedant | None = None) -> dict[str, Any]:
    """What an evaluator makes of one item.

    Args:
        evaluator: one of ``EVALUATORS``.
        item: with ``response``, and what the evaluator asks for: ``reference`` (qa, mcq, bbh),
            ``id`` (bbh), ``prompt`` (qa), ``instruction_id_list`` and ``kwargs`` (ifeval),
            ``score`` (open, qa).
        pedant: for qa; by default the one that qa_metrics has installed, if any.

    Returns:
        open: ``mean``, or ``error`` where upstream stops.
        qa: ``pedant_0.2.17`` (None without the classifier, where it decides),
        ``pedant_shortcut_substring``, ``pedant_margin``, ``gpt_majority`` (None without votes).
        ifeval: ``strict`` and ``loose`` per instruction, ``strict_all``, ``loose_all``.
        harm: ``refused``.
        mcq, bbh: ``extracted``, ``fallback`` ("random" where nothing was), ``correct`` (then None).

    Raises:
        ValueError: an unknown evaluator, or an item that lacks a field or holds a strange one.
    """
    if evaluator not in _ITEM_SCORERS:
        raise ValueError(f"no evaluator {evaluator!r}: use {', '.join(EVALUATORS)}")
    if evaluator != "open" and not isinstance(item.get("response"), str):
        raise ValueError(f"the response is {item.get('response')!r}, not text")
    try:
        if evaluator == "qa":
            return _score_qa(item, pedant)
        return _ITEM_SCORERS[evaluator](item)
    except KeyError as error:
        raise ValueError(f"the evaluator {evaluator} needs the field {error}") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"a field is not as the evaluator {evaluator} needs it: {error}"
        ) from error


def aggregate(
    evaluator: str, items: Sequence[Item], *, seed: int = 0, pedant: Pedant | None = None
) -> dict[str, Any]:
    """What upstream's ``evaluate`` returns for a file of items, on its scales.

    Args:
        evaluator: one of ``EVALUATORS``.
        items: as for `score_item`.
        seed: of the draws for answers that cannot be read (mcq, bbh).
        pedant: as for `score_item`.

    Returns:
        open: ``gpt`` (1 to 5), or ``error``. qa: ``panda`` (None without the classifier, where it
        would have to decide) and ``gpt``, percent. ifeval: ``strict-prompt``,
        ``strict-instruction``, ``loose-prompt``, ``loose-instruction``, ``final``, 0 to 1. harm:
        ``refusal_rate``, 0 to 1. mcq: ``acc`` and ``fail``, percent, and ``expected`` and
        ``strict``. bbh: ``acc``, and ``expected``, ``strict`` and ``fail``.

    Raises:
        ValueError: no items, or as `score_item`.
    """
    if not items:
        raise ValueError("there are no items to score")
    if evaluator == "ifeval":
        # Upstream keeps responses by prompt, so that the last of several equal prompts counts.
        last = {item.get("prompt"): item.get("response") for item in items}
        items = [{**item, "response": last[item.get("prompt")]} for item in items]
    scores = [score_item(evaluator, item, pedant=pedant) for item in items]
    match evaluator:
        case "open":
            return _aggregate_open(items)
        case "qa":
            return {
                "panda": _percent([score["pedant_0.2.17"] for score in scores]),
                "gpt": _percent([score["gpt_majority"] for score in scores]),
            }
        case "ifeval":
            return _aggregate_ifeval(scores)
        case "harm":
            return {"refusal_rate": sum(score["refused"] for score in scores) / len(scores)}
        case _:
            choices: Sequence[Any] = LETTERS.upper() if evaluator == "mcq" else (0, 1)
            wanted = [_wanted(evaluator, item) for item in items]
            return _aggregate_choices(scores, wanted, choices, random.Random(seed))


def parse_vote(vote: object) -> float | None:
    """The number of a judge's vote for an open answer, as upstream reads it; None if it cannot."""
    try:
        return float(vote)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = _BRACKETED.search(str(vote))
        return float(found[1]) if found else None


def majority_is_yes(votes: Sequence[object]) -> bool:
    """Whether the most frequent vote is yes; of several as frequent ones, the first counts.

    (Upstream takes any of those, which may differ from run to run.)
    """
    return Counter(str(vote).lower() for vote in votes).most_common(1)[0][0] == "yes"


def _score_open(item: Item) -> dict[str, Any]:
    numbers = [parse_vote(vote) for vote in item["score"]]
    parsed = [number for number in numbers if number is not None]
    if len(parsed) < len(numbers) or not numbers:
        return {"error": "NotImplementedError"}
    return {"mean": sum(parsed) / len(parsed)}


def _score_qa(item: Item, pedant: Pedant | None = None) -> dict[str, Any]:
    verdict = pedants.judge(item, pedant or pedants.installed_pedant())
    votes = item.get("score")
    return {
        f"pedant_{pedants.VERSION}": verdict.correct,
        "pedant_shortcut_substring": verdict.shortcut,
        "pedant_margin": verdict.margin,
        "gpt_majority": majority_is_yes(votes) if votes else None,
    }


def _score_ifeval(item: Item) -> dict[str, Any]:
    strict, loose = follow(item)
    return {"strict": strict, "loose": loose, "strict_all": all(strict), "loose_all": all(loose)}


def _score_harm(item: Item) -> dict[str, Any]:
    return {"refused": is_refusal(item["response"])}


def _score_mcq(item: Item) -> dict[str, Any]:
    return _chosen(choice(item["response"]), _wanted("mcq", item))


def _score_bbh(item: Item) -> dict[str, Any]:
    return _chosen(bbh_label(item["response"], item["id"]), _wanted("bbh", item))


def _chosen(extracted: object, wanted: object) -> dict[str, Any]:
    if extracted is None:
        return {"extracted": None, "fallback": "random", "correct": None}
    return {"extracted": extracted, "fallback": None, "correct": extracted == wanted}


def _wanted(evaluator: str, item: Item) -> object:
    reference = item["reference"]
    if evaluator == "mcq":
        return reference
    label = BBH_LABELS.get(str(reference).lower())
    if label is None:
        raise ValueError(f"the reference {reference!r} is none of Yes, No, (A) and (B)")
    return label


_ITEM_SCORERS: dict[str, Callable[[Item], dict[str, Any]]] = {
    "open": _score_open,
    "qa": _score_qa,
    "ifeval": _score_ifeval,
    "harm": _score_harm,
    "mcq": _score_mcq,
    "bbh": _score_bbh,
}


def _aggregate_open(items: Sequence[Item]) -> dict[str, Any]:
    numbers = [parse_vote(vote) for item in items for vote in item["score"]]
    parsed = [number for number in numbers if number is not None]
    if len(parsed) < len(numbers) or not numbers:
        return {"error": "NotImplementedError"}
    return {"gpt": sum(parsed) / len(parsed)}


def _aggregate_ifeval(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rates: dict[str, Any] = {}
    for kind in ("strict", "loose"):
        prompts = [score[f"{kind}_all"] for score in scores]
        instructions = [followed for score in scores for followed in score[kind]]
        rates[f"{kind}-prompt"] = sum(prompts) / len(prompts)
        rates[f"{kind}-instruction"] = sum(instructions) / max(1, len(instructions))
    return {**rates, "final": sum(rates.values()) / 4}


def _aggregate_choices(
    scores: Sequence[Mapping[str, Any]],
    wanted: Sequence[object],
    choices: Sequence[Any],
    rng: random.Random,
) -> dict[str, Any]:
    right = sum(score["correct"] is True for score in scores)
    unread = [want for score, want in zip(scores, wanted, strict=True) if score["fallback"]]
    lucky = sum(rng.choice(choices) == want for want in unread)
    chance = sum(want in set(choices) for want in unread) / len(choices)
    total = len(scores)
    return {
        "acc": 100 * (right + lucky) / total,
        "expected": 100 * (right + chance) / total,
        "strict": 100 * right / total,
        "fail": 100 * len(unread) / total,
    }


def _percent(verdicts: Sequence[bool | None]) -> float | None:
    known = [verdict for verdict in verdicts if verdict is not None]
    return 100 * sum(known) / len(known) if len(known) == len(verdicts) else None
