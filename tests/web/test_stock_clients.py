"""Stock clients, unmodified and in processes of their own, talk with a server process.

Each asks the built-in model three spoken questions, for the second of which the model has to call a
function of the client's, and then interrupts an answer with a question. The clients have an
environment of their own, which pip makes once in pytest's cache; where it cannot, they are skipped.
"""

import hashlib
import json
import subprocess
import sys
import venv
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.web.served import question, server_process, weather_question
from voice.resampling import Resampler

CLIENTS = Path(__file__).with_name("clients")
INSTALL_TIMEOUT_S = 1200
RUN_TIMEOUT_S = 240


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter of the environment in which the clients are installed."""
    wanted = CLIENTS / "requirements.txt"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    cache = request.config.cache
    assert cache is not None
    directory = Path(cache.mkdir("clients")) / digest
    interpreter, ready = directory / "bin" / "python", directory / "ready"
    if not ready.exists():
        print("\nInstalling stock clients for the tests; once, minutes.", file=sys.__stderr__)
        venv.create(directory, with_pip=True, clear=True)
        install = [interpreter, "-m", "pip", "install", "--quiet", "--requirement", wanted]
        try:
            subprocess.run(install, check=True, timeout=INSTALL_TIMEOUT_S, capture_output=True)
        except subprocess.SubprocessError as error:
            reason = f"NO STOCK CLIENTS: pip could not install them, they were not tested ({error})"
            print(f"\n{reason}", file=sys.__stderr__)
            pytest.skip(reason)
        ready.touch()
    return str(interpreter)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server_process() as (address, _):
        yield address


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files that the clients play: 24 kHz, 16 bit."""
    directory = tmp_path_factory.mktemp("questions")
    asked = {
        "capital": question("capital_of_france", 0.0),
        "weather": weather_question(),
        "sum": question("two_plus_three", 0.0),
    }
    files = []
    for name, samples in asked.items():
        file = directory / f"{name}.wav"
        write_24_khz(file, samples)
        files.append(str(file))
    return files


def write_24_khz(file: Path, samples: np.ndarray) -> None:
    resampler = Resampler(16_000, 24_000)
    wire = np.concatenate([resampler.feed(samples), resampler.flush()])
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(24_000)
        out.writeframes((np.clip(wire, -1, 1) * 32767).astype("<i2").tobytes())


@pytest.mark.timeout(INSTALL_TIMEOUT_S + RUN_TIMEOUT_S)
@pytest.mark.parametrize("client", ["agents", "livekit", "pipecat"])
def test_client_holds_a_spoken_conversation_with_a_call(client, python, address, questions):
    program = CLIENTS / f"{client}_client.py"
    run = subprocess.run(
        [python, program, address, *questions],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["errors"] == []
    assert report["calls"] == [{"city": "Paris"}]
    assert report["interruptions"] >= 1
    capital, weather, total, after_interruption = report["replies"]
    assert "Paris" in capital
    assert "21 degrees" in weather  # the sky it often tells wrong, unless it gets plain text
    assert "five" in total
    assert "five" in after_interruption
    assert min(report["sound_s"]) > 0.5
    assert "capital" in report["heard"][0]
