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
    sample_own_words,
    sample_question,
    sample_tool_conversation,
    sample_turn,
)
from voice.training.skills.digits import sample_digits
from voice.training.skills.further import (
    FURTHER_SKILLS,
    sample_further,
    sample_further_drill,
)
from voice.training.skills.instructions import sample_instructions
from voice.training.skills.nonsense import sample_nonsense
from voice.training.skills.sentences import sample_word_salad, training_sentences
from voice.training.skills.sight import (
    COLORS,
    KINDS,
    SIGHT_SKILLS,
    sample_crowd,
    sample_one,
    sample_sight,
    sample_things,
)
from voice.training.skills.turns import Conversation, Function, Split, Thing, ToolCall, Turn
from voice.training.skills.unfinished import cut_short, sample_short, sample_unfinished
from voice.training.skills.wording import sample_key_words, sample_words_to_spell, spelled

__all__ = [
    "COLORS",
    "FURTHER_SKILLS",
    "KINDS",
    "SIGHT_SKILLS",
    "SKILLS",
    "Conversation",
    "Function",
    "Split",
    "Thing",
    "ToolCall",
    "Turn",
    "cut_short",
    "is_right",
    "sample_conversation",
    "sample_crowd",
    "sample_digits",
    "sample_drill",
    "sample_further",
    "sample_further_drill",
    "sample_instructions",
    "sample_key_words",
    "sample_memory",
    "sample_nonsense",
    "sample_one",
    "sample_own_words",
    "sample_question",
    "sample_short",
    "sample_sight",
    "sample_things",
    "sample_tool_conversation",
    "sample_turn",
    "sample_unfinished",
    "sample_word_salad",
    "sample_words_to_spell",
    "spelled",
    "training_sentences",
]
