"""Rack settings -> the configuration of dnsmasq, which leases addresses and answers names on the rack's switch."""

from __future__ import annotations

from edge.rack.settings import Rack


def render(rack: Rack) -> str:
    """Return dnsmasq.conf.

    Addresses are leased in the order machines ask (`dhcp-sequential-ip`) and stay with them through the lease file.
    The router and name server handed out are the master (RFC 2132 options 3 and 6).
    """
    dhcp = rack.dhcp
    address = rack.address
    lines = [
        f"interface={rack.interface}",
        "bind-dynamic",
        "except-interface=lo",
        f"dhcp-range={dhcp.first},{dhcp.last},{address.netmask},{dhcp.lease_seconds}",
        "dhcp-sequential-ip",
        "dhcp-authoritative",
        *([] if dhcp.ping_check else ["no-ping"]),
        f"dhcp-option=option:router,{address.ip}",
        f"dhcp-option=option:dns-server,{address.ip}",
        f"dhcp-option=option:ntp-server,{address.ip}",
        f"dhcp-leasefile={rack.state_dir / 'dnsmasq.leases'}",
        f"domain={dhcp.domain}",
        f"local=/{dhcp.domain}/",
        "expand-hosts",
        "no-hosts",
        f"host-record={rack.master_name},{rack.master_name}.{dhcp.domain},{address.ip}",
        f"host-record=kubernetes,kubernetes.{dhcp.domain},{address.ip}",
        "domain-needed",
        "bogus-priv",
        "cache-size=1000",
        *(["no-resolv", *(f"server={server}" for server in dhcp.upstream_dns)] if dhcp.upstream_dns else []),
    ]
    return "\n".join(lines) + "\n"
