"""The server's routes over real HTTP, with scripted sessions."""

import asyncio
import base64
import contextlib
import json

import aiohttp
import pytest

from tests.web.media.network import new_peer, offer_of
from tests.web.scripted import ScriptedSession
from tests.web.served import client_of, serving
from voice import session_events as told
from voice.errors import TemplateError, VoiceError

SOUND = base64.b64encode(bytes(4800)).decode()


def run(test, *arguments, **settings):
    """Runs an async test with a server and a client of it."""

    async def body() -> None:
        async with serving(*arguments, **settings) as server, client_of(server) as client:
            await test(server, client)

    asyncio.run(body())


async def events_until(socket: aiohttp.ClientWebSocketResponse, kind: str) -> list[dict]:
    """The events up to and including the first of a kind."""
    events: list[dict] = []
    async with asyncio.timeout(10):
        while not events or events[-1]["type"] != kind:
            events.append(await socket.receive_json())
    return events


def test_health_model_page_and_metrics_are_there():
    async def test(server, client):
        health = await (await client.get("/healthz")).json()
        assert health == {"status": "ok", "model": "builtin", "sessions": 0}
        models = await (await client.get("/v1/models")).json()
        assert models["data"][0]["id"] == "builtin"
        info = await (await client.get("/parley.json")).json()
        assert info["note"] == "A demonstration."
        page = await client.get("/")
        assert page.content_type == "text/html"
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert "parley_sessions" in await (await client.get("/metrics")).text()

    run(test)


def test_socket_carries_a_spoken_turn():
    async def test(server, client):
        async with client.ws_connect("/v1/realtime?model=gpt-realtime") as socket:
            await socket.send_json({"type": "input_audio_buffer.append", "audio": SOUND})
            await socket.send_json({"type": "input_audio_buffer.commit"})
            events = await events_until(socket, "response.done")
            assert events[0]["type"] == "session.created"
            assert "response.output_audio.delta" in [each["type"] for each in events]
            assert len(server.sessions) == 1
        metrics = await (await client.get("/metrics")).text()
        assert 'parley_responses_total{status="completed"} 1.0' in metrics
        assert 'parley_turn_latency_seconds_count{stage="heard"} 1.0' in metrics
        assert 'parley_sessions{transport="websocket"} 0.0' in metrics
        assert len(server.sessions) == 0

    run(test)


def test_socket_answers_nonsense_with_errors_and_goes_on():
    async def test(server, client):
        async with client.ws_connect("/v1/realtime") as socket:
            for message in ("", "nonsense", "[]", '{"type": "x"}', '{"type": null}'):
                await socket.send_str(message)
                assert (await events_until(socket, "error"))[-1]["error"]["code"]
            await socket.send_bytes(b"\0\1\2")
            assert (await events_until(socket, "error"))[-1]["error"]["code"] == "invalid_event"
            append = {"type": "input_audio_buffer.append", "audio": "*", "event_id": "e1"}
            await socket.send_json(append)
            error = (await events_until(socket, "error"))[-1]["error"]
            assert (error["code"], error["event_id"]) == ("invalid_base64", "e1")
            await socket.send_json({"type": "session.update", "session": {"type": "realtime"}})
            await events_until(socket, "session.updated")

    run(test)


def test_message_that_is_too_long_ends_the_socket_and_nothing_else():
    async def test(server, client):
        async with client.ws_connect("/v1/realtime") as socket:
            await socket.receive_json()
            with contextlib.suppress(ConnectionError):  # it is not read to its end
                await socket.send_str("x" * (25 << 20))
            async with asyncio.timeout(10):
                while len(server.sessions):
                    await asyncio.sleep(0.01)
        async with client.ws_connect("/v1/realtime") as socket:
            await socket.receive_json()

    run(test)


def test_sessions_are_limited():
    async def test(server, client):
        async with client.ws_connect("/v1/realtime") as socket:
            await socket.receive_json()
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.ws_connect("/v1/realtime")
            assert caught.value.status == 503
            assert caught.value.headers["Retry-After"]

    run(test, max_sessions=1)


