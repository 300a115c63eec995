"""The HTTP server: routes, who may use them, and how it starts and stops."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voice.errors import VoiceError
from web.auth import (
    DEFAULT_SECRET_LIFETIME_S,
    SECRET_LIFETIME_S,
    Denied,
    Gate,
    Visitor,
)
from web.calls import Call, read_call_request
from web.media.aiortc_call import AiortcCall
from web.media.interface import MediaError, OfferError, OpenCall
from web.metrics import CONTENT_TYPE, Metrics
from web.realtime.config import SessionConfig, updated
from web.realtime.connection import OpenSession
from web.realtime.errors import ProtocolError, from_validation
from web.realtime.json_text import parse_json
from web.realtime.voice_settings import VoiceDefaults
from web.sessions import Sessions
from web.settings import MAX_REQUEST_BYTES, ServerInfo, ServerSettings
from web.sockets import Socket

STATIC = Path(__file__).with_name("static")

_LAG_PERIOD_S = 0.5
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _SecretRequest(BaseModel):
    """The body of `POST /v1/realtime/client_secrets`."""

    model_config = ConfigDict(extra="ignore")

    class _Expiry(BaseModel):
        seconds: int = Field(
            default=DEFAULT_SECRET_LIFETIME_S, ge=SECRET_LIFETIME_S[0], le=SECRET_LIFETIME_S[1]
        )

    expires_after: _Expiry = _Expiry()
    session: dict[str, object] = {}


class Server:
    """Serves the protocol and the page.

    Args:
        open_session: opens a session of the voice side.
        info: what the page shows.
        settings: of the server.
        defaults: what sessions do where their clients wish nothing else.
        open_call: the WebRTC binding.
    """

    def __init__(
        self,
        open_session: OpenSession,
        info: ServerInfo,
        settings: ServerSettings,
        defaults: VoiceDefaults | None = None,
        open_call: OpenCall = AiortcCall,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.sessions = Sessions(
            open_session, settings, defaults or VoiceDefaults(), self.metrics, time.monotonic
        )
        self._info = info
        self._config = SessionConfig(model=info.model)
        self._open_call = open_call
        self._gate = Gate(settings.api_key, settings.allowed_origins, time.time)
        self._runner: web.AppRunner | None = None
        self._lag_watch: asyncio.Task[None] | None = None
        self.app = self._make_app()

    async def start(self) -> None:
        """Listens; raises OSError where the port is taken."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self.settings.host, self.settings.port, ssl_context=self._tls()
        )
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._lag_watch = asyncio.create_task(self._watch_lag(), name="loop lag")

    async def stop(self) -> None:
        """Lets responses end that are being given, closes all sessions, and stops listening."""
        await self.sessions.drain()
        if self._lag_watch is not None:
            self._lag_watch.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """Where it listens; of interest where the settings leave the choice (0) to the system."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    # --- Routes -----------------------------------------------------------------------------------

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._answer_errors], client_max_size=MAX_REQUEST_BYTES)
        app.router.add_post("/v1/realtime/calls", self._create_call)
        app.router.add_post("/v1/realtime/calls/{id}/hangup", self._hang_up)
        app.router.add_get("/v1/realtime", self._open_socket)
        app.router.add_post("/v1/realtime/client_secrets", self._create_secret)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._tell_metrics)
        app.router.add_get("/parley.json", self._tell_info)
        app.router.add_get("/samples/{index}", self._send_sample)
        app.router.add_get("/", self._send_page)
        app.router.add_static("/static", STATIC)
        app.router.add_options("/v1/{path:.*}", self._preflight)
        app.on_response_prepare.append(self._add_headers)
        return app

    async def _create_call(self, request: web.Request) -> web.Response:
        visitor, config = self._admit(request)
        self.sessions.check_room(visitor)
        offer, config = await read_call_request(request, config)
        call = Call(self._open_call, self.sessions, self.settings, self.metrics)
        try:
            answer, call_id = await call.answer(offer, config)
        except OfferError as error:
            raise ProtocolError("invalid_offer", str(error), "sdp") from error
        location = {"Location": f"/v1/realtime/calls/{call_id}"}
        return web.Response(
            status=201, text=answer, content_type="application/sdp", headers=location
        )

    async def _hang_up(self, request: web.Request) -> web.Response:
        self._admit(request)
        entry = self.sessions.find(request.match_info["id"])
        if entry is None:
            raise Denied(404, "call_not_found", "there is no such call: it may have ended")
        await entry.end("hung up")
        return web.Response(status=200)

    async def _open_socket(self, request: web.Request) -> web.StreamResponse:
        visitor, config = self._admit(request)
        for parameter, value in (("call_id", None), ("intent", "transcription")):
            given = request.query.get(parameter)
            if given is not None and value in (None, given):
                raise ProtocolError(
                    "unsupported_parameter", f"{parameter}={given[:80]} is not served", parameter
                )
        self.sessions.check_room(visitor)
        return await Socket(self.settings, self.metrics).serve(request, self.sessions, config)

    async def _create_secret(self, request: web.Request) -> web.Response:
        self._gate.admit_owner(_visitor(request))
        try:
            body = await request.json(loads=parse_json) if request.can_read_body else {}
            wanted = _SecretRequest.model_validate(body)
        except ValidationError as error:
            raise from_validation(error) from error
        except ValueError as error:
            raise ProtocolError("invalid_json", f"the body is no JSON: {error}") from error
        config = updated(self._config, wanted.session)
        secret = self._gate.make_secret(config, wanted.expires_after.seconds)
        session = {"object": "realtime.session", **config.as_json()}
        return web.json_response(
            {"value": secret.value, "expires_at": secret.expires_at, "session": session}
        )

    async def _list_models(self, request: web.Request) -> web.Response:
        self._admit(request)
        model = {"id": self._info.model, "object": "model", "created": 0, "owned_by": "parley"}
        return web.json_response({"object": "list", "data": [model]})

    async def _health(self, request: web.Request) -> web.Response:
        status = "stopping" if self.sessions.is_draining else "ok"
        body = {"status": status, "model": self._info.model, "sessions": len(self.sessions)}
        return web.json_response(body, status=503 if self.sessions.is_draining else 200)

    async def _tell_metrics(self, request: web.Request) -> web.Response:
        self._gate.admit_owner(_visitor(request))
        return web.Response(body=self.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def _tell_info(self, request: web.Request) -> web.Response:
        self._admit(request)
        samples = [
            {"text": sample.text, "url": f"/samples/{index}"}
            for index, sample in enumerate(self._info.samples)
        ]
        servers = [
            {"urls": each.url, "username": each.username, "credential": each.credential}
            for each in self.settings.media.ice_servers
        ]
        return web.json_response(
            {
                "model": self._info.model,
                "note": self._info.note,
                "hint": self._info.hint,
                "voices": list(self._info.voices),
                "samples": samples,
                "iceServers": servers,
            }
        )

    async def _send_sample(self, request: web.Request) -> web.StreamResponse:
        index = request.match_info["index"]
        if not index.isascii() or not index.isdigit() or int(index) >= len(self._info.samples):
            raise web.HTTPNotFound
        return web.FileResponse(self._info.samples[int(index)].file)

    async def _send_page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _preflight(self, request: web.Request) -> web.Response:
        self._gate.check_origin(_visitor(request))
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": request.headers.get(
                    "Access-Control-Request-Headers", "Authorization, Content-Type"
                ),
                "Access-Control-Max-Age": "600",
            },
        )

    # --- Who and how ------------------------------------------------------------------------------

    def _admit(self, request: web.Request) -> tuple[Visitor, SessionConfig]:
        visitor = _visitor(request)
        return visitor, self._gate.admit(visitor) or self._config

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except VoiceError as error:
            return self._refusal(ProtocolError("no_session", str(error), kind="server_error"), 503)
        except MediaError as error:
            log.error("a call could not be carried", exc_info=error)
            return self._refusal(ProtocolError("no_media", str(error), kind="server_error"), 503)
        except ProtocolError as error:
            return self._refusal(error, error.status if isinstance(error, Denied) else 400)
        except web.HTTPException:
            raise
        except ConnectionError:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            fault = ProtocolError("server_error", "a fault of the server's", kind="server_error")
            return self._refusal(fault, 500)

    def _refusal(self, error: ProtocolError, status: int) -> web.Response:
        self.metrics.refused.labels(error.code).inc()
        headers: CIMultiDict[str] = CIMultiDict()
        if status in (429, 503):
            headers["Retry-After"] = "5"
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return web.json_response({"error": error.as_json()}, status=status, headers=headers)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in _SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        if request.path == "/" or request.path.startswith("/static/"):
            response.headers["Cache-Control"] = "no-cache"
        origin = request.headers.get("Origin")
        if origin and self._gate.is_allowed_origin(_visitor(request)):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Location"
            response.headers["Vary"] = "Origin"

    def _tls(self) -> ssl.SSLContext | None:
        if self.settings.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.settings.certificate, self.settings.private_key)
        return context

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_LAG_PERIOD_S)
            self.metrics.loop_lag.set(max(0.0, loop.time() - before - _LAG_PERIOD_S))


def _visitor(request: web.Request) -> Visitor:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address = peer[0] if isinstance(peer, tuple) else None
    return Visitor(address=address, host=request.host, headers=request.headers)
