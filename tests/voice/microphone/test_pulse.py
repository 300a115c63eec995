"""`parley talk` as users run it, with PulseAudio's devices, in which nothing sounds."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import voice
from tests.voice.microphone.pulse import Pulse, needs_pulseaudio
from voice.audio_file import read_audio, write_wav
from voice.microphone.canceller import is_installed
from voice.microphone.talk import ALARM_NOTE
from voice.recording.files import find_recordings
from voice.tts.espeak import EspeakSynthesizer

pytestmark = needs_pulseaudio()
needs_canceller = pytest.mark.skipif(not is_installed(), reason="livekit is not installed")

SAMPLES = Path(voice.__file__).with_name("samples")
PATIENCE_S = 40.0
BEGUN_MS = 300
"""After so much of an answer it has certainly begun."""
QUIET_MS = 500
"""After which an answer that was shown was heard to its end, too."""


@pytest.fixture(scope="module")
def pulse() -> Iterator[Pulse]:
    # A path of a socket may have no more than some hundred letters; those of pytest are longer.
    directory = Path(tempfile.mkdtemp(prefix="parley-"))
    try:
        with Pulse(directory) as pulse:
            yield pulse
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run(code: str, environment: dict[str, str]) -> str:
    """What a line of Python on the devices prints."""
    command = [sys.executable, "-c", f"from voice.microphone import devices\n{code}"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_devices_are_listed(pulse):
    listed = run("print(devices.table())", pulse.environment)
    assert "pulse [ALSA]: microphone, loudspeaker" in listed


def test_device_of_a_kind_is_found_by_a_part_of_its_name(pulse):
    found = run("print(devices.choose('input', 'puls'))", pulse.environment)
    assert "name='pulse', rate=16000, channels=1" in found


def test_machine_without_devices_is_told_so(tmp_path):
    environment = {**os.environ, "PULSE_SERVER": f"unix:{tmp_path}/nobody"}
    code = (
        "from voice.errors import DeviceUnavailable\n"
        "try: devices.choose('input', None)\n"
        "except DeviceUnavailable as error: print(error)"
    )
    assert run(code, environment).startswith("there is no microphone: connect one")


class Talking:
    """`parley talk`, and the lines that it prints, as it prints them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def said_by(self, who: str) -> list[str]:
        """What one side has said, latencies left out."""
        said = [line.removeprefix(who) for line in self.lines if line.startswith(f"{who} ")]
        return [re.sub(r"\(\d+ ms\)", "", line).strip() for line in said]

    def wait(self, until: Callable[[], bool]) -> None:
        """Until a line makes it so."""
        with self._changed:
            assert self._changed.wait_for(until, PATIENCE_S), "".join(self.lines)

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        self._process.send_signal(signal.SIGINT)
        status = self._process.wait(20)
        self._reader.join(5)
        return status


@contextmanager
def talking(pulse: Pulse, *options: str) -> Iterator[Talking]:
    command = [sys.executable, "-u", "-m", "web", "talk", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=pulse.environment
    ) as process:
        try:
            talk = Talking(process)
            talk.wait(lambda: any("Ctrl-C" in line for line in talk.lines))
            yield talk
        finally:
            process.terminate()  # which lets it end what it has started


def question(name: str) -> np.ndarray:
    return read_audio(SAMPLES / f"{name}.flac").samples


@pytest.fixture(scope="module")
def long_question(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Whose answer takes four seconds."""
    file = tmp_path_factory.mktemp("sound") / "question.wav"
    with EspeakSynthesizer() as synthesizer:
        sound = [block.samples for block in synthesizer.speak("What can you do?")]
        write_wav(file, np.concatenate(sound), synthesizer.sample_rate)
    return read_audio(file).samples


MODES = [pytest.param("auto", marks=needs_canceller), "half-duplex"]


@pytest.mark.parametrize("mode", MODES)
def test_answers_over_their_own_echo_are_right_and_whole(pulse, tmp_path, mode):
    options = ("--echo-cancellation", mode, "--record", str(tmp_path))
    with (
        pulse.echo(),
        talking(pulse, *options) as talk,
        pulse.mouth() as mouth,
        pulse.ear() as ear,
    ):
        for number, name in enumerate(("capital_of_france", "two_plus_three"), start=1):
            mouth.say(question(name))
            talk.wait(lambda number=number: len(talk.said_by("Parley")) == number)
            ear.wait_for_quiet(QUIET_MS, PATIENCE_S)
        assert talk.stop() == 0
    first, second = talk.said_by("Parley")
    assert "Paris" in first, talk.lines
    assert "five" in second, talk.lines
    assert not any(said.endswith("–") for said in (first, second)), talk.lines
    assert len(talk.said_by("You")) == 2, talk.lines
    assert not any(ALARM_NOTE in line for line in talk.lines), talk.lines
    assert ear.loud_ms > 1000
    assert len(find_recordings([tmp_path])) == 1


@needs_canceller
def test_answer_is_interrupted_over_its_own_echo(pulse, long_question):
    # An echo as loud as the user would cost words; who sits at a microphone is louder.
    with pulse.echo("50%"), talking(pulse) as talk, pulse.mouth() as mouth, pulse.ear() as ear:
        mouth.say(question("two_plus_three"))  # by its answer the canceller learns the echo
        talk.wait(lambda: len(talk.said_by("Parley")) == 1)
        ear.wait_for_quiet(QUIET_MS, PATIENCE_S)
        mouth.say(long_question)
        ear.wait_for(ear.loud_ms + BEGUN_MS, PATIENCE_S)
        # What counts comes late in it: the canceller may swallow the beginning.
        mouth.say(question("capital_of_france"))
        talk.wait(lambda: len(talk.said_by("Parley")) == 3)
        assert talk.stop() == 0
    first, interrupted, answer = talk.said_by("Parley")
    assert "five" in first, talk.lines
    check_interrupted(talk, interrupted, answer, right="Paris")
    assert len(talk.said_by("You")) == 3, talk.lines
    assert not any(ALARM_NOTE in line for line in talk.lines), talk.lines


def test_answer_is_interrupted_by_a_question_that_is_answered(pulse, long_question):
    options = ("--echo-cancellation", "off", "--latency-ms", "300")
    with talking(pulse, *options) as talk, pulse.mouth() as mouth, pulse.ear() as ear:
        mouth.say(long_question)
        ear.wait_for(BEGUN_MS, PATIENCE_S)
        mouth.say(question("two_plus_three"))
        talk.wait(lambda: len(talk.said_by("Parley")) == 2)
        assert talk.stop() == 0
    interrupted, answer = talk.said_by("Parley")
    check_interrupted(talk, interrupted, answer, right="five")
    assert len(talk.said_by("You")) == 2, talk.lines


def check_interrupted(talk: Talking, interrupted: str, answer: str, right: str) -> None:
    """What the assistant says it can do was cut off, and the question then is answered rightly."""
    assert interrupted.startswith("I can"), talk.lines
    assert interrupted.endswith("–"), talk.lines
    assert "opposites" not in interrupted, talk.lines
    assert right in answer, talk.lines
    assert not answer.endswith("–"), talk.lines
