"""The command `parley`: what `voice.cli` offers, `serve` and `latency`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice import cli
from voice.opening import add_session_options
from web.latency.cli import add_latency

if TYPE_CHECKING:
    from voice.voicebench.live_engine import LiveServer
    from voice.voicebench.settings import RunSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `parley` with the given arguments, or those of the process; returns the exit status."""
    return cli.main(arguments, more=(_add_serve, add_latency), serve_live=_serve_live)


def _serve_live(
    options: argparse.Namespace, settings: RunSettings, *, spoken: bool, sessions: int
) -> AbstractContextManager[LiveServer]:
    from web.live import live_server

    return live_server(options, settings, spoken=spoken, sessions=sessions)


def _serve(options: argparse.Namespace) -> None:
    from web.serve import serve

    serve(options)


def _add_serve(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="talk in the browser, or by OpenAI's Realtime protocol",
        description="Serves the page and OpenAI's Realtime protocol (WebRTC and WebSocket) until "
        "Ctrl-C. Who comes from another machine must show a key.",
    )
    parser.set_defaults(run=_serve)
    cli.add_model_options(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="to listen on (default 127.0.0.1: this machine alone; 0.0.0.0: everyone with the key)",
    )
    parser.add_argument("--port", type=_port, default=8080, metavar="N", help="(default 8080)")
    add_session_options(parser)
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="that others must show (default $PARLEY_API_KEY; with --host, else a random one)",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="of another site whose pages may connect, such as https://example.org; repeatable",
    )
    parser.add_argument(
        "--ice-server",
        action="append",
        default=[],
        metavar="SERVER",
        help="stun:HOST:PORT or turn:HOST:PORT,USER,PASSWORD for calls through NAT; repeatable; "
        "none by default",
    )
    parser.add_argument(
        "--max-sessions",
        type=cli.positive,
        default=8,
        metavar="N",
        help="at a time (default 8)",
    )
    parser.add_argument(
        "--media-processes",
        type=_process_count,
        default="auto",
        metavar="N",
        help="that carry the sound of calls, so that many do not wait for each other; 0: the "
        "server's own does (default auto: as many as the calls need, at most one per core)",
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="PEM, for https")
    parser.add_argument("--private-key", type=Path, metavar="FILE", help="PEM, of the certificate")


def _process_count(text: str) -> int | None:
    """A number of processes; None: as many as are needed."""
    if text == "auto":
        return None
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be auto, or 0 or more")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must be from 0 (any free one) to 65535")
    return number
