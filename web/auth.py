"""Who may come in: anyone on this machine, others with a key; and no page of another site.

A page of another site can reach a server on the visitor's own machine. Browsers tell by `Origin`
where it is from; and the name by which it was reached tells whether another site's name was pointed
here (DNS rebinding).
"""

import hmac
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from web.realtime.config import SessionConfig
from web.realtime.errors import ProtocolError

SECRET_LIFETIME_S = (10, 7200)
DEFAULT_SECRET_LIFETIME_S = 600
MAX_SECRETS = 1024

SUBPROTOCOL = "realtime"
_SUBPROTOCOL_KEY = "openai-insecure-api-key."
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Denied(ProtocolError):
    """The request is not let in; `status` is HTTP's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """What is known of a request."""

    address: str | None
    """Of the peer; None where there is none, as on a Unix socket."""
    host: str
    """The header `Host`."""
    headers: Mapping[str, str]

    @property
    def is_local(self) -> bool:
        """Whether it comes from this machine itself, and not through a proxy on it."""
        if self.address is None or any(name in self.headers for name in _FORWARDED):
            return False
        return _is_loopback(self.address)

    @property
    def key(self) -> str | None:
        """The key it shows: as a bearer token, or as browsers must with a WebSocket."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        for protocol in self.headers.get("Sec-WebSocket-Protocol", "").split(","):
            if protocol.strip().startswith(_SUBPROTOCOL_KEY):
                return protocol.strip()[len(_SUBPROTOCOL_KEY) :]
        return None


@dataclass(frozen=True, slots=True)
class Secret:
    """An ephemeral key, which a server gives to a page."""

    value: str
    expires_at: int
    config: SessionConfig


class Gate:
    """Lets visitors in or raises `Denied`.

    Args:
        api_key: of the server; None: only this machine is let in.
        allowed_origins: of other sites.
        clock: seconds since the epoch.
    """

    def __init__(
        self, api_key: str | None, allowed_origins: tuple[str, ...], clock: Callable[[], float]
    ) -> None:
        self._api_key = api_key
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        self._clock = clock
        self._secrets: dict[str, Secret] = {}

    def admit(self, visitor: Visitor) -> SessionConfig | None:
        """Checks a visitor who wants to talk; returns the configuration its secret came with.

        Raises:
            Denied: 403 for a page of another site, 401 without a valid key.
        """
        self.check_origin(visitor)
        key = visitor.key
        if key is not None and (secret := self._valid_secret(key)) is not None:
            return secret.config
        if visitor.is_local:
            self._check_host(visitor)
            return None
        self._check_key(key)
        return None

    def admit_owner(self, visitor: Visitor) -> None:
        """Checks a visitor who wants what only the owner may have: secrets and metrics.

        Raises:
            Denied: as `admit`; an ephemeral secret is not enough.
        """
        self.check_origin(visitor)
        if visitor.is_local:
            self._check_host(visitor)
        else:
            self._check_key(visitor.key)

    def check_origin(self, visitor: Visitor) -> None:
        """Raises `Denied` for a page of a site that is not allowed."""
        origin = visitor.headers.get("Origin", "").lower()
        if not origin or self.is_allowed_origin(visitor):
            return
        raise Denied(
            403,
            "origin_not_allowed",
            f"pages of {origin[:200]} may not connect: start parley serve with "
            f"--allow-origin {origin[:200]}",
        )

    def is_allowed_origin(self, visitor: Visitor) -> bool:
        """Whether the page that asks is the server's own, or of a site that is allowed."""
        origin = visitor.headers.get("Origin", "").rstrip("/").lower()
        return urlsplit(origin).netloc == visitor.host.lower() or origin in self._origins

    def make_secret(self, config: SessionConfig, lifetime_s: int) -> Secret:
        """A new ephemeral secret; `admit` takes it, any number of times, until it expires."""
        now = self._clock()
        self._secrets = {
            value: each for value, each in self._secrets.items() if each.expires_at > now
        }
        if len(self._secrets) >= MAX_SECRETS:
            raise Denied(
                429, "too_many_secrets", "there are too many secrets: wait for some to expire"
            )
        secret = Secret(f"ek_{secrets.token_urlsafe(32)}", int(now) + lifetime_s, config)
        self._secrets[secret.value] = secret
        return secret

    def _valid_secret(self, value: str) -> Secret | None:
        secret = self._secrets.get(value)
        return secret if secret is not None and secret.expires_at > self._clock() else None

    def _check_key(self, key: str | None) -> None:
        if self._api_key is None:
            raise Denied(
                401,
                "api_key_required",
                "this server is for its own machine: start parley serve with --api-key",
            )
        if key is None or not hmac.compare_digest(key.encode(), self._api_key.encode()):
            raise Denied(
                401,
                "invalid_api_key",
                "the key is missing, wrong or expired: send 'Authorization: Bearer …' with the "
                "server's API key or an ephemeral secret",
            )

    def _check_host(self, visitor: Visitor) -> None:
        name = urlsplit(f"//{visitor.host}").hostname or ""
        if name != "localhost" and not _is_loopback(name):
            raise Denied(
                403,
                "host_not_allowed",
                f"without a key, this server is reached as localhost only, not as {name[:200]!r}",
            )


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback
