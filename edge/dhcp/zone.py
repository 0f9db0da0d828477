"""The rack's names -> words of dnsmasq, which answers them whichever server leases the addresses.

Names of leased machines are files in a directory that dnsmasq watches (`edge.dhcp.hook` writes them). Each holds one
short name, which `expand-hosts` completes: of a name that stands there twice, dnsmasq 2.90 keeps one when its file
goes.
"""

from __future__ import annotations

from edge.dhcp.model import File, Places, Zone

FILE = "names.conf"
CACHE = 1000
MOST_QUERIES = 300


def lines(zone: Zone, places: Places) -> tuple[str, ...]:
    """Return the part of a configuration that is about names."""
    return (
        f"interface={zone.interface}",
        "bind-dynamic",
        "except-interface=lo",
        *((f"user={places.user}",) if places.user else ()),
        f"domain={zone.domain}",
        f"local=/{zone.domain}/",
        "expand-hosts",
        "no-hosts",
        f"hostsdir={places.names}",
        f"hostsdir={places.reserved_names.parent}",
        *(f"host-record={name}.{zone.domain},{name},{address}" for name, address in zone.records),
        "domain-needed",
        "bogus-priv",
        f"cache-size={CACHE}",
        f"dns-forward-max={MOST_QUERIES}",
        *(("no-resolv", *(f"server={server}" for server in zone.upstream)) if zone.upstream else ()),
    )


def file(zone: Zone, places: Places) -> File:
    """Return the configuration of a dnsmasq that answers names and leases nothing."""
    return File(name=FILE, text="\n".join(lines(zone, places)) + "\n", check=check())


def check() -> tuple[str, ...]:
    """Return the command with which dnsmasq looks at a configuration."""
    return ("dnsmasq", "--test", "--conf-file={}")


def command(places: Places, name: str = FILE) -> tuple[str, ...]:
    """Return how dnsmasq is started, in the foreground."""
    return ("dnsmasq", "--keep-in-foreground", f"--conf-file={places.config_dir / name}", "--pid-file=",
            "--log-facility=-")
