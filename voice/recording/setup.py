"""What a session was opened with besides its settings: model, voice, machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from voice.assistant import Assistant
from voice.turn_end import TurnEnd

FIRST_VALUES = 16
"""Of each tensor, which tell checkpoints apart without reading 66 GB."""


def setup(
    assistant: Assistant, *, model: str, tts: str, turn_end: TurnEnd = "auto"
) -> dict[str, Any]:
    """What to keep in every recording.

    Args:
        assistant: the loaded model.
        model: the name or directory by which it was loaded.
        tts: the speech engine's name; "none" for sessions that never speak.
        turn_end: see `voice.turn_end.open_judge`.
    """
    weight = next(assistant.model.parameters())
    return {
        "model": model,
        "fingerprint": fingerprint(assistant),
        "tts": tts,
        "turn_end": turn_end,
        "machine": {
            "device": weight.device.type,
            "dtype": str(weight.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "cpu": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "parley": _version(),
        },
    }


def fingerprint(assistant: Assistant) -> str:
    """Tells checkpoints apart: a digest of every tensor's name, shape and first values."""
    found = sha256()
    parts = (assistant.model, assistant.encoder)
    for part in parts:
        for name, weight in part.named_parameters():
            first = weight.detach().flatten()[:FIRST_VALUES].float().cpu().numpy()
            found.update(f"{name}{tuple(weight.shape)}".encode() + first.tobytes())
    return found.hexdigest()[:16]


def differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What is otherwise here than where a recording was made, each as a sentence's end."""
    found = []
    if recorded.get("fingerprint") != here["fingerprint"]:
        found.append(f"the weights of {here['model']} are not those that answered then")
    theirs = recorded.get("machine")
    theirs = theirs if isinstance(theirs, Mapping) else {}
    found += [
        f"{name} was {theirs.get(name)} then and is {ours} here"
        for name, ours in here["machine"].items()
        if theirs.get(name) != ours
    ]
    return found


def _version() -> str:
    try:
        return version("parley-voice")
    except PackageNotFoundError:
        return "unknown"
