"""Rack settings -> the names and addresses the master is reached by, which its certificates carry."""

from __future__ import annotations

from ipaddress import IPv4Address

from edge.rack.settings import Rack

API_SERVICE_ADDRESS = "10.96.0.1"


def dns_names(rack: Rack) -> tuple[str, ...]:
    """Return the master's DNS names, without repeats, in a stable order."""
    own = (rack.master_name, f"{rack.master_name}.{rack.dhcp.domain}", f"{rack.master_name}.local",
           f"kubernetes.{rack.dhcp.domain}")
    return tuple(dict.fromkeys((*own, *(name for name in rack.names if not _is_address(name)))))


def addresses(rack: Rack) -> tuple[str, ...]:
    """Return the master's addresses: on the switch, as the `kubernetes` service, and those named in the settings."""
    own = (str(rack.address.ip), API_SERVICE_ADDRESS)
    return tuple(dict.fromkeys((*own, *(name for name in rack.names if _is_address(name)))))


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except ValueError:
        return False
    return True
