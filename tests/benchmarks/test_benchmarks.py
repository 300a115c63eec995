"""Every benchmark runs at its smallest, and refuses to time what gives different results."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import (
    decode,
    encoder,
    first_token,
    models,
    pipeline,
    prefill,
    report,
    snapshot,
    vad,
)
from benchmarks.__main__ import PARTS, main
from benchmarks.measure import Candidate, GateFailed, Goal, Row, Spread, interleave
from benchmarks.sizes import DECODER, ENCODER, Sizes
from omni_core.cache import DecoderState
from omni_core.model import OmniDecoder
from streaming.encoder import EncoderStream
from streaming.vad import VoiceDetector
from tests.voice.tiny import write_tiny
from voice.assistant import Assistant

TINY_DECODER = {
    **DECODER,
    "hybrid_override_pattern": "MEM*E",
    "hidden_size": 32,
    "vocab_size": 61,
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "ssm_state_size": 16,
    "chunk_size": 8,
    "num_attention_heads": 4,
    "head_dim": 16,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "moe_shared_expert_intermediate_size": 40,
}
TINY_ENCODER = {
    **ENCODER,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_mel_bins": 16,
    "subsampling_conv_channels": 4,
}


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Sizes:
    """Everything as small as it can be and still cross every boundary."""
    return Sizes(
        decoder=TINY_DECODER,
        repeats=1,
        few_repeats=1,
        contexts=(5, 9),
        new_tokens=4,
        sessions=(1, 3),
        histories=(0, 9),
        turn=3,
        prefill=14,
        chunks=(1, 3),
        snapshot_contexts=(0, 9),
        encoder=TINY_ENCODER,
        clips_s=(0.5,),
        stream_s=0.7,
        stream_chunks_ms=(160,),
        vad_snrs_db=(0,),
        vad_noise_s=0.5,
        vad_voices=("en-us",),
        model=str(write_tiny(tmp_path_factory.mktemp("model"))),
        questions=("Hello.",),
        max_reply_tokens=6,
    )


@pytest.mark.parametrize("name", PARTS)
def test_part_gives_rows_with_a_gate_each(name: str, sizes: Sizes) -> None:
    rows = list(PARTS[name].run(sizes))
    assert rows
    for row in rows:
        assert row.gate
        spreads = [cell for cell in row.cells.values() if isinstance(cell, Spread)]
        assert spreads
        assert all(0 < spread.median <= spread.p95 for spread in spreads)


def _spoil_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers' weights are not ours any more."""
    good = models.decoder_pair

    def pair(sizes: Sizes) -> Any:
        ours, theirs = good(sizes)
        theirs.lm_head.weight.data.copy_(theirs.lm_head.weight.data.roll(1, 0))
        return ours, theirs

    monkeypatch.setattr(models, "decoder_pair", pair)


def _spoil_shared_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one step, sessions get each other's logits."""
    good = OmniDecoder.step

    def step(self: OmniDecoder, states: Sequence[DecoderState], tokens: Sequence[int]) -> Any:
        return good(self, states, tokens).roll(1, 0)

    monkeypatch.setattr(OmniDecoder, "step", step)


