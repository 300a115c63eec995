"""From packets to samples: what the network loses, delays or repeats."""

import numpy as np
import pytest

from tests.web.media.network import FRAME, HeardSink, opus_packets, pitch, tone
from web.media.inbound import STARVED_AFTER_MS, InboundAudio
from web.media.interface import MediaStatistics

PACKETS = list(opus_packets(tone(440, 1.0, 48_000)))


def hear(packets) -> tuple[HeardSink, MediaStatistics]:
    sink, statistics = HeardSink(), MediaStatistics()
    inbound = InboundAudio(sink, statistics)
    for packet in packets:
        inbound.receive(*packet)
    return sink, statistics


def milliseconds(sink: HeardSink) -> float:
    return len(sink.samples) / 16


def test_packets_become_16_khz():
    sink, statistics = hear(PACKETS)
    assert milliseconds(sink) == pytest.approx(1000, abs=2)
    assert pitch(sink.samples, 16_000) == pytest.approx(440, abs=2)
    assert statistics.concealed_ms == 0


def test_each_packet_in_order_is_heard_at_once():
    sink, statistics = HeardSink(), MediaStatistics()
    inbound = InboundAudio(sink, statistics)
    for count, packet in enumerate(PACKETS[:10], start=1):
        inbound.receive(*packet)
        assert milliseconds(sink) == pytest.approx(20 * count, abs=2)


def test_lost_packet_is_filled_in_and_costs_no_lasting_delay():
    sink, statistics = HeardSink(), MediaStatistics()
    inbound = InboundAudio(sink, statistics)
    for index, packet in enumerate(PACKETS):
        if index != 20:
            inbound.receive(*packet)
        if not 20 <= index < 23:
            assert milliseconds(sink) == pytest.approx(20 * (index + 1), abs=2)
    assert statistics.concealed_ms == 20


def test_what_is_filled_in_joins_on_and_fades_out():
    lost = {20, 21, 22}
    sink, statistics = hear(each for index, each in enumerate(PACKETS) if index not in lost)
    assert statistics.concealed_ms == 60
    filled = sink.samples[20 * 320 : 23 * 320]
    assert np.abs(filled[:160]).max() > 0.2
    assert np.abs(filled[400:900]).max() < 0.02
    largest_step = np.abs(np.diff(sink.samples[: 22 * 320])).max()
    assert largest_step < 1.5 * np.abs(np.diff(sink.samples[3200 : 18 * 320])).max()


def test_pause_of_the_sender_is_silence_of_the_same_length():
    later = [(each[0], each[1] + 25 * FRAME, each[2]) for each in PACKETS[10:20]]
    sink, _ = hear([*PACKETS[:10], *later])
    assert milliseconds(sink) == pytest.approx(20 * 45, abs=2)


def test_repeated_packet_is_heard_once():
    sink, statistics = hear([each for packet in PACKETS[:10] for each in (packet, packet)])
    assert milliseconds(sink) == pytest.approx(200, abs=2)
    assert statistics.late_packets == 10


def test_damaged_packet_becomes_a_gap():
    damaged = (10, 10 * FRAME, b"\xff" * 9)
    sink, statistics = hear([*PACKETS[:10], damaged, *PACKETS[11:20]])
    assert milliseconds(sink) == pytest.approx(400, abs=2)
    assert statistics.concealed_ms == 20


def test_padding_is_no_sound():
    sink, _ = hear([(0, 0, b"")])
    assert milliseconds(sink) == 0


def test_clock_that_jumps_is_no_loss():
    jumped = [(each[0], each[1] + 1_000_000_000, each[2]) for each in PACKETS[10:20]]
    sink, statistics = hear([*PACKETS[:10], *jumped])
    assert milliseconds(sink) == pytest.approx(400, abs=2)
    assert statistics.concealed_ms == 0


def test_time_passes_where_nothing_comes():
    sink, statistics = HeardSink(), MediaStatistics()
    inbound = InboundAudio(sink, statistics)
    for _ in range(50):
        inbound.tick()
    assert milliseconds(sink) == pytest.approx(1000 - STARVED_AFTER_MS, abs=2)
    assert statistics.starved_ms == 1000 - STARVED_AFTER_MS


def test_silence_already_heard_is_not_filled_in_again():
    sink, statistics = HeardSink(), MediaStatistics()
    inbound = InboundAudio(sink, statistics)
    for packet in PACKETS[:10]:
        inbound.receive(*packet)
    for _ in range(25):
        inbound.tick()
    sequence, timestamp, payload = PACKETS[10]
    inbound.receive(sequence, timestamp + 25 * FRAME, payload)
    assert milliseconds(sink) == pytest.approx(20 * 36, abs=2)


def test_held_up_speech_is_heard_whole():
    sink, statistics = HeardSink(), MediaStatistics()
    inbound = InboundAudio(sink, statistics)
    for packet in PACKETS[:10]:
        inbound.receive(*packet)
    for _ in range(15):
        inbound.tick()
    for packet in PACKETS[10:]:
        inbound.receive(*packet)
    assert milliseconds(sink) == pytest.approx(1000 + statistics.starved_ms, abs=2)
    assert statistics.concealed_ms == 0
