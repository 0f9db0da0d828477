"""Effects: answers those who ask for everything under one of our host names, as whoever wants the name for itself does.

A machine that is about to take a name asks for records of any type (RFC 6762, section 8.1). python-zeroconf answers
such a question about a service but not about a host (0.154), so that avahi-daemon would take a name that is ours.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable

from zeroconf import DNSIncoming

GROUP, PORT = "224.0.0.251", 5353
_TYPE_ANY = 255
_RESPONSE = 0x80


class Defender(asyncio.DatagramProtocol):
    """Listens for such questions on one interface."""

    def __init__(self, hosts: Callable[[], Iterable[str]], answer: Callable[[set[str]], None]) -> None:
        """Nothing is heard yet.

        Args:
            hosts: the names that are ours, lower case, with the final dot.
            answer: called with those of them somebody asks for.
        """
        self._hosts, self._answer = hosts, answer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 12 or data[2] & _RESPONSE:
            return
        # Most questions are not about us: those are not taken apart.
        folded = data.lower()
        ours = {host for host in self._hosts() if host.partition(".")[0].encode() in folded}
        if not ours:
            return
        message = DNSIncoming(data)
        if message.valid and (asked := {question.name.lower() for question in message.questions
                                        if question.type == _TYPE_ANY} & ours):
            self._answer(asked)


async def listen(address: str, confine: Callable[[socket.socket], None], defender: Defender) -> asyncio.BaseTransport:
    """Have the defender hear what comes by multicast to the interface with this address. Raises OSError."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Of the group alone: what is sent to this machine itself is for whoever it is sent to.
        opened.bind((GROUP, PORT))
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                          socket.inet_aton(GROUP) + socket.inet_aton(address))
        confine(opened)
        opened.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: defender, sock=opened)
    except OSError:
        opened.close()
        raise
    return transport
