"""Two network namespaces with a bad network between them: real kernels' UDP and TCP, root needed.

Where the kernel has netem, a veth pair with `tc` does it. Elsewhere each side gets a TUN device,
and a thread here carries the packets from one to the other.
"""

import fcntl
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.web.media.lossy import Link, Network

_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000  # IFF_TUN | IFF_NO_PI
_MAX_PACKET = 65_536


class Unavailable(Exception):
    """This machine lets nobody make such a network."""


@dataclass(frozen=True, slots=True)
class Side:
    """One end.

    Attributes:
        namespace: its name.
        address: that the other side reaches it by.
    """

    namespace: str
    address: str

    def command(self, command: Sequence[str]) -> list[str]:
        """The command, run on this side."""
        return ["ip", "netns", "exec", self.namespace, *command]


@contextmanager
def two_sides(network: Network, seed: int) -> Iterator[tuple[Side, Side]]:
    """Two namespaces with nothing but that network between them.

    Raises:
        Unavailable: not root, no iproute2, or neither netem nor TUN.
    """
    if os.geteuid() != 0:
        raise Unavailable("not root")
    number = os.getpid()
    sides = Side(f"parley-a-{number}", "10.77.0.1"), Side(f"parley-b-{number}", "10.77.0.2")
    with ExitStack() as stack:
        for side in sides:
            _run("ip", "netns", "add", side.namespace)
            stack.callback(_run, "ip", "netns", "delete", side.namespace)
            _run(*side.command(["ip", "link", "set", "lo", "up"]))
        try:
            _connect_by_netem(sides, network)
        except Unavailable:
            stack.enter_context(_connected_by_tun(sides, network, seed))
        yield sides


def _connect_by_netem(sides: Sequence[Side], network: Network) -> None:
    names = [f"veth{side.namespace[-8:]}" for side in sides]
    for side in sides:  # before anything is made: is there netem at all?
        half = f"{network.jitter_ms / 2:g}ms"
        shape = ["netem", "delay", half, half, "loss", f"{100 * network.loss:g}%"]
        _run(*side.command(["tc", "qdisc", "add", "dev", "lo", "root", *shape]))
        _run(*side.command(["tc", "qdisc", "del", "dev", "lo", "root"]))
    first, second = (["netns", side.namespace] for side in sides)
    _run("ip", "link", "add", names[0], *first, "type", "veth", "peer", "name", names[1], *second)
    for side, name in zip(sides, names, strict=True):
        _give_address(side, name)
        _run(*side.command(["tc", "qdisc", "add", "dev", name, "root", *shape]))


@contextmanager
def _connected_by_tun(sides: Sequence[Side], network: Network, seed: int) -> Iterator[None]:
    devices = []
    try:
        for index, side in enumerate(sides):
            name = f"pt{index}-{os.getpid()}"
            devices.append(_open_tun(name))
            _run("ip", "link", "set", name, "netns", side.namespace)
            _give_address(side, name)
        carrier = _Carrier(devices, network, seed)
        carrier.start()
        try:
            yield
        finally:
            carrier.stop()
    finally:
        for device in devices:
            os.close(device)


class _Carrier(threading.Thread):
    """Carries packets between two devices, in real time."""

    def __init__(self, devices: Sequence[int], network: Network, seed: int) -> None:
        super().__init__(name="carrier", daemon=True)
        self._devices = devices
        self._links: list[Link[bytes]] = [Link(network, seed + index) for index in range(2)]
        self._stops = threading.Event()

    def run(self) -> None:
        while not self._stops.is_set():
            now = time.monotonic()
            waits = [link.next_s - now for link in self._links if link.next_s is not None]
            readable, _, _ = select.select(self._devices, [], [], max(0, min([0.1, *waits])))
            for device, link in zip(self._devices, self._links, strict=True):
                if device in readable:
                    link.send(time.monotonic(), os.read(device, _MAX_PACKET))
            for device, link in zip(reversed(self._devices), self._links, strict=True):
                for packet in link.due(time.monotonic()):
                    os.write(device, packet)

    def stop(self) -> None:
        self._stops.set()
        self.join()


def _open_tun(name: str) -> int:
    try:
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _TUN_WITHOUT_HEADER))
    except OSError as error:
        raise Unavailable(f"neither netem nor TUN: {error}") from error
    return device


def _give_address(side: Side, device: str) -> None:
    _run(*side.command(["ip", "address", "add", f"{side.address}/24", "dev", device]))
    _run(*side.command(["ip", "link", "set", device, "up"]))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unavailable(f"no {command[0]} (Debian: apt install iproute2)") from error
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{' '.join(command)}: {error.stderr.strip()}") from error
