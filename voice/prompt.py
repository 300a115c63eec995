"""The prompt of a conversation, whole and in the pieces that a live turn needs.

The text is always what the checkpoint's own chat template renders (or `voice/chat_template.jinja`
where it brings none). A turn that is still being spoken cannot be rendered at once, so its pieces
are cut out of renderings; put together they are the rendered conversation:

```text
session_opening   system text and tools
turn_opening      … <so_start>
                  embeddings of the audio
turn_closing      <so_end> …
reply_opening     … the model goes on from here
                  the reply
reply_closing     <|im_end|> …; then the next turn_opening
```
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from jinja2 import TemplateError as JinjaError
from transformers import PreTrainedTokenizerBase

from voice.errors import TemplateError

Message = Mapping[str, Any]
"""A chat message: role and content (text, or parts of type text, image, video and audio);
of the assistant also reasoning_content and tool_calls. Think tags in content are plain text."""

MediaKind = Literal["image", "video", "audio"]

_TAGS: dict[str, MediaKind] = {"<image>": "image", "<video>": "video", "<so_embedding>": "audio"}
_MEDIA_TAG = re.compile("|".join(_TAGS))
_IMAGE_FRAME = ("<img>", "</img>")
_AUDIO_FRAME = ("<so_start>", "<so_end>")
_MEDIA_TOKENS = ("<image>", "<so_embedding>", *_IMAGE_FRAME, *_AUDIO_FRAME)

# Lone surrogates stand for special tokens in shielded text: no decoded text holds any.
_FIRST_MARK = 0xD800
_MARKS = re.compile("[\ud800-\udfff]")
_CUT = "\udfff"

_USER = {"role": "user", "content": "Hello."}
_HISTORY = (_USER, {"role": "assistant", "content": "Hi."})
"""A conversation after which the pieces of a turn are rendered."""
KEPT_PIECES = 64
"""Of each kind of piece; most sessions need one or two."""


@dataclass(frozen=True, slots=True)
class Media:
    """The place of embeddings in a prompt."""

    kind: MediaKind
    index: int = 0
    """Which of the prompt's images, videos or audio clips."""
    group: int = 0
    """Which group of frames, in a video."""


Piece = str | Media
"""Text to tokenise with `Prompt.encode`, or the place of embeddings."""


def fallback_template() -> str:
    """The chat template for checkpoints that bring none, in Jinja."""
    return files("voice").joinpath("chat_template.jinja").read_text(encoding="utf-8")