def test_session_that_cannot_be_opened_is_refused_with_its_reason():
    def refuse(config, emit, is_pushed):
        raise VoiceError("the model has no room: try later")

    async def test(server, client):
        response = await client.get("/v1/realtime", headers=_upgrade())
        assert response.status == 503
        assert (await response.json())["error"]["message"] == "the model has no room: try later"
        assert len(server.sessions) == 0

    run(test, refuse)


def test_session_that_fails_closes_its_socket_with_an_error():
    sessions: list[ScriptedSession] = []

    def remember(*arguments):
        sessions.append(ScriptedSession(*arguments))
        return sessions[-1]

    async def test(server, client):
        async with client.ws_connect("/v1/realtime") as socket:
            await socket.receive_json()
            sessions[0].emit(told.SessionEnded(error=RuntimeError("out of memory")))
            error = (await events_until(socket, "error"))[-1]["error"]
            assert (error["type"], error["message"]) == ("server_error", "out of memory")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert len(server.sessions) == 0

    run(test, remember)


def test_page_of_another_site_is_refused():
    async def test(server, client):
        headers = {"Origin": "https://evil.example"}
        for path in ("/v1/realtime", "/parley.json"):
            response = await client.get(path, headers={**_upgrade(), **headers})
            assert response.status == 403
        response = await client.post("/v1/realtime/calls", headers=headers, data="v=0")
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers

    run(test)


def test_page_of_an_allowed_site_is_let_in_after_its_preflight():
    async def test(server, client):
        headers = {
            "Origin": "https://talk.example",
            "Access-Control-Request-Headers": "authorization, x-openai-agents-sdk",
        }
        response = await client.options("/v1/realtime/calls", headers=headers)
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://talk.example"
        assert "x-openai-agents-sdk" in response.headers["Access-Control-Allow-Headers"]
        assert response.headers["Access-Control-Expose-Headers"] == "Location"

    run(test, allowed_origins=("https://talk.example",))


def test_proxied_visitor_needs_a_key_and_a_secret_will_do():
    async def test(server, client):
        far = {"X-Forwarded-For": "8.8.8.8"}
        assert (await client.get("/parley.json", headers=far)).status == 401
        keyed = {**far, "Authorization": "Bearer top-secret"}
        body = {"expires_after": {"seconds": 60}, "session": {"instructions": "Be brief."}}
        secrets = "/v1/realtime/client_secrets"
        assert (await client.post(secrets, headers=far, json=body)).status == 401
        made = await (await client.post(secrets, headers=keyed, json=body)).json()
        assert made["session"]["instructions"] == "Be brief."
        with_secret = {**far, "Authorization": f"Bearer {made['value']}"}
        async with client.ws_connect("/v1/realtime", headers=with_secret) as socket:
            created = await socket.receive_json()
            assert created["session"]["instructions"] == "Be brief."
        assert (await client.get("/metrics", headers=with_secret)).status == 401
        assert (await client.post(secrets, headers=with_secret, json=body)).status == 401

    run(test, api_key="top-secret")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "invalid_json"),
        ('{"expires_after": {"seconds": 1}}', "invalid_value"),
        ('{"session": {"max_output_tokens": 0}}', "invalid_value"),
        ("[]", "invalid_type"),
    ],
)
def test_secret_that_cannot_be_is_refused(body, code):
    async def test(server, client):
        response = await client.post("/v1/realtime/client_secrets", data=body)
        assert response.status == 400
        assert (await response.json())["error"]["code"] == code

    run(test)


