"""Sound of any kind: heard, or refused with a code; and files of it."""

import asyncio
import base64
import json

import numpy as np
import pytest
from hypothesis import strategies as st

from streaming.vad import VoiceDetector
from tests.fuzz.mutation import corrupted, mangled
from tests.fuzz.sound_files import FILES
from tests.fuzz.witness import Client, ModelWitness, ProtocolWitness, undisturbed
from tests.voice.talk import FAST, SHORT, CountingVoice, Loudness, assistant
from tests.web.media.network import HeardSink, opus_packets, tone
from voice.audio_file import MAX_DURATION_S, AudioFileError, read_audio
from voice.engine import Engine
from voice.session_events import SessionEnded, SessionError
from voice.session_settings import SessionSettings
from web.media.inbound import InboundAudio
from web.media.interface import MediaStatistics

__all__ = ["assistant"]

pytestmark = pytest.mark.timeout(3600)

SETTINGS = SessionSettings(reply=SHORT, stream=FAST)

# --- What a session is given to hear --------------------------------------------------------------

SAMPLES = (0.0, -0.0, 1.0, -1.0, 1e-42, -1e-45, 0.3, 99.0, 101.0, 1e38, np.nan, np.inf, -np.inf)
SHAPES = ((), (0,), (1,), (2, 3), (512, 1), (1, 512), (61 * 16_000,))
KINDS = ("f4", "f4", "f4", "f4", "f8", "f2", ">f4", "i2", "u2", "i8", "c8", "?", "O", "U4", "M8[s]")
OTHERS = (None, 5, "sound", b"\0" * 640, [0.1] * 320, [], {}, np.float32(0.5), memoryview(b"ab"))
LENGTHS = (1, 2, 80, 319, 320, 511, 512, 513, 1600, 4800)


@st.composite
def heard_things(draw):
    """Mostly float32, with something wrong in some of its samples; else another type or shape."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(OTHERS))
    if draw(st.integers(0, 9)) == 0:
        return np.zeros(draw(st.sampled_from(SHAPES)), np.float32)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    sound = rng.uniform(-0.3, 0.3, draw(st.sampled_from(LENGTHS)))
    for _ in range(draw(st.integers(0, 2))):
        sound[draw(st.integers(0, len(sound) - 1)) :] = draw(st.sampled_from(SAMPLES))
    with np.errstate(all="ignore"):
        values = sound.astype(draw(st.sampled_from(KINDS[:4])))
        kind = draw(st.sampled_from(KINDS))
        if kind != "f4":
            values = np.nan_to_num(values).astype("i2" if kind == "M8[s]" else kind).astype(kind)
    match draw(st.integers(0, 7)):
        case 0:
            return values[::-1]
        case 1:
            return values[::3]
        case 2:
            values.flags.writeable = False
    return values


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_sound_is_heard_or_refused(effort, assistant):
    alone = undisturbed(assistant)

    def attempt(things):
        engine = Engine(assistant, open_voice=CountingVoice)
        told = []
        session = engine.open_session(
            told.append, settings=SETTINGS, detector=VoiceDetector(Loudness()), seed=1
        )
        witness = ModelWitness(engine)
        for thing in things:
            codes = []
            try:
                session.hear(thing)
            except SessionError as error:
                codes.append(error.code)
            assert set(codes) <= {"invalid_audio", "audio_too_long"}
            witness.go_on()
        engine.run()
        assert not any(isinstance(event, SessionEnded) for event in told)
        assert np.isfinite(session.playback.read(4800)).all()
        assert witness.result() == alone
        engine.close()

    effort.spend("sound", heard_things(), 20, attempt)


# --- Sound in events ------------------------------------------------------------------------------

FORMATS = ({"type": "audio/pcm", "rate": 24_000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"})
BASE64_TOKENS = ("=", "==", "-", "_", " ", "\n", "é", "\0", "A", "+/", "%3D", '"')
ODD_BASE64 = ("", "=", "A", "AA", "AAA", "AAA=", "====", "A" * 400_000, "A" * 4 * 40_000 + "AA==")


@st.composite
def appended_texts(draw):
    """Base64 of some bytes, or of almost some bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(ODD_BASE64))
    length = draw(st.sampled_from((0, 1, 2, 3, 959, 960, 9600)))
    data = np.random.default_rng(draw(st.integers(0, 99))).bytes(length)
    text = base64.b64encode(data).decode()
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        text = mangled(draw, text, BASE64_TOKENS)
    return text


