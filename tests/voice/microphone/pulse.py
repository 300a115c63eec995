"""A PulseAudio of our own: a microphone that hears what it is given, a recorded loudspeaker."""

import contextlib
import fcntl
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

RATE_HZ = 16_000
BLOCK_MS = 20
LOUD = 600
"""Of 32767."""
STARTING_S = 10.0
_PARTS = ("pulseaudio", "pactl", "pacat", "parec")
_FORMAT = (f"--rate={RATE_HZ}", "--channels=1", "--format=s16le", "--raw", "--latency-msec=200")
_BLOCK_BYTES = 2 * RATE_HZ * BLOCK_MS // 1000


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

    @contextlib.contextmanager
    def echo(self, volume: str = "70%") -> Iterator[None]:
        """While the block lasts, the microphone hears the loudspeaker, 9 dB softer (at 50%: 18)."""
        # Both have one clock; rooms do not stretch sound to keep a delay, either.
        arguments = ("source=loudspeaker.monitor", "sink=microphone")
        arguments += ("latency_msec=60", "adjust_time=0")
        module = self._control("load-module", "module-loopback", *arguments).strip()
        inputs = self._control("list", "short", "sink-inputs")
        (number,) = re.findall(r"^(\d+)\s.*module-loopback", inputs, re.MULTILINE)
        self._control("set-sink-input-volume", number, volume)
        try:
            yield
        finally:
            self._control("unload-module", module)

    @contextlib.contextmanager
    def mouth(self) -> Iterator["Mouth"]:
        """Whoever sits at the microphone."""
        command = ["pacat", "--playback", "--device=microphone", *_FORMAT]
        with _running(command, self.environment, stdin=subprocess.PIPE) as process:
            # What waits in the pipe is said before a question that comes now.
            fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, 4096)
            yield Mouth(process.stdin)

    @contextlib.contextmanager
    def ear(self) -> Iterator["Ear"]:
        """Whoever hears the loudspeaker."""
        command = ["parec", "--device=loudspeaker.monitor", *_FORMAT]
        with _running(command, self.environment, stdout=subprocess.PIPE) as process:
            yield Ear(process.stdout)


@contextlib.contextmanager
def _running(
    command: list[str], environment: dict[str, str], **pipes: int
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, env=environment, bufsize=0, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


class Mouth:
    """Is silent, or says something. One program plays both without a break, so nothing that is said
    waits for a program to start; the pace is that of the device, which lets no more be written."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._speak, daemon=True).start()

    def say(self, samples: np.ndarray) -> None:
        """Says it next: float [samples] at 16 kHz. Returns at once."""
        sound = (samples * 32767).astype(np.int16).tobytes()
        for start in range(0, len(sound), _BLOCK_BYTES):
            self._waiting.put(sound[start : start + _BLOCK_BYTES])

    def _speak(self) -> None:
        with contextlib.suppress(OSError):  # the program has ended
            while True:
                try:
                    block = self._waiting.get_nowait()
                except queue.Empty:
                    block = bytes(_BLOCK_BYTES)
                while block:
                    block = block[self._pipe.write(block) :]


class Ear:
    """Hears everything, as it comes."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._loud = self._quiet = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._hear, daemon=True).start()

    @property
    def loud_ms(self) -> int:
        """For how long it was loud so far."""
        return self._loud * BLOCK_MS

    def wait_for(self, loud_ms: int, patience_s: float) -> None:
        """Until it was loud for so long in all."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.loud_ms >= loud_ms, patience_s), self.loud_ms

    def wait_for_quiet(self, quiet_ms: int, patience_s: float) -> None:
        """Until it has been quiet for so long."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._quiet * BLOCK_MS >= quiet_ms, patience_s)

    def _hear(self) -> None:
        heard = b""
        while more := self._pipe.read(_BLOCK_BYTES):
            heard += more
            while len(heard) >= _BLOCK_BYTES:
                block, heard = heard[:_BLOCK_BYTES], heard[_BLOCK_BYTES:]
                with self._changed:
                    is_loud = bool(np.abs(np.frombuffer(block, np.int16)).max() > LOUD)
                    self._loud += is_loud
                    self._quiet = 0 if is_loud else self._quiet + 1
                    self._changed.notify_all()
