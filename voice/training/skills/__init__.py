"""What the built-in model learns to talk about: generated conversations and their checks.

All text is made here, from phrasings (skills/*.py) and word lists and tables (data/): no corpus.
A fixed part of the phrasings of every skill is held out and only drawn with split "heldout".
"""

from voice.training.skills.checks import is_right
from voice.training.skills.conversations import (
    SKILLS,
    sample_conversation,
    sample_drill,
    sample_memory,
    sample_turn,
)
from voice.training.skills.nonsense import sample_nonsense
from voice.training.skills.sentences import training_sentences
from voice.training.skills.turns import Conversation, Split, Turn
from voice.training.skills.wording import sample_words_to_spell, spelled

__all__ = [
    "SKILLS",
    "Conversation",
    "Split",
    "Turn",
    "is_right",
    "sample_conversation",
    "sample_drill",
    "sample_memory",
    "sample_nonsense",
    "sample_turn",
    "sample_words_to_spell",
    "spelled",
    "training_sentences",
]
