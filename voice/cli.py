"""The command `parley`: ask a recorded question, transcribe, talk here, train, benchmark.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 something
went wrong that the message explains, 2 the command line is wrong, 130 interrupted.

What the commands do is in `voice.commands`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from voice import commands
from voice.microphone.command import add_talk
from voice.recording.command import add_replay
from voice.voicebench.cli import ServeLive, add_voicebench

AddCommand = Callable[[Any], None]
"""Adds a command to the subparsers that it is given."""


def main(
    arguments: Sequence[str] | None = None,
    *,
    more: Sequence[AddCommand] = (),
    serve_live: ServeLive | None = None,
) -> int:
    """Runs `parley` and returns the exit status.

    Args:
        arguments: by default those of the process.
        more: further commands, of a package that this one does not know.
        serve_live: starts that package's server for a live run of VoiceBench.
    """
    options = _parser(more, serve_live).parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="parley: %(message)s")
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is left must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not isinstance(error, _expected_errors()):
            raise
        print("parley:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is made for the user; any other is a fault of Parley's."""
    from omni_core.cache import ContextFull
    from omni_core.weights import CheckpointError
    from voice.errors import VoiceError
    from voice.tts.espeak_library import EspeakError
    from voice.tts.synthesizer import SynthesisError

    return (
        commands.UsageError,
        ContextFull,
        CheckpointError,
        VoiceError,
        EspeakError,
        SynthesisError,
        FileNotFoundError,
        FileExistsError,
        ValueError,  # input of a wrong kind, AudioFileError among it
    )


def _parser(more: Sequence[AddCommand], serve_live: ServeLive | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parley", description="A self-hosted voice assistant around Nemotron 3 Nano Omni."
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_ask(subparsers)
    _add_transcribe(subparsers)
    _add_train(subparsers)
    add_talk(subparsers, add_model_options)
    add_replay(subparsers, add_model_options)
    add_voicebench(subparsers, add_model_options, positive, serve_live)
    for add in more:
        add(subparsers)
    return parser


def _add_ask(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "ask",
        help="ask a recorded question",
        description="Asks a recorded question, heard the way live speech is, only faster.",
    )
    parser.set_defaults(run=commands.ask)
    parser.add_argument("file", metavar="FILE", help="any sound file, or - for standard input")
    parser.add_argument("--text", default="", help="what is typed along with the speech")
    parser.add_argument("--image", type=Path, metavar="FILE", help="a picture shown along with it")
    add_model_options(parser)
    parser.add_argument(
        "--thinking", choices=("on", "off"), default="off", help="reason before answering"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="speak the reply into this WAV file"
    )
    parser.add_argument(
        "--voice", default="", metavar="NAME", help="of the reply, such as en-us+f3 (default en-us)"
    )
    parser.add_argument(
        "--max-tokens", type=positive, default=512, metavar="N", help="of the reply (default 512)"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 is greedy, the default"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of the choices above temperature 0")
    parser.add_argument(
        "--json", action="store_true", help="print one line of JSON: heard, reply, timings_ms, …"
    )


def _add_transcribe(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "transcribe",
        help="write down what recordings say",
        description="Writes down what recordings of any length say, with an omni checkpoint or "
        "with a ParakeetForTDT directory, which also gives the time of each word.",
    )
    parser.set_defaults(run=commands.transcribe)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="sound files, or - for standard input"
    )
    add_model_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON per file: file, text, words"
    )


def _add_train(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train the built-in model from nothing, or evaluate a model",
        description="Trains the built-in model in stages; each goes on from where it stopped.",
    )
    parser.set_defaults(run=commands.train)
    parser.add_argument(
        "--stage", action="append", metavar="NAME", help="only this stage; may be repeated"
    )
    parser.add_argument(
        "--steps",
        action="append",
        type=_stage_steps,
        default=[],
        metavar="STAGE=N",
        help="of a stage, instead of the recipe's; may be repeated",
    )
    parser.add_argument(
        "--rate",
        type=_up_to(10),
        default=1.0,
        metavar="FACTOR",
        help="on the recipe's learning rates: at the full ones a checkpoint forgets much before it "
        "learns more (with --from, 0.3 does not)",
    )
    parser.add_argument(
        "--blend",
        type=_up_to(1),
        default=1.0,
        metavar="SHARE",
        help="of what a stage ends with in its weights; the rest is what it began with, if another "
        "stage has learnt that, so that it forgets less (with --from; default 1)",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("runs/builtin"),
        metavar="DIR",
        help="of the run: weights, logs, tokenizer (default runs/builtin)",
    )
    parser.add_argument(
        "--into",
        type=Path,
        default=Path(__file__).with_name("builtin"),
        metavar="DIR",
        help="where the checkpoint goes (default: the package, as the built-in model)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="of torch on the CPU (default 1)"
    )
    parser.add_argument(
        "--replicas",
        type=positive,
        default=1,
        metavar="N",
        help="processes that train together on the CPU, one a core (default 1)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--from",
        type=Path,
        dest="start",
        metavar="DIR",
        help="a checkpoint to train further in a new run (its stage joint, or those named)",
    )
    action.add_argument(
        "--assemble", action="store_true", help="only write the checkpoint that training ends with"
    )
    action.add_argument(
        "--evaluate", action="store_true", help="ask questions in unseen phrasings and voices"
    )
    action.add_argument(
        "--plot", type=Path, metavar="PNG", help="draw the curves of the run in --directory"
    )
    parser.add_argument(
        "--model", default="builtin", metavar="MODEL", help="to evaluate (default builtin)"
    )
    parser.add_argument(
        "--questions", type=positive, default=500, metavar="N", help="to ask (default 500)"
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, on what, as `voice.commands.load_assistant` reads it."""
    parser.add_argument(
        "--model",
        default="builtin",
        metavar="MODEL",
        help="builtin (the default), a checkpoint's directory, or a Hub id",
    )
    parser.add_argument("--device", help="cpu or cuda (default cuda where there is one)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="of weights")
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="of torch on the CPU (default 1 for the built-in model, else all)",
    )


def _stage_steps(text: str) -> tuple[str, int]:
    stage, _, number = text.partition("=")
    return stage, positive(number)


def _up_to(highest: float) -> Callable[[str], float]:
    def factor(text: str) -> float:
        number = float(text)
        if not 0 < number <= highest:
            raise argparse.ArgumentTypeError(f"must be above 0, at most {highest}")
        return number

    return factor


def positive(text: str) -> int:
    """An argument that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
