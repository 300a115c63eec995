"""The decoder at its real size on a CUDA device: `python -m benchmarks.gpu [--write]`.

Nemotron 3 Nano's 31.6 billion parameters in bfloat16 with random weights, decode steps as captured
graphs. One session at a time reads few weights very often, so the roof is the memory's bandwidth; a
probe finds what this device really delivers, and every row says how much of that it reached. Random
weights may route many positions to the same experts, which moves less: rows name the distinct
experts they met.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from benchmarks import models, report, roof, snapshot
from benchmarks.command import Part, run_parts
from benchmarks.measure import Candidate, Cell, GateFailed, Goal, Row, interleave
from omni_core.cache import DecoderState
from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder
from omni_core.moe import Router

REAL: Mapping[str, Any] = MappingProxyType(
    {
        "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
        "hidden_size": 2688,
        "vocab_size": 131072,
        "max_position_embeddings": 262144,
        "mamba_num_heads": 64,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "ssm_state_size": 128,
        "chunk_size": 128,
        "num_attention_heads": 32,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "n_routed_experts": 128,
        "num_experts_per_tok": 6,
        "moe_intermediate_size": 1856,
        "moe_shared_expert_intermediate_size": 3712,
        "routed_scaling_factor": 2.5,
    }
)
"""`llm_config` of nvidia/Nemotron-3-Nano-Omni, as far as Parley reads it."""

GOAL_ROOF = 0.70
"""Share of the bandwidth that one decoding session should reach."""
NEAR = 0.15
"""How far bfloat16 may move logits, in the root mean square and relative to them: kernels for other
shapes round differently, and a few positions meet other experts for it."""
SPARE_BYTES = 8 << 30
"""For states, graphs and scratch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSizes:
    """How much is measured; positions and tokens unless the name says otherwise."""

    device: str = "cuda"
    dtype: torch.dtype = torch.bfloat16
    decoder: Mapping[str, Any] = field(default_factory=lambda: REAL)
    repeats: int = 10
    probe_bytes: int = 4 << 30
    contexts: tuple[int, ...] = (1024, 8192, 65536)
    new_tokens: int = 128
    checked_tokens: int = 16
    pieces: tuple[int, ...] = (1, 2, 7, 14, 64, 375)
    """Positions taken in at once, after `contexts[0]`; 375 are 30 s of audio."""
    histories: tuple[int, ...] = (0, 1024, 8192, 65536)
    turns: tuple[int, ...] = (14, 375)
    """What a turn leaves to take in: the last second, or all of a turn of 30 s, exactly."""
    snapshot_contexts: tuple[int, ...] = (0, 1024, 65536)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs everything; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    results = report.RESULTS.with_name("results_gpu.md")
    parser.add_argument("--write", action="store_true", help=f"keep it in {results.name}")
    options = parser.parse_args(arguments)
    sizes = GpuSizes()
    if (obstacle := _obstacle(sizes)) is not None:
        print(obstacle)
        return 1
    device = torch.cuda.get_device_properties(0)
    where = report.machine() | {"gpu": device.name, "cuda": torch.version.cuda}
    command = "python -m benchmarks.gpu --write"
    return run_parts(parts(sizes), where, command, results if options.write else None)


def _obstacle(sizes: GpuSizes) -> str | None:
    """Why this cannot run here, if so."""
    with torch.device("meta"):
        weights = sum(w.numel() for w in OmniDecoder(_config(sizes)).parameters()) * 2
    need = f"{(weights + SPARE_BYTES) / 1e9:.0f} GB of memory (an H100 or H200)"
    if not torch.cuda.is_available():
        return f"No CUDA device here. This benchmark needs one with {need}."
    there = torch.cuda.get_device_properties(0)
    if there.total_memory < weights + SPARE_BYTES:
        return f"{there.name} has {there.total_memory / 1e9:.0f} GB; this needs {need}."
    return None


def parts(sizes: GpuSizes) -> dict[str, Part]:
    """All parts, sharing one model and one measured bandwidth."""
    model = random_decoder(sizes)
    speeds = roof.bandwidths(sizes.device, sizes.probe_bytes, sizes.repeats, _synchronizer(sizes))
    bench = Bench(sizes, model, *speeds)
    measures = (bench.bandwidth, bench.decode, bench.prefill, bench.first_token, bench.snapshot)
    return {each.__name__: (each.__doc__ or "", each) for each in measures}


