"""Rack settings -> the one nftables table that makes the master the rack's router.

Workers and pods reach the home network through the uplink; the home network opens no connection into the rack but to
what the rack offers: the API, and services (whose packets arrive here with their destination already translated).
"""

from __future__ import annotations

from edge.rack.settings import Rack

TABLE = "edge-rack"


def render(rack: Rack) -> str:
    """Return the table as a script for `nft -f`; it replaces an earlier one in one transaction."""
    inside = f"{{ {rack.address.network}, {rack.pod_network} }}"
    ours = f"{{ {rack.address.network}, {rack.pod_network}, {rack.service_network} }}"
    return f"""table inet {TABLE} {{}}
delete table inet {TABLE}
table inet {TABLE} {{
  chain outside {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{rack.uplink}" ip daddr {ours} drop comment "before services are translated"
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname "{rack.uplink}" ct state established,related accept
    iifname "{rack.uplink}" tcp dport {{ 53, 10250, {rack.bus_port} }} drop comment "rack only: names, agents, bus"
    iifname "{rack.uplink}" udp dport {{ 53, 67 }} drop comment "rack only: names, DHCP"
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{rack.uplink}" ct state established,related accept
    iifname "{rack.uplink}" ct status dnat accept comment "services of the rack"
    iifname "{rack.uplink}" drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{rack.uplink}" ip saddr {inside} masquerade
  }}
}}
"""
