"""The helper process that speaks with espeak-ng: ``python -m voice.tts.espeak_process``.

espeak-ng is process-global, not re-entrant and GPL-3.0-or-later, so it has a process of its own
that speaks the protocol of ``voice.tts.frames`` on its standard input and output. It needs only the
standard library and ``espeakng-loader``, starts in some tens of milliseconds, and ends when its
input is closed, whatever it is doing then.

espeak-ng seeds its noise with the time, and remembers things between utterances that nothing
resets: the same text sounds and lasts a little otherwise each time. Where the system can fork,
every utterance is therefore spoken by a fork of the untouched process, some milliseconds' work: the
same text is the same sound, whatever was said, or cut off, before it.
"""

import difflib
import json
import mmap
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from voice.tts.espeak_library import (
    EspeakError,
    EspeakLibrary,
    EventKind,
    Parameter,
    SpeechEvent,
)
from voice.tts.frames import RATE, UTTERANCE, WORD, Kind, read_frame, write_frame


class Speaker:
    """Answers requests, one after the other, on the one espeak-ng engine of this process."""

    def __init__(self, library: EspeakLibrary, replies: BinaryIO) -> None:
        self._library = library
        self._replies = replies
        self._voices = sorted({name for pair in library.voices() for name in pair})
        self._variants = _variants()
        self._voice = ""
        self._shared = mmap.mmap(-1, UTTERANCE.size)  # seen by forks

    @property
    def cancelled_through(self) -> int:
        """Utterances are numbered from 1 and spoken in order; up to this one they are void."""
        (number,) = UTTERANCE.unpack(self._shared[:])
        return int(number)

    @cancelled_through.setter
    def cancelled_through(self, number: int) -> None:
        self._shared[:] = UTTERANCE.pack(number)

    def serve(self, requests: "SimpleQueue[tuple[Kind, bytes]]") -> None:
        """Serves for ever; the process ends when its input does."""
        while True:
            kind, payload = requests.get()
            try:
                if kind is Kind.VOICES:
                    names = {"voices": self._voices, "variants": self._variants}
                    write_frame(self._replies, Kind.NAMES, json.dumps(names).encode())
                else:
                    self._speak(**json.loads(payload))
            except EspeakError as error:
                write_frame(self._replies, Kind.REFUSED, str(error).encode())

    def _speak(
        self, utterance: int, text: str, voice: str, rate: int, pitch: int, volume: int
    ) -> None:
        self._set_voice(voice)
        if hasattr(os, "fork"):
            _in_a_fork(lambda: self._utter(utterance, text, rate, pitch, volume))
        else:
            self._utter(utterance, text, rate, pitch, volume)
        write_frame(self._replies, Kind.DONE)

    def _utter(self, utterance: int, text: str, rate: int, pitch: int, volume: int) -> None:
        self._library.seed_noise(0)
        self._library.set_parameter(Parameter.RATE, rate)
        self._library.set_parameter(Parameter.PITCH, pitch)
        self._library.set_parameter(Parameter.VOLUME, volume)

        parent = os.getppid()

        def on_audio(pcm: bytes, events: list[SpeechEvent]) -> bool:
            if os.getppid() != parent:
                os._exit(1)  # the process that this is a fork of has died
            if self.cancelled_through >= utterance:
                return False
            try:
                for event in events:
                    if event.kind is EventKind.WORD:
                        word = WORD.pack(event.sample, event.text_start)
                        write_frame(self._replies, Kind.WORD, word)
                if pcm:
                    write_frame(self._replies, Kind.AUDIO, pcm)
            except BrokenPipeError:
                os._exit(0)  # nobody listens any more
            return True

        self._library.synthesize(text, on_audio)

    def _set_voice(self, voice: str) -> None:
        """Selects a voice; unlike espeak-ng, which ignores a variant it does not know, strict."""
        if voice == self._voice:
            return
        name, plus, variant = voice.partition("+")
        _require("voice", name, self._voices)
        if plus:
            _require("variant", variant, self._variants)
        self._library.set_voice(voice)
        self._voice = voice


def _in_a_fork(speak: Callable[[], None]) -> None:
    """Calls it in a fork and waits; if that dies, this process dies of the same.

    Raises:
        EspeakError: it was raised there.
    """
    refusals, refusal = os.pipe()
    with warnings.catch_warnings():
        # The fork needs nothing that the reading thread holds.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            speak()
            status = 0
        except EspeakError as error:
            os.write(refusal, str(error).encode())
        finally:
            os._exit(status)
    os.close(refusal)
    with os.fdopen(refusals, "rb") as pipe:
        reason = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if reason:
        raise EspeakError(reason)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    if status:
        os._exit(os.waitstatus_to_exitcode(status))


def _require(what: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known[:3]
    raise EspeakError(f"espeak-ng has no {what} {name!r}: try {', '.join(near)}")


def _variants() -> list[str]:
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path(), "voices/!v")
    return sorted(path.name for path in folder.iterdir())


def _take_stdout() -> BinaryIO:
    """The pipe behind standard output; prints go to standard error instead."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _read_requests(
    pipe: BinaryIO, speaker: Speaker, requests: "SimpleQueue[tuple[Kind, bytes]]"
) -> None:
    """Hands requests over; cancels at once; ends the process with the input."""
    try:
        while True:
            kind, payload = read_frame(pipe)
            if kind is Kind.CANCEL:
                (speaker.cancelled_through,) = UTTERANCE.unpack(payload)
            else:
                requests.put((kind, payload))
    except (EOFError, OSError):
        os._exit(0)  # the main thread may be inside espeak-ng or blocked on a full pipe


def main() -> int:
    """Runs the helper; returns its exit status when it cannot start."""
    replies = _take_stdout()
    try:
        # 20 ms are asked for; the engine rounds up to its least buffer, 60 ms.
        library = EspeakLibrary(buffer_ms=20)
    except EspeakError as error:
        write_frame(replies, Kind.REFUSED, str(error).encode())
        return 1
    speaker = Speaker(library, replies)
    requests: SimpleQueue[tuple[Kind, bytes]] = SimpleQueue()
    threading.Thread(
        target=_read_requests, args=(sys.stdin.buffer, speaker, requests), daemon=True
    ).start()
    write_frame(replies, Kind.READY, RATE.pack(library.sample_rate))
    try:
        speaker.serve(requests)
    except BrokenPipeError:
        os._exit(0)  # nobody listens any more
    return 0


if __name__ == "__main__":
    sys.exit(main())