class Prompt:
    """Renders conversations for one checkpoint and cuts them into pieces.

    What people write cannot act as a control token: special tokens in the content of messages
    are tokenised as the characters they are made of.

    Args:
        tokenizer: of the checkpoint; its `chat_template` is used when it has one.

    Raises:
        TemplateError: the tokenizer lacks the media tokens, or (from any method) the template
            fails or does not frame a conversation turn by turn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self.template: str = tokenizer.chat_template or fallback_template()
        vocabulary = tokenizer.get_added_vocab()
        specials = sorted(vocabulary, key=len, reverse=True)
        missing = [token for token in _MEDIA_TOKENS if token not in specials]
        if missing:
            raise TemplateError(
                f"the tokenizer has no {', '.join(missing)}; use the tokenizer files of a "
                "Nemotron Omni checkpoint"
            )
        self._special = re.compile("|".join(map(re.escape, specials)))
        self._mark_of = {token: chr(_FIRST_MARK + i) for i, token in enumerate(specials)}
        self._token_of = {mark: token for token, mark in self._mark_of.items()}
        assert _CUT not in self._token_of, "more special tokens than lone surrogates"
        self.media_token_ids: list[int] = [vocabulary[token] for token in _MEDIA_TOKENS]
        """Tokens that frame media; a reply must not contain them."""
        # A listener waits for these; they depend on the template and a few texts alone.
        self._closing = lru_cache(KEPT_PIECES)(self._write_closing)
        self._reply_opening = lru_cache(KEPT_PIECES)(self._write_reply_opening)
        self._thinking_after = lru_cache(KEPT_PIECES)(self._find_thinking_after)

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered piece, without any token of the tokenizer's own."""
        # Cut after its first character, a shielded token is no special token any more.
        cut = _MARKS.sub(lambda mark: _CUT.join(_head_tail(self._token_of[mark[0]])), text)
        parts = (self._tokenizer.encode(p, add_special_tokens=False) for p in cut.split(_CUT))
        return [token for part in parts for token in part]

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        thinking: bool = True,
        reply: bool = True,
    ) -> str:
        """The conversation as the chat template writes it, media as tags; input for `encode`.

        Args:
            messages: the conversation.
            tools: functions the model may call, in OpenAI's form.
            thinking: whether the model reasons first; `/think` and `/no_think` in messages win.
            reply: end with the opening of the assistant's reply.
        """
        try:
            rendered = self._tokenizer.apply_chat_template(
                [self._shield_message(message) for message in messages],
                tools=self._shield(list(tools)) if tools else None,
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=reply,
                enable_thinking=thinking,
            )
        except (JinjaError, TypeError) as error:
            raise TemplateError(
                f"the chat template of the checkpoint failed: {error}; check the messages and the "
                "functions' schemas, or replace its chat_template.jinja"
            ) from error
        assert isinstance(rendered, str)
        return rendered

    def pieces(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        thinking: bool = True,
        reply: bool = True,
    ) -> list[Piece]:
        """`render`, cut at the media: text with their frame tokens, and the places between."""
        return _split_media(self.render(messages, tools, thinking=thinking, reply=reply))

    def session_opening(
        self, system: str = "", tools: Sequence[Mapping[str, Any]] | None = None
    ) -> str:
        """What comes before the first turn: the system text and the tools; may be empty."""
        messages = [{"role": "system", "content": system}] if system else []
        return _without_end(
            self.render([*messages, _USER], tools, reply=False), self._turn([], _USER)
        )

    def user_turn(
        self, text: str = "", *, images: int = 0, videos: int = 0, audios: int = 0
    ) -> list[Piece]:
        """A whole turn that comes at once: its media first, then its text."""
        return _split_media(
            self._turn([], _user(text, images=images, videos=videos, audios=audios))
        )

    def system_turn(self, text: str) -> str:
        """Instructions that come after the first turn."""
        return self._turn([], {"role": "system", "content": text})

    def turn_opening(self, *, images: int = 0, videos: int = 0) -> list[Piece]:
        """A spoken turn up to and including `<so_start>`."""
        return self._spoken_turn("", images, videos)[0]

    def turn_closing(self, text: str = "") -> str:
        """The rest of a spoken turn from `<so_end>` on; `text` is what was typed with it."""
        return self._closing(text)

    def _write_closing(self, text: str) -> str:
        opening, closing = self._spoken_turn(text, 0, 0)
        if opening != self.turn_opening():
            raise TemplateError(
                "the checkpoint's chat template puts a turn's text before its audio, so that a "
                "turn cannot start before it is complete; replace its chat_template.jinja"
            )
        return closing

    def reply_opening(self, thinking: bool) -> str:
        """What comes between a user's turn and the first token of the reply."""
        return self._reply_opening(thinking)

    def _write_reply_opening(self, thinking: bool) -> str:
        rendered = self.render([_USER], thinking=thinking)
        return _without_start(rendered, self.render([_USER], reply=False))

    def reply_closing(self) -> str:
        """What follows the text of a reply, from `<|im_end|>` on."""
        return self.reply_turn("Hi.").rpartition("Hi.")[2]

    def reply_turn(self, text: str, tool_calls: Sequence[Mapping[str, Any]] | None = None) -> str:
        """A whole reply as later turns see it, without reasoning, opening and closing included.

        After a reply with reasoning, or one that was cut short, this is what belongs in the
        history: prefill it after a rollback to the end of the user's turn.
        """
        reply = {"role": "assistant", "content": text}
        return self._turn([_USER], reply | ({"tool_calls": tool_calls} if tool_calls else {}))

    def tool_turn(self, results: Sequence[str]) -> str:
        """The results of a reply's tool calls, in order, as one turn."""
        call = {"type": "function", "function": {"name": "f", "arguments": {}}}
        asking = {"role": "assistant", "content": "", "tool_calls": [call] * len(results)}
        return self._turn([_USER, asking], *({"role": "tool", "content": r} for r in results))

    def thinking_after(self, text: str, thinking: bool) -> bool:
        """Whether the model thinks after a system text or turn, which may hold `/no_think`."""
        return self._thinking_after(text, thinking)

    def _find_thinking_after(self, text: str, thinking: bool) -> bool:
        rendered = self.render([_user(text)], thinking=thinking)
        switched = self.reply_opening(not thinking)
        changes = switched != self.reply_opening(thinking) and rendered.endswith(switched)
        return thinking != changes

    def _spoken_turn(self, text: str, images: int, videos: int) -> tuple[list[Piece], str]:
        message = _user(text, images=images, videos=videos, audios=1)
        pieces = _split_media(self._turn([], message))
        place = Media("audio")
        if pieces.count(place) != 1:
            raise TemplateError(
                "the checkpoint's chat template writes no <so_embedding> for audio; replace its "
                "chat_template.jinja"
            )
        at = pieces.index(place)
        closing = pieces[at + 1 :]
        assert len(closing) == 1, closing
        assert isinstance(closing[0], str), closing
        return pieces[:at], closing[0]

    def _turn(self, before: Sequence[Message], *messages: Message) -> str:
        """What `messages` add to a conversation that ends with `before`."""
        history = [*_HISTORY, *before]
        longer = self.render([*history, *messages], reply=False)
        return _without_start(longer, self.render(history, reply=False))

    def _shield_message(self, message: Message) -> dict[str, Any]:
        shielded = {
            key: value if key == "role" else self._shield(value)
            for key, value in message.items()
            if key != "tool_calls"
        }
        if message.get("tool_calls"):
            calls = [call.get("function", call) for call in message["tool_calls"]]
            shielded["tool_calls"] = [
                {
                    "type": "function",
                    "function": {
                        "name": self._shield(call["name"]),
                        "arguments": self._shield(_arguments(call.get("arguments"))),
                    },
                }
                for call in calls
            ]
        return shielded

    def _shield(self, value: Any) -> Any:
        """Puts marks in the place of special tokens, in text and in lists and mappings of it."""
        if isinstance(value, str):
            clean = _MARKS.sub("\N{REPLACEMENT CHARACTER}", value)
            return self._special.sub(lambda token: self._mark_of[token[0]], clean)
        if isinstance(value, Mapping):
            return {self._shield(key): self._shield(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._shield(item) for item in value]
        return value


def video_pieces(
    num_frames: int,
    fps: float | None = None,
    *,
    frame_indices: Sequence[int] | None = None,
    frames_per_group: int = 2,
    index: int = 0,
) -> list[Piece]:
    """What stands for a video: a line of text and an image frame for each group of frames.

    Args:
        num_frames: frames that the model sees.
        fps: frames per second of the source; None leaves the times out.
        frame_indices: where in the source each frame comes from; None means one after the other.
        frames_per_group: the checkpoint's `video_temporal_patch_size`.
        index: which video of the prompt.
    """
    indices = range(num_frames) if frame_indices is None else frame_indices
    # Whole milliseconds per source frame, as in NVIDIA's processor.
    frame_s = None if fps is None else int(1000 / fps) / 1000
    pieces: list[Piece] = []
    for group, start in enumerate(range(0, num_frames, frames_per_group)):
        names = []
        for i in range(start, min(start + frames_per_group, num_frames)):
            name = f"{'Frame' if i == start else 'frame'} {i + 1}"
            names.append(
                name if frame_s is None else f"{name} sampled at {indices[i] * frame_s:.2f} seconds"
            )
        line = " and ".join(names) + ": "
        pieces += [("\n" if group else "") + line + _IMAGE_FRAME[0]]
        pieces += [Media("video", index, group), _IMAGE_FRAME[1]]
    return merge_pieces(pieces)


def merge_pieces(pieces: Iterable[Piece]) -> list[Piece]:
    """The same prompt with neighbouring texts as one, which is how they must be tokenised."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece:
            merged.append(piece)
    return merged


def _split_media(rendered: str) -> list[Piece]:
    """Text and places; images and audio get their frame tokens, a video stays a bare place."""
    counts = dict.fromkeys(_TAGS.values(), 0)
    pieces: list[Piece] = []
    end = 0
    for tag in _MEDIA_TAG.finditer(rendered):
        kind = _TAGS[tag[0]]
        frame = {"image": _IMAGE_FRAME, "audio": _AUDIO_FRAME}.get(kind, ("", ""))
        place = Media(kind, counts[kind])
        counts[kind] += 1
        pieces += [rendered[end : tag.start()] + frame[0], place, frame[1]]
        end = tag.end()
    return merge_pieces([*pieces, rendered[end:]])


def _user(text: str, *, images: int = 0, videos: int = 0, audios: int = 0) -> Message:
    counts = {"image": images, "video": videos, "audio": audios}
    media = [{"type": kind} for kind, count in counts.items() for _ in range(count)]
    if not media:
        return {"role": "user", "content": text}
    return {"role": "user", "content": media + ([{"type": "text", "text": text}] if text else [])}


def _arguments(arguments: Any) -> Mapping[str, Any]:
    """Templates want a mapping; OpenAI's messages carry it as JSON text."""
    return json.loads(arguments) if isinstance(arguments, str) else arguments or {}


def _head_tail(token: str) -> tuple[str, str]:
    return token[0], token[1:]


def _without_start(text: str, start: str) -> str:
    if not text.startswith(start):
        raise TemplateError(_NOT_BY_TURNS)
    return text[len(start) :]


def _without_end(text: str, end: str) -> str:
    if not text.endswith(end):
        raise TemplateError(_NOT_BY_TURNS)
    return text[: len(text) - len(end)]


_NOT_BY_TURNS = (
    "the checkpoint's chat template does not write a conversation turn by turn, so that it "
    "cannot be continued; replace its chat_template.jinja"
)
