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
        (OFFER + "a" * MAX_OFFER_BYTES, "KiB"),
    ],
)
def test_offer_that_cannot_be_a_call_is_refused(offer, message):
    with pytest.raises(OfferError, match=message):
        prepare_offer(offer)
