"""The built-in model's tokenizer: a small byte-level BPE around the special tokens of Nemotron 3.

Every text round-trips exactly, whatever alphabet it is in. Digits and single capital letters (what
a spelled word is made of) never merge with their neighbours, so arithmetic and spelling always see
the same token for the same sign.
"""

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

NUM_SPECIAL_TOKENS = 32
"""Ids below this one are special tokens."""

SPECIAL_TOKENS = {
    0: "<unk>",
    1: "<s>",
    2: "</s>",
    10: "<|im_start|>",
    11: "<|im_end|>",
    12: "<think>",
    13: "</think>",
    14: "<tool_call>",
    15: "</tool_call>",
    18: "<image>",
    19: "<img>",
    20: "</img>",
    21: "<quad>",
    22: "</quad>",
    23: "<ref>",
    24: "</ref>",
    25: "<box>",
    26: "</box>",
    27: "<so_embedding>",
    28: "<so_start>",
    29: "<so_end>",
}
"""Where the tokenizer of Nemotron 3 Nano Omni has them; free places hold ``<SPECIAL_n>``."""
IMAGE_TOKEN = 18
"""Stands at the places of a picture."""

_PIECES = (
    r", (?=\p{Lu}\b)|'\p{Ll}+|\p{N}|\b\p{Lu}\b| ?(?!\p{Lu}\b)\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s"
)
"""Merges stay within: comma between two letters, contraction, digit, lone capital, word or signs
with one space, blanks."""


def build_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learns a vocabulary of `vocab_size` tokens (fewer if `texts` hold no more) from `texts`.

    The result is saved with ``save_pretrained`` and read back by ``AutoTokenizer``. The end of a
    sequence is ``<|im_end|>``; encoding adds no tokens of its own.

    Raises:
        ValueError: the vocabulary has no room for the special tokens and the 256 bytes.
    """
    alphabet = ByteLevel.alphabet()
    smallest = NUM_SPECIAL_TOKENS + len(alphabet)
    if vocab_size < smallest:
        raise ValueError(
            f"vocab_size={vocab_size} is too small: {NUM_SPECIAL_TOKENS} special tokens and "
            f"{len(alphabet)} bytes need at least {smallest}"
        )
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = Sequence(
        [
            Split(Regex(_PIECES), behavior="isolated"),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = ByteLevelDecoder()
    specials = [SPECIAL_TOKENS.get(i, f"<SPECIAL_{i}>") for i in range(NUM_SPECIAL_TOKENS)]
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(text, normalized=False, special=True) for text in specials],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL_TOKENS[1],
        eos_token=SPECIAL_TOKENS[11],
        unk_token=SPECIAL_TOKENS[0],
        pad_token=SPECIAL_TOKENS[0],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
