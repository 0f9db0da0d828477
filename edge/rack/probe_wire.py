"""Effects: asks the rack's wire who leases addresses and who has which, and listens for a few seconds.

Only asks: no DHCPREQUEST is sent, so nothing is leased. scapy builds and reads the frames. It is under the GPL and
takes some 70 MB, so this module is imported by `edge-rack probe` alone, a process of its own that ends soon.
"""

from __future__ import annotations

import ctypes
import errno
import select
import socket
import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from scapy.config import conf
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from edge.clock import Clock
from edge.rack.probe import Claim, Offer, Seen

SECONDS = 4.0
"""dnsmasq pings an address for three seconds before it offers it."""
ASK_AGAIN_SECONDS = 1.0
BROADCAST = "ff:ff:ff:ff:ff:ff"
NOBODY, EVERYBODY = "0.0.0.0", "255.255.255.255"  # noqa: S104 - an address to come from, not to listen on
SO_ATTACH_FILTER = 26
ETH_P_ALL = 0x0003
MOST_FRAMES = 4096

# Classic BPF, so that what containers send past here costs nothing: ARP, and UDP to port 68.
_FILTER = (
    (0x28, 0, 0, 12),          # ldh  [12]            ethertype
    (0x15, 8, 0, 0x0806),      # jeq  ARP             -> take
    (0x15, 0, 8, 0x0800),      # jeq  IPv4            else drop
    (0x30, 0, 0, 23),          # ldb  [23]            protocol
    (0x15, 0, 6, 17),          # jeq  UDP             else drop
    (0x28, 0, 0, 20),          # ldh  [20]            fragment
    (0x45, 4, 0, 0x1FFF),      # jset offset          -> drop
    (0xB1, 0, 0, 14),          # ldxb 4*([14]&0xf)    header length
    (0x48, 0, 0, 16),          # ldh  [x + 16]        destination port
    (0x15, 0, 1, 68),          # jeq  68              else drop
    (0x06, 0, 0, 0x00040000),  # ret  the frame
    (0x06, 0, 0, 0),           # ret  nothing
)


def look(interface: str, mac: str, address: str, client_mac: str, transaction: int, addresses: Sequence[str],
         clock: Clock) -> Seen:
    """Ask on the interface and return what came back within SECONDS.

    Args:
        interface: on the rack's switch.
        mac: hardware address of the interface; frames come from it, since a switch may know no other here.
        address: the interface's own; who is asked has nothing to defend against a question that comes from it.
        client_mac: whom the address would be for; nobody's.
        transaction: number by which answers are known.
        addresses: whose owners to ask for.
        clock: times the look.

    Raises:
        OSError: the interface cannot be used.
    """
    conf.verb = 0
    discover = _discover(client_mac, transaction)
    questions = [bytes(Ether(src=mac, dst=BROADCAST) / IP(src=NOBODY, dst=EVERYBODY)
                       / UDP(sport=68, dport=67) / discover)]
    questions += [_whose(asked, mac, address) for asked in addresses]
    with _listening(interface) as wire:
        frames = _frames(wire, interface, questions, bytes(discover), clock)
    return _seen(frames, transaction)


def _whose(asked: str, mac: str, address: str) -> bytes:
    """Return the question for an address's owner.

    The probe of RFC 5227, which comes from nobody, is for an address that the asker is about to take: dhcpcd gives its
    own away after two of them. It is right for the master's own address alone, which nobody else may have.
    """
    sender = NOBODY if asked == address else address
    return bytes(Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc=sender, pdst=asked))


def _discover(client_mac: str, transaction: int) -> Packet:
    options = [("message-type", "discover"), ("param_req_list", [1, 3, 6, 51, 54]), "end"]
    return BOOTP(op=1, chaddr=bytes.fromhex(client_mac.replace(":", "")), xid=transaction,
                 flags=0x8000) / DHCP(options=options)


def _listening(interface: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        program = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
        buffer = ctypes.create_string_buffer(program)
        wire.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("HL", len(_FILTER), ctypes.addressof(buffer)))
        wire.bind((interface, ETH_P_ALL))
        wire.setblocking(False)
    except OSError:
        wire.close()
        raise
    return wire


def _frames(wire: socket.socket, interface: str, questions: Iterable[bytes], discover: bytes,
            clock: Clock) -> list[bytes]:
    """Ask twice, since a frame may be lost, and return the frames that came."""
    questions = tuple(questions)
    frames: list[bytes] = []
    began = clock.monotonic()
    again = [began, began + ASK_AGAIN_SECONDS]
    while (left := began + SECONDS - clock.monotonic()) > 0 and len(frames) < MOST_FRAMES:
        if again and clock.monotonic() >= again[0]:
            del again[0]
            for question in questions:
                _send(wire, question)
            _ask_ourselves(interface, discover)
        wait = min(left, max(0.0, again[0] - clock.monotonic())) if again else left
        if select.select([wire], [], [], wait)[0]:
            frames.append(wire.recv(65536))
    return frames


def _send(wire: socket.socket, frame: bytes) -> None:
    try:
        wire.send(frame)
    except OSError as error:
        if error.errno != errno.ENOBUFS:  # The queue is full: the second round asks again.
            raise


def _ask_ourselves(interface: str, discover: bytes) -> None:
    """Let the master's own server hear it too: a raw frame goes to the wire only, a broadcast comes back to us."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        ours.sendto(discover, (EVERYBODY, 67))


def _seen(frames: Iterable[bytes], transaction: int) -> Seen:
    offers, claims = [], []
    for frame in dict.fromkeys(frames):
        packet = Ether(frame)
        if ARP in packet and packet[ARP].psrc != NOBODY:
            claims.append(Claim(str(packet[ARP].psrc), str(packet[ARP].hwsrc).lower()))
        elif DHCP in packet and packet[BOOTP].xid == transaction and (offer := _offer(packet)) is not None:
            offers.append(offer)
    return Seen(offers=tuple(offers), claims=tuple(sorted(set(claims))))


def _offer(packet: Packet) -> Offer | None:
    options = {option[0]: option[1:] for option in packet[DHCP].options if isinstance(option, tuple)}
    if options.get("message-type") not in ((2,), ("offer",)):
        return None
    first = {name: str(values[0]) for name, values in options.items() if values}
    lease = first.get("lease_time", "0")
    return Offer(mac=str(packet[Ether].src).lower(), server=first.get("server_id", ""),
                 address=str(IPv4Address(packet[BOOTP].yiaddr)), router=first.get("router", ""),
                 dns=tuple(str(each) for each in options.get("name_server", ())),
                 lease_seconds=int(lease) if lease.isdigit() else 0)
