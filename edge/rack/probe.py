"""Decides what is wrong on the rack's wire from what was seen there: offers of addresses, and claims to addresses.

An offer is the answer to a DHCPDISCOVER (RFC 2131), a claim the answer to an ARP request (RFC 826).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from edge.dhcp.findings import DUPLICATE_ADDRESS, POOL_EXHAUSTED, ROGUE_SERVER, SERVER_SILENT, Finding

MOST_ADDRESSES = 512
"""Addresses asked about in one look: two frames each, which a switch does not notice."""
PROXY_ADDRESSES = 3
"""A machine that claims so many addresses of others answers for all of them, and is told of once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An address somebody offered, with what came along."""

    mac: str
    """Of the machine the frame came from."""
    server: str
    """Option 54; empty when there was none."""
    address: str
    router: str = ""
    dns: tuple[str, ...] = ()
    lease_seconds: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """A machine that says an address is its own."""

    address: str
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that came back."""

    offers: tuple[Offer, ...] = ()
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How the wire ought to be."""

    interface: str
    address: IPv4Interface
    """The master's own."""
    mac: str
    first: IPv4Address
    last: IPv4Address
    leases: Mapping[str, str] = field(default_factory=dict)
    """Address -> hardware address it is leased to or kept for."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Hardware address -> host name."""
    uplink: str = "wlan0"
    uplink_networks: tuple[IPv4Network, ...] = ()
    uplink_router: str = ""
    serving: bool | None = None
    """Whether anything listens for DHCP on the master; None: not known."""


def asked(wire: Wire) -> tuple[str, ...]:
    """Return the addresses to ask about: the master's own, and those that somebody has or may have."""
    own = str(wire.address.ip)
    others = sorted((address for address in wire.leases if address != own), key=IPv4Address)
    return (own, *others[:MOST_ADDRESSES - 1])


def findings(seen: Seen, wire: Wire) -> tuple[Finding, ...]:
    """Return what is wrong, the worst first."""
    return (*_strangers(seen.offers, wire), *_duplicates(seen.claims, wire), *_silence(seen.offers, wire))


def is_own(offer: Offer, wire: Wire) -> bool:
    """Return whether the rack's own server has made an offer."""
    return offer.server == str(wire.address.ip) and offer.mac == wire.mac


def _strangers(offers: Iterable[Offer], wire: Wire) -> list[Finding]:
    found: dict[tuple[str, str], Finding] = {}
    for offer in offers:
        if not is_own(offer, wire) and (offer.server, offer.mac) not in found:
            found[offer.server, offer.mac] = Finding(reason=ROGUE_SERVER, message=_stranger(offer, wire),
                                                     address=offer.server, mac=offer.mac)
    return [found[key] for key in sorted(found)]


def _stranger(offer: Offer, wire: Wire) -> str:
    server = f"{offer.server or 'a server without a name'} ({offer.mac})"
    what = ", ".join((offer.address, *([f"router {offer.router}"] if offer.router else []),
                      *([f"name servers {' '.join(offer.dns)}"] if offer.dns else [])))
    seen = f"another DHCP server answers on {wire.interface}: {server} offers {what}."
    if offer.mac == wire.mac:
        return (f"{seen} It runs on the master itself: stop it (`ss -lunp sport = :67` names it; Debian's "
                "isc-dhcp-server and dnsmasq start by themselves when they are installed)")
    if _is_home(offer, wire):
        return (f"{seen} That is the home network: the rack's switch is plugged into the home router. Pull that cable; "
                f"only the master's {wire.uplink} joins the two")
    return (f"{seen} Machines may get their address from it and then reach neither the master nor the internet. "
            "Unplug it, or switch its DHCP server off")


def _is_home(offer: Offer, wire: Wire) -> bool:
    if wire.uplink_router and wire.uplink_router in (offer.router, offer.server):
        return True
    return any(IPv4Address(text) in network for network in wire.uplink_networks
               for text in (offer.router, offer.address, offer.server) if _is_address(text))


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _duplicates(claims: Iterable[Claim], wire: Wire) -> list[Finding]:
    owners: dict[str, set[str]] = {}
    for claim in claims:
        owners.setdefault(claim.address, set()).add(claim.mac)
    wrong: dict[str, list[str]] = {}
    for address in asked(wire):
        for mac in sorted(owners.get(address, set()) - {_owner(address, wire), wire.mac}):
            wrong.setdefault(mac, []).append(address)
    found = []
    for mac, addresses in sorted(wrong.items()):
        if len(addresses) >= PROXY_ADDRESSES:
            found.append(Finding(reason=DUPLICATE_ADDRESS, mac=mac, address=addresses[0], message=(
                f"{mac} answers for {len(addresses)} addresses of other machines, {addresses[0]} among them: it "
                "answers for everybody (proxy ARP). Switch that off there (net.ipv4.conf.all.proxy_arp=0), or unplug "
                "it")))
        else:
            found += [Finding(reason=DUPLICATE_ADDRESS, mac=mac, address=address,
                              message=_duplicate(address, mac, owners[address], wire)) for address in addresses]
    return found


def _owner(address: str, wire: Wire) -> str:
    return wire.mac if address == str(wire.address.ip) else wire.leases.get(address, "")


def _duplicate(address: str, mac: str, claimed_by: set[str], wire: Wire) -> str:
    mend = f"Find {mac}, and take that address out of its own settings (it should ask for one by DHCP)"
    if address == str(wire.address.ip):
        return (f"{address} is the master's own address, and {mac} uses it too: workers may talk to the wrong one. "
                f"{mend}")
    owner = _owner(address, wire)
    name = f"{wire.names[owner]}, {owner}" if wire.names.get(owner) else owner
    if owner in claimed_by:
        return f"{address} is leased to {name}, and {mac} uses it too. {mend}"
    return f"{address} is leased to {name}, but {mac} answers for it. {mend}"


def _silence(offers: Iterable[Offer], wire: Wire) -> list[Finding]:
    if any(is_own(offer, wire) for offer in offers):
        return []
    size = int(wire.last) - int(wire.first) + 1
    free = size - sum(wire.first <= IPv4Address(address) <= wire.last for address in wire.leases)
    if wire.serving is False:
        return [Finding(reason=SERVER_SILENT, message=(
            "the rack's own DHCP server does not run: nothing listens on UDP port 67. `systemctl status edge-dhcp` "
            "says why"))]
    if free <= 0:
        return [Finding(reason=POOL_EXHAUSTED, message=(
            f"all {size} addresses from {wire.first} to {wire.last} are taken, so a new machine gets none. Widen "
            "dhcp.first and dhcp.last in /etc/edge/rack.toml, or remove reservations of machines that are gone"))]
    return [Finding(reason=SERVER_SILENT, message=(
        f"the rack's own DHCP server makes no offer on {wire.interface}, though {free} of {size} addresses are free. "
        "`journalctl -u edge-dhcp` may say why; `systemctl restart edge-dhcp` starts it again"))]
