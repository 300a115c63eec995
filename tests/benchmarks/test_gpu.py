"""What the GPU benchmark does that needs no GPU."""

import pytest
import torch

from benchmarks import gpu, roof
from benchmarks.measure import GateFailed
from omni_core.model import OmniDecoder
from tests.benchmarks.test_benchmarks import TINY_DECODER

SIZES = gpu.GpuSizes(
    device="cpu",
    decoder=TINY_DECODER,
    repeats=1,
    probe_bytes=1 << 16,
    contexts=(9,),
    new_tokens=3,
    checked_tokens=3,
    pieces=(1, 4),
    histories=(0, 9),
    turns=(2,),
    snapshot_contexts=(0, 9),
)


@pytest.fixture(scope="module")
def parts() -> dict[str, gpu.Part]:
    """All parts on the CPU, at a tiny size, in bfloat16."""
    return gpu.parts(SIZES)


@pytest.mark.parametrize("name", ["bandwidth", "decode", "prefill", "first_token", "snapshot"])
def test_part_gives_rows(name: str, parts: dict[str, gpu.Part]) -> None:
    explanation, run = parts[name]
    assert explanation
    assert all(row.gate for row in run())


def test_decode_fails_when_steps_differ_from_a_prefill(
    parts: dict[str, gpu.Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = OmniDecoder.prefill
    wrong = lambda *given, **inputs: -good(*given, **inputs)  # noqa: E731
    monkeypatch.setattr(OmniDecoder, "prefill", wrong)
    with pytest.raises(GateFailed):
        list(parts["decode"][1]())
    with pytest.raises(GateFailed):
        list(parts["prefill"][1]())


def test_random_decoder_keeps_the_correction_in_float32() -> None:
    dtype = torch.get_default_dtype()
    model = gpu.random_decoder(SIZES)
    assert torch.get_default_dtype() == dtype
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}


def test_moved_bytes_of_a_step_by_hand() -> None:
    model = gpu.random_decoder(SIZES)
    state = model.new_state()
    model.prefill(state, tokens=[1, 2, 3])
    all_weights = sum(weight.numel() for weight in model.parameters()) - 61 * 32
    # Two Mamba blocks: 4 heads of 16 by 16 in float32; 3 inputs of 64 + 2·2·16 channels.
    recurrent = 2 * (4 * 16 * 16 * 4 + 3 * 128 * 2)
    keys_and_values = 2 * 2 * 3 * 16 * 2
    everything = 2 * all_weights + 2 * recurrent + keys_and_values
    assert roof.moved_bytes(model, state, [8.0, 8.0]) == everything
    one_expert = 2 * 24 * 32 * 2
    assert roof.moved_bytes(model, state, [2.0, 5.0]) == everything - 9 * one_expert


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 1
    out = capsys.readouterr().out
    assert "No CUDA device" in out
    assert "72 GB" in out  # 31.6 billion parameters of two bytes, and room to work
