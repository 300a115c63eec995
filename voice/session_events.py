"""What a session tells its transport, as frozen dataclasses.

They carry what the server events of OpenAI's Realtime API (GA) need, but are not JSON: `web` makes
JSON of them. Positions of the input are ms since the session began hearing; those of the output are
ms of the item's own sound. `emit` gets them on the event loop's thread, in order.

Nothing of a reply is told before its turn has ended: a draft that is dropped was never seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from PIL.Image import Image

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
StatusReason = Literal["turn_detected", "client_cancelled", "max_output_tokens"]
Modality = Literal["audio", "text"]


class SessionError(Exception):
    """A wish that cannot be met; the session goes on as it was.

    Attributes:
        code: for programs, such as `item_not_found`.
        message: the problem and the remedy.
        param: the field of the wish that is at fault, if one is.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


# --- What a conversation consists of --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A part of a message."""

    kind: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
    text: str = ""
    """Of a text part."""
    transcript: str | None = None
    """Of a sound part; None while nobody knows it."""
    audio: np.ndarray | None = field(default=None, repr=False, compare=False)
    """float32 mono 16 kHz [samples], of an `input_audio` that the client adds."""
    image: Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A message, a function call, or its output."""

    id: str = ""
    """Empty in an item to add: the session names it."""
    kind: Literal["message", "function_call", "function_call_output"] = "message"
    role: Literal["user", "assistant", "system"] | None = None
    """Of a message."""
    status: ItemStatus = "completed"
    content: tuple[Content, ...] = ()
    """Of a message."""
    name: str = ""
    """Of a function call."""
    arguments: str = ""
    """Of a function call, JSON."""
    call_id: str = ""
    """Of a function call and its output."""
    output: str = ""
    """Of a function call's output."""
    is_aside: bool = False
    """Whether the session has said it of its own accord: the model knows nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Decoder positions that a response cost."""

    input_tokens: int = 0
    """Of the history before it; they are in the state already and cost nothing again."""
    cached_tokens: int = 0
    """How many of these had been taken in before the turn that is answered."""
    input_audio_tokens: int = 0
    """Encoder steps among `input_tokens`."""
    output_tokens: int = 0
    """Generated, reasoning and calls included."""
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseInfo:
    """A response as it stands."""

    id: str
    status: ResponseStatus
    reason: StatusReason | None = None
    """Why it is cancelled or incomplete."""
    error: tuple[str, str] | None = None
    """Code and message of a response that failed."""
    output: tuple[Item, ...] = ()
    modality: Modality = "audio"
    usage: Usage | None = None
    """Known when it is done."""
    metadata: Mapping[str, Any] | None = None
    """What `create_response` was given; echoed."""


# --- The user's side ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpeechStarted:
    """The user has the floor."""

    item_id: str
    audio_start_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpeechStopped:
    """The user's turn is over."""

    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCommitted:
    """What was said has become an item; `ItemAdded` follows."""

    item_id: str
    previous_item_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCleared:
    """What was said since the last item leads to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTimedOut:
    """Nobody has said anything for the idle time."""

    item_id: str
    audio_start_ms: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTranscriptDelta:
    """More of what the user said."""

    item_id: str
    delta: str
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTranscriptDone:
    """All of what the user said."""

    item_id: str
    transcript: str
    seconds: float
    """Length of what was transcribed."""
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTranscriptFailed:
    """There will be no transcript of the item."""

    item_id: str
    code: str
    message: str
    content_index: int = 0


# --- Items ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAdded:
    """An item has its place in the conversation."""

    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDone:
    """The item will not grow any more."""

    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeleted:
    """The item is gone: the client deleted it, or the user went on with the turn it was."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTruncated:
    """The history holds the item up to there only."""

    item_id: str
    audio_end_ms: int
    heard: str
    """The words that are left."""
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTrimmed:
    """The context was full: the oldest items are no longer known to the model."""

    item_ids: tuple[str, ...]
    summary: str = ""
    """What the model knows in their place."""


