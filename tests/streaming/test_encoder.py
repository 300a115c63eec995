from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streaming.encoder import EncoderUpdate, ParakeetEncoder, StreamSettings
from tests.streaming.reference import SHAPES, reference_features, speechlike, tiny_pair

CLIP = 480_000


def tiny_encoder(**changes: object) -> ParakeetEncoder:
    tower, _ = tiny_pair(**changes)
    encoder = ParakeetEncoder(tower.config)
    encoder.conformer.load_state_dict(tower.state_dict())
    return encoder


@pytest.fixture(scope="module")
def encoder() -> ParakeetEncoder:
    return tiny_encoder()


class Listener:
    """A consumer that does what `EncoderUpdate` says, and holds it to its promises."""

    def __init__(self, width: int) -> None:
        self.steps = torch.empty(0, width)
        self.settled = self.final = 0

    def apply(self, update: EncoderUpdate) -> None:
        assert 0 <= update.start_step <= len(self.steps)
        assert 0 <= update.num_settled <= len(update.steps)
        assert 0 <= update.num_final <= len(update.steps)
        if len(update.steps):
            self.steps = torch.cat((self.steps[: update.start_step], update.steps))
            self.settled = update.start_step + update.num_settled
        if update.num_final:
            self.final = update.start_step + update.num_final
        if not len(update.steps):
            assert update.start_step == len(self.steps)


