"""The real servers there are adapters for."""

from __future__ import annotations

from edge.dhcp import dnsmasq, isc, kea
from edge.dhcp.model import Server

SERVERS: dict[str, Server] = {server.name: server for server in (dnsmasq.Dnsmasq(), isc.Isc(), kea.Kea())}
DEFAULT = dnsmasq.Dnsmasq.name
