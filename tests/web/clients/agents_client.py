"""OpenAI's agents SDK for Python, over a WebSocket."""

import asyncio
import sys

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner
from common import INSTRUCTIONS, RESULT, WEATHER, Answer, Microphone, Report, print_report, talk


async def main() -> None:
    set_tracing_disabled(True)
    report, microphone = Report(), Microphone()
    answer = Answer()

    @function_tool(description_override=WEATHER)
    def get_weather(city: str) -> str:
        report.calls.append({"city": city})
        return RESULT

    def ask(new: Answer) -> None:
        nonlocal answer
        answer = new

    async def listen(session) -> None:
        async for event in session:
            match event.type:
                case "audio":
                    answer.hear(len(event.audio.data))
                case "agent_end":
                    answer.response_is_over()
                case "audio_interrupted":
                    report.interruptions += 1
                case "error":
                    report.errors.append(str(event.error))
                case "raw_model_event" if event.data.type == "transcript_delta":
                    answer.text += event.data.delta
                case "raw_model_event" if event.data.type == "input_audio_transcription_completed":
                    report.heard.append(event.data.transcript)

    async def speak(session) -> None:
        async for frame in microphone.frames():
            await session.send_audio(frame)

    agent = RealtimeAgent(name="test", instructions=INSTRUCTIONS, tools=[get_weather])
    url = sys.argv[1].replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime"
    config = {"url": url, "api_key": "none"}
    async with await RealtimeRunner(agent).run(model_config=config) as session:
        tasks = [asyncio.create_task(each(session)) for each in (listen, speak)]
        await talk(report, microphone, ask)
        for task in tasks:
            task.cancel()
    print_report(report)


asyncio.run(main())