@pytest.mark.parametrize("changes", SHAPES)
def test_encode_equals_reference(changes: dict) -> None:
    encoder = tiny_encoder(**changes)
    _, reference = tiny_pair(**changes)
    for samples in (1600, 12800, 50001):
        waveform = speechlike(samples, samples)
        features = reference_features(waveform, encoder.config.mel)
        with torch.no_grad():
            expected = reference(features[None]).last_hidden_state[0]
        steps = encoder.encode(waveform)
        assert len(steps) == encoder.count_steps(samples) == -(-(samples // 160) // 8)
        torch.testing.assert_close(steps, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "steps"),
    [
        *[(1, 2), (1599, 2), (1600, 2), (16000, 13), (32000, 25), (CLIP - 1, 375), (CLIP, 375)],
        *[(CLIP + 1, 377), (2 * CLIP, 750), (2 * CLIP + 16000, 763)],
    ],
)
def test_step_count_is_that_of_the_clips(
    encoder: ParakeetEncoder, samples: int, steps: int
) -> None:
    assert encoder.count_steps(samples) == steps
    if samples <= CLIP + 1:
        assert len(encoder.encode(speechlike(samples))) == steps


def test_long_audio_is_cut_into_clips_encoded_alone(encoder: ParakeetEncoder) -> None:
    waveform = speechlike(CLIP + 700)
    rest = torch.cat((waveform[CLIP:], torch.zeros(900)))
    expected = torch.cat((encoder.encode(waveform[:CLIP]), encoder.encode(rest)))
    assert torch.equal(encoder.encode(waveform), expected)


def test_batch_equals_single_encodings(encoder: ParakeetEncoder) -> None:
    waveforms = [speechlike(n, n) for n in (9000, CLIP + 5000, 40, 70000)]
    for ours, waveform in zip(encoder.encode_batch(waveforms), waveforms, strict=True):
        torch.testing.assert_close(ours, encoder.encode(waveform), rtol=1e-5, atol=1e-5)


PIECES = st.lists(st.sampled_from([0, 1, 159, 320, 1280, 2000, 7000]), min_size=1, max_size=14)


@settings(max_examples=40)
@given(PIECES, st.sampled_from(["fast", "balanced", "patient"]), st.sets(st.integers(0, 13)))
def test_flushed_stream_is_bit_equal_to_encode(
    encoder: ParakeetEncoder, lengths: list[int], preset: str, flush_after: set[int]
) -> None:
    waveform = speechlike(sum(lengths))
    stream = encoder.open_stream(StreamSettings.preset(preset))
    listener = Listener(32)
    fed = 0
    for index, piece in enumerate(waveform.split(lengths)):
        listener.apply(stream.feed(piece))
        fed += len(piece)
        if index in flush_after:
            listener.apply(stream.flush())
            if fed:
                assert torch.equal(listener.steps, encoder.encode(waveform[:fed]))
        assert stream.num_steps == len(listener.steps)
    listener.apply(stream.flush())
    assert listener.final == len(listener.steps)
    if fed:
        assert torch.equal(listener.steps, encoder.encode(waveform))


@settings(max_examples=4)
@given(st.integers(1, 3000), st.sampled_from([48000, 200_000, CLIP, 3 * CLIP]))
def test_full_clip_is_final_for_good(encoder: ParakeetEncoder, beyond: int, piece: int) -> None:
    waveform = speechlike(CLIP + beyond)
    stream, listener = encoder.open_stream(), Listener(32)
    for samples in waveform.split(piece):
        update = stream.feed(samples)
        assert update.start_step >= listener.final
        listener.apply(update)
    assert listener.final == 375
    assert torch.equal(listener.steps[:375], encoder.encode(waveform[:CLIP]))
    update = stream.flush()
    assert update.start_step == 375
    listener.apply(update)
    assert torch.equal(listener.steps, encoder.encode(waveform))


def test_stream_that_ends_with_a_full_clip_has_nothing_to_flush(encoder: ParakeetEncoder) -> None:
    stream = encoder.open_stream()
    update = stream.feed(speechlike(CLIP))
    assert update.num_final == len(update.steps) == 375
    assert len(stream.flush().steps) == 0
    assert stream.statistics.learned_features == 3000


def test_settled_steps_stay_until_the_flush(encoder: ParakeetEncoder) -> None:
    stream = encoder.open_stream(StreamSettings(chunk_ms=160, left_ms=800, right_ms=240))
    listener = Listener(32)
    updates = 0
    for piece in speechlike(4 * 16000).split(320):
        before, settled = listener.steps, listener.settled
        update = stream.feed(piece)
        listener.apply(update)
        if len(update.steps):
            updates += 1
            assert update.start_step == settled
            assert torch.equal(listener.steps[:settled], before[:settled])
            assert len(listener.steps) - listener.settled == min(3, len(listener.steps))
            assert listener.final == 0
    assert updates == 24
    assert stream.flush().start_step == 0


def test_speech_after_a_flush_replaces_only_steps_short_of_right_context(
    encoder: ParakeetEncoder,
) -> None:
    stream = encoder.open_stream(StreamSettings(chunk_ms=160, right_ms=240))
    waveform = speechlike(3 * 16000)
    stream.feed(waveform[:20000])
    flushed = stream.flush()
    whole = ((20000 - 200) // 160 + 1) // 8
    assert flushed.num_final == len(flushed.steps) == encoder.count_steps(20000)
    assert flushed.num_settled == whole - 3
    assert stream.feed(waveform[20000:]).start_step == whole - 3


def test_drafts_come_once_per_chunk_and_only_as_whole_steps(encoder: ParakeetEncoder) -> None:
    stream = encoder.open_stream(StreamSettings(chunk_ms=320))
    counts = [len(stream.feed(piece).steps) for piece in speechlike(16000).split(160)]
    # The last feature of a step ends 200 samples after its centre: 31 · 160 + 200 = 5160.
    assert [index for index, count in enumerate(counts) if count] == [32, 64, 96]


def test_drafts_come_close_once_the_session_knows_the_voice(encoder: ParakeetEncoder) -> None:
    # A quiet microphone, far from the prior.
    first, second = 0.03 * speechlike(6 * 16000, 1), 0.03 * speechlike(4 * 16000, 2)
    exact = encoder.encode(second)
    errors = []
    for warm in (False, True):
        stream, listener = encoder.open_stream(), Listener(32)
        if warm:
            stream.feed(first)
            stream.reset()
        listener.apply(stream.feed(second[:8000]))
        draft = listener.steps
        errors.append(float((draft - exact[: len(draft)]).square().mean().sqrt()))
    assert errors[1] < 0.5 * errors[0]


def test_reset_starts_at_zero_and_keeps_the_statistics(encoder: ParakeetEncoder) -> None:
    stream = encoder.open_stream()
    stream.feed(speechlike(20000))
    stream.reset()
    assert stream.num_steps == 0
    assert stream.statistics.learned_features == 124
    stream.feed(speechlike(20000))
    stream.reset(learn=False)
    assert stream.statistics.learned_features == 124
    waveform = speechlike(9000, 5)
    stream.feed(waveform)
    assert torch.equal(stream.flush().steps, encoder.encode(waveform))
    following = encoder.open_stream(statistics=stream.statistics)
    assert following.statistics is stream.statistics


def test_streams_of_one_encoder_do_not_touch_each_other(encoder: ParakeetEncoder) -> None:
    waveforms = [speechlike(30000, seed) for seed in (1, 2)]
    alone = []
    for waveform in waveforms:
        stream, listener = encoder.open_stream(), Listener(32)
        for piece in waveform.split(1000):
            listener.apply(stream.feed(piece))
        alone.append(listener.steps)
    streams = [encoder.open_stream() for _ in waveforms]
    listeners = [Listener(32) for _ in waveforms]
    for pieces in zip(*(waveform.split(1000) for waveform in waveforms), strict=True):
        for stream, listener, piece in zip(streams, listeners, pieces, strict=True):
            listener.apply(stream.feed(piece))
    for listener, expected in zip(listeners, alone, strict=True):
        assert torch.equal(listener.steps, expected)


def test_bad_audio_leaves_the_stream_as_it_was(encoder: ParakeetEncoder) -> None:
    waveform = speechlike(9000)
    stream = encoder.open_stream()
    stream.feed(waveform[:5000])
    bad: Tensor = waveform[5000:].clone()
    bad[-1] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        stream.feed(bad)
    with pytest.raises(ValueError, match=r"44100 Hz.*resample"):
        stream.feed(waveform[5000:], sampling_rate=44100)
    stream.feed(waveform[5000:].numpy())
    assert torch.equal(stream.flush().steps, encoder.encode(waveform))


def test_encode_refuses_what_is_no_audio(encoder: ParakeetEncoder) -> None:
    with pytest.raises(ValueError, match="empty"):
        encoder.encode(torch.zeros(0))
    with pytest.raises(ValueError, match="divide by 32768"):
        encoder.encode(np.zeros(1600, dtype=np.int16))
    with pytest.raises(ValueError, match="8000 Hz"):
        encoder.encode(torch.zeros(1600), sampling_rate=8000)


def test_silence_is_encoded_without_nan(encoder: ParakeetEncoder) -> None:
    assert torch.isfinite(encoder.encode(torch.zeros(16000))).all()


def test_encoding_in_training_mode_is_refused() -> None:
    encoder = tiny_encoder().train()
    with pytest.raises(RuntimeError, match=r"eval\(\)"):
        encoder.encode(speechlike(1600))


def test_encoder_runs_in_the_dtype_of_its_weights() -> None:
    encoder = tiny_encoder()
    exact = encoder.encode(speechlike(16000))
    half = encoder.bfloat16().encode(speechlike(16000))
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).abs().mean() < 0.05 * exact.abs().mean() + 0.02


@pytest.mark.parametrize(
    "change", [{"chunk_ms": 100}, {"chunk_ms": 1200}, {"right_ms": 0}, {"left_ms": 40000}]
)
def test_impossible_settings_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        StreamSettings(**change)
    with pytest.raises(ValueError, match="fast, balanced, patient"):
        StreamSettings.preset("slow")
    with pytest.raises(FrozenInstanceError):
        StreamSettings().chunk_ms = 80  # type: ignore[misc]
