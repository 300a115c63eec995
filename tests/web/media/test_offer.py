"""Offers of anyone's."""

import pytest

from web.media.interface import OfferError
from web.media.offer import MAX_OFFER_BYTES, prepare_offer

OFFER = """\
v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=fingerprint:sha-256 AA:BB
a=candidate:1 1 udp 2113937151 192.168.1.7 50000 typ host
a=candidate:2 1 udp 2113937151 0a1b2c3d-0000-4000-8000-000000000000.local 50001 typ host
a=rtpmap:111 opus/48000/2
"""


def test_local_names_are_taken_out_and_nothing_else():
    prepared = prepare_offer(OFFER)
    assert ".local" not in prepared
    assert len(prepared.splitlines()) == len(OFFER.splitlines()) - 1


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        ("", "no SDP"),
        ("GET / HTTP/1.1", "no SDP"),
        ("v=0\r\n", "no media"),
        (OFFER.replace("m=audio", "m=video"), "no audio"),
        (OFFER.replace("opus", "PCMU"), "Opus"),
        (OFFER.replace("a=fingerprint", "a=f"), "fingerprint"),
        (OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\n" * 20, "media sections"),
        (OFFER + "a=candidate:1 1 udp 1 10.0.0.1 1 typ host\n" * 99, "candidates"),
        (OFFER + "a=x\0\n", "null"),
        (OFFER.replace("t=0 0", "t=0 0\na=group:BUNDLE 0 9"), "bundles '0, 9'"),
        (OFFER + "a=mid:0\na=mid:1\n", "a=mid"),
        (OFFER + "a=mid:0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:0\n", "a=mid"),
        (OFFER + "m=text 9 RTP/AVP 98\n", "'m=text 9 RTP/AVP 98' is no section"),
        (OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n", "fingerprint"),
        (OFFER + "a" * MAX_OFFER_BYTES, "KiB"),
    ],
)
def test_offer_that_cannot_be_a_call_is_refused(offer, message):
    with pytest.raises(OfferError, match=message):
        prepare_offer(offer)


def test_fingerprint_of_the_session_is_every_sections():
    whole = OFFER.replace("a=fingerprint:sha-256 AA:BB\n", "")
    whole = whole.replace("t=0 0\n", "t=0 0\na=fingerprint:sha-256 AA:BB\na=group:BUNDLE 0 1\n")
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:1\n"
    assert prepare_offer(whole + "a=mid:0\n" + data).endswith("a=mid:1\r\n")


def test_section_on_the_transport_of_another_needs_no_fingerprint():
    bundled = OFFER.replace("t=0 0\n", "t=0 0\na=group:BUNDLE 0 1\n") + "a=mid:0\n"
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:1\n"
    assert prepare_offer(bundled + data).endswith("a=mid:1\r\n")
