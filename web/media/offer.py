"""Looks at a peer's SDP offer before a WebRTC library does: it comes from anyone."""

import itertools
import re

from web.media.interface import OfferError

MAX_OFFER_BYTES = 64 * 1024
MAX_SECTIONS = 8
MAX_CANDIDATES = 64

_OPUS = re.compile(r"a=rtpmap:\d+ opus/48000", re.IGNORECASE)
_SECTION = re.compile(r"m=(audio|video|application) ")
_LOCAL_NAME = re.compile(r"a=candidate:(?:\S+ ){4}\S+\.local ", re.IGNORECASE)


def prepare_offer(offer: str) -> str:
    """Checks an offer and returns it without what would only hold the call up.

    Candidates under a `.local` name go: asking the network what the name means takes a second, and
    the peer is found without them, by the checks that it sends itself.

    Raises:
        OfferError: this is no offer of a call with Opus, or one too large to be meant well.
    """
    if len(offer) > MAX_OFFER_BYTES:
        raise OfferError(f"the offer has more than {MAX_OFFER_BYTES // 1024} KiB: send only SDP")
    lines = offer.splitlines()
    if not lines or not lines[0].startswith("v=0"):
        raise OfferError("the offer is no SDP: it must begin with 'v=0'")
    if "\0" in offer:
        raise OfferError("the offer holds a null character: send only SDP")
    sections = [line for line in lines if line.startswith("m=")]
    if not sections:
        raise OfferError("the offer has no media: add an audio track and a data channel")
    if len(sections) > MAX_SECTIONS:
        raise OfferError(f"the offer has {len(sections)} media sections; at most {MAX_SECTIONS}")
    if not any(line.startswith("m=audio ") for line in sections):
        raise OfferError("the offer has no audio: add an audio track or a transceiver for one")
    if not any(_OPUS.match(line) for line in lines):
        raise OfferError("the offer has audio without Opus (opus/48000), which a call needs")
    _check_sections(lines)
    candidates = sum(line.startswith("a=candidate:") for line in lines)
    if candidates > MAX_CANDIDATES:
        raise OfferError(f"the offer has {candidates} candidates; at most {MAX_CANDIDATES}")
    return "".join(f"{line}\r\n" for line in lines if not _LOCAL_NAME.match(line))


def _check_sections(lines: list[str]) -> None:
    """Sections are of kinds that aiortc knows, have names of their own, and are all of those that
    share a transport; where one is made, it can be told who the peer is. Else aiortc takes the
    offer, fails later, and the call would wait for its peer in vain.
    """
    session, *sections = _split(lines)
    names = [mid for section in sections for mid in _values(section, "a=mid:")]
    bundled = [mid for group in _values(session, "a=group:BUNDLE ") for mid in group.split()]
    if len(set(names)) < len(names) or any(len(_values(each, "a=mid:")) > 1 for each in sections):
        raise OfferError(
            "the a=mid lines of the offer must name each section once, and its own way"
        )
    if strangers := set(bundled) - set(names):
        raise OfferError(
            f"the offer bundles {', '.join(sorted(strangers))[:80]!r}, but has no such section"
        )
    for section in sections:
        if not _SECTION.match(section[0]):
            raise OfferError(
                f"{section[0][:40]!r} is no section of audio, video or data: leave it out"
            )
        has_own = section[0].startswith("m=audio") or not set(bundled) & {
            *_values(section, "a=mid:")
        }
        if has_own and not _values([*session, *section], "a=fingerprint:"):
            raise OfferError("the offer has no DTLS fingerprint: calls are encrypted")


def _split(lines: list[str]) -> list[list[str]]:
    """The lines of the session, and those of each media section."""
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    return [lines[a:b] for a, b in itertools.pairwise([0, *starts, len(lines)])]


def _values(lines: list[str], prefix: str) -> list[str]:
    return [line.removeprefix(prefix).strip() for line in lines if line.startswith(prefix)]
