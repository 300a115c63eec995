"""A PulseAudio of our own: a microphone that hears what it is given, a recorded loudspeaker."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

RATE_HZ = 16_000
STARTING_S = 10.0
_PARTS = ("pulseaudio", "pactl", "paplay", "parec")


def _missing() -> str:
    parts = [name for name in _PARTS if shutil.which(name) is None]
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        parts.append(f"sounddevice ({error})")
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        parts.append("libasound2-plugins")
    return ", ".join(parts)


def needs_pulseaudio() -> pytest.MarkDecorator:
    """Skips the tests of a module, loudly, where there is none."""
    missing = _missing()
    message = (
        f"NO PULSEAUDIO ({missing}): the microphone was not tested with sound devices "
        "(Debian: apt install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins)"
    )
    if missing:
        print(f"\n{message}", file=sys.__stderr__)
        warnings.warn(message, stacklevel=2)
    return pytest.mark.skipif(bool(missing), reason=message)


class Pulse:
    """The daemon, in a directory of its own; a context.

    Attributes:
        environment: in which programs find it.
    """

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "native"
        self._log = directory / "log"
        self.environment = {
            **os.environ,
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "PULSE_RUNTIME_PATH": str(directory),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_SOURCE": "microphone.monitor",
            "PULSE_SINK": "loudspeaker",
            "PULSE_COOKIE": str(directory / "cookie"),
        }

    def __enter__(self) -> "Pulse":
        modules = (
            f"module-native-protocol-unix socket={self._socket} auth-anonymous=1",
            "module-null-sink sink_name=microphone rate=48000",
            "module-null-sink sink_name=loudspeaker rate=48000",
        )
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        command += [part for module in modules for part in ("-L", module)]
        with self._log.open("w") as log:
            self._daemon = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + STARTING_S
        while "loudspeaker" not in self._control("list", "short", "sinks"):
            assert self._daemon.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self._daemon.terminate()
        self._daemon.wait(10)

    def _control(self, *arguments: str) -> str:
        command = ["pactl", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        ).stdout

    def echo(self) -> None:
        """From now on the microphone hears the loudspeaker, 9 dB softer."""
        arguments = ("source=loudspeaker.monitor", "sink=microphone", "latency_msec=60")
        assert self._control("load-module", "module-loopback", *arguments)
        (number,) = re.findall(r"^(\d+)", self._control("list", "short", "sink-inputs"))
        self._control("set-sink-input-volume", number, "70%")

    def say(self, file: Path) -> None:
        """Plays a sound file into the microphone, to its end."""
        command = ["paplay", "--device=microphone", str(file)]
        subprocess.run(command, env=self.environment, check=True, timeout=30)

    @contextlib.contextmanager
    def recording(self, into: Path) -> Iterator[None]:
        """Records the loudspeaker while the block lasts; see `recorded`."""
        command = ["parec", "--device=loudspeaker.monitor", f"--rate={RATE_HZ}", "--channels=1"]
        command += ["--format=s16le", "--raw", "--latency-msec=20"]
        with into.open("wb") as file:
            recorder = subprocess.Popen(command, env=self.environment, stdout=file)
            try:
                yield
            finally:
                recorder.send_signal(signal.SIGTERM)
                recorder.wait(10)


def recorded(file: Path) -> np.ndarray:
    """What was recorded: float32 16 kHz [samples]."""
    return np.frombuffer(file.read_bytes(), np.int16).astype(np.float32) / 32768
