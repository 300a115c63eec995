from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.captions import CaptionStream, join_words
from streaming.tdt import ParakeetTdt, TimedToken
from tests.streaming.reference import speechlike


@settings(max_examples=15)
@given(
    lengths=st.lists(st.sampled_from([160, 1280, 5000, 16000]), min_size=1, max_size=10),
    flush_after=st.sets(st.integers(0, 9)),
)
def test_captions_after_a_flush_are_the_transcription(
    recogniser: ParakeetTdt, lengths: list[int], flush_after: set[int]
) -> None:
    waveform = speechlike(sum(lengths))
    stream, fed = CaptionStream(recogniser), 0
    for index, piece in enumerate(waveform.split(lengths)):
        stream.feed(piece)
        fed += len(piece)
        if index in flush_after:
            assert stream.flush() == recogniser.transcribe(waveform[:fed])
    assert stream.flush() == recogniser.transcribe(waveform)
    stream.reset()
    assert stream.tokens == []
    stream.feed(waveform)
    assert stream.flush() == recogniser.transcribe(waveform)


def test_captions_cross_the_clip_boundary(recogniser: ParakeetTdt) -> None:
    waveform = speechlike(480_000 + 20_000)
    stream = CaptionStream(recogniser)
    for piece in waveform.split(100_000):
        stream.feed(piece)
    assert stream.flush() == recogniser.transcribe(waveform)


def test_words_are_joined_from_pieces_with_their_times() -> None:
    pieces = ["▁he", "llo", ",", "▁world", "▁"]
    tokens = [
        TimedToken(token=index, start_step=2 * index, duration_steps=1)
        for index in range(len(pieces))
    ]
    words = join_words(tokens, pieces.__getitem__)
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [
        ("hello,", 0, 400),
        ("world", 480, 560),
    ]
    assert join_words([], pieces.__getitem__) == []