def test_call_whose_functions_the_template_cannot_write_is_refused():
    class Unwritable(ScriptedSession):
        def __init__(self, settings, emit, is_pushed):
            raise TemplateError("the chat template failed: check the functions' schemas")

    async def test(server, client):
        peer = new_peer()
        peer.addTransceiver("audio")
        response = await client.post(
            "/v1/realtime/calls",
            data=await offer_of(peer),
            headers={"Content-Type": "application/sdp"},
        )
        assert response.status == 400
        error = (await response.json())["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "session.tools")
        assert "schemas" in error["message"]
        assert (await client.get("/v1/realtime")).status == 400
        assert len(server.sessions) == 0

    run(test, Unwritable)


def test_call_is_answered_as_raw_sdp_and_as_a_form():
    async def test(server, client):
        peer = new_peer()
        peer.addTransceiver("audio")
        peer.createDataChannel("oai-events")
        offer = await offer_of(peer)
        response = await client.post(
            "/v1/realtime/calls", data=offer, headers={"Content-Type": "application/sdp"}
        )
        assert response.status == 201
        assert response.content_type == "application/sdp"
        assert (await response.text()).startswith("v=0")
        form = aiohttp.FormData()
        form.add_field("sdp", offer.encode(), content_type="application/sdp")
        session = json.dumps({"type": "realtime", "instructions": "Be brief."})
        form.add_field("session", session, content_type="application/json")
        second = await client.post("/v1/realtime/calls", data=form)
        assert second.status == 201
        assert len(server.sessions) == 2
        location = second.headers["Location"]
        connection = server.sessions.find(location.rpartition("/")[2]).connection
        assert connection.config.instructions == "Be brief."
        assert (await client.post(f"{location}/hangup")).status == 200
        assert (await client.post(f"{location}/hangup")).status == 404
        assert len(server.sessions) == 1
        await peer.close()

    run(test)


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/sdp", b"", "invalid_offer"),
        ("application/sdp", b"v=0\r\n", "invalid_offer"),
        ("application/sdp", b"\xff\xfe", "invalid_value"),
        ("application/sdp", b"v=0\r\n" + b"a" * 200_000, "invalid_offer"),
        ("application/json", b"{}", "unsupported_content_type"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "missing_required_parameter"),
        ("multipart/form-data", b"", "invalid_value"),
        ("multipart/form-data; boundary=b", b"--b\r\nA: \0\r\n\r\na\r\n--b--\r\n", "invalid_value"),
    ],
)
def test_call_that_cannot_be_is_refused_and_leaves_nothing(content_type, body, code):
    async def test(server, client):
        headers = {"Content-Type": content_type}
        response = await client.post("/v1/realtime/calls", data=body, headers=headers)
        assert response.status == 400
        assert (await response.json())["error"]["code"] == code
        assert len(server.sessions) == 0

    run(test)


def test_unsupported_sockets_are_refused():
    async def test(server, client):
        for query in ("call_id=x", "intent=transcription"):
            response = await client.get(f"/v1/realtime?{query}", headers=_upgrade())
            assert response.status == 400
            assert "not served" in (await response.json())["error"]["message"]

    run(test)


def test_samples_are_served_by_number_only():
    async def test(server, client):
        for path in ("/samples/0", "/samples/-1", "/samples/..%2f..%2fapp.py", "/samples/²"):
            assert (await client.get(path)).status == 404
        assert (await client.get("/static/../app.py")).status == 404

    run(test)


def test_stopping_server_lets_a_response_end_and_takes_nobody_in():
    sessions: list[ScriptedSession] = []

    def remember(*arguments):
        sessions.append(ScriptedSession(*arguments))
        return sessions[-1]

    async def test(server, client):
        async with client.ws_connect("/v1/realtime") as socket, client.ws_connect("/v1/realtime"):
            await socket.receive_json()
            response = told.ResponseInfo(id="r", status="in_progress")
            sessions[0].emit(told.ResponseCreated(response=response))
            stopping = asyncio.create_task(server.sessions.drain())
            async with asyncio.timeout(10):
                while not sessions[1].is_closed:
                    await asyncio.sleep(0.01)
            assert not sessions[0].is_closed
            assert (await client.get("/healthz")).status == 503
            assert (await client.get("/v1/realtime", headers=_upgrade())).status == 503
            done = told.ResponseInfo(id="r", status="completed")
            sessions[0].emit(told.ResponseDone(response=done))
            await stopping
            assert (await events_until(socket, "response.done"))[-1]
            assert sessions[0].is_closed

    run(test, remember, drain_s=60.0)


def _upgrade() -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    }
