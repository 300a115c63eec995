"""From logits to the next token: greedy or by chance, within what the caller allows."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """How tokens are chosen; the defaults are greedy decoding without restrictions.

    Raises:
        ValueError: a value outside its range.
    """

    temperature: float = 0.0
    """0 is greedy; else logits are divided by it."""
    top_k: int = 0
    """Only that many likeliest tokens; 0 is all."""
    top_p: float = 1.0
    """Only the fewest likeliest tokens whose probabilities reach this sum, in (0, 1]."""
    repetition_penalty: float = 1.0
    """Divides positive and multiplies negative logits of tokens seen (CTRL, arXiv 1909.05858)."""
    forbidden: Collection[int] = ()
    """Tokens never chosen, such as the media placeholders."""
    stop: Collection[int] = ()
    """Tokens that end the generation; only `min_new_tokens` makes a difference to them here."""
    min_new_tokens: int = 0
    """Of the first so many tokens none is a stop token."""
    seed: int | None = None
    """Makes the draws repeatable; None draws from torch's own generator."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("temperature", 0 <= self.temperature < float("inf"), "at least 0 and finite"),
            ("top_k", self.top_k >= 0, "at least 0 (0 keeps all)"),
            ("top_p", 0 < self.top_p <= 1, "in (0, 1]"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0 (1 is none)"),
            ("min_new_tokens", self.min_new_tokens >= 0, "at least 0"),
        ):
            if not good:
                raise ValueError(f"{name}={getattr(self, name)!r} must be {wanted}")


class Sampler:
    """Chooses tokens one after the other and remembers them for the repetition penalty.

    Args:
        config: the rules.
        vocab_size: tokens there are.
        device: where the logits are.
        context: tokens before the first choice that count as seen.

    Raises:
        ValueError: a token of the settings is not in the vocabulary, or all are forbidden.
    """

    def __init__(
        self,
        config: SamplingConfig,
        vocab_size: int,
        device: torch.device,
        context: Collection[int] = (),
    ) -> None:
        first = {*config.forbidden, *(config.stop if config.min_new_tokens else ())}
        for name, tokens in (("forbidden or stop", first), ("context", context)):
            strange = [token for token in tokens if not 0 <= token < vocab_size]
            if strange:
                raise ValueError(
                    f"{name} tokens {strange[:5]} lie outside 0..{vocab_size - 1}; look tokens up "
                    "with the tokenizer of this checkpoint"
                )
        if len(first) == vocab_size:
            raise ValueError("every token is forbidden; allow at least one")
        self._config = config
        self._forbidden = torch.tensor(sorted(set(config.forbidden)), device=device).long()
        self._forbidden_first = torch.tensor(sorted(first), device=device).long()
        self._chosen = 0
        self._seen: Tensor | None = None
        if config.repetition_penalty != 1.0:
            self._seen = torch.zeros(vocab_size, dtype=torch.bool, device=device)
            self._seen[torch.tensor(sorted(set(context)), device=device).long()] = True
        self._generator: torch.Generator | None = None
        if config.seed is not None:
            self._generator = torch.Generator(device).manual_seed(config.seed)

    @torch.inference_mode()
    def choose(self, logits: Tensor) -> Tensor:
        """The next token, int64 [1], for `logits` [vocab] in float32, which are left alone."""
        config = self._config
        if self._seen is not None:
            penalty = config.repetition_penalty
            penalised = torch.where(logits > 0, logits / penalty, logits * penalty)
            logits = torch.where(self._seen, penalised, logits)
        is_early = self._chosen < config.min_new_tokens
        self._chosen += 1
        forbidden = self._forbidden_first if is_early else self._forbidden
        if len(forbidden):
            logits = logits.index_fill(0, forbidden, -torch.inf)
        greedy = config.temperature == 0
        token = logits.argmax(0, keepdim=True) if greedy else self._draw(logits)
        if self._seen is not None:
            self._seen.index_fill_(0, token, True)
        return token

    def _draw(self, logits: Tensor) -> Tensor:
        """A token by chance. The order top-k, top-p, draw is that of transformers."""
        config = self._config
        # Subtracting the maximum first keeps tiny temperatures finite.
        logits = (logits - logits.max()) / config.temperature
        if 0 < config.top_k < len(logits):
            logits, tokens = logits.topk(config.top_k)
        else:
            logits, tokens = logits.sort(descending=True)
        probabilities = logits.softmax(0)
        if config.top_p < 1:
            before = probabilities.cumsum(0) - probabilities
            probabilities = probabilities.masked_fill(before >= config.top_p, 0.0)
        place = torch.multinomial(probabilities, 1, generator=self._generator)
        return tokens[place]
