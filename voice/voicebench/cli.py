"""The options of `parley voicebench`; what the commands do is in `voice.voicebench.commands`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voice.voicebench import commands
from voice.voicebench.run_options import ServeLive
from voice.voicebench.settings import PRESETS, SYSTEM_PROMPTS

__all__ = ["ServeLive", "add_voicebench"]


def add_voicebench(
    subparsers: Any,
    add_model: Callable[[argparse.ArgumentParser], None],
    positive: Callable[[str], int],
    serve_live: ServeLive | None = None,
) -> None:
    """Adds the command and its own commands.

    Args:
        subparsers: of `parley`.
        add_model: adds the options that load a checkpoint.
        positive: reads a whole number from 1.
        serve_live: starts a server for live runs; without one, they need the address of another.
    """
    parser = subparsers.add_parser(
        "voicebench",
        help="run a spoken-question benchmark, judge, score and report",
        description="Runs VoiceBench, or data in its format, and scores it as upstream does.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_run(actions, add_model, positive, serve_live)
    _add_judge(actions, positive)
    _add_score(actions)
    _add_report(actions)
    _add_make(actions, positive)


def _add_run(actions: Any, add_model: Any, positive: Any, serve_live: Any) -> None:
    parser = actions.add_parser("run", help="ask the questions; goes on where it was stopped")
    parser.set_defaults(run=commands.run, serve_live=serve_live)
    parser.add_argument(
        "--data",
        default="hlt-lab/voicebench",
        metavar="DIR",
        help="a directory in any form that data sets have on disk, or a Hub id "
        "(default hlt-lab/voicebench)",
    )
    parser.add_argument(
        "--subset",
        default="leaderboard",
        metavar="NAMES",
        help="leaderboard (the default), all, or names with commas between; also big_bench_audio "
        "and asr",
    )
    parser.add_argument("--split", default="", metavar="NAMES", help="only these splits")
    parser.add_argument("--config", metavar="NAME", help="the data's name for the one subset")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    parser.add_argument("--modality", choices=("audio", "text", "ttft"), default="audio")
    parser.add_argument(
        "--hearing",
        choices=("whole", "streamed"),
        help="our own engine hears the clip at once (the default), or as live audio comes",
    )
    _add_live(parser)
    parser.add_argument("--url", help="ask this OpenAI-compatible server instead of our own engine")
    parser.add_argument("--served-name", metavar="NAME", help="what the server calls the model")
    parser.add_argument(
        "--model-name", metavar="NAME", help="of the result files (default: the model's own)"
    )
    parser.add_argument(
        "--api-key-env", default="OPENAI_API_KEY", metavar="VAR", help="where the key is"
    )
    parser.add_argument("--extra-body", default="", metavar="JSON", help="merged into requests")
    add_model(parser)
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="voice: as users get it; paper: as NVIDIA's figures were made; single options win",
    )
    parser.add_argument(
        "--system-prompt",
        metavar="NAME",
        help=f"{', '.join(SYSTEM_PROMPTS)} or a file (default assistant, upstream's line)",
    )
    parser.add_argument("--mcq-hint", action="store_true", help="tell how to name a choice")
    parser.add_argument("--thinking", choices=("on", "off"), help="reason before answering")
    parser.add_argument("--temperature", type=float, metavar="T")
    parser.add_argument("--top-p", type=float, metavar="P")
    parser.add_argument("--max-new-tokens", type=positive, metavar="N", help="(default 2048)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first rows of each")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only each N-th row")
    parser.add_argument("--concurrency", type=positive, default=1, metavar="N")
    parser.add_argument("--fresh", action="store_true", help="remove an earlier run in --out")


def _add_live(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--live",
        nargs="?",
        const="",
        metavar="URL",
        help="speak the questions to parley serve, as users do: one of its own, or the one at URL",
    )
    parser.add_argument(
        "--turns",
        choices=("server", "manual"),
        help="live: the server hears when a question is over (the default), or is told",
    )
    parser.add_argument(
        "--pace",
        choices=("fast", "real"),
        help="live: sound goes as quickly as the server takes it (the default), or in real time",
    )
    parser.add_argument(
        "--spoken", choices=("on", "off"), help="live: answers are spoken (the default), or written"
    )


def _add_judge(actions: Any, positive: Any) -> None:
    parser = actions.add_parser("judge", help="have open answers judged")
    parser.set_defaults(run=commands.judge)
    _add_run_folder(parser)
    parser.add_argument("--judge-url", metavar="URL", help="an OpenAI-compatible server")
    parser.add_argument(
        "--judge-model", default="gpt-4o-mini", metavar="NAME", help="(default upstream's)"
    )
    parser.add_argument("--votes", type=positive, default=3, metavar="N", help="(default 3)")
    parser.add_argument("--retries", type=positive, default=25, metavar="N", help="(default 25)")
    parser.add_argument(
        "--api-key-env", default="OPENAI_API_KEY", metavar="VAR", help="where the key is"
    )
    parser.add_argument("--concurrency", type=positive, default=4, metavar="N")
    parser.add_argument("--rules", action="store_true", help="judge the small benchmark by rules")
    parser.add_argument(
        "--export", type=Path, metavar="FILE", help="offline: write the requests as a batch"
    )
    parser.add_argument(
        "--import", type=Path, dest="answers", metavar="FILE", help="offline: read its answers"
    )
    parser.add_argument("--fresh", action="store_true", help="remove earlier votes")


def _add_score(actions: Any) -> None:
    parser = actions.add_parser("score", help="score what is there")
    parser.set_defaults(run=commands.score)
    _add_run_folder(parser)
    parser.add_argument(
        "--pedant",
        metavar="DIR",
        help="where PEDANT's weights are, if not installed; none: score SD-QA by the judge alone",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of draws for answers that say nothing"
    )
    parser.add_argument(
        "--upstream",
        type=Path,
        metavar="CHECKOUT",
        help="have the evaluate.py of this checkout of VoiceBench score the files as well",
    )
    parser.add_argument(
        "--upstream-python",
        type=Path,
        metavar="FILE",
        help="a Python with its requirements (default CHECKOUT/.venv/bin/python, or this one)",
    )


def _add_report(actions: Any) -> None:
    parser = actions.add_parser("report", help="write the report")
    parser.set_defaults(run=commands.report)
    _add_run_folder(parser)
    parser.add_argument("--format", default="md,json", metavar="NAMES", help="(default md,json)")
    parser.add_argument(
        "--compare", type=Path, action="append", default=[], metavar="DIR", help="another run"
    )
    parser.add_argument(
        "--kimi",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="results of Kimi-Audio-Evalkit to compare with: .jsonl, _performance.json or a folder",
    )
    parser.add_argument("--plot", action="store_true", help="quality beside latency")


def _add_make(actions: Any, positive: Any) -> None:
    parser = actions.add_parser("make", help="make the small benchmark: questions and voices")
    parser.set_defaults(run=commands.make)
    parser.add_argument("directory", type=Path, metavar="DIR", help="a new directory")
    parser.add_argument(
        "--items", type=positive, default=24, metavar="N", help="of each subset (default 24)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def _add_run_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", type=Path, required=True, dest="folder", metavar="DIR", help="the run's folder"
    )
