"""How much faster than real time Parley hears.

A whole clip is attended to at once, so the work per second grows with the clip's length. In a
stream every chunk encodes a window again, the chunk with its left context; how often, and how far
back, is what the chunk's length settles. Features are computed once, however they arrive.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from transformers import ParakeetEncoder as TransformersEncoder
from transformers import ParakeetFeatureExtractor

from benchmarks import models
from benchmarks.measure import (
    Candidate,
    Row,
    Spread,
    interleave,
    require_close,
    require_same,
)
from benchmarks.sizes import Sizes
from streaming.encoder import EncoderUpdate, ParakeetEncoder, StreamSettings
from streaming.features import LogMelStream, log_mel, normalize
from tests.streaming.reference import speechlike

TOLERANCE = 1e-4
RATE = 16000
PACKET = 320
"""Samples that arrive together, 20 ms."""


def run(sizes: Sizes) -> Iterator[Row]:
    """Whole clips, then streams, then the front end alone."""
    ours, theirs = models.encoder_pair(sizes)
    extractor = ParakeetFeatureExtractor(feature_size=ours.config.num_mel_bins)
    for seconds in sizes.clips_s:
        yield _clip(sizes, ours, theirs, extractor, seconds)
    for chunk_ms in sizes.stream_chunks_ms:
        yield _stream(sizes, ours, chunk_ms)
    yield _front_end(sizes, ours, extractor)


def _clip(
    sizes: Sizes,
    ours: ParakeetEncoder,
    theirs: TransformersEncoder,
    extractor: ParakeetFeatureExtractor,
    seconds: float,
) -> Row:
    waveform = speechlike(round(seconds * RATE))

    @torch.inference_mode()
    def encode_theirs(_: None) -> Tensor:
        # Its last feature is padding, which the mask hides; our count leaves it out.
        features = _their_features(extractor, waveform)[: len(waveform) // extractor.hop_length]
        return theirs(features[None]).last_hidden_state[0]

    found = require_close(
        f"{seconds} s clip", ours.encode(waveform), encode_theirs(None), TOLERANCE
    )
    times = interleave(
        {
            "ours": Candidate(lambda _: ours.encode(waveform)),
            "theirs": Candidate(encode_theirs),
        },
        sizes.repeats,
    )
    return Row(
        {
            "what": f"clip of {seconds:g} s",
            "ours, ms": times["ours"],
            "transformers, ms": times["theirs"],
            "real-time factor": times["ours"].median / (seconds * 1e3),
            "times faster": times["theirs"].over(times["ours"]),
        },
        gate=f"within {found:.0e} of transformers",
    )


def _stream(sizes: Sizes, encoder: ParakeetEncoder, chunk_ms: int) -> Row:
    """Packets of 20 ms; the calls that encode are timed one by one."""
    waveform = speechlike(round(sizes.stream_s * RATE))
    settings = StreamSettings(chunk_ms=chunk_ms)
    chunks, totals = [], []
    for repeat in range(sizes.few_repeats + 1):
        stream = encoder.open_stream(settings)
        spent, encoded = 0.0, []
        for packet in waveform.split(PACKET):
            update, ms = _timed(partial(stream.feed, packet))
            spent += ms
            if len(update.steps):
                encoded.append(ms)
        update, flush_ms = _timed(stream.flush)
        require_same(f"flushed stream, {chunk_ms} ms", update.steps, encoder.encode(waveform))
        if repeat:  # the first warms up
            chunks += encoded
            totals.append(spent + flush_ms)
    total = Spread(tuple(totals))
    return Row(
        {
            "what": f"stream of {sizes.stream_s:g} s, chunks of {chunk_ms} ms",
            "ours, ms": total,
            "real-time factor": total.median / (sizes.stream_s * 1e3),
            "ms per chunk": Spread(tuple(chunks)),
        },
        gate="flushed steps bit by bit those of the whole clip",
    )


def _timed(call: Callable[[], EncoderUpdate]) -> tuple[EncoderUpdate, float]:
    """What the call returned, and its milliseconds."""
    start = time.perf_counter()
    update = call()
    return update, (time.perf_counter() - start) * 1e3


def _front_end(sizes: Sizes, encoder: ParakeetEncoder, extractor: ParakeetFeatureExtractor) -> Row:
    waveform, mel = speechlike(round(sizes.stream_s * RATE)), encoder.config.mel

    def by_packets(_: None) -> Tensor:
        stream = LogMelStream(mel)
        for packet in waveform.split(PACKET):
            stream.feed(packet)
        return stream.flush()

    streamed = by_packets(None)
    require_same("log-mel by packets", streamed, log_mel(waveform, mel))
    theirs = _their_features(extractor, waveform)
    found = require_close(
        "normalised log-mel", normalize(streamed), theirs[: len(streamed)], TOLERANCE
    )
    times = interleave(
        {
            "ours": Candidate(by_packets),
            "theirs": Candidate(lambda _: _their_features(extractor, waveform)),
        },
        sizes.repeats,
    )
    return Row(
        {
            "what": f"log-mel of {sizes.stream_s:g} s, packets of 20 ms",
            "ours, ms": times["ours"],
            "transformers, ms": times["theirs"],
            "real-time factor": times["ours"].median / (sizes.stream_s * 1e3),
            "times faster": times["theirs"].over(times["ours"]),
        },
        gate=f"bit by bit that of the whole clip, within {found:.0e} of transformers",
    )


def _their_features(extractor: ParakeetFeatureExtractor, waveform: Tensor) -> Tensor:
    """Normalised features [T, mels] of a whole clip by transformers."""
    return extractor(waveform.numpy(), sampling_rate=RATE, return_tensors="pt").input_features[0]
