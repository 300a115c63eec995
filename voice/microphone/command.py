"""What `parley talk` does, and its options.

torch, the model and PortAudio are imported when they are needed, so that help comes at once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console

from voice.commands import REAL_MODEL_HINT, load_assistant
from voice.microphone.devices import choose, table
from voice.opening import (
    add_session_options,
    mcp_servers,
    note_of,
    on_stop,
    open_engine,
    sessions_of,
    settings_of,
    voices_of,
    warm_up,
)

if TYPE_CHECKING:
    from voice.assistant import Assistant
    from voice.mcp import McpServers
    from voice.microphone.echo import EchoMode
    from voice.microphone.talk import Devices

MODES = ("auto", "half-duplex", "off")
SWITCH_S = 0.001
"""After which one of Python's threads makes room for another that waits: a device's callback must
not wait long for the model thread."""
NO_CANCELLER = (
    "No echo canceller is installed: the microphone is muted while the assistant speaks. To be "
    "able to interrupt it: pip install 'parley-voice[mic]', or --echo-cancellation off with "
    "headphones."
)


def add_talk(subparsers: Any, add_model_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds `parley talk`."""
    parser = subparsers.add_parser(
        "talk",
        help="talk by the microphone and loudspeaker of this machine",
        description="Talks by the microphone and loudspeaker of this machine until Ctrl-C "
        "(extra: mic).",
    )
    parser.set_defaults(run=talk)
    parser.add_argument(
        "--list-devices", action="store_true", help="print what there is, and do nothing else"
    )
    parser.add_argument(
        "--input-device",
        type=_device,
        metavar="DEVICE",
        help="the microphone: its number, or a part of its name (default: the system's)",
    )
    parser.add_argument(
        "--output-device", type=_device, metavar="DEVICE", help="the loudspeaker, in the same way"
    )
    parser.add_argument(
        "--echo-cancellation",
        choices=MODES,
        default="auto",
        help="half-duplex: mute the microphone while the assistant speaks; off: neither, for "
        "headphones (default auto: cancel the echo, or half-duplex where no canceller is "
        "installed)",
    )
    parser.add_argument(
        "--latency-ms",
        type=_latency,
        default=120,
        metavar="MS",
        help="that either device buffers: more where the sound has gaps, less for quicker answers "
        "(default 120)",
    )
    add_model_options(parser)
    add_session_options(parser)


def talk(options: argparse.Namespace) -> None:
    """`parley talk`."""
    if options.list_devices:
        print(table())
        return
    from voice.microphone.talk import Devices

    # Devices and speech engine first: it is quickly known whether they are there.
    devices = Devices(
        choose("input", options.input_device), choose("output", options.output_device)
    )
    voices_of(options.tts)
    mode = mode_of(options.echo_cancellation)
    if mode == "half-duplex" and options.echo_cancellation == "auto":
        print(NO_CANCELLER, file=sys.stderr)
    print("Loading the model …", file=sys.stderr)
    with mcp_servers(options.mcp) as mcp:
        assistant = load_assistant(options)
        warm_up(assistant)
        asyncio.run(_talk(options, devices, mode, assistant, mcp))


def mode_of(wanted: str) -> EchoMode:
    """What is done against echo, when it is left to us."""
    from voice.microphone.canceller import is_installed

    if wanted == "auto":
        return "cancelled" if is_installed() else "half-duplex"
    return "off" if wanted == "off" else "half-duplex"


async def _talk(
    options: argparse.Namespace,
    devices: Devices,
    mode: EchoMode,
    assistant: Assistant,
    mcp: McpServers | None,
) -> None:
    from voice.microphone.screen import Screen
    from voice.microphone.talk import Talk

    engine = open_engine(options, assistant)
    open_session = sessions_of(options, engine, mcp)
    screen = Screen(Console())
    engine.start()
    sys.setswitchinterval(SWITCH_S)
    try:
        conversation = Talk(
            open_session, settings_of(options), devices, mode, screen, options.latency_ms
        )
        if note := note_of(options):
            screen.note(note)
        if options.model == "builtin":
            screen.note(f"The real one: parley talk {REAL_MODEL_HINT}.")
        echo = {"cancelled": "echo is cancelled", "off": "echo stays"}.get(mode, "half duplex")
        screen.note(
            f"{devices.microphone.name} ► Parley ► {devices.loudspeaker.name}; {echo}. "
            "Speak when you like; Ctrl-C ends it."
        )
        with screen:
            on_stop(conversation.stop)
            await conversation.run()
    finally:
        engine.close()


def _latency(text: str) -> int:
    number = int(text)
    if not 10 <= number <= 1000:
        raise argparse.ArgumentTypeError("must be between 10 and 1000")
    return number


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
