"""OpenAI's agents SDK for JavaScript, unmodified, in Chromium, on a page of another site.

npm brings the package once, into pytest's cache; without npm or a network the test is skipped.
"""

import asyncio
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from playwright.async_api import async_playwright

from tests.web.browser import CHROMIUM, TIMEOUT_MS, arguments_of, microphone
from tests.web.served import question, serving_model, weather_question
from voice.assistant import Assistant

PACKAGE = "@openai/agents-realtime@0.20.0"
BUNDLE = "package/dist/bundle/openai-realtime-agents.umd.js"

BETWEEN_S = 15.0
"""Silence after the first question, in which it is answered and the answer interrupted."""

TALK = """async ([address, key]) => {
  const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebRTC, tool } = OpenAIAgentsRealtime;
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${address}/v1/realtime/calls` });
  window.calls = [];
  const weather = tool({
    name: "get_weather",
    description: "The weather of a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
    execute: async (given) => { calls.push(given); return "21 degrees, sunny"; },
  });
  const agent = new RealtimeAgent({ name: "test", instructions: "", tools: [weather] });
  window.session = new RealtimeSession(agent, { transport, model: "gpt-realtime" });
  window.errors = [];
  window.events = [];
  session.on("error", (error) => errors.push(JSON.stringify(error)));
  session.on("transport_event", (event) => events.push(event.type));
  await session.connect({ apiKey: key });
}"""

TRANSCRIPTS = """() => session.history.filter((item) => item.role === "assistant")
  .map((item) => item.content.map((part) => part.transcript ?? "").join("")).join("|")"""

IS_SILENT = """() => events.lastIndexOf("output_audio_buffer.started") <
  events.lastIndexOf("output_audio_buffer.stopped")"""


@pytest.fixture(scope="module")
def bundle(request: pytest.FixtureRequest) -> Path:
    """The SDK as one file for browsers."""
    directory = Path(request.config.cache.mkdir("agents-realtime"))  # type: ignore[union-attr]
    file = directory / BUNDLE
    if file.exists():
        return file
    npm = shutil.which("npm")
    reason = "NO npm, or no network: OpenAI's agents SDK was not tested"
    if CHROMIUM and npm:
        command = [npm, "pack", "--silent", PACKAGE, "--pack-destination", str(directory)]
        if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0:
            (archive,) = directory.glob("*.tgz")
            with tarfile.open(archive) as tar:
                tar.extract(BUNDLE, directory, filter="data")
            return file
    print(f"\n{reason}", file=sys.__stderr__)
    pytest.skip(reason)


def test_agents_sdk_holds_a_spoken_conversation_with_a_call(builtin, bundle, tmp_path):
    asyncio.run(conversation(builtin, bundle, tmp_path))


async def conversation(assistant: Assistant, bundle: Path, directory: Path) -> None:
    other_site, origin = await serve_page(bundle)
    silence = np.zeros(60 * 16_000, np.float32)
    spoken = microphone(
        directory, question("capital_of_france", BETWEEN_S), weather_question(), silence
    )
    async with (
        serving_model(assistant, allowed_origins=(origin,)) as server,
        async_playwright() as playwright,
    ):
        address = f"http://127.0.0.1:{server.port}"
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments_of(spoken)
        )
        page = await browser.new_page(permissions=["microphone"])
        page.set_default_timeout(TIMEOUT_MS)
        await page.goto(origin)
        secret = await (
            await page.request.post(f"{address}/v1/realtime/client_secrets", data={})
        ).json()
        await page.evaluate(TALK, [address, secret["value"]])
        await page.wait_for_function(f"({TRANSCRIPTS})().includes('Paris')")
        await page.wait_for_function("() => events.includes('output_audio_buffer.started')")
        await page.evaluate("() => session.interrupt()")
        await page.wait_for_function("() => events.includes('output_audio_buffer.cleared')")
        # The microphone goes on to its second question.
        await page.wait_for_function(f"({TRANSCRIPTS})().includes('21 degrees and sunny')")
        assert await page.evaluate("calls") == [{"city": "Paris"}]
        await page.wait_for_function(IS_SILENT)
        await page.evaluate("() => session.sendMessage('what is two plus three')")
        await page.wait_for_function(f"({TRANSCRIPTS})().includes('five')")
        assert await page.evaluate("errors") == []
        await page.evaluate("() => session.close()")
        async with asyncio.timeout(10):
            while len(server.sessions):
                await asyncio.sleep(0.05)
        await browser.close()
    await other_site.cleanup()


async def serve_page(bundle: Path) -> tuple[web.AppRunner, str]:
    """A page with the SDK and nothing else; returns its server and its origin."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<script src='/sdk.js'></script>", content_type="text/html")

    async def sdk(request: web.Request) -> web.FileResponse:
        return web.FileResponse(bundle)

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/sdk.js", sdk)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
