"""Who is let in, and whose pages."""

import pytest

from web.auth import MAX_SECRETS, Denied, Gate, Visitor
from web.realtime.config import SessionConfig

KEY = "k" * 20


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def visitor(address="127.0.0.1", host="localhost:8080", key=None, **headers) -> Visitor:
    if key:
        headers["Authorization"] = f"Bearer {key}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Visitor(address=address, host=host, headers=named)


def gate(api_key: str | None = KEY, origins=(), clock=None) -> Gate:
    return Gate(api_key, origins, clock or Clock())


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("api_key", [None, KEY])
def test_this_machine_needs_no_key(address, api_key):
    assert gate(api_key).admit(visitor(address)) is None


@pytest.mark.parametrize("address", ["192.168.1.9", "10.0.0.1", "fe80::1%eth0", "8.8.8.8", None])
def test_others_need_the_key(address):
    with pytest.raises(Denied) as caught:
        gate().admit(visitor(address, host="parley.lan"))
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert gate().admit(visitor(address, host="parley.lan", key=KEY)) is None


def test_without_a_key_nobody_comes_in_from_beyond():
    with pytest.raises(Denied, match="--api-key"):
        gate(None).admit(visitor("192.168.1.9", host="parley.lan", key="anything"))


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP"])
def test_proxy_on_this_machine_makes_nobody_local(header):
    with pytest.raises(Denied):
        gate().admit(visitor(**{header: "8.8.8.8"}))


def test_name_of_another_site_that_points_here_is_refused():
    with pytest.raises(Denied) as caught:
        gate().admit(visitor(host="evil.example:8080"))
    assert caught.value.code == "host_not_allowed"


@pytest.mark.parametrize("origin", ["http://localhost:8080", "HTTP://LOCALHOST:8080"])
def test_page_of_the_server_may_connect(origin):
    gate().admit(visitor(Origin=origin))


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost:9999", "null", "http://localhost:8080.evil"],
)
def test_page_of_another_site_may_not_even_with_the_key(origin):
    with pytest.raises(Denied) as caught:
        gate().admit(visitor(Origin=origin, key=KEY))
    assert caught.value.code == "origin_not_allowed"


def test_page_of_an_allowed_site_may():
    gate(origins=("https://talk.example/",)).admit(visitor(Origin="https://talk.example"))


def test_browser_shows_its_key_as_a_subprotocol():
    protocols = f"realtime, openai-insecure-api-key.{KEY}"
    far = visitor("8.8.8.8", host="parley.lan", Sec_WebSocket_Protocol=protocols)
    assert gate().admit(far) is None


def test_secret_lets_in_with_its_configuration_until_it_expires():
    clock = Clock()
    door = gate(clock=clock)
    config = SessionConfig(instructions="Be brief.")
    secret = door.make_secret(config, 600)
    assert secret.value.startswith("ek_")
    assert secret.expires_at == 1600
    far = visitor("8.8.8.8", host="parley.lan", key=secret.value)
    assert door.admit(far) == config
    clock.now = 1600.0
    with pytest.raises(Denied):
        door.admit(far)


def test_secret_is_not_enough_for_the_owners_things():
    door = gate()
    secret = door.make_secret(SessionConfig(), 600)
    with pytest.raises(Denied):
        door.admit_owner(visitor("8.8.8.8", host="parley.lan", key=secret.value))
    door.admit_owner(visitor("8.8.8.8", host="parley.lan", key=KEY))


def test_secrets_do_not_pile_up():
    clock = Clock()
    door = gate(clock=clock)
    for _ in range(MAX_SECRETS):
        door.make_secret(SessionConfig(), 10)
    with pytest.raises(Denied, match="too many"):
        door.make_secret(SessionConfig(), 10)
    clock.now += 10
    door.make_secret(SessionConfig(), 10)
