"""Runs an engine over the rows of a data set, and can be killed and started again at any time.

```text
row ─► Question ─► engine ─► Outcome ─► .partial/NAME.jsonl, a line an item, as they are done
                                        NAME.jsonl, in the data set's order, when all are there
```

NAME is upstream's, MODEL-SUBSET-SPLIT-MODALITY, and so are the fields: all columns but the audio,
and ``response``. Ours begin with an underscore, which upstream's scripts leave alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from voice.audio_file import SAMPLE_RATE_HZ
from voice.conversation import TRANSCRIBE
from voice.voicebench.dataset import DataSet
from voice.voicebench.engine import Engine, Failure, Question, Reply
from voice.voicebench.journal import Journal, Record
from voice.voicebench.manifest import Manifest
from voice.voicebench.result_files import complete, finished, journal_path, result_name
from voice.voicebench.row import BadRow, Row
from voice.voicebench.settings import CHOICE_HINT, RunSettings
from voice.voicebench.subsets import Subset

_SEED_STEP = 1_000_003


@dataclass(frozen=True, slots=True)
class Task:
    """One split to run.

    Attributes:
        subset: what it belongs to.
        config: the data set's configuration that holds it.
        split: its name.
    """

    subset: Subset
    config: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Which rows of each split.

    Attributes:
        limit: only the first rows; None for all.
        shard, shards: of these, every ``shards``-th, from the ``shard``-th (from 0) on.
    """

    limit: int | None = None
    shard: int = 0
    shards: int = 1

    def rows(self, total: int) -> int:
        """How many rows of a split are asked in all shards together."""
        return total if self.limit is None else min(total, self.limit)

    def holds(self, index: int) -> bool:
        """Whether a row is this shard's."""
        return index % self.shards == self.shard


