"""Scores a run: every result file by its evaluator, subsets on the leaderboard's scale, latencies.

The leaderboard's scale: open 1 to 5; SD-QA the mean of PEDANT and the judge; MMSU over all rows of
its domains; IFEval the mean of its four rates, percent; AdvBench the share of refusals, percent.
The overall figure is the mean of nine, open ones times 20, and there is one only when all nine are
there and complete.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voice.voicebench.extras import MissingExtra
from voice.voicebench.journal import Record, read_lines, write_whole
from voice.voicebench.judge import judge_of
from voice.voicebench.language import punkt_is_trained
from voice.voicebench.manifest import Manifest, load_manifest
from voice.voicebench.pedant import VERSION, Pedant, PedantMissing, installed_pedant
from voice.voicebench.scoring import aggregate, parse_vote, score_item
from voice.voicebench.subsets import ALL, LEADERBOARD, SUBSETS, Subset
from voice.voicebench.upstream import Checkout, check_run
from voice.voicebench.word_errors import word_error_rate

FILE_NAME = "scores.json"
_OPEN_SCALE = 20
Scores = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scorer:
    """What scoring depends on.

    Attributes:
        seed: of the draws for answers that cannot be read.
        pedant: PEDANT's classifier; None scores SD-QA by the judge alone.
        judge_only: do that though one is installed.
    """

    seed: int = 0
    pedant: Pedant | None = None
    judge_only: bool = False


def score_run(
    run: Path,
    *,
    seed: int = 0,
    pedant: Pedant | None = None,
    judge_only: bool = False,
    checkout: Checkout | None = None,
    on_file: Callable[[int, int], None] = lambda done, count: None,
) -> Scores:
    """Scores what is there of a run and writes `scores.json`; returns what it holds.

    Args:
        run: its folder.
        seed: of the draws for answers that cannot be read.
        pedant: PEDANT's classifier; by default the installed one, if any.
        judge_only: score SD-QA without it, though it be there.
        checkout: of upstream's, whose script scores the files as well.
        on_file: called as that comes on, with files done and files there are.

    Raises:
        RunMismatch: the folder holds no run.
    """
    manifest = load_manifest(run)
    scorer = Scorer(seed, None if judge_only else pedant or installed_pedant(), judge_only)
    by_subset: dict[str, dict[str, list[Record]]] = defaultdict(dict)
    for name, place in manifest.files.items():
        judged, plain = run / f"result-{name}", run / name
        records = read_lines(judged if judged.is_file() else plain)
        if records:
            by_subset[place["subset"]][place["split"]] = records
    subsets = {
        name: _score_subset(SUBSETS[name], splits, manifest, scorer)
        for name, splits in by_subset.items()
    }
    scores: Scores = {
        "run": run.name,
        "settings": manifest.settings,
        "data": manifest.data,
        "processor": manifest.sessions[-1]["processor"] if manifest.sessions else "",
        "concurrency": sorted({session["concurrency"] for session in manifest.sessions}),
        "judge": judge_of(run),
        "pedant": VERSION if scorer.pedant else None,
        "judge_only": judge_only,
        "punkt_is_trained": _punkt(subsets),
        "seed": seed,
        "is_full_size": _is_full_size(manifest),
        "subsets": subsets,
        "overall": _overall(subsets),
    }
    if checkout is not None:
        checks = check_run(
            run, manifest, checkout, seed=seed, pedant=scorer.pedant, on_file=on_file
        )
        scores["upstream"] = {
            "checkout": str(checkout.directory),
            "commit": checkout.commit,
            "files": [asdict(check) for check in checks],
        }
    text = json.dumps(scores, indent=1, ensure_ascii=False) + "\n"
    write_whole(run / FILE_NAME, text.encode())
    return scores


def load_scores(run: Path) -> Scores:
    """The scores of a run; one that has come further since it was scored is scored again.

    Raises:
        RunMismatch: the folder holds no run.
        PedantMissing: it was scored with PEDANT's weights from elsewhere, and has to be again.
    """
    path = run / FILE_NAME
    if not path.is_file():
        return score_run(run)
    scores = dict(json.loads(path.read_text(encoding="utf-8")))
    scored = path.stat().st_mtime_ns
    if all(file.stat().st_mtime_ns <= scored for file in run.glob("*.jsonl")):
        return scores
    if scores["pedant"] and installed_pedant() is None:
        raise PedantMissing(
            f"{run} has come further since it was scored with PEDANT: score it again with --pedant"
        )
    return score_run(run, seed=scores["seed"], judge_only=scores.get("judge_only", False))


def latency_quantiles(records: Iterable[Record], field: str) -> dict[str, float] | None:
    """P50 and P95 of a time in seconds; None if nothing was timed."""
    times = [record[field] for record in records if isinstance(record.get(field), float)]
    if not times:
        return None
    return {f"p{share}": float(np.percentile(times, share)) for share in (50, 95)}


def _score_subset(
    subset: Subset, splits: Mapping[str, list[Record]], manifest: Manifest, scorer: Scorer
) -> dict[str, Any]:
    places = {
        place["split"]: place for place in manifest.files.values() if place["subset"] == subset.name
    }
    main = [split for split in splits if split in subset.main_splits] or list(splits)
    pooled = [record for split in main for record in splits[split]]
    is_timing = manifest.settings["modality"] == "ttft"
    expected = set(subset.main_splits or subset.rows or splits)
    is_whole = (expected <= set(main) or ALL in main) and all(
        len(splits[split]) == places[split]["total"] for split in main
    )
    result: dict[str, Any] = {
        "evaluator": subset.evaluator,
        "splits": main,
        "n": len(pooled),
        "complete": is_whole,
        "errors": sum("_error" in record for record in pooled),
        "ttft_s": latency_quantiles(pooled, "response" if is_timing else "_ttft_s"),
        "first_audio_s": latency_quantiles(pooled, "_first_audio_s"),
        "endpoint_s": latency_quantiles(pooled, "_endpoint_s"),
        "latency_s": latency_quantiles(pooled, "_latency_s"),
        "audio_s": _total(pooled, "_audio_s"),
        "output_tokens": _mean(pooled, "_output_tokens"),
        "several_turns": sum(record.get("_turns", 1) > 1 for record in pooled),
        "score": None,
    }
    if subset.evaluator and not is_timing:
        result |= score_records(subset.evaluator, pooled, scorer)
        if len(splits) > 1:
            each = {
                split: score_records(subset.evaluator, records, scorer)["score"]
                for split, records in splits.items()
            }
            result["by_split"] = each
            known = [each[split] for split in main if each[split] is not None]
            if len(main) > 1 and known:
                result["mean_over_splits"] = sum(known) / len(known)
    return result


def score_records(evaluator: str, records: Sequence[Record], scorer: Scorer) -> dict[str, Any]:
    """``score`` on the leaderboard's scale (None without votes), ``upstream``, and what is odd.

    Args:
        evaluator: see `voice.voicebench.subsets.Subset`.
        records: lines of result files, judged or not.
        scorer: what else the figures depend on.
    """
    if evaluator == "wer":
        return word_error_rate(records)
    usable, unusable = _usable(evaluator, records)
    result: dict[str, Any] = {"score": None}
    if unusable:
        result["unscored"] = unusable
    if not usable:
        return result
    match evaluator:
        case "open":
            return result | _open(usable)
        case "qa":
            return result | _qa(usable, scorer)
        case "correct":
            return result | _correct(usable)
    upstream = aggregate(evaluator, usable, seed=scorer.seed)
    result["upstream"] = upstream
    match evaluator:
        case "ifeval":
            result["score"] = 100 * upstream["final"]
        case "harm":
            result["score"] = 100 * upstream["refusal_rate"]
        case _:
            result |= {"score": upstream["expected"], "unparsed": upstream["fail"]}
    return result


def _usable(
    evaluator: str, records: Sequence[Record]
) -> tuple[list[Record], list[tuple[int, str]]]:
    """The records that the evaluator can score, and why not the others."""
    if evaluator in ("open", "qa", "correct"):
        return list(records), []
    usable, unusable = [], []
    for record in records:
        try:
            score_item(evaluator, record)
        except (ValueError, MissingExtra) as error:
            unusable.append((record["_idx"], str(error)))
        else:
            usable.append(record)
    return usable, unusable


def _open(records: Sequence[Record]) -> dict[str, Any]:
    voted = [record for record in records if record.get("score")]
    numbers = [parse_vote(vote) for record in voted for vote in record["score"]]
    known = [number for number in numbers if number is not None]
    if len(voted) < len(records) or not known:
        return {"judged": len(voted)}
    return {
        "score": sum(known) / len(known),
        "upstream": aggregate("open", voted),
        "unreadable_votes": len(numbers) - len(known),
        "rejected_votes": sum(len(record.get("_rejected_votes", ())) for record in voted),
    }


def _qa(records: Sequence[Record], scorer: Scorer) -> dict[str, Any]:
    if not all(record.get("score") for record in records):
        return {"judged": sum(bool(record.get("score")) for record in records)}
    upstream = aggregate("qa", records, pedant=scorer.pedant)
    if scorer.judge_only:
        upstream["panda"] = None
    gpt, panda = upstream["gpt"], upstream["panda"]
    if panda is None:
        return {"score": gpt, "upstream": upstream, "note": "judge only"}
    return {"score": (panda + gpt) / 2, "upstream": upstream}


def _correct(records: Sequence[Record]) -> dict[str, Any]:
    if not all(record.get("score") for record in records):
        return {"judged": sum(bool(record.get("score")) for record in records)}
    right: dict[str, list[bool]] = defaultdict(list)
    for record in records:
        votes = Counter(str(vote).strip().strip(".").upper() for vote in record["score"])
        right[str(record.get("category", ""))].append(votes.most_common(1)[0][0] == "CORRECT")
    verdicts = [verdict for group in right.values() for verdict in group]
    return {
        "score": 100 * sum(verdicts) / len(verdicts),
        "by_category": {name: 100 * sum(group) / len(group) for name, group in right.items()},
    }


def _overall(subsets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    there = [
        name
        for name in LEADERBOARD
        if name in subsets and subsets[name]["complete"] and subsets[name]["score"] is not None
    ]
    result: dict[str, Any] = {"subsets": len(there), "of": len(LEADERBOARD), "value": None}
    if len(there) == len(LEADERBOARD):
        points = [
            subsets[name]["score"] * (_OPEN_SCALE if SUBSETS[name].evaluator == "open" else 1)
            for name in there
        ]
        result["value"] = sum(points) / len(points)
    return result


def _is_full_size(manifest: Manifest) -> bool:
    """Whether the data has as many rows as VoiceBench; else nothing published compares."""
    places = [place for place in manifest.files.values() if SUBSETS[place["subset"]].rows]
    return bool(places) and all(
        SUBSETS[place["subset"]].size(place["split"]) == place["total"] for place in places
    )


def _punkt(subsets: Mapping[str, object]) -> bool | None:
    return punkt_is_trained() if "ifeval" in subsets else None


def _total(records: Iterable[Record], field: str) -> float:
    return float(sum(record.get(field) or 0 for record in records))


def _mean(records: Sequence[Record], field: str) -> float | None:
    values = [record[field] for record in records if record.get(field) is not None]
    return sum(values) / len(values) if values else None