def test_any_appended_text_is_heard_or_refused(effort):
    with asyncio.Runner() as runner:
        alone = runner.run(ProtocolWitness().result())

        async def attempt(texts):
            client, witness = Client(), ProtocolWitness()
            for number, text in enumerate(texts):
                if number % 5 == 0:
                    audio = {"input": {"format": FORMATS[number // 5 % 3]}}
                    update = {"type": "session.update", "session": {"audio": audio}}
                    (updated,) = await client.send(json.dumps(update))
                    assert updated["type"] == "session.updated"
                append = {"type": "input_audio_buffer.append", "audio": text}
                for told in await client.send(json.dumps(append)):
                    assert told["error"]["code"] in ("invalid_base64", "invalid_audio")
                await witness.go_on()
            for heard in client.connection.session.heard:
                assert heard.dtype == np.float32
                assert np.abs(heard).max() < 2.0
            assert client.ended == []
            assert await witness.result() == alone

        effort.spend(
            "sound in events", appended_texts(), 15, lambda each: runner.run(attempt(each))
        )


# --- RTP packets of a call ------------------------------------------------------------------------

PACKETS = [payload for _, _, payload in opus_packets(tone(440, 0.2, 48_000))]
JUMPS = (0, 1, 1, 1, 1, 2, 3, -1, -2, 100, 32_767, 32_768, -32_768)


@st.composite
def rtp_packets(draw):
    """The jump of the sequence number, the timestamp's (in packets), a payload, ticks after it."""
    payload = draw(st.sampled_from(PACKETS))
    match draw(st.integers(0, 4)):
        case 0:
            payload = corrupted(draw, payload)
        case 1:
            payload = draw(st.binary(max_size=200))
        case 2:
            payload = draw(st.sampled_from((b"", b"\0", b"\xff", b"\xff" * 1400, b"\x03\xbf" * 99)))
    times = (0, 960, 960, 960, 1920, -960, 1, 2**31, 2**32 - 1, 48_000 * 3)
    jump, time = draw(st.sampled_from(JUMPS)), draw(st.sampled_from(times))
    return jump, time, payload, draw(st.integers(0, 3))


def inbound() -> tuple[InboundAudio, HeardSink]:
    sink = HeardSink()
    return InboundAudio(sink, MediaStatistics()), sink


def test_any_packets_are_heard_as_finite_sound(effort):
    def witnessed(between=lambda number: None):
        audio, sink = inbound()
        for number, payload in enumerate(PACKETS):
            audio.receive(number, number * 960, payload)
            audio.tick()
            between(number)
        return sink.samples.tobytes()

    alone = witnessed()

    def attempt(packets):
        fuzzed, sink = inbound()
        place = [65_530, 2**32 - 5000]
        rest = iter(packets)

        def receive(number):
            for jump, time, payload, ticks in [
                each for _, each in zip(range(4), rest, strict=False)
            ]:
                place[0] = (place[0] + jump) % 2**16
                place[1] = (place[1] + time) % 2**32
                fuzzed.receive(place[0], place[1], payload)
                for _ in range(ticks):
                    fuzzed.tick()

        assert witnessed(receive) == alone
        assert next(rest, None) is None
        # A packet holds at most 120 ms, a gap is filled for at most two seconds.
        assert len(sink.samples) <= 16_000 * 2.2 * (len(packets) + 1)
        assert np.isfinite(sink.samples).all()

    effort.spend("RTP packets", rtp_packets(), 4 * len(PACKETS), attempt)


# --- Files ----------------------------------------------------------------------------------------


@st.composite
def damaged_files(draw):
    name = draw(st.sampled_from(sorted(FILES)))
    return corrupted(draw, FILES[name])


def test_any_file_is_read_or_refused(effort):
    alone = {name: read_audio(data).samples.tobytes() for name, data in FILES.items()}
    others = iter(())

    def attempt(files):
        nonlocal others
        for data in files:
            try:
                clip = read_audio(data)
            except AudioFileError:
                continue
            assert clip.samples.dtype == np.float32
            assert clip.samples.ndim == 1
            assert np.isfinite(clip.samples).all()
            assert np.abs(clip.samples).max(initial=0.0) <= 1.0
            assert 0 < clip.duration_s <= MAX_DURATION_S + 1
            assert clip.source_rate > 0
            assert 0.0 <= clip.clipped_fraction <= 1.0
        name = next(others, None)
        if name is None:
            others = iter(FILES)
            name = next(others)
        assert read_audio(FILES[name]).samples.tobytes() == alone[name]

    effort.spend("sound files", damaged_files(), 5, attempt)
