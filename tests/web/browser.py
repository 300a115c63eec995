"""Debian's Chromium, headless, with a microphone that plays a WAV file; and what comes back."""

import base64
import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from voice.assistant import Assistant
from voice.audio_file import read_audio, write_wav
from voice.conversation import Conversation
from web.app import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TIMEOUT_MS = 60_000
RATE_HZ = 16_000
CONNECTING_S = 4.0


def needs_chromium() -> pytest.MarkDecorator:
    """Skips the tests of a module, loudly, where there is no browser."""
    message = "NO CHROMIUM: the page was not tested in a browser (Debian: apt install chromium)"
    if CHROMIUM is None:
        print(f"\n{message}", file=sys.__stderr__)
        warnings.warn(message, stacklevel=2)
    return pytest.mark.skipif(CHROMIUM is None, reason=message)


# Keeps every server event, and records what Parley's track brings from the moment it is there.
_LISTEN = """
window.serverEvents = [];
const create = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...given) {
  const channel = create.apply(this, given);
  channel.addEventListener("message", ({ data }) => serverEvents.push(JSON.parse(data)));
  this.addEventListener("track", ({ streams }) => {
    const parts = [];
    const recorder = new MediaRecorder(streams[0]);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    window.stopRecording = () => new Promise((resolve) => {
      recorder.onstop = () => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(",")[1]);
        reader.readAsDataURL(new Blob(parts));
      };
      recorder.stop();
    });
  });
  return channel;
};
"""

# A microphone that speaks when it is told to, for what must happen at a certain moment.
_MICROPHONE_ON_CUE = """
const context = new AudioContext();
const microphone = context.createMediaStreamDestination();
navigator.mediaDevices.getUserMedia = async () => microphone.stream;
window.speak = async (wav) => {
  const data = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0));
  const source = context.createBufferSource();
  source.buffer = await context.decodeAudioData(data.buffer);
  source.connect(microphone);
  source.start();
};
"""


def arguments_of(microphone: Path) -> list[str]:
    """What makes Chromium take a WAV file for its microphone, once."""
    return [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        "--autoplay-policy=no-user-gesture-required",
    ]


@asynccontextmanager
async def page_of(
    server: Server,
    microphone: Path | None,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Page]:
    """Parley's page in a browser of its own; a fault or an error of the page fails the test.

    Args:
        server: whose page.
        microphone: what is said, from the moment when the page asks for a microphone; None: what
            `speak` is given.
        settings: as the page keeps them.
        options: of playwright's page.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments_of(microphone or Path(os.devnull))
        )
        page = await browser.new_page(permissions=["microphone"], **options)
        page.set_default_timeout(TIMEOUT_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda message: faults.append(message.text) if message.type == "error" else None,
        )
        chosen = json.dumps(json.dumps(settings or {}))
        await page.add_init_script(f"localStorage.setItem('parley.settings', {chosen}); {_LISTEN}")
        if microphone is None:
            await page.add_init_script(_MICROPHONE_ON_CUE)
        await page.goto(f"http://127.0.0.1:{server.port}/")
        yield page
        assert faults == []
        await browser.close()


async def says(page: Page, selector: str, text: str) -> None:
    """Waits until an element says something."""
    await page.locator(selector, has_text=text).first.wait_for()


async def speak_now(page: Page, sound: np.ndarray) -> None:
    """Says something with the microphone on cue."""
    file = io.BytesIO()
    write_wav(file, sound, RATE_HZ)
    await page.evaluate("wav => speak(wav)", base64.b64encode(file.getvalue()).decode())


async def server_events(page: Page, kind: str) -> list[dict[str, Any]]:
    """The server events of a kind that have come so far."""
    found = await page.evaluate("kind => serverEvents.filter(({ type }) => type === kind)", kind)
    assert isinstance(found, list)
    return found


async def all_transcribed(page: Page, count: int) -> None:
    """Waits until the server has written down so many turns of the caller's."""
    await page.wait_for_function(
        """count => serverEvents.filter(({ type }) =>
          type === "conversation.item.input_audio_transcription.completed").length >= count""",
        arg=count,
    )


async def recorded(page: Page) -> np.ndarray:
    """Ends the browser's own recording of Parley's track; float32 mono 16 kHz."""
    return read_audio(base64.b64decode(await page.evaluate("stopRecording()"))).samples


def microphone(directory: Path, *parts: np.ndarray) -> Path:
    """The file that the browser takes for its microphone.

    Capture begins with it, and the call is there later: what is said is heard from the start if
    connecting takes no longer than `CONNECTING_S`.
    """
    file = directory / "microphone.wav"
    silence = np.zeros(round(CONNECTING_S * RATE_HZ), np.float32)
    write_wav(file, np.concatenate([silence, *parts]), RATE_HZ)
    return file


# --- What comes back ------------------------------------------------------------------------------


def utterances(sound: np.ndarray, pause_s: float = 1.0) -> list[np.ndarray]:
    """The stretches of sound between pauses, a little silence around each."""
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    if not len(loud):
        return []
    ends = np.flatnonzero(np.diff(loud) > pause_s * RATE_HZ)
    starts = [loud[0], *loud[ends + 1]]
    stops = [*loud[ends], loud[-1]]
    margin = RATE_HZ // 5
    return [
        sound[max(0, start - margin) : stop + margin]
        for start, stop in zip(starts, stops, strict=True)
    ]


def transcribe(assistant: Assistant, sound: np.ndarray) -> list[str]:
    """The words that the model hears in an utterance."""
    conversation = Conversation(assistant)
    conversation.listen(sound)
    conversation.end_speech()
    return words_of(conversation.transcribe())


def words_of(text: str) -> list[str]:
    """The words, without case and punctuation."""
    return "".join(c if c.isalpha() else " " for c in text.lower().replace("'", "")).split()


def envelope(sound: np.ndarray) -> np.ndarray:
    """Loudness of every 20 ms."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    return np.sqrt(np.mean(frames**2, axis=1))


def likeness(found: np.ndarray, wanted: np.ndarray) -> float:
    """The best correlation of the rise and fall of `wanted` with any stretch of `found`."""
    loudness, pattern = envelope(found), envelope(wanted)
    loudness = np.pad(loudness, len(pattern))
    stretches = np.lib.stride_tricks.sliding_window_view(loudness, len(pattern))
    stretches = stretches[stretches.std(1) > 0]
    return max(float(np.corrcoef(stretch, pattern)[0, 1]) for stretch in stretches)