def _spoil_small_prefills(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few positions are taken in a little wrong."""
    good = OmniDecoder.prefill

    def wrong(self: OmniDecoder, state: DecoderState, **inputs: Any) -> torch.Tensor:
        logits = good(self, state, **inputs)
        return logits * 1.01 if len(inputs["tokens"]) <= 3 else logits

    monkeypatch.setattr(OmniDecoder, "prefill", wrong)


def _spoil_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DecoderState, "rollback", lambda self, mark: None)


def _spoil_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DecoderState, "fork", lambda self: self)


def _spoil_encoder_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    good = models.encoder_pair

    def pair(sizes: Sizes) -> Any:
        ours, theirs = good(sizes)
        theirs.layers[0].norm_out.weight.data.mul_(1.01)
        return ours, theirs

    monkeypatch.setattr(models, "encoder_pair", pair)


def _spoil_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream ends with what was drafted last."""
    nothing = EncoderStream._nothing_new
    monkeypatch.setattr(EncoderStream, "flush", nothing)


def _spoil_log_mel(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encoder.log_mel
    monkeypatch.setattr(encoder, "log_mel", lambda *given: good(*given) + 1e-6)


def _spoil_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first window of every call is judged as if nothing had been before."""
    good = VoiceDetector.feed

    def feed(self: VoiceDetector, *given: Any, **named: Any) -> Any:
        self._scorer.reset()
        return good(self, *given, **named)

    monkeypatch.setattr(VoiceDetector, "feed", feed)


def _spoil_whole_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Assistant.embed_audio
    monkeypatch.setattr(Assistant, "embed_audio", lambda self, wave: -good(self, wave))


SABOTAGES: list[tuple[Any, Callable[[pytest.MonkeyPatch], None]]] = [
    (decode, _spoil_reference),
    (decode, _spoil_shared_steps),
    (first_token, _spoil_reference),
    (first_token, _spoil_small_prefills),
    (prefill, _spoil_small_prefills),
    (snapshot, _spoil_rollback),
    (snapshot, _spoil_fork),
    (encoder, _spoil_encoder_reference),
    (encoder, _spoil_flush),
    (encoder, _spoil_log_mel),
    (vad, _spoil_split),
    (pipeline, _spoil_whole_clips),
]


@pytest.mark.parametrize(("part", "spoil"), SABOTAGES)
def test_part_fails_when_results_differ(
    part: Any,
    spoil: Callable[[pytest.MonkeyPatch], None],
    sizes: Sizes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(monkeypatch)
    with pytest.raises(GateFailed):
        list(part.run(sizes))


def test_command_keeps_results_and_ends_in_one_json_line(
    sizes: Sizes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results.md")
    assert main(["--write"], sizes) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(result["parts"]) == list(PARTS)
    assert result["machine"]["threads"] == torch.get_num_threads() == 1
    page = (tmp_path / "results.md").read_text()
    assert all(f"## {name}\n" in page for name in PARTS)


def test_command_keeps_nothing_when_a_gate_fails(
    sizes: Sizes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results.md")
    two = {"prefill": prefill, "decode": decode}
    monkeypatch.setattr("benchmarks.__main__.PARTS", two)
    _spoil_small_prefills(monkeypatch)
    assert main(["--write"], sizes) == 1
    out = capsys.readouterr().out
    assert "prefill: FAILED" in out
    result = json.loads(out.splitlines()[-1])
    assert list(result["failures"]) == ["prefill"]
    assert not report.RESULTS.exists()


def test_command_says_when_the_model_is_missing(
    sizes: Sizes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pipeline", "--model", str(tmp_path / "none")], sizes) == 1
    assert "pipeline: SKIPPED" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["juggle"], ["decode", "--write"]])
def test_command_refuses_what_it_cannot_do(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_interleave_alternates_and_drops_the_warm_up() -> None:
    calls: list[str] = []
    candidates: Mapping[str, Candidate] = {
        "a": Candidate(calls.append, prepare=lambda: "a"),
        "b": Candidate(calls.append, prepare=lambda: "b"),
    }
    times = interleave(candidates, repeats=2)
    assert calls == ["a", "b"] * 3
    assert [len(times[name].values) for name in "ab"] == [2, 2]


def test_spread_pairs_repeats_for_ratios() -> None:
    slow, fast = Spread((10.0, 40.0, 20.0)), Spread((1.0, 2.0, 4.0))
    assert slow.over(fast) == 10.0
    assert slow.per(10).median == 2.0
    assert Spread((3.0,)).p95 == 3.0


def test_table_leaves_out_empty_columns() -> None:
    rows = [Row({"what": "a", "ms": Spread((1.234, 1.234))}, gate="g"), Row({"what": "b"}, "h")]
    assert report.table(rows).splitlines() == [
        "| what | ms | equal |",
        "| --- | --- | --- |",
        "| a | 1.23 (1.23) | g |",
        "| b |  | h |",
    ]
    rows.append(Row({"what": "c"}, "i", Goal("≥ 2×", False)))
    assert "≥ 2×: MISSED" in report.table(rows)
