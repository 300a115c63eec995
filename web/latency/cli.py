"""The command line of `parley latency`."""

import argparse
from pathlib import Path
from typing import Any

from voice import cli


def _latency(options: argparse.Namespace) -> None:
    from web.latency.command import latency

    latency(options)


def add_latency(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "latency",
        help="measure how long answers take, from microphone to speaker",
        description="Plays recorded questions into calls to a server of its own, records both "
        "directions, and measures on the recordings how long it takes from the last sample of a "
        "question to the first audible one of the answer. Beside it stands the server's own clock: "
        "median and 95th percentile, ms after the last voiced sample. docs/latency.md tells more.",
    )
    parser.set_defaults(run=_latency)
    add_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON per server, all answers in it"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is measured and how often, as `web.latency.command.measure` reads it."""
    cli.add_model_options(parser)
    parser.add_argument(
        "--questions",
        type=Path,
        default=Path(cli.__file__).with_name("samples") / "questions.tsv",
        metavar="FILE",
        help="lines of FILE, QUESTION and ANSWER|ANSWER… with tabs between them (default: the "
        "samples that ship with Parley)",
    )
    parser.add_argument(
        "--rounds",
        type=cli.positive,
        default=5,
        metavar="N",
        help="calls to each server, all questions in each (default 5)",
    )
    parser.add_argument(
        "--speculation",
        choices=("on", "off"),
        help="measure only this (default: a server with it and one without)",
    )
    parser.add_argument("--url", metavar="URL", help="of a server that is running already")
    parser.add_argument("--api-key", metavar="KEY", help="that this server asks for")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="DIR",
        help="keep the recordings there: left what was said, right what was heard",
    )
