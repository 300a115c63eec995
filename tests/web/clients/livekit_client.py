"""livekit-agents' OpenAI Realtime plugin, in an agent session of its own without a room."""

import asyncio
import sys
from collections.abc import AsyncIterator

from common import (
    INSTRUCTIONS,
    RATE_HZ,
    RESULT,
    SPEED,
    WEATHER,
    Answer,
    Microphone,
    Report,
    print_report,
    talk,
)
from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai


class Ear(io.AudioInput):
    """The microphone, as livekit takes it in."""

    def __init__(self, microphone: Microphone) -> None:
        super().__init__(label="microphone")
        self._frames: AsyncIterator[bytes] = microphone.frames()

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await anext(self._frames)
        return rtc.AudioFrame(frame, RATE_HZ, 1, len(frame) // 2)


class Speaker(io.AudioOutput):
    """Plays as fast as the microphone runs, and tells when it has."""

    def __init__(self) -> None:
        super().__init__(
            label="speaker",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=RATE_HZ,
        )
        self.answer = Answer()
        self._pushed_s = self._began_s = 0.0
        self._playing: asyncio.Task[None] | None = None

    def listen(self, answer: Answer) -> None:
        self.answer = answer

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._pushed_s += frame.duration
        self.answer.hear(2 * frame.samples_per_channel)

    def flush(self) -> None:
        super().flush()
        seconds, self._pushed_s = self._pushed_s, 0.0
        if seconds:
            self._began_s = asyncio.get_running_loop().time()
            self._playing = asyncio.create_task(self._play(seconds))

    def clear_buffer(self) -> None:
        if self._playing is not None and not self._playing.done():
            self._playing.cancel()
            played_s = (asyncio.get_running_loop().time() - self._began_s) * SPEED
            self.on_playback_finished(playback_position=played_s, interrupted=True)

    async def _play(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)
        self.on_playback_finished(playback_position=seconds, interrupted=False)


async def main() -> None:
    report, microphone, speaker = Report(), Microphone(), Speaker()

    @function_tool(description=WEATHER)
    async def get_weather(city: str) -> str:
        report.calls.append({"city": city})
        return RESULT

    session = AgentSession(
        llm=openai.realtime.RealtimeModel(api_key="none", base_url=f"{sys.argv[1]}/v1")
    )
    session.input.audio, session.output.audio = Ear(microphone), speaker

    @session.on("conversation_item_added")
    def note(event) -> None:
        if getattr(event.item, "role", None) == "assistant":
            speaker.answer.text += event.item.text_content or ""
            report.interruptions += event.item.interrupted
            speaker.answer.response_is_over()

    @session.on("user_input_transcribed")
    def note_heard(event) -> None:
        if event.is_final:
            report.heard.append(event.transcript)

    session.on("error", lambda event: report.errors.append(str(event.error)))
    await session.start(Agent(instructions=INSTRUCTIONS, tools=[get_weather]))
    await talk(report, microphone, speaker.listen)
    await session.generate_reply(instructions="Say goodbye.")
    print_report(report)
    await session.aclose()


asyncio.run(main())
