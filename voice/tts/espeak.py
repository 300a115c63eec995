"""The espeak-ng voice: no download, no GPU, first sound within milliseconds.

The engine runs in a helper process (``voice.tts.espeak_process``), which is started once, reused,
and replaced when it dies. It never outlives the synthesiser or the interpreter.
"""

import json
import logging
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from voice.spoken import SpokenText, spoken_form
from voice.tts.frames import RATE, UTTERANCE, WORD, Kind, read_frame, write_frame
from voice.tts.synthesizer import (
    EngineUnavailable,
    SpeechBlock,
    SynthesisError,
    Synthesizer,
    VoiceSettings,
)
from voice.tts.word_clock import WordClock

logger = logging.getLogger(__name__)

DEFAULT_VOICE = "en-us"
BLOCK_MS = 20
NORMAL_RATE_WPM = 175  # espeak-ng's own default

_PROJECT_ROOT = Path(__file__).parents[2]
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_INT16_SCALE = np.float32(1 / 32768)


class EspeakSynthesizer(Synthesizer):
    """Speaks with espeak-ng; see ``Synthesizer``.

    A voice is a language such as ``en-us`` or ``en-gb-scotland``, with a variant if wanted:
    ``en-us+f3``. English text is brought into its spoken form first; other languages are left to
    espeak-ng.

    Raises:
        EngineUnavailable: the package espeakng-loader is missing or the helper does not start.
    """

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self.settings = settings or VoiceSettings()
        self._busy = threading.Lock()
        self._closed = False
        self._utterance = 0
        self._start()

    def speak(
        self,
        text: str,
        *,
        settings: VoiceSettings | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[SpeechBlock]:
        """See ``Synthesizer.speak``."""
        with _Turn(self._busy):
            self._ensure_helper()
            settings = settings or self.settings
            spoken = _spoken(text, settings.voice or DEFAULT_VOICE)
            clock = WordClock(spoken, self.sample_rate * BLOCK_MS // 1000)
            self._utterance += 1
            self._send(Kind.SPEAK, _request(self._utterance, spoken.text, settings))
            over = False
            try:
                while not over:
                    kind, payload = self._receive()
                    over = kind in (Kind.DONE, Kind.REFUSED)
                    blocks: list[SpeechBlock] = []
                    if kind is Kind.WORD:
                        clock.mark(*WORD.unpack(payload))
                    elif kind is Kind.AUDIO:
                        pcm = np.frombuffer(payload, "<i2")
                        blocks = clock.add(pcm.astype(np.float32) * _INT16_SCALE)
                    elif kind is Kind.DONE:
                        blocks = clock.finish()
                    else:
                        raise SynthesisError(payload.decode())
                    for block in blocks:
                        if cancelled is not None and cancelled.is_set():
                            return
                        yield block
            finally:
                if not over:
                    self._cancel_utterance()

    def voices(self) -> list[str]:
        """Languages and identifiers of espeak-ng's voices; each takes a variant after a "+"."""
        return self._names("voices")

    def variants(self) -> list[str]:
        """Timbres that may follow a voice's name after a "+"."""
        return self._names("variants")

    def close(self) -> None:
        """Ends the helper process; an utterance under way ends with an error."""
        self._closed = True
        self._stop()

    def _names(self, what: str) -> list[str]:
        with _Turn(self._busy):
            self._ensure_helper()
            self._send(Kind.VOICES)
            _, payload = self._receive()
            return cast(list[str], json.loads(payload)[what])

    def _start(self) -> None:
        # Its own process group: a Ctrl-C at the terminal is for us, and we end the helper.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "voice.tts.espeak_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_PROJECT_ROOT,
            process_group=0,
        )
        self._stop = weakref.finalize(self, _end_process, self._process)
        try:
            kind, payload = self._receive()
        except SynthesisError as error:
            raise EngineUnavailable(str(error)) from error
        if kind is Kind.REFUSED:
            self._stop()
            raise EngineUnavailable(payload.decode())
        (self.sample_rate,) = RATE.unpack(payload)

    def _ensure_helper(self) -> None:
        if self._closed:
            raise SynthesisError("this synthesiser is closed: open another one")
        if self._process.poll() is None:
            return
        logger.warning("starting espeak-ng again: its helper process %s", self._epitaph())
        self._stop()
        self._start()

    def _send(self, kind: Kind, payload: bytes = b"") -> None:
        try:
            write_frame(cast(BinaryIO, self._process.stdin), kind, payload)
        except (OSError, ValueError) as error:
            raise self._death() from error

    def _receive(self) -> tuple[Kind, bytes]:
        try:
            return read_frame(cast(BinaryIO, self._process.stdout))
        except (EOFError, OSError, ValueError) as error:
            raise self._death() from error

    def _death(self) -> SynthesisError:
        """The helper's pipes are broken: makes sure that it is gone and says how it went."""
        self._stop()
        if self._closed:
            return SynthesisError("the synthesiser was closed while it spoke")
        return SynthesisError(
            f"espeak-ng's helper process {self._epitaph()}: "
            "the next call starts another one; if it goes on, reinstall espeakng-loader"
        )

    def _epitaph(self) -> str:
        status = self._process.returncode
        return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"

    def _cancel_utterance(self) -> None:
        """Stops the helper and reads what is left, so that the next utterance starts clean."""
        # Once it is dead nothing is left to read, and the next call starts another one.
        with suppress(SynthesisError):
            self._send(Kind.CANCEL, UTTERANCE.pack(self._utterance))
            while self._receive()[0] not in (Kind.DONE, Kind.REFUSED):
                pass


class _Turn:
    """The right to talk to the helper; refused, not waited for, while somebody else has it."""

    def __init__(self, busy: threading.Lock) -> None:
        self._busy = busy

    def __enter__(self) -> None:
        if not self._busy.acquire(blocking=False):
            raise SynthesisError(
                "this synthesiser is still speaking: finish or close the open utterance first"
            )

    def __exit__(self, *exception: object) -> None:
        self._busy.release()


def _end_process(process: "subprocess.Popen[bytes]") -> None:
    """Ends the helper, whatever it does, and leaves no zombie. It holds nothing worth a goodbye."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # a request that was never flushed: nobody is there to read it
                pipe.close()


def _spoken(text: str, voice: str) -> SpokenText:
    language = voice.rpartition("/")[2]  # "gmw/en-US" is an identifier, "en-us" a language
    return spoken_form(text) if language.startswith("en") else SpokenText.verbatim(text)


def _request(utterance: int, text: str, settings: VoiceSettings) -> bytes:
    request = {
        "utterance": utterance,
        "text": _UNSPEAKABLE.sub(" ", text),
        "voice": settings.voice or DEFAULT_VOICE,
        "rate": round(NORMAL_RATE_WPM * settings.speed),
        # espeak-ng's scale is 0 to 100 for half to double the voice's own pitch.
        "pitch": round(50 + 50 * settings.pitch_semitones / 12),
        "volume": round(100 * settings.volume),
    }
    return json.dumps(request).encode()
