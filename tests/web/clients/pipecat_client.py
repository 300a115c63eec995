"""pipecat's OpenAI Realtime service, in the pipeline of a bot that greets first."""

import asyncio
import sys

from common import (
    INSTRUCTIONS,
    RATE_HZ,
    WEATHER,
    Answer,
    Microphone,
    Report,
    print_report,
    talk,
)
from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SemanticTurnDetection,
    SessionProperties,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner


class Speaker(BaseOutputTransport):
    """Plays as fast as the microphone runs, which tells the pipeline when the bot is heard."""

    async def start(self, frame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame) -> bool:
        return True


class Listener(FrameProcessor):
    """Notes what comes out of the service."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report
        self.answer = self.greeting = Answer()

    def listen(self, answer: Answer) -> None:
        self.answer = answer

    async def process_frame(self, frame, direction) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSAudioRawFrame():
                self.answer.hear(len(frame.audio))
            case TTSTextFrame():
                self.answer.text += frame.text
            case LLMFullResponseEndFrame():
                self.answer.response_is_over()
            case InterruptionFrame():
                self.report.interruptions += 1
            case ErrorFrame():
                self.report.errors.append(frame.error)
        await self.push_frame(frame, direction)


async def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    report, microphone = Report(), Microphone()

    async def get_weather(params) -> None:
        report.calls.append(dict(params.arguments))
        await params.result_callback({"temperature": 21, "condition": "sunny"})

    city = {"city": {"type": "string"}}
    tool = FunctionSchema("get_weather", WEATHER, city, ["city"], handler=get_weather)
    hearing = AudioInput(
        transcription=InputAudioTranscription(), turn_detection=SemanticTurnDetection()
    )
    service = OpenAIRealtimeLLMService(
        api_key="none",
        base_url=sys.argv[1].replace("http", "ws", 1) + "/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction=INSTRUCTIONS,
            session_properties=SessionProperties(audio=AudioConfiguration(input=hearing)),
        ),
    )
    context = LLMContext([{"role": "user", "content": "hello"}], ToolsSchema(standard_tools=[tool]))
    aggregators = LLMContextAggregatorPair(context)
    listener = Listener(report)
    speaker = Speaker(TransportParams(audio_out_enabled=True))
    pipeline = Pipeline([aggregators.user(), service, listener, speaker, aggregators.assistant()])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
    )

    async def speak() -> None:
        async for frame in microphone.frames():
            await worker.queue_frame(InputAudioRawFrame(frame, RATE_HZ, 1))

    async def run() -> None:
        await worker.queue_frame(LLMRunFrame())
        speaking = asyncio.create_task(speak())
        await listener.greeting.end()
        await talk(report, microphone, listener.listen)
        speaking.cancel()
        report.heard += [
            message["content"] for message in context.messages if message["role"] == "user"
        ][1:]
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), run())
    print_report(report)


asyncio.run(main())