@dataclass(slots=True)
class SplitResult:
    """What became of a split.

    Attributes:
        name: of the result file.
        rows: asked in all.
        done: that have an outcome, in any shard.
        asked_now: in this call.
        unanswered: asked in this call without an answer that can be kept.
        problems: (index, message) of rows that are bad, odd, or got no answer.
    """

    name: str
    rows: int
    done: int = 0
    asked_now: int = 0
    unanswered: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the result file is there."""
        return self.done == self.rows


OnProgress = Callable[[SplitResult], None]


def run_split(
    task: Task,
    dataset: DataSet,
    engine: Engine,
    settings: RunSettings,
    run: Path,
    manifest: Manifest,
    *,
    portion: Portion = Portion(),
    concurrency: int = 1,
    on_progress: OnProgress = lambda result: None,
) -> SplitResult:
    """Runs what is left of one split.

    Args:
        task: the split.
        dataset: where its rows are.
        engine: what answers.
        settings: of the run.
        run: the run's folder; what it holds of the split is not asked again.
        manifest: of the run; the split is noted in it.
        portion: which rows.
        concurrency: questions at a time.
        on_progress: called at the start and after each item.

    Raises:
        EngineUnusable: nothing can be answered.
        RunMismatch: the folder holds the split of other data.
        RunBusy: another process works on the same portion.
    """
    source = dataset.source(task.config, task.split)
    total = source.count()
    name = result_name(settings, task.subset.name, task.split)
    result = SplitResult(name, portion.rows(total))
    place = {
        "subset": task.subset.name,
        "split": task.split,
        "rows": result.rows,
        "total": total,
        "digest": dataset.identity(task.config, task.split),
    }
    manifest.claim(name, place)
    manifest.save(run)
    with Journal(journal_path(run, name, portion.shard, portion.shards)) as journal:
        split = _SplitRun(task, settings, portion, journal, finished(run, name), result)
        result.done = split.count()
        on_progress(result)
        questions = split.questions(source.rows(), on_progress)
        if settings.modality == "ttft":
            questions = _after_warm_up(questions, engine)
        for question, outcome in engine.answer(questions, concurrency):
            split.take(question, outcome)
            on_progress(result)
        if result.done < result.rows:  # other shards may have come further meanwhile
            split.done = finished(run, name)
            result.done = split.count()
        split.list_problems()
        if result.is_complete:
            complete(run, name, split.done)
    return result


class _SplitRun:
    """The rows of one split on their way from questions to records."""

    def __init__(
        self,
        task: Task,
        settings: RunSettings,
        portion: Portion,
        journal: Journal,
        done: dict[int, Record],
        result: SplitResult,
    ) -> None:
        self.done = done
        self._task, self._settings, self._portion = task, settings, portion
        self._journal, self._result = journal, result
        self._asked: dict[int, Record] = {}
        self._seen: dict[str, int] = {}

    def count(self) -> int:
        """How many of the rows have an outcome."""
        return sum(index < self._result.rows for index in self.done)

    def questions(self, rows: Iterator[Row], on_progress: OnProgress) -> Iterator[Question]:
        """What is left to ask; bad rows are noted on the way."""
        for row in rows:
            if row.index >= self._result.rows:
                return
            warning = self._oddity(row)
            if row.index in self.done or not self._portion.holds(row.index):
                continue
            record = {**row.columns, "response": "", "_idx": row.index}
            if warning:
                record["_warning"] = warning
            try:
                question, seconds = self._question(row)
            except BadRow as error:
                self._keep({**record, "_error": str(error)})
                on_progress(self._result)
                continue
            if seconds is not None:
                record["_audio_s"] = seconds
            self._asked[row.index] = record
            yield question

    def take(self, question: Question, outcome: Reply | Failure) -> None:
        """Keeps an outcome; one that a later run may better is only reported."""
        record = self._asked.pop(question.index)
        if isinstance(outcome, Reply):
            self._keep(self._with_reply(record, outcome))
        elif outcome.permanent:
            self._keep({**record, "_error": outcome.message})
        else:
            self._result.unanswered += 1
            self._result.problems.append((question.index, f"no answer yet: {outcome.message}"))

    def list_problems(self) -> None:
        """Adds what the records tell of bad and odd rows."""
        for index, record in self.done.items():
            message = record.get("_error") or record.get("_warning")
            if message and index < self._result.rows:
                self._result.problems.append((index, str(message)))
        self._result.problems.sort()

    def _question(self, row: Row) -> tuple[Question, float | None]:
        """The question, and how long its audio is, s."""
        subset, settings = self._task.subset, self._settings
        seed = settings.seed * _SEED_STEP + row.index
        if subset.evaluator == "wer":
            samples = row.samples()
            question = Question(row.index, samples, TRANSCRIBE, "", seed, transcribes=True)
            return question, _seconds(samples)
        hint = CHOICE_HINT if settings.choice_hint and subset.evaluator == "mcq" else ""
        system = " ".join(filter(None, (settings.system, hint)))
        if settings.modality == "text":
            if not row.prompt.strip():
                raise BadRow("the prompt is empty")
            return Question(row.index, None, row.prompt, system, seed), None
        samples = row.samples()
        return Question(row.index, samples, "", system, seed), _seconds(samples)

    def _oddity(self, row: Row) -> str:
        """What is odd about a row that can be asked nevertheless."""
        if self._task.subset.evaluator in ("wer", "correct"):
            return ""
        prompt = row.prompt
        if not prompt.strip():
            return "the prompt is empty"
        first = self._seen.setdefault(prompt, row.index)
        return "" if first == row.index else f"the prompt is that of row {first}"

    def _with_reply(self, record: Record, reply: Reply) -> Record:
        is_time = self._settings.modality == "ttft"
        timed: Record = {
            "_ttft_s": reply.ttft_s,
            "_latency_s": reply.latency_s,
            "_prompt_tokens": reply.prompt_tokens,
            "_output_tokens": reply.output_tokens,
            "_finish": reply.finish,
        }
        live = {
            "_first_audio_s": reply.first_audio_s,
            "_endpoint_s": reply.endpoint_s,
            "_turns": reply.turns,
        }
        timed |= {name: value for name, value in live.items() if value is not None}
        if reply.reasoning:
            timed["_reasoning"] = reply.reasoning
        # A reply without a token has taken its time as well, and a response is never null.
        seconds = reply.latency_s if reply.first_token_s is None else reply.first_token_s
        return {**record, "response": seconds if is_time else reply.text, **timed}

    def _keep(self, record: Record) -> None:
        self._journal.add(record)
        self.done[record["_idx"]] = record
        self._result.done += 1
        self._result.asked_now += 1


def _seconds(samples: np.ndarray) -> float:
    return round(len(samples) / SAMPLE_RATE_HZ, 3)


def _after_warm_up(questions: Iterator[Question], engine: Engine) -> Iterator[Question]:
    """The questions, after the first was asked once without being counted, as upstream does."""
    first = next(questions, None)
    if first is None:
        return
    list(engine.answer([first], 1))
    yield from chain([first], questions)
