import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.tdt import ParakeetTdt, TdtConfig, TimedToken
from tests.streaming.reference import (
    BLANK,
    VOCAB,
    reference_features,
    speechlike,
    tiny_tdt_reference,
)


@pytest.mark.parametrize(("seed", "layers"), [(11, 2), (9, 1), (1, 2), (6, 1), (4, 2)])
def test_transcription_equals_reference(tmp_path: Path, seed: int, layers: int) -> None:
    # transformers reads the limit for RNN-T only, so none of these may reach it.
    reference = tiny_tdt_reference(seed, layers, max_symbols=100)
    reference.save_pretrained(tmp_path)
    ours = ParakeetTdt.load(tmp_path)
    waveform = speechlike(60000)
    features = reference_features(waveform, ours.config.encoder.mel)[None]
    output = reference.generate(
        input_features=features,
        attention_mask=torch.ones(features.shape[:2], dtype=torch.long),
        decoder_start_token_id=BLANK,
        # Its search would take a duration for a token if that output is the largest.
        suppress_tokens=list(range(VOCAB, VOCAB + 5)),
        max_new_tokens=500,
    )
    tokens, durations = output.sequences[0, 1:], output.durations[0, 1:]
    starts = durations.cumsum(0) - durations
    expected = [
        TimedToken(token=int(token), start_step=int(start), duration_steps=int(duration))
        for token, start, duration in zip(tokens, starts, durations, strict=True)
        if token != BLANK
    ]
    assert len(expected) > 1
    assert ours.transcribe(waveform) == expected


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=12), seed=st.integers(0, 3))
def test_tokens_of_any_split_are_those_of_the_whole(
    recogniser: ParakeetTdt, lengths: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    steps = 2.0 * torch.randn(sum(lengths), 32, generator=generator)
    whole, end = recogniser.decode(steps, recogniser.new_state())
    tokens, state = [], recogniser.new_state()
    for piece in steps.split(lengths):
        before = state
        new, state = recogniser.decode(piece, before)
        assert recogniser.decode(piece, before)[0] == new  # the state given stays valid
        tokens += new
    assert tokens == whole
    assert (state.seen_steps, state.next_step) == (end.seen_steps, end.next_step)


def test_decoder_that_never_moves_on_is_made_to(recogniser: ParakeetTdt) -> None:
    stuck = ParakeetTdt(recogniser.config)
    stuck.load_state_dict(recogniser.state_dict())
    stuck.joint.head.bias.data[3] = stuck.joint.head.bias.data[VOCAB] = 1e4
    tokens, _ = stuck.decode(torch.zeros(3, 32), stuck.new_state())
    assert [token.start_step for token in tokens] == [0] * 10 + [1] * 10 + [2] * 10


def test_blank_moves_on_by_a_step_at_least(recogniser: ParakeetTdt) -> None:
    silent = ParakeetTdt(recogniser.config)
    silent.load_state_dict(recogniser.state_dict())
    silent.joint.head.bias.data[BLANK] = silent.joint.head.bias.data[VOCAB] = 1e4
    looks: list[object] = []
    silent.joint.register_forward_hook(lambda *_: looks.append(None))
    tokens, state = silent.decode(torch.zeros(7, 32), silent.new_state())
    assert (tokens, state.next_step, len(looks)) == ([], 7, 7)


def test_directory_that_is_no_recogniser_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ParakeetForTDT checkpoint"):
        ParakeetTdt.load(tmp_path)
    tiny_tdt_reference(0, 2).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_decoder_layers": 1}))
    with pytest.raises(ValueError, match="do not fit"):
        ParakeetTdt.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "parakeet_ctc"}, "ParakeetForTDT"),
        ({"blank_token_id": VOCAB}, "blank_token_id"),
        ({"durations": []}, "durations"),
        ({"encoder_config": {"num_mel_bins": 16}}, "attention_bias"),
    ],
)
def test_config_that_does_not_fit_is_refused(change: dict, words: str) -> None:
    config = tiny_tdt_reference(0, 2).config.to_dict()
    with pytest.raises(ValueError, match=words):
        TdtConfig.from_dict(config | change)
