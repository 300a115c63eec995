"""The NemotronH decoder: embeddings and token ids in, logits and tokens out.

No audio, no text, no threads: whoever calls decides when. The modules hold weights only; a session
is a `DecoderState`, made by `new_state` and passed to every call that moves it on.

Legend: B sessions, T positions.
"""

from collections.abc import Collection, Generator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.attention import Attention
from omni_core.cache import Cache, DecoderState
from omni_core.config import LayerKind, ModelConfig
from omni_core.graphs import DecodeGraph
from omni_core.layers import MLP, RMSNorm
from omni_core.mamba import MambaMixer
from omni_core.moe import MoE
from omni_core.sampling import Sampler, SamplingConfig
from omni_core.several import SeveralSteps
from omni_core.single import SingleStep

PREFILL_BLOCK = 1024
"""Positions that pass the layers at once; longer inputs go in blocks, so that memory is bounded."""

SINGLE_POSITIONS = 4
"""The most positions that go one by one on the CPU; more are faster together."""

SHORT_PARAMETERS = 50_000_000
"""The largest model that takes compiled loops; a larger one gains more from torch's threads."""

SEVERAL_BLOCK = 512
"""Positions that pass its layers at once."""


def _mixer(kind: LayerKind, config: ModelConfig) -> nn.Module:
    match kind:
        case LayerKind.MAMBA:
            return MambaMixer(config)
        case LayerKind.ATTENTION:
            return Attention(config)
        case LayerKind.MOE:
            return MoE(config)
        case LayerKind.MLP:
            return MLP(config.hidden_size, config.intermediate_size)


