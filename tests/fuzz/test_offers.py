"""SDP offers: answered, or refused with a code; and nothing is left of a call that was refused."""

import asyncio
import gc
import json
import logging
import os
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hypothesis import strategies as st

from tests.fuzz.client_events import SKELETONS
from tests.fuzz.mutation import as_json, corrupted, mangled, mutate
from tests.fuzz.offers import AIORTC, CHROMIUM
from tests.fuzz.witness import TALK, ProtocolWitness
from tests.web.media.network import accept, new_peer, offer_of, until
from tests.web.scripted import ScriptedSession
from tests.web.served import INFO, client_of
from web.app import Server
from web.media.aiortc_call import AiortcCall
from web.settings import ServerSettings

pytestmark = pytest.mark.timeout(3600)

PATIENCE_S = 20
"""For an answer, and for what a call leaves behind to be gone: neither takes a second."""

NUMBERS = ("0", "-1", "1", "255", "65536", "4294967296", "9" * 30, "1.5", "nan", "٣", "0x1f", "")
WORDS = ("", " ", "*", "opus/48000/2", "OPUS/48000", "opus/0", "opus/48000/0", "sha-256 zz", "AA")
ADDRESSES = ("0.0.0.0", "127.0.0.1", "::1", "a.local", "A.LOCAL", "a.local.", "nowhere.invalid")
LINES = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "m=audio 0 RTP/AVP 0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "m=audio",
    "m=text 9 UDP 1",
    "a=group:BUNDLE 0 1 2 3",
    "a=group:BUNDLE",
    "a=group:LS 0 0",
    "a=mid:0",
    "a=mid:",
    "a=setup:active",
    "a=setup:passive",
    "a=setup:holdconn",
    "a=inactive",
    "a=sendonly",
    "a=recvonly",
    "a=ice-lite",
    "a=ice-ufrag:",
    "a=ice-pwd:" + "a" * 300,
    "a=ice-options:trickle",
    "a=fingerprint:md5 AA:BB",
    "a=fingerprint:sha-256 " + ":".join(["00"] * 32),
    "a=candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
    "a=candidate:1 2 udp 1 127.0.0.1 9 typ relay raddr 0.0.0.0 rport 0",
    "a=candidate:1 1 udp 1 a.local 9 typ host",
    "a=candidate:",
    "a=end-of-candidates",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:",
    "a=fmtp:111 " + "a=b;" * 100,
    "a=fmtp:111",
    "a=fmtp:111 minptime",
    "a=rtcp-fb:111 nack pli",
    "a=ssrc:1 cname:a",
    "a=ssrc-group:FID 1 2",
    "a=ssrc:",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:1/sendonly",
    "a=sctp-port:0",
    "a=sctpmap:5000 webrtc-datachannel 65535",
    "a=max-message-size:-1",
    "a=rtcp:9 IN IP4",
    "c=IN IP6 ::1",
    "c=IN",
    "b=AS:0",
    "t=",
    "=",
    "a",
    "a=" + "x" * 5000,
)


@st.composite
def offers(draw) -> str:
    """An offer in which lines are gone, doubled, moved, odd, or have something odd in them."""
    lines = draw(st.sampled_from((CHROMIUM, AIORTC))).splitlines()
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3, 5)))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 7)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case 2:
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case 3:
                lines.insert(at, draw(st.sampled_from(LINES)))
            case 4:
                lines[at] = lines[at].partition(":")[0] + draw(st.sampled_from((":", "", ": ")))
            case 5:
                lines[at] = mangled(draw, lines[at], (*NUMBERS, *WORDS, *ADDRESSES, ":", "\r", "é"))
            case _:
                words = lines[at].split(" ")
                word = draw(st.sampled_from((*NUMBERS, *WORDS, *ADDRESSES)))
                words[draw(st.integers(0, len(words) - 1))] = word
                lines[at] = " ".join(words)
    text = draw(st.sampled_from(("\r\n", "\r\n", "\n"))).join([*lines, ""])
    return mangled(draw, text) if draw(st.integers(0, 9)) == 0 else text


FORM = "multipart/form-data; boundary=edge"
SESSIONS = [each["session"] for each in SKELETONS if each["type"] == "session.update"]
TYPES = ("application/sdp", FORM, "multipart/form-data", "text/plain", "application/json", "a")


@st.composite
def call_requests(draw) -> tuple[str, bytes]:
    """Content type and body."""
    offer = draw(offers()).encode("utf-8", "replace")
    match draw(st.integers(0, 19)):
        case 0:
            return draw(st.sampled_from(TYPES)), offer
        case 1:
            return "application/sdp", corrupted(draw, offer)
        case 2 | 3:
            session = json.loads(json.dumps(draw(st.sampled_from(SESSIONS))))
            for _ in range(draw(st.integers(0, 2))):
                mutate(draw, session)
            parts = {"sdp": offer, "session": as_json(session).encode()}
            form = b"".join(
                f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
                + part
                + b"\r\n"
                for name, part in parts.items()
            )
            form += b"--edge--\r\n"
            return FORM, corrupted(draw, form) if draw(st.booleans()) else form
    return "application/sdp", offer


