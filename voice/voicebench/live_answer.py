"""What a Realtime session tells of one question, event by event, until its answer is complete.

Turns of the server's: a clip may be taken for several turns, and a turn that was taken to be over
may be gone on with. So an answer is complete when the server has heard all of the clip, no turn is
open, and the last turn has its response. What is scored is that last response.

Nothing here sends or waits; the times are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voice.voicebench.engine import Reply

HEARD_ALL = "heard_all"
"""Id of a client event that is refused, and whose refusal tells that all before it was heard."""
NO_END = "no_end"
"""Id of one after so much silence that a turn which is still open will never end."""

_PERMANENT = ("context_full", "input_audio_buffer_commit_empty", "audio_too_long")


class LiveFailure(Exception):
    """There will be no answer.

    Attributes:
        is_permanent: whether asking again would fail again.
    """

    def __init__(self, message: str, *, is_permanent: bool) -> None:
        super().__init__(message)
        self.is_permanent = is_permanent


@dataclass(slots=True)
class _Response:
    first_token_at: float | None = None
    first_audio_at: float | None = None
    done_at: float | None = None
    fields: Mapping[str, Any] | None = None
    """As `response.done` has them."""

    @property
    def is_cut_off(self) -> bool:
        return self.fields is not None and self.fields["status"] == "cancelled"


class LiveAnswer:
    """See the module.

    Args:
        by_hand: whether the client ends the turn and asks for the response.
        transcribes: whether what was said is wanted, instead of an answer to it.

    Attributes:
        transcribes: as above.
        ended_at: when the end of the question had been sent, s; whoever sends it sets it.
        turns: of the user, as the server cut them.
    """

    def __init__(self, *, by_hand: bool, transcribes: bool = False) -> None:
        self.ended_at: float | None = None
        self.turns = 0
        self.transcribes = transcribes
        self._has_heard_all = by_hand
        self._is_awaited = by_hand
        self._is_speaking = False
        self._stopped_at: float | None = None
        self._responses: list[_Response] = []
        self._transcripts: dict[str, str | None] = {}
        self._first_words_at: float | None = None
        self._written_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        if not self._has_heard_all or self._is_speaking:
            return False
        if self.transcribes:
            return not self._is_awaited and None not in self._transcripts.values()
        return not self._is_awaited

    def take(self, event: Mapping[str, Any], now: float) -> None:
        """Takes in a server event.

        Args:
            event: as it came.
            now: when it came, s.

        Raises:
            LiveFailure: there will be no answer.
        """
        kind = str(event["type"])
        match kind.removeprefix("input_audio_buffer."):
            case "speech_started":
                self._is_speaking = True
            case "speech_stopped":
                self._stopped_at = now
            case "cleared":
                self._is_speaking = False
            case "committed":
                self._is_speaking = False
                self.turns += 1
                self._transcripts[event["item_id"]] = None
                self._is_awaited = not self.transcribes
        match kind:
            case "conversation.item.deleted":  # the user went on with a turn taken to be over
                if self._transcripts.pop(event["item_id"], self) is not self:
                    self.turns -= 1
            case "error":
                self._take_error(event["error"])
        if kind.startswith("response."):
            self._take_response(kind, event, now)
        elif kind.startswith("conversation.item.input_audio_transcription."):
            self._take_transcript(kind.rpartition(".")[2], event, now)

    def reply(self) -> Reply:
        """The answer.

        Raises:
            LiveFailure: nothing was heard, so nothing was answered.
        """
        if not self._transcripts and not self._responses:
            raise LiveFailure("the server heard no speech in the clip", is_permanent=True)
        if self.transcribes:
            return self._written()
        whole = [each for each in self._responses if not each.is_cut_off]
        last = (whole or self._responses)[-1]
        assert last.fields is not None
        usage = last.fields.get("usage") or {}
        return Reply(
            text=_text(last.fields),
            first_token_s=self._since_end(last.first_token_at),
            ttft_s=self._since_end(last.first_token_at),
            latency_s=self._since_end(last.done_at) or 0.0,
            prompt_tokens=usage.get("input_tokens"),
            output_tokens=usage.get("output_tokens"),
            finish=_FINISH.get(last.fields["status"], last.fields["status"]),
            first_audio_s=self._since_end(last.first_audio_at),
            endpoint_s=self._since_end(self._stopped_at),
            turns=self.turns or None,
        )

    def _written(self) -> Reply:
        return Reply(
            text=" ".join(filter(None, self._transcripts.values())),
            first_token_s=self._since_end(self._first_words_at),
            ttft_s=self._since_end(self._first_words_at),
            latency_s=self._since_end(self._written_at) or 0.0,
            prompt_tokens=None,
            output_tokens=None,
            finish="stop",
            endpoint_s=self._since_end(self._stopped_at),
            turns=self.turns,
        )

    def _take_response(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        if kind == "response.created":
            self._responses.append(_Response())
            return
        response = self._responses[-1]
        match kind:
            case "response.output_text.delta" | "response.output_audio_transcript.delta":
                response.first_token_at = response.first_token_at or now
            case "response.output_audio.delta":
                response.first_audio_at = response.first_audio_at or now
            case "response.done":
                response.fields, response.done_at = event["response"], now
                if response.fields["status"] == "failed":
                    details = response.fields.get("status_details") or {}
                    self._fail(details.get("error") or {})
                self._is_awaited = False

    def _take_transcript(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        if not self.transcribes or event["item_id"] not in self._transcripts:
            return
        match kind:
            case "delta":
                self._first_words_at = self._first_words_at or now
            case "completed":
                self._transcripts[event["item_id"]] = str(event["transcript"]).strip()
                self._written_at = now
            case "failed":
                self._fail(event["error"])

    def _take_error(self, error: Mapping[str, Any]) -> None:
        mark = error.get("event_id")
        if mark == HEARD_ALL:
            self._has_heard_all = True
        elif mark != NO_END:
            self._fail(error)
        elif self._is_speaking:
            raise LiveFailure(
                "the server found no end of the turn in the silence after it", is_permanent=True
            )

    def _fail(self, error: Mapping[str, Any]) -> None:
        code = str(error.get("code"))
        raise LiveFailure(
            f"{code}: {error.get('message')}",
            is_permanent=code in _PERMANENT or error.get("type") == "invalid_request_error",
        )

    def _since_end(self, at: float | None) -> float | None:
        if at is None or self.ended_at is None:
            return None
        return at - self.ended_at


_FINISH = {"completed": "stop", "incomplete": "length"}


def _text(response: Mapping[str, Any]) -> str:
    """All that the response says, spoken or written."""
    parts = [
        part.get("transcript") or part.get("text") or ""
        for item in response.get("output") or ()
        if item.get("type") == "message"
        for part in item.get("content") or ()
    ]
    return " ".join(filter(None, (part.strip() for part in parts)))
