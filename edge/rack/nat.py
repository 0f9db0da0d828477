"""Rack settings -> the one nftables table that makes the master the rack's router.

Workers and pods reach the home network through the uplink; the home network opens no connection into the rack but to
what the rack offers: the API, and services (whose packets arrive here with their destination already translated).

Nothing in it depends on the uplink's address or on its being there. Without a name for the uplink, outside is whatever
is neither the rack's interface nor the bridge of this node's pods; what the person's own containers and tunnels forward
elsewhere is no business of ours. An address of the uplink's own is never shut out, also where the home network has
addresses of the rack: that would lock out who has to mend it.
"""

from __future__ import annotations

from edge.rack.document import Document
from edge.rack.facts import PODS, Facts
from edge.rack.settings import Rack

API_PORT = 6443
MOST_OF_ONE = {"bus": 32, "api": 256}
"""Connections of one address at a time. Who opens them by the thousand and says nothing locks nobody else out."""
_NETWORK_OF_SIX = "ffff:ffff:ffff:ffff::"
TABLE = "edge-rack"
FILE = "rack.nft"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the table's script; `nft -f` of it is all that puts the table back when another program has flushed it."""
    del facts
    return (Document(path=rack.config_dir / FILE, text=render(rack), part="packets",
                     check=("nft", "--check", "--file", "{}")),)


def render(rack: Rack) -> str:
    """Return the table as a script for `nft -f`; it replaces an earlier one in one transaction."""
    inside = f"{{ {rack.address.network}, {rack.pod_network} }}"
    ours = f"{{ {rack.address.network}, {rack.pod_network}, {rack.service_network} }}"
    outside = _outside(rack)
    return f"""table inet {TABLE} {{}}
delete table inet {TABLE}
table inet {TABLE} {{
  set bus_clients {{
    type ipv4_addr
    size 65535
    flags dynamic
  }}
  set api_clients {{
    type ipv4_addr
    size 65535
    flags dynamic
  }}
  set api_clients6 {{
    type ipv6_addr
    size 65535
    flags dynamic
  }}
  chain outside {{
    type filter hook prerouting priority raw; policy accept;
    iifname {outside} ip daddr {ours} fib daddr . iif type != local drop comment "before services are translated"
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname {outside} ct state established,related accept
    iifname {outside} tcp dport {{ 53, 10250, {rack.bus_port} }} drop comment "rack only: names, agents, bus"
    iifname {outside} udp dport {{ 53, 67 }} drop comment "rack only: names, DHCP"
    {_share("bus", rack.bus_port)}
    {_share("api", API_PORT)}
    {_share("api", API_PORT, six=True)}
    meta nfproto ipv6 iifname != "lo" tcp dport {rack.bus_port} reject with tcp reset comment "nodes come by IPv4"
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    oifname {outside} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu comment "smaller packets there"
    iifname {outside} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    iifname {outside} ct state established,related accept
    iifname {outside} ct status dnat accept comment "services of the rack"
    iifname {outside} oifname {_names(*_within(rack))} drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname {outside} ip saddr {inside} masquerade
  }}
}}
"""


def _share(name: str, port: int, *, six: bool = False) -> str:
    # A machine has as many addresses of IPv6 as it likes, but all of them in one network of /64.
    which, source = (f"{name}_clients6", f"ip6 saddr & {_NETWORK_OF_SIX}") if six else (f"{name}_clients", "ip saddr")
    return (f'iifname != "lo" tcp dport {port} ct state new add @{which} '
            f"{{ {source} ct count over {MOST_OF_ONE[name]} }} reject with tcp reset")


def _outside(rack: Rack) -> str:
    return f'"{rack.uplink_name}"' if rack.uplink_name else f"!= {_names('lo', *_within(rack))}"


def _within(rack: Rack) -> tuple[str, str]:
    return (rack.interface, PODS)


def _names(*names: str) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in names) + " }"