class Calls:
    """A server, a live call to it that must stay, and all calls that it ever opened."""

    def __init__(self) -> None:
        self.opened: weakref.WeakSet[AiortcCall] = weakref.WeakSet()
        self.faults: list[dict] = []
        self.told: list[str] = []

    def _open_call(self, *given) -> AiortcCall:
        call = AiortcCall(*given)
        self.opened.add(call)
        return call

    @asynccontextmanager
    async def serve(self):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: self.faults.append(context))
        settings = ServerSettings(port=0, drain_s=0.0)
        self.server = Server(ScriptedSession, INFO, settings, open_call=self._open_call)
        await self.server.start()
        async with client_of(self.server) as self.http:
            peer = new_peer()
            peer.addTransceiver("audio")
            self.channel = peer.createDataChannel("oai-events")
            self.channel.on("message", self.told.append)
            headers = {"Content-Type": "application/sdp"}
            async with self.http.post(
                "/v1/realtime/calls", data=await offer_of(peer), headers=headers
            ) as response:
                assert response.status == 201
                await accept(peer, await response.text())
            await until(lambda: self.told, PATIENCE_S)
            self.before = _in_use()
            try:
                yield self
            finally:
                await peer.close()
                await self.server.stop()
                loop.set_exception_handler(None)

    async def attempt(self, requests, alone) -> None:
        witness = SocketWitness(self.http)
        await witness.open()
        for kind, body in requests:
            async with asyncio.timeout(PATIENCE_S):
                await self._request(kind, body)
            await witness.go_on()
        assert await witness.result() == alone
        before = len(self.told)
        self.channel.send('{"type": "response.cancel", "response_id": "last"}')
        await until(lambda: len(self.told) > before, PATIENCE_S)
        assert "response_cancel_not_active" in self.told[-1]
        await until(lambda: len(self.server.sessions) == 1, PATIENCE_S)
        await until(lambda: _in_use() <= self.before, PATIENCE_S)
        assert self.faults == []

    async def _request(self, kind: str, body: bytes) -> None:
        headers = {"Content-Type": kind}
        async with self.http.post("/v1/realtime/calls", data=body, headers=headers) as response:
            text = await response.text()
            if response.status == 201:
                assert text.startswith("v=0")
                async with self.http.post(f"{response.headers['Location']}/hangup") as ended:
                    assert ended.status in (200, 404)
                return
            assert 400 <= response.status < 500, text
            error = json.loads(text)["error"]
            assert error["code"] in CODES, error
            assert error["message"]


CODES = (
    "invalid_offer",
    "invalid_value",
    "invalid_type",
    "invalid_json",
    "missing_required_parameter",
    "unsupported_content_type",
    "unsupported_parameter",
    "unsupported_session_type",
    "unsupported_tool",
)


def _in_use() -> Counter[str]:
    """Tasks of the loop, and open files; `<=` compares each of the two."""
    return Counter(tasks=len(asyncio.all_tasks()), files=len(os.listdir("/proc/self/fd")))


class SocketWitness(ProtocolWitness):
    """Says `TALK` by a WebSocket of the same server."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._rest = iter(TALK)
        self._told: list[dict] = []

    async def open(self) -> None:
        self._socket = await self._http.ws_connect("/v1/realtime")

    async def go_on(self) -> None:
        if (event := next(self._rest, None)) is not None:
            await self._socket.send_json(event)

    async def result(self):
        for event in self._rest:
            await self._socket.send_json(event)
        await self._socket.send_json({"type": "response.cancel", "response_id": "last"})
        async with asyncio.timeout(PATIENCE_S):
            while not self._told or "'last'" not in json.dumps(self._told[-1]):
                self._told.append(await self._socket.receive_json())
        await self._socket.close()
        session = self._told[0]["session"]["id"]
        events = json.loads(json.dumps(self._told).replace(session, "sess"))
        for event in events:
            event.get("session", {}).pop("expires_at", None)
        return events


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nothing is logged: pytest keeps every record."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="files are counted on Linux only")
def test_any_offer_is_answered_or_refused(effort, quiet):
    calls = Calls()
    with asyncio.Runner() as runner:
        context = calls.serve()
        runner.run(context.__aenter__())
        try:
            witness = SocketWitness(calls.http)
            runner.run(witness.open())
            alone = runner.run(witness.result())
            effort.spend(
                "SDP offers",
                call_requests(),
                10,
                lambda requests: runner.run(calls.attempt(requests, alone)),
                shrinks=False,
            )
            gc.collect()
            assert len(calls.opened) <= 2  # the witness's, and one that a frame still holds
        finally:
            runner.run(context.__aexit__(None, None, None))
