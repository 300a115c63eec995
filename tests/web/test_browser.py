"""Debian's Chromium, headless, with a microphone that plays a WAV file, calls over real WebRTC."""

import asyncio
import base64
import shutil
import sys
import warnings
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from tests.speech import speak
from tests.web.served import question, serving_model
from voice.assistant import Assistant
from voice.audio_file import read_audio, write_wav
from voice.conversation import Conversation
from voice.tts.synthesizer import open_synthesizer
from web.app import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TIMEOUT_MS = 60_000

if CHROMIUM is None:
    message = "NO CHROMIUM: the page was not tested in a browser (Debian: apt install chromium)"
    print(f"\n{message}", file=sys.__stderr__)
    warnings.warn(message, stacklevel=1)
    pytestmark = pytest.mark.skip(reason=message)

RECORD = """() => {
  const parts = [];
  const recorder = new MediaRecorder(document.getElementById("remote").srcObject);
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
}"""


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
async def page_of(server: Server, microphone: Path, settings: str = "{}"):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments_of(microphone)
        )
        page = await browser.new_page(permissions=["microphone"])
        page.set_default_timeout(TIMEOUT_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda message: faults.append(message.text) if message.type == "error" else None,
        )
        await page.add_init_script(f"localStorage.setItem('parley.settings', '{settings}')")
        await page.goto(f"http://127.0.0.1:{server.port}/")
        yield page
        assert faults == []
        await browser.close()


async def says(page: Page, selector: str, text: str) -> None:
    """Waits until an element says something."""
    await page.locator(selector, has_text=text).first.wait_for()


def microphone(directory: Path, *parts: np.ndarray) -> Path:
    """The file that the browser takes for its microphone; capture begins with it."""
    file = directory / "microphone.wav"
    write_wav(file, np.concatenate([np.zeros(12_000, np.float32), *parts]), 16_000)
    return file


def test_spoken_questions_are_answered_in_words_and_sound(builtin, tmp_path):
    asyncio.run(spoken_questions(builtin, tmp_path))


async def spoken_questions(assistant: Assistant, directory: Path) -> None:
    spoken = microphone(directory, question("capital_of_france", 5.5), question("hello", 1.0))
    async with serving_model(assistant) as server, page_of(server, spoken) as page:
        await says(page, "#model", "builtin")
        await page.click("#talk")
        await says(page, "#talk", "Hang up")
        await page.evaluate(RECORD)
        await says(page, "#log .you", "capital of")
        await says(page, "#log .parley", "The capital of France is Paris.")
        await says(page, ".strip", "heard by you")
        await says(page, "#floor", "Listening.")
        sound = read_audio(base64.b64decode(await page.evaluate("stopRecording()"))).samples
        await says(page, "#log .parley", "Hello")
        assert await page.locator("#save-text").is_enabled()
        assert await page.locator("#save-sound").is_enabled()
        await page.click("#talk")
        await says(page, "#floor", "The call is over.")
        async with asyncio.timeout(10):
            while len(server.sessions):
                await asyncio.sleep(0.05)
    assert np.abs(sound).max() > 0.05
    # The built-in model's own ear is weak, so the rise and fall of the sound is compared as well.
    words = "the capital of france is paris".split()
    heard = transcribe(assistant, sound).lower().split()
    assert sum(word in heard for word in words) >= 3, heard
    with open_synthesizer() as synthesizer:
        spoken_reply = speak("The capital of France is Paris.", synthesizer).samples
    assert likeness(envelope(sound), envelope(spoken_reply)) > 0.85


def envelope(sound: np.ndarray) -> np.ndarray:
    """Loudness of every 20 ms."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    return np.sqrt(np.mean(frames**2, axis=1))


def likeness(found: np.ndarray, wanted: np.ndarray) -> float:
    """The best correlation of `wanted` with any stretch of `found`."""
    found = np.pad(found, len(wanted))
    stretches = np.lib.stride_tricks.sliding_window_view(found, len(wanted))
    stretches = stretches[stretches.std(1) > 0]
    return max(float(np.corrcoef(stretch, wanted)[0, 1]) for stretch in stretches)


def transcribe(assistant: Assistant, sound: np.ndarray) -> str:
    """What a recording says, without the silence around it."""
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    conversation = Conversation(assistant)
    conversation.listen(sound[max(0, loud[0] - 3200) : loud[-1] + 3200])
    conversation.end_speech()
    return conversation.transcribe()


def test_caller_who_interrupts_is_heard_and_the_rest_is_struck_out(builtin, tmp_path):
    asyncio.run(interruption(builtin, tmp_path))


async def interruption(assistant: Assistant, directory: Path) -> None:
    spoken = microphone(directory, question("capital_of_france", 20.0))
    slowly = '{"speed": 0.5}'  # so that there is time to interrupt
    async with serving_model(assistant) as server, page_of(server, spoken, slowly) as page:
        await page.click("#talk")
        await says(page, "#floor", "Parley has the floor.")
        await page.click("text=What is two plus three?")
        unheard = page.locator("#log .unheard")
        await unheard.wait_for()
        assert (await unheard.inner_text()).strip().endswith("Paris.")
        await says(page, "#log .parley", "five")


def test_typed_question_is_answered_without_a_microphone(builtin, tmp_path):
    async def body() -> None:
        spoken = microphone(tmp_path)
        async with serving_model(builtin) as server, page_of(server, spoken) as page:
            await page.fill("#text", "what is the capital of france")
            await page.press("#text", "Enter")
            await says(page, "#log .you", "what is the capital of france")
            await says(page, "#log .parley", "Paris")
            await says(page, "#floor", "Parley has the floor.")
            await page.click("#stop")
            await says(page, "#floor", "Listening.")

    asyncio.run(body())
