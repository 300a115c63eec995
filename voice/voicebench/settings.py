"""How a run is made: what the model is told, how it decodes, and what it is given.

Everything here is part of a run's identity: two runs with different settings are two runs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Modality = Literal["audio", "text", "ttft"]
Hearing = Literal["whole", "streamed", "live"]

ASSISTANT_PROMPT = "You are a helpful assistant who tries to help answer the user's question."
"""What upstream tells GPT-4o-audio and the cascades, and the judge."""
SPOKEN_PROMPT = (
    "You are a voice assistant. You hear what the user says, and your answer is spoken. Answer in "
    "plain sentences, briefly and to the point, without lists, symbols or markup."
)
CHOICE_HINT = 'End with "The answer is X." where X is the letter of the right option.'
"""Not upstream's: a run that uses it says so."""

SYSTEM_PROMPTS = {"assistant": ASSISTANT_PROMPT, "spoken": SPOKEN_PROMPT, "none": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Settings of a run.

    Attributes:
        model: the name by which files call the model.
        modality: ``audio``: the model hears the question. ``text``: it reads it. ``ttft``: it
            hears it, and the response is the time to the first token, s.
        hearing: of our own engine: the whole clip at once, or 20 ms by 20 ms as from a microphone;
            or live, in a session of the server that users talk with.
        system: what the model is told before; may be empty.
        choice_hint: whether multiple choice adds `CHOICE_HINT` to it.
        thinking: whether the model reasons before it answers.
        temperature, top_k, top_p: of the sampling; 0 is greedy, 0 is all, 1 is all.
        max_new_tokens: the most tokens of one reply, reasoning included.
        reasoning_budget: the most tokens of reasoning, of our own engine; 0 is no limit of its own.
        seed: each item's draws are seeded with it and the item's place.
    """

    model: str
    modality: Modality = "audio"
    hearing: Hearing = "whole"
    system: str = ASSISTANT_PROMPT
    choice_hint: bool = False
    thinking: bool = False
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    max_new_tokens: int = 2048
    reasoning_budget: int = 0
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """All settings, for a manifest."""
        return asdict(self)

    @property
    def file_name(self) -> str:
        """The model's name as a part of a file name."""
        return self.model.rstrip("/").rpartition("/")[2] or "model"


PRESETS: dict[str, dict[str, Any]] = {
    "voice": {
        "system": SPOKEN_PROMPT,
        "thinking": False,
        "temperature": 0.2,
        "top_k": 1,
        "max_new_tokens": 1024,
    },
    "paper": {
        "system": ASSISTANT_PROMPT,
        "thinking": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "max_new_tokens": 20480,
        "reasoning_budget": 16384,
    },
}
"""``voice`` is what users of Parley get; ``paper`` is the thinking mode that NVIDIA's published
figures were made with. Both as in the model card of Nemotron 3 Nano Omni."""