# --- Responses, in the order of the Realtime API --------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCreated:
    """A response begins."""

    response: ResponseInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItemAdded:
    """The response has a further item; `ItemAdded` follows."""

    response_id: str
    output_index: int
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPartAdded:
    """A part of the item begins."""

    response_id: str
    item_id: str
    output_index: int
    part: Content
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputAudioDelta:
    """More sound; told by sessions whose playback is pushed."""

    response_id: str
    item_id: str
    output_index: int
    samples: np.ndarray = field(repr=False)
    """float32 mono at `voice.playback.SAMPLE_RATE_HZ` [samples]."""
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioDone:
    """All sound of the part is made."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTextDelta:
    """More of what the assistant says; of a spoken part it is the transcript."""

    response_id: str
    item_id: str
    output_index: int
    delta: str
    is_transcript: bool
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTextDone:
    """All that the part says, as it was meant; `ItemTruncated` tells how much was heard."""

    response_id: str
    item_id: str
    output_index: int
    text: str
    is_transcript: bool
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPartDone:
    """The part will not grow any more."""

    response_id: str
    item_id: str
    output_index: int
    part: Content
    content_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallArguments:
    """The model calls a function: all of its arguments (a delta and its end in one)."""

    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments: str
    """JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    """The session makes a call itself, and once more when it is over. It is no item: a client would
    take it for one that it has to answer."""

    response_id: str
    call_id: str
    name: str
    arguments: str
    """JSON."""
    result: str | None = None
    """What the model is told; None while the call is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItemDone:
    """The item will not grow any more; `ItemDone` follows."""

    response_id: str
    output_index: int
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone:
    """The response is made, or has ended otherwise. What is still to be heard may outlast it."""

    response: ResponseInfo


# --- Playback that is pulled ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackBegan:
    """The first sample of the response is being heard."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnded:
    """The response has been heard to its end."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackCleared:
    """The response was cut off; nothing more of it will be heard."""

    response_id: str


# --- The session ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorChanged:
    """Who is doing what: the names of `streaming.turn_table`'s states, such as `speaking`."""

    user: str
    assistant: str
    audio_ms: int
    """How much had been heard by then. Told at once, it lets a client map its own clock onto the
    session's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyMeasured:
    """How long each stage of a spoken turn took; told when its reply is first heard.

    All are ms after the last voiced sample of the user, on the clock of the samples heard; what was
    ready before the endpoint shows as a smaller number than `endpoint_ms`. None did not happen.
    """

    response_id: str
    speech_end_ms: int
    """The last voiced sample itself, since the session began hearing."""
    endpoint_ms: float
    """Until the turn was taken to be over."""
    first_token_ms: float | None
    first_audio_ms: float | None
    """Until the first sound of the reply was made."""
    heard_ms: float | None
    """Until its first sample was played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorOccurred:
    """Something went wrong; the session goes on."""

    code: str
    message: str
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """The last event: closed by `close`, or ended by an error."""

    error: BaseException | None = None


SessionEvent = (
    InputSpeechStarted
    | InputSpeechStopped
    | InputCommitted
    | InputCleared
    | InputTimedOut
    | InputTranscriptDelta
    | InputTranscriptDone
    | InputTranscriptFailed
    | ItemAdded
    | ItemDone
    | ItemDeleted
    | ItemTruncated
    | HistoryTrimmed
    | ResponseCreated
    | OutputItemAdded
    | ContentPartAdded
    | OutputAudioDelta
    | OutputAudioDone
    | OutputTextDelta
    | OutputTextDone
    | ContentPartDone
    | FunctionCallArguments
    | ToolCalled
    | OutputItemDone
    | ResponseDone
    | PlaybackBegan
    | PlaybackEnded
    | PlaybackCleared
    | FloorChanged
    | LatencyMeasured
    | ErrorOccurred
    | SessionEnded
)
