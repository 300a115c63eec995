"""Parley's page in a real browser: three questions in one call, barge-in, and typing."""

import asyncio
import time
from pathlib import Path

import jiwer
import numpy as np
from playwright.async_api import Locator

from tests.speech import speak
from tests.web.browser import (
    RATE_HZ,
    all_transcribed,
    likeness,
    microphone,
    needs_chromium,
    page_of,
    recorded,
    says,
    server_events,
    speak_now,
    transcribe,
    utterances,
    words_of,
)
from tests.web.served import question, serving_model
from voice.ask import ask
from voice.assistant import Assistant
from voice.tts.synthesizer import open_synthesizer

pytestmark = needs_chromium()

QUESTIONS = (
    ("opposite_of_hot", "what is the opposite of hot", "cold"),
    ("two_plus_three", "what is two plus three", "five"),
    ("day_after_monday", "what day comes after monday", "tuesday"),
)
"""Samples, what they say, and a word of the right answer."""

SPEECH_S = 4.0
"""More than any of the answers is long."""

TOLERATED_WORD_ERRORS = 0.34
"""Of the model's own ear, on questions and on what the browser has recorded."""


def test_three_spoken_questions_are_answered_in_words_and_sound(builtin, tmp_path):
    asyncio.run(three_questions(builtin, tmp_path))


async def three_questions(assistant: Assistant, directory: Path) -> None:
    pause_s = SPEECH_S + thinking_time_s(assistant)
    spoken = microphone(directory, *(question(name, pause_s) for name, *_ in QUESTIONS))
    async with (
        serving_model(assistant, media_processes=1) as server,
        page_of(server, spoken) as page,
    ):
        await says(page, "#model", "builtin")
        await page.click("#talk")
        await says(page, "#talk", "Hang up")
        for number in range(len(QUESTIONS)):
            strip = page.locator("#log .parley .strip", has_text="heard by you").nth(number)
            await strip.wait_for()
        await all_transcribed(page, len(QUESTIONS))
        await says(page, "#floor", "Listening.")
        strips = [await marks(strip) for strip in await page.locator(".strip").all()]
        asked = await page.locator("#log .you .words").all_inner_texts()
        answered = await page.locator("#log .parley .words").all_inner_texts()
        sounds = utterances(await recorded(page))
        assert await page.locator("#save-text").is_enabled()
        assert await page.locator("#save-sound").is_enabled()
        await page.click("#talk")
        await says(page, "#floor", "The call is over.")
        async with asyncio.timeout(10):
            while len(server.sessions):
                await asyncio.sleep(0.05)
    # What is heard was sent before, by whichever clock.
    assert all(strip["heard by you"] > strip["sent"] >= strip["turn over"] for strip in strips)
    assert len(asked) == len(answered) == len(sounds) == len(QUESTIONS)
    with open_synthesizer() as synthesizer:
        for (_, words, right), heard, answer, sound in zip(
            QUESTIONS, asked, answered, sounds, strict=True
        ):
            assert word_errors(words, words_of(heard)) <= TOLERATED_WORD_ERRORS, heard
            assert right in words_of(answer), answer
            # An ear that is no judge of one word is helped by the rise and fall of all of them.
            said = transcribe(assistant, sound)
            assert word_errors(answer, said) <= TOLERATED_WORD_ERRORS, (answer, said)
            assert likeness(sound, speak(answer, synthesizer, before_s=0, after_s=0).samples) > 0.8


async def marks(strip: Locator) -> dict[str, int]:
    """The figures of a latency strip, ms."""
    names = await strip.locator("dt").all_inner_texts()
    values = await strip.locator("dd").all_inner_texts()
    return {
        name.removeprefix("● "): int(value.removesuffix(" ms"))
        for name, value in zip(names, values, strict=True)
    }


def thinking_time_s(assistant: Assistant) -> float:
    """How long the caller has to wait for an answer on a machine as busy as this one, amply."""
    longest_s = 0.0
    for name, *_ in QUESTIONS:
        start_s = time.monotonic()
        ask(assistant, question(name, 0.3))
        longest_s = max(longest_s, time.monotonic() - start_s)
    return 1.0 + 4.0 * longest_s


def word_errors(wanted: str, found: list[str]) -> float:
    """The word error rate."""
    return float(jiwer.wer(" ".join(words_of(wanted)), " ".join(found)))


def test_caller_who_interrupts_is_heard_and_the_rest_is_struck_out(builtin):
    asyncio.run(interruption(builtin))


async def interruption(assistant: Assistant) -> None:
    slowly = {"speed": 0.5}  # so that there is time to interrupt
    async with (
        serving_model(assistant, media_processes=1) as server,
        page_of(server, None, slowly) as page,
    ):
        await page.click("#talk")
        await says(page, "#talk", "Hang up")
        await speak_now(page, question("capital_of_france"))
        await says(page, "#floor", "Parley has the floor.")
        await speak_now(page, question("two_plus_three"))
        line = page.locator("#log .parley .words").first
        await line.locator(".unheard").wait_for()
        await page.locator("#log .parley").nth(1).wait_for()
        shown = await line.inner_text()
        unheard = await line.locator(".unheard").inner_text()
        heard = shown.removesuffix(unheard)
        await says(page, "#log .parley", "five")
        await says(page, "#floor", "Listening.")
        (truncated,) = await server_events(page, "conversation.item.truncated")
        (cleared,) = await server_events(page, "output_audio_buffer.cleared")
        (retrieved,) = await server_events(page, "conversation.item.retrieved")
        created = await server_events(page, "response.created")
        sounds = utterances(await recorded(page), pause_s=0.8)
    assert len(sounds) == 2
    # What is left in the history is what was heard: in the list, on the page, and by the clock.
    assert retrieved["item"]["status"] == "incomplete"
    assert retrieved["item"]["content"][0]["transcript"].strip() == heard.strip()
    assert heard.strip()
    assert unheard.strip().endswith("Paris.")
    assert cleared["response_id"] == created[0]["response"]["id"]
    played = np.flatnonzero(np.abs(sounds[0]) > 0.01)
    played_ms = 1000 * (played[-1] - played[0]) / RATE_HZ
    assert abs(played_ms - truncated["audio_end_ms"]) < 150
    # It was faded out, over 10 ms: its last 2 ms are far softer than what was said before.
    end, ms = played[-1] + 1, RATE_HZ // 1000
    level = np.abs(sounds[0])
    assert level[end - 2 * ms : end].max() < 0.5 * level[end - 300 * ms : end - 10 * ms].max()


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
