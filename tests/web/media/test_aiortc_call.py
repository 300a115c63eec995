"""A real call between two peers in one process: aiortc on both ends, real Opus, real UDP."""

import asyncio
import contextlib
import threading

import aioice.ice
import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport

from tests.web.media.network import (
    HeardSink,
    ToneSource,
    accept,
    new_peer,
    offer_of,
    until,
)
from tests.web.media.peer import Handlers, check_sound_and_messages_go_both_ways
from web.media.aiortc_call import DTLS_TRANSPORTS, ICE_TRANSPORTS, JITTER_BUFFER, AiortcCall
from web.media.interface import MediaSettings, OfferError


def call(sink=None, source=None, **settings) -> tuple[AiortcCall, Handlers]:
    handlers = Handlers()
    made = AiortcCall(
        sink or HeardSink(),
        source or ToneSource(1000),
        handlers.as_handlers(),
        MediaSettings(**settings),
    )
    return made, handlers


def test_aiortc_has_the_jitter_buffer_that_is_replaced():
    async def attribute() -> bool:
        transport = RTCDtlsTransport(
            RTCIceTransport(RTCIceGatherer()), [RTCCertificate.generateCertificate()]
        )
        return hasattr(RTCRtpReceiver("audio", transport), JITTER_BUFFER)

    assert asyncio.run(attribute())


def test_aioice_has_the_limit_that_is_raised():
    assert hasattr(aioice.ice, "CONSENT_FAILURES")

    async def make_call() -> int:
        served, _ = call()
        await served.close()
        return aioice.ice.CONSENT_FAILURES

    assert asyncio.run(make_call()) > 6


def test_call_carries_sound_and_messages_both_ways():
    asyncio.run(check_sound_and_messages_go_both_ways(AiortcCall))


def test_peer_that_says_nothing_more_is_given_up():
    async def vanish() -> None:
        served, handlers = call(dead_after_s=1.0)
        peer = new_peer()
        peer.createDataChannel("oai-events")
        peer.addTransceiver("audio", direction="recvonly")
        await accept(peer, await served.answer(await offer_of(peer)))
        await until(lambda: handlers.opened)
        # As if the machine were switched off: not a word more, nor a goodbye.
        transport = peer.sctp.transport.transport
        transport._send = transport._connection.send = lambda data: asyncio.sleep(0)
        await until(lambda: handlers.reasons)
        assert "nothing came" in handlers.reasons[0]
        await peer.close()

    asyncio.run(vanish())


def test_peer_that_never_connects_is_given_up():
    async def wait() -> None:
        served, handlers = call(connect_timeout_s=0.1)
        peer = new_peer()
        peer.addTransceiver("audio")
        await served.answer(await offer_of(peer))
        await until(lambda: handlers.reasons)
        assert "did not connect" in handlers.reasons[0]
        await peer.close()

    asyncio.run(wait())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sdp: sdp.replace("a=ice-ufrag", "a=x"),
        lambda sdp: sdp.replace("sha-256 ", "md5 "),
        lambda sdp: sdp.replace("a=mid:0", "a=mid:" + "9" * 5000),
        lambda sdp: sdp.replace("m=audio ", "m=audio x"),
        lambda sdp: sdp.replace("opus/48000", "opus/48000/2/3/4"),
        lambda sdp: sdp.replace("a=rtpmap:", "a=rtpmap:x"),
    ],
)
def test_spoilt_offer_is_refused_or_answered_and_leaves_nothing_behind(spoil):
    async def answer() -> None:
        before = threading.active_count()
        served, _ = call()
        peer = new_peer()
        peer.addTransceiver("audio")
        offer = spoil(await offer_of(peer))
        await peer.close()
        with contextlib.suppress(OfferError):
            await served.answer(offer)
        await served.close()
        await asyncio.sleep(0)
        assert threading.active_count() <= before + 1  # the executor's

    asyncio.run(answer())


def test_call_that_aiortc_cannot_close_is_freed_all_the_same(monkeypatch):
    """Its `close` stops at the first part that was never made."""

    async def fail() -> None:
        raise AttributeError("'NoneType' object has no attribute 'stop'")

    async def answer() -> None:
        served, handlers = call()
        peer = new_peer()
        peer.addTransceiver("audio")
        await served.answer(await offer_of(peer))
        await peer.close()
        connection = served._connection
        monkeypatch.setattr(connection, "close", fail)
        await served.close("done")
        assert handlers.reasons == ["done"]
        (dtls,) = getattr(connection, DTLS_TRANSPORTS)
        (ice,) = getattr(connection, ICE_TRANSPORTS)
        assert ice.state == "closed"
        assert dtls.state in ("new", "closed")

    asyncio.run(answer())


def test_only_the_first_audio_of_an_offer_is_taken():
    async def answer() -> None:
        served, _ = call()
        peer = new_peer()
        for kind in ("video", "audio", "audio"):
            peer.addTransceiver(kind)
        answered = await served.answer(await offer_of(peer))
        directions = [
            line for line in answered.splitlines() if line in ("a=sendrecv", "a=inactive")
        ]
        assert directions == ["a=inactive", "a=sendrecv", "a=inactive"]
        await peer.close()
        await served.close()

    asyncio.run(answer())


def test_ice_servers_are_none_unless_given():
    async def servers() -> None:
        served, _ = call()
        assert served._connection._RTCPeerConnection__configuration.iceServers == []
        await served.close()

    asyncio.run(servers())