class Block(nn.Module):
    """x + mixer(RMSNorm(x)); one norm per block."""

    def __init__(self, kind: LayerKind, config: ModelConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mixer: Any = _mixer(kind, config)
        self.remembers = kind in (LayerKind.MAMBA, LayerKind.ATTENTION)

    def forward(self, x: Tensor) -> Tensor:
        """Maps whole sequences `x` [B, T, hidden] to the same shape."""
        return x + self.mixer(self.norm(x))

    def resume(self, x: Tensor, caches: Sequence[Any], lengths: Sequence[int]) -> Tensor:
        """Maps new positions `x` [ΣT, hidden] of the sessions whose caches are given."""
        if self.remembers:
            return x + self.mixer.resume(self.norm(x), caches, lengths)
        return x + self.mixer(self.norm(x))

    def new_cache(self) -> Cache | None:
        """An empty history, None for blocks that keep none."""
        return self.mixer.new_cache() if self.remembers else None


class Backbone(nn.Module):
    """Embeddings, blocks and the final norm, under the checkpoint's names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.embeddings.weight, std=config.initializer_range)
        self.layers = nn.ModuleList(Block(kind, config) for kind in config.layers)
        self.norm_f = RMSNorm(config.hidden_size, config.layer_norm_epsilon)


class OmniDecoder(nn.Module):
    """The language model of Nemotron 3 Nano Omni.

    Parameter names are those of the checkpoint below `language_model.`, with the routed experts
    stacked (see `omni_core.moe.Experts`).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self._compiled: tuple[SingleStep, SeveralSteps] | None = None
        self._graphs: dict[int, DecodeGraph] = {}
        self._blocks: list[Block] = list(self.backbone.layers)  # type: ignore[arg-type]
        self._num_parameters = sum(weight.numel() for weight in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.lm_head.weight.device

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings [..., hidden] of `tokens` [...], unscaled."""
        return self.backbone.embeddings(tokens)

    def hidden(self, embeddings: Tensor) -> Tensor:
        """Final hidden states [B, T, hidden] of whole sequences, offline, causal, differentiable.

        `lm_head` of them gives the logits. Every position takes part: pad on the right, where
        causality keeps the padding away from what comes before it.
        """
        x = embeddings
        for block in self._blocks:
            x = block(x)
        return self.backbone.norm_f(x)

    def new_state(self) -> DecoderState:
        """An empty session. It belongs to the present weights; do not train under it."""
        return DecoderState(
            [block.new_cache() for block in self._blocks], self.config.max_position_embeddings
        )

    def warm_up(self) -> None:
        """Does what the first token on a device would wait for: compiling, capturing."""
        if not (self._short or self._captures):
            return
        state = self.new_state()
        self.prefill(state, tokens=[0] * (SINGLE_POSITIONS + 1))
        for _ in self.generate(state, max_new_tokens=2):
            pass

    def prefill(
        self,
        state: DecoderState,
        *,
        tokens: Sequence[int] | Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> Tensor:
        """Takes in tokens or embeddings, any number from one, and returns the last logits.

        Splitting the input over several calls gives the same state up to rounding.

        Args:
            state: the session, moved on in place.
            tokens: ids, a sequence or an integer tensor [T].
            embeddings: what stands in the place of tokens [T, hidden], any float dtype.

        Returns:
            Logits of the last position [vocab], float32.

        Raises:
            ValueError: empty, misshaped, out of range or not finite; the state is as it was.
            ContextFull: too many positions; the state is as it was.
        """
        if (tokens is None) == (embeddings is None):
            raise ValueError("prefill takes either tokens= or embeddings=, exactly one of them")
        item = tokens if embeddings is None else embeddings
        assert item is not None
        return self.extend([state], [item])[0]

    def extend(
        self, states: Sequence[DecoderState], inputs: Sequence[Sequence[int] | Tensor]
    ) -> Tensor:
        """`prefill` of any number of sessions in one pass; long and short inputs mix freely.

        Args:
            states: the sessions, each once, with histories of any length.
            inputs: for each, token ids (integers) or embeddings (a float tensor [T, hidden]).

        Returns:
            Logits of each session's last position [B, vocab], float32; each as if it were alone.

        Raises:
            ValueError, ContextFull: as `prefill`; then no state has moved.
        """
        if len(states) != len(inputs) or not states:
            raise ValueError(
                f"{len(states)} states and {len(inputs)} inputs; give one input per state"
            )
        if len({id(state) for state in states}) != len(states):
            raise ValueError("a state appears twice in one call; join its inputs instead")
        with torch.inference_mode():
            parts = [self._embeddings(item) for item in inputs]
            for state, part in zip(states, parts, strict=True):
                state.require_room(len(part))
            parts = [self._with_pending(s, part) for s, part in zip(states, parts, strict=True)]
            logits = self._advance(states, parts)
        return logits.clone()  # outside, so that the caller gets an ordinary tensor

    def step(self, states: Sequence[DecoderState], tokens: Sequence[int]) -> Tensor:
        """Takes in one token per session; returns the logits [B, vocab]. Else as `extend`."""
        return self.extend(states, [[token] for token in tokens])

    def generate(
        self,
        state: DecoderState,
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: Collection[int] = (),
        min_new_tokens: int = 0,
        forbidden: Collection[int] = (),
        context: Collection[int] = (),
    ) -> Generator[int, None, int | None]:
        """Continues the history token by token.

        The state behaves at any time as if it held exactly the tokens yielded so far, however the
        generation ends: by a stop token, by the limit, by `close()` or by an exception. (The last
        one may wait in `state.pending`; the next call takes it in, which saves a decode step when
        none follows.) A stop token is neither yielded nor taken in.

        Args:
            state: the session; it must have taken in something.
            max_new_tokens: the most tokens to yield.
            temperature, top_k, top_p, repetition_penalty, seed: see `SamplingConfig`.
            stop: tokens that end the generation.
            min_new_tokens, forbidden: see `SamplingConfig`.
            context: earlier tokens that the repetition penalty counts as seen.

        Returns:
            The stop token, as the generator's value; None if the limit ended it.

        Raises:
            ValueError: bad settings or an empty state, at the first `next`.
            ContextFull: no room to take in the token yielded last.
        """
        config = SamplingConfig(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            forbidden=forbidden,
            stop=stop,
            min_new_tokens=min_new_tokens,
            seed=seed,
        )
        if state.logits is None:
            raise ValueError("the state is empty; prefill a prompt before generating")
        sampler = Sampler(config, self.config.vocab_size, self.device, context)
        stops = frozenset(stop)
        for _ in range(max_new_tokens):
            token = self._choose(state, sampler)
            if token in stops:
                return token
            state.pending = token
            yield token
        return None

    @torch.inference_mode()
    def _choose(self, state: DecoderState, sampler: Sampler) -> int:
        """Takes in the pending token, if any, and chooses the next."""
        if state.pending is not None:
            state.require_room(0)
            self._advance([state], [self._with_pending(state, None)])
        assert state.logits is not None
        return int(sampler.choose(state.logits))

    def _with_pending(self, state: DecoderState, part: Tensor | None) -> Tensor:
        """`part` [T, hidden] after the embedding of the pending token."""
        assert part is not None or state.pending is not None
        if state.pending is None:
            assert part is not None
            return part
        pending = self.backbone.embeddings.weight[state.pending : state.pending + 1]
        return pending if part is None else torch.cat([pending, part])

    def _embeddings(self, item: Sequence[int] | Tensor) -> Tensor:
        """Checked embeddings [T, hidden] of one input, on the model's device and in its dtype."""
        weight = self.backbone.embeddings.weight
        if isinstance(item, Tensor) and item.is_floating_point():
            return _checked_embeddings(item, weight.shape[1]).to(weight)
        return F.embedding(_checked_tokens(item, weight.shape[0]).to(weight.device), weight)

    def _advance(self, states: Sequence[DecoderState], parts: Sequence[Tensor]) -> Tensor:
        """Moves the sessions on by `parts`, each [T, hidden]; logits [B, vocab] of the last ones.

        Long parts go ahead alone, block by block; the last block of each goes with the others.
        """
        if self._short:
            logits = torch.stack(list(map(self._advance_alone, states, parts)))
        else:
            logits = self._advance_blocks(states, parts)
        for row, state in enumerate(states):
            state.logits = logits[row]
        return logits

    def _advance_blocks(self, states: Sequence[DecoderState], parts: Sequence[Tensor]) -> Tensor:
        """`_advance` by passes through the blocks, or a graph where one can do it."""
        rest = []
        for state, part in zip(states, parts, strict=True):
            *blocks, last = part.split(PREFILL_BLOCK)
            for block in blocks:
                self._pass([state], [block])
            rest.append(last)
        if self._captures and all(len(last) == 1 for last in rest):
            return self._decode(states, torch.cat(rest))
        return self._head(self._pass(states, rest))

    def _head(self, x: Tensor) -> Tensor:
        """Logits [B, vocab] in float32 of the blocks' output [B, hidden]."""
        return F.linear(self.backbone.norm_f(x), self.lm_head.weight).float()

    def _layers(self, x: Tensor, caches: Sequence[Sequence[Any]], lengths: Sequence[int]) -> Tensor:
        """The blocks over new positions [ΣT, hidden]; `caches` by block, then by session."""
        for block, own in zip(self._blocks, caches, strict=True):
            x = block.resume(x, own, lengths)
        return x

    def _logits(self, x: Tensor, caches: Sequence[Sequence[Any]], lengths: Sequence[int]) -> Tensor:
        """Blocks and head over one new position per session [B, hidden]."""
        return self._head(self._layers(x, caches, lengths))

    @property
    def _captures(self) -> bool:
        """Whether decode steps run as graphs: where grouped products need no help of the host."""
        weight = self.lm_head.weight
        return (
            weight.is_cuda
            and weight.dtype == torch.bfloat16
            and torch.cuda.get_device_capability(weight.device) >= (9, 0)
        )

    def _decode(self, states: Sequence[DecoderState], x: Tensor) -> Tensor:
        """One position per session through a graph; logits [B, vocab]."""
        needed = max(state.position for state in states) + 1
        graph = self._graphs.get(len(states))
        if graph is None or graph.capacity < needed:
            if graph is not None:
                graph.release()
            capacity = 1 << max(needed - 1, 1023).bit_length()
            graph = DecodeGraph(self._logits, self.new_state, len(states), capacity, x[:1])
            self._graphs[len(states)] = graph
        logits = graph.step(states, x)
        for state in states:
            state.position += 1
            state.pending = None
        return logits

    @property
    def _short(self) -> bool:
        """Whether every session goes alone, by `omni_core.single` and `omni_core.several`.

        So it is on the CPU while the calls of a step cost more than its arithmetic. Sharing a step
        would save neither.
        """
        weight = self.lm_head.weight
        return (
            self._num_parameters <= SHORT_PARAMETERS
            and weight.device.type == "cpu"
            and weight.dtype == torch.float32
        )

    def _advance_alone(self, state: DecoderState, part: Tensor) -> Tensor:
        """Moves one session on by `part` [T, hidden] on the CPU; logits [vocab]."""
        if self._compiled is None:
            weights = self._blocks, self.backbone.norm_f, self.lm_head.weight
            self._compiled = SingleStep(*weights), SeveralSteps(*weights)
        single, several = self._compiled
        if len(part) <= SINGLE_POSITIONS:
            logits = single(part, state.caches)
        else:
            for block in part.split(SEVERAL_BLOCK):
                logits = several(block, state.caches)
        state.position += len(part)
        state.pending = None
        return logits

    def _apply(self, fn: Any, recurse: bool = True) -> "OmniDecoder":
        """Moving the weights makes prepared steps void: they know addresses."""
        self._compiled = None
        for graph in self._graphs.values():
            graph.release()
        self._graphs.clear()
        return super()._apply(fn, recurse)

    def _pass(self, states: Sequence[DecoderState], parts: Sequence[Tensor]) -> Tensor:
        """One pass of the blocks; the last hidden state of every session [B, hidden]."""
        lengths = [len(part) for part in parts]
        x = parts[0] if len(parts) == 1 else torch.cat(list(parts))
        x = self._layers(x, list(zip(*(state.caches for state in states), strict=True)), lengths)
        for state, length in zip(states, lengths, strict=True):
            state.position += length
            state.pending = None
        if len(x) == len(states):
            return x
        return x[torch.tensor(lengths, device=x.device).cumsum(0) - 1]


def _checked_tokens(item: Sequence[int] | Tensor, vocab_size: int) -> Tensor:
    """Token ids as an int64 tensor [T], T at least 1 and every id in the vocabulary."""
    if isinstance(item, Tensor):
        if item.is_complex() or item.dtype == torch.bool:
            raise ValueError(f"tokens have dtype {item.dtype}; give integers")
        tokens = item.long()
    elif all(isinstance(token, int) for token in item):
        tokens = torch.tensor(item, dtype=torch.int64)
    else:
        raise ValueError("tokens must be integers; embeddings are given as a float tensor")
    if tokens.dim() != 1 or not len(tokens):
        raise ValueError(
            f"tokens have shape {list(tokens.shape)}; give one id or more in one dimension"
        )
    low, high = tokens.aminmax()
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"token ids {int(low)}..{int(high)} reach outside 0..{vocab_size - 1}; use the "
            "tokenizer of this checkpoint"
        )
    return tokens


def _checked_embeddings(item: Tensor, hidden_size: int) -> Tensor:
    """The embeddings themselves, [T, hidden] with T at least 1 and every value finite."""
    if item.dim() != 2 or item.shape[1] != hidden_size or not len(item):
        raise ValueError(
            f"embeddings have shape {list(item.shape)}; give [positions, {hidden_size}] with at "
            "least one position"
        )
    if not item.isfinite().all():
        raise ValueError("embeddings hold NaN or infinity; check the audio or image behind them")
    return item
