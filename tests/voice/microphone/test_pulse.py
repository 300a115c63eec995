"""PulseAudio's devices, in which nothing sounds, as PortAudio shows them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.voice.microphone.pulse import Pulse, needs_pulseaudio

pytestmark = needs_pulseaudio()


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
