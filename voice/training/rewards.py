"""Replies that are drawn, judged by rule, and made likelier or less likely.

The stage `rewards`: to each prompt the model draws several replies; each is rewarded by a check
that anyone could verify, against what the others got (GRPO, arXiv 2402.03300; the mean of the
others as in RLOO, arXiv 2402.14740). There is no critic and no second model: the replies of the
recipe, which are learnt beside it, keep it from drifting. The ear stays as it is.

P prompts, G replies to each, R rows (different replies, and the recipe's), T positions.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from voice.training.data import Example, SequenceBatch, SequenceBatches
from voice.training.modules import Omni
from voice.training.sequences import IGNORED, Wanted

Reply = tuple[int, ...]
"""Tokens, the one that ends it included."""
Row = tuple[Tensor, Reply, float]
"""A prompt [T, hidden], a reply to it, and how much likelier it is to become."""

NUM_REPLIES = 6
MAX_REPLY_TOKENS = 80
REFERENCE_WEIGHT = 0.3
"""Of the recipe's own replies beside those that were drawn."""


@dataclass(slots=True)
class PromptBatch:
    """Prompts that end where a reply begins.

    Attributes:
        heard: tokens, places of audio and encoder steps, padded on the right; no targets.
        lengths: [P] in positions.
        wanted: what a right reply is.
    """

    heard: SequenceBatch
    lengths: list[int]
    wanted: list[Wanted]

    def to(self, device: torch.device) -> PromptBatch:
        """The same batch on a device."""
        return replace(self, heard=self.heard.to(device))


class PromptBatches(SequenceBatches):
    """Prompts: heard sequences up to one of their replies."""

    def _examples(self, rng: random.Random, count: int) -> list:
        examples: list[Example] = []
        while len(examples) < count:
            sequence = self._speaking.sample(rng)
            place = rng.choice([p for p, wanted in enumerate(sequence.wanted) if wanted])
            wanted, prompt = sequence.wanted[place], sequence.before(place)
            if not prompt.utterances:  # typed from beginning to end
                continue
            example = self._record(prompt, rng, wanted)
            if example.length <= self._max_positions:
                examples.append(example)
        return examples

    def _collate(self, examples: list, rng: random.Random) -> PromptBatch:
        heard = self._collate_sequences(examples)
        return PromptBatch(heard, [e.length for e in examples], [e.wanted for e in examples])


class Rewarded(nn.Module):
    """A model whose replies are rewarded.

    Args:
        omni: the model.
        tokenizer: the checkpoint's.
        num_replies: G.
    """

    def __init__(
        self, omni: Omni, tokenizer: PreTrainedTokenizerBase, num_replies: int = NUM_REPLIES
    ) -> None:
        super().__init__()
        self.omni = omni
        self._tokenizer = tokenizer
        (self._end,) = tokenizer("<|im_end|>", add_special_tokens=False)["input_ids"]
        self._num_replies = num_replies

    def loss(self, batch: PromptBatch) -> tuple[Tensor, dict[str, float]]:
        """Policy-gradient loss of the replies drawn, and cross entropy of the recipe's."""
        assert batch.heard.steps is not None
        said = self.omni.projector(batch.heard.steps)
        padded = self.omni.heard_embeddings(batch.heard, said)
        prompts = [row[:length] for row, length in zip(padded, batch.lengths, strict=True)]
        with torch.autocast(padded.device.type, enabled=False):  # states have the weights' dtype
            drawn = [self._draw(prompt.detach().float()) for prompt in prompts]
        rows: list[Row] = []
        rewards: list[float] = []
        for prompt, wanted, replies in zip(prompts, batch.wanted, drawn, strict=True):
            recipe = self._tokenizer(wanted.text, add_special_tokens=False)["input_ids"]
            rows.append((prompt, (*recipe, self._end), 0.0))
            own = [self._reward(wanted, reply) for reply in replies]
            rewards += own
            rows += [(prompt, r, a) for r, a in advantages(replies, own).items() if a]
        log_likelihoods, is_reply = self._log_likelihoods(rows)
        weights = torch.tensor([weight for *_, weight in rows], device=log_likelihoods.device)
        count = sum(len(reply) for replies in drawn for reply in replies)
        policy = -(weights[:, None] * log_likelihoods).sum() / count
        reference_tokens = is_reply & (weights == 0)[:, None]
        reference = -log_likelihoods[reference_tokens].mean()
        figures = {"reward": sum(rewards) / len(rewards), "reply": float(reference.detach())}
        return policy + REFERENCE_WEIGHT * reference, figures

    def _reward(self, wanted: Wanted, reply: Reply) -> float:
        if reply[-1:] != (self._end,):  # it never came to its end
            return 0.0
        return wanted.reward(str(self._tokenizer.decode(list(reply[:-1]))).strip())

    @torch.no_grad()
    def _draw(self, prompt: Tensor) -> list[Reply]:
        """Replies to a prompt [T, hidden], token by token as likely as the model finds them."""
        decoder = self.omni.language.decoder
        first = decoder.new_state()
        logits = decoder.prefill(first, embeddings=prompt)
        states = [first.fork() for _ in range(self._num_replies)]
        replies: list[list[int]] = [[] for _ in states]
        rows = logits.expand(len(states), -1)
        going = list(range(len(states)))
        for _ in range(MAX_REPLY_TOKENS):
            tokens = torch.multinomial(rows.softmax(-1), 1)[:, 0].tolist()
            for index, token in zip(going, tokens, strict=True):
                replies[index].append(token)
            going = [index for index in going if replies[index][-1] != self._end]
            if not going:
                break
            rows = decoder.step([states[i] for i in going], [replies[i][-1] for i in going])
        return list(map(tuple, replies))

    def _log_likelihoods(self, rows: list[Row]) -> tuple[Tensor, Tensor]:
        """Of the tokens of every reply after its prompt [R, T], and where they are [R, T]."""
        decoder = self.omni.language.decoder
        device = rows[0][0].device
        tokens = [torch.tensor(reply, device=device) for _, reply, _ in rows]
        embeddings = [
            torch.cat([prompt, decoder.embed(reply[:-1]).to(prompt.dtype)])
            for (prompt, *_), reply in zip(rows, tokens, strict=True)
        ]
        targets = [
            torch.cat([reply.new_full((len(prompt) - 1,), IGNORED), reply])
            for (prompt, *_), reply in zip(rows, tokens, strict=True)
        ]
        expected = pad_sequence(targets, batch_first=True, padding_value=IGNORED)
        is_reply = expected != IGNORED
        hidden = decoder.hidden(pad_sequence(embeddings, batch_first=True))
        losses = F.cross_entropy(
            decoder.lm_head(hidden[is_reply]).float(), expected[is_reply], reduction="none"
        )
        likelihoods = torch.zeros_like(expected, dtype=losses.dtype)
        return likelihoods.masked_scatter(is_reply, -losses), is_reply


def advantages(replies: list[Reply], rewards: list[float]) -> dict[Reply, float]:
    """Reply → by how much its reward beats the mean of the others', summed where it came twice."""
    total, others = sum(rewards), max(1, len(rewards) - 1)
    sums: defaultdict[Reply, float] = defaultdict(float)
    for reply, reward in zip(replies, rewards, strict=True):
        sums[reply] += reward - (total - reward) / others
    return dict(sums)