def _config(sizes: GpuSizes) -> ModelConfig:
    return ModelConfig.from_dict(sizes.decoder)


def random_decoder(sizes: GpuSizes) -> OmniDecoder:
    """The decoder with fresh weights, made where and as what it runs: 63 GB have no other room."""
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(sizes.dtype)
    try:
        with torch.device(sizes.device):
            model = OmniDecoder(_config(sizes))
    finally:
        torch.set_default_dtype(before)
    return model.eval().requires_grad_(False)


def _synchronizer(sizes: GpuSizes) -> Callable[[], None]:
    return torch.cuda.synchronize if sizes.device == "cuda" else lambda: None


class Bench:
    """One model, one device, and what its memory delivers.

    Args:
        sizes: how much to measure.
        model: what is measured.
        read, copy: measured bandwidths, GB/s.
    """

    def __init__(self, sizes: GpuSizes, model: OmniDecoder, read: float, copy: float) -> None:
        self._sizes, self._model = sizes, model
        self._read, self._copy = read, copy
        self._roof = max(read, copy)
        self._time = partial(interleave, repeats=sizes.repeats, synchronize=_synchronizer(sizes))

    def bandwidth(self) -> Iterator[Row]:
        """What the device's memory delivers to plain kernels; the roof is the better of both."""
        yield Row(
            {"read, GB/s": self._read, "copy, GB/s": self._copy, "roof, GB/s": self._roof},
            gate="nothing to compare",
        )

    def decode(self) -> Iterator[Row]:
        """One session, token by token, sampling included. Every step reads the dense weights, the
        chosen experts, the recurrent state and all keys and values."""
        for context in self._sizes.contexts:
            yield self._decode(context)

    def prefill(self) -> Iterator[Row]:
        """Pieces of a turn behind a history. Already a few positions meet many experts, so short
        pieces cost nearly as much as long ones: how often one takes in counts, not how much."""
        for length in self._sizes.pieces:
            yield self._prefill(length)

    def first_token(self) -> Iterator[Row]:
        """From the end of a turn to the first token: with the state kept, and with all of the
        history taken in again."""
        for history in self._sizes.histories:
            for turn in self._sizes.turns:
                yield self._first_token(history, turn)

    def snapshot(self) -> Iterator[Row]:
        """Copies of the recurrent tensors, 49 MB at the real size, whatever the history."""
        for context in self._sizes.snapshot_contexts:
            yield snapshot.measure(
                self._model,
                self._tokens(context),
                self._tokens(snapshot.DIVERGED, seed=1),
                repeats=self._sizes.repeats,
                synchronize=_synchronizer(self._sizes),
            )

    def _decode(self, context: int) -> Row:
        state = self._filled(context)
        self._check_choices(state)
        mark = state.snapshot()
        count = self._sizes.new_tokens

        def decode(_: None) -> None:
            list(self._model.generate(state, max_new_tokens=count))

        times = self._time({"ours": Candidate(decode, partial(state.rollback, mark))})
        step = times["ours"].per(count)
        met = [float(self._model.config.num_experts_per_tok)] * len(self._routers)
        cells, share = self._moved(step.median, state, met)
        return Row(
            {"context": context, "ms/token": step, "tokens/s": 1e3 / step.median, **cells},
            gate=f"{self._sizes.checked_tokens} tokens among the best of a prefill",
            goal=Goal(f"≥ {GOAL_ROOF:.0%} of the roof", share >= GOAL_ROOF),
        )

    def _prefill(self, length: int) -> Row:
        state = self._filled(self._sizes.contexts[0])
        mark = state.snapshot()
        piece = self._tokens(length, seed=1)
        at_once = self._model.prefill(state, tokens=piece)
        state.rollback(mark)
        for token in piece:
            one_by_one = self._model.step([state], [token])[0]
        state.rollback(mark)
        found = self._near(f"{length} positions at once and one by one", at_once, one_by_one)
        met = self._distinct_experts(state, piece)

        def prefill(_: None) -> None:
            self._model.prefill(state, tokens=piece)

        times = self._time({"ours": Candidate(prefill, partial(state.rollback, mark))})
        cells, _ = self._moved(times["ours"].median, state, met)
        return Row(
            {"positions at once": length, "ms": times["ours"], **cells},
            gate=f"logits within {found:.0e} of one by one",
        )

    def _first_token(self, history: int, turn: int) -> Row:
        state, before = self._filled(history), self._tokens(history)
        mark = state.snapshot()
        said = self._tokens(turn, seed=1)
        logits: dict[str, Tensor] = {}

        def keep(_: None) -> None:
            logits["kept"] = self._model.prefill(state, tokens=said)
            next(self._model.generate(state, max_new_tokens=1))

        def again(_: None) -> None:
            fresh = self._model.new_state()
            logits["again"] = self._model.prefill(fresh, tokens=before + said)
            next(self._model.generate(fresh, max_new_tokens=1))

        times = self._time(
            {"kept": Candidate(keep, partial(state.rollback, mark)), "again": Candidate(again)}
        )
        found = self._near(f"{history} and {turn} positions", logits["kept"], logits["again"])
        return Row(
            {
                "history": history,
                "turn": turn,
                "state kept, ms": times["kept"],
                "all again, ms": times["again"],
                "times faster": times["again"].over(times["kept"]),
            },
            gate=f"logits within {found:.0e} of all again",
        )

    def _tokens(self, count: int, seed: int = 0) -> list[int]:
        return models.random_tokens(self._sizes.decoder, count, seed)

    def _filled(self, context: int) -> DecoderState:
        """A session whose history is `_tokens(context)`."""
        state = self._model.new_state()
        if context:
            self._model.prefill(state, tokens=self._tokens(context))
        return state

    def _check_choices(self, state: DecoderState) -> None:
        """Every token that is decoded must be among the best of a prefill up to it."""
        mark = state.snapshot()
        chosen = list(self._model.generate(state, max_new_tokens=self._sizes.checked_tokens))
        state.rollback(mark)
        for index, token in enumerate(chosen):
            if index:
                # As one piece, and so not by the decode step.
                logits = self._model.prefill(state, tokens=chosen[:index])
                state.rollback(mark)
            else:
                assert state.logits is not None
                logits = state.logits
            short = float((logits.max() - logits[token]) / logits.square().mean().sqrt())
            if not short <= NEAR:
                raise GateFailed(
                    f"token {index} after {len(state)}: to a prefill, {token} is {short:.2f} "
                    "behind the best"
                )

    def _near(self, what: str, ours: Tensor, theirs: Tensor) -> float:
        """Relative root mean square of the difference, if within `NEAR`."""
        found = float((ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt())
        if not found <= NEAR:
            raise GateFailed(f"{what}: logits {found:.2f} apart, more than {NEAR}")
        return found

    @property
    def _routers(self) -> list[Router]:
        return [module for module in self._model.modules() if isinstance(module, Router)]

    def _distinct_experts(self, state: DecoderState, piece: list[int]) -> list[float]:
        """How many experts of each block a piece meets; the state moves on by the piece."""
        loads = [
            torch.zeros(len(router.weight), dtype=torch.int64, device=router.weight.device)
            for router in self._routers
        ]
        for router, load in zip(self._routers, loads, strict=True):
            router.load = load
        self._model.prefill(state, tokens=piece)
        for router in self._routers:
            router.load = None
        return [float((load > 0).sum()) for load in loads]

    def _moved(
        self, ms: float, state: DecoderState, distinct: Sequence[float]
    ) -> tuple[dict[str, Cell], float]:
        """Cells that say what had to move and how fast it did, and the share of the roof."""
        gigabytes = roof.moved_bytes(self._model, state, distinct) / 1e9
        share = gigabytes / (ms / 1e3) / self._roof
        average = sum(distinct) / max(1, len(distinct))
        cells: dict[str, Cell] = {
            "experts per block": average,
            "GB": gigabytes,
            "GB/s": gigabytes / (ms / 1e3),
            "% of roof": 100 * share,
        }
        return cells, share


if __name__ == "__main__":
    sys.exit(main())
