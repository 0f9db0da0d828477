"""Kea, ISC's newer server (Debian's kea-dhcp4-server; 2.2 and 2.6), with leases in a CSV file.

It remembers machines that are away. It has no ping check in these versions. Since 2.6.3 it takes hooks, leases and
locks from directories of its own only, which variables of its environment name.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address

from edge.dhcp import hook, macs
from edge.dhcp.model import File, Lease, Places, Scope, Zone

CLEANUP_SECONDS = 21600
REMEMBER_SECONDS = 400 * 86400
ASSIGNED = "0"


class Kea:
    """The adapter."""

    name = "kea"
    package = "kea-dhcp4-server"
    lease_files = ("kea-leases4.csv.2", "kea-leases4.csv.1", "kea-leases4.csv")
    serves_names = False
    remembers = True
    can_ping = False
    ping_is_cheap = False

    def files(self, scope: Scope, zone: Zone, places: Places) -> tuple[File, ...]:
        """Return kea-dhcp4.conf and its hook."""
        return (
            hook.file(zone, places, hook.KEA_ARGUMENTS),
            hook.reserved(scope.reservations, places),
            File(name="kea-dhcp4.conf", text=json.dumps({"Dhcp4": _configuration(scope, places)}, indent=2) + "\n",
                 check=(*_environment(places), "kea-dhcp4", "-t", "{}")),
        )

    def command(self, scope: Scope, places: Places) -> tuple[str, ...]:
        """Return how it is started; it stays in the foreground by itself."""
        del scope
        return (*_environment(places), "kea-dhcp4", "-c", str(places.config_dir / "kea-dhcp4.conf"))

    def leases(self, text: str, now: datetime) -> tuple[Lease, ...]:
        """Return the last word of the files, one after the other, on each address, where that is a lease."""
        found: dict[IPv4Address, Lease | None] = {}
        columns: dict[str, int] = {}
        for line in text[:text.rfind("\n") + 1].splitlines():
            if line.startswith("address,"):
                columns = {name: number for number, name in enumerate(line.split(","))}
                continue
            if (read := _lease(line, columns)) is not None:
                found[read[0]] = read[1]
        return tuple(lease for lease in found.values()
                     if lease is not None and (lease.expires is None or lease.expires > now))


def _environment(places: Places) -> tuple[str, ...]:
    return ("env", f"KEA_PIDFILE_DIR={places.run_dir}", "KEA_LOCKFILE_DIR=none",
            f"KEA_DHCP_DATA_DIR={places.state_dir}", f"KEA_HOOK_SCRIPTS_PATH={places.config_dir}", *places.launcher)


def _configuration(scope: Scope, places: Places) -> dict[str, object]:
    options = [("routers", (scope.router,)), ("domain-name-servers", scope.dns), ("ntp-servers", scope.ntp),
               ("domain-name", (scope.domain,))]
    longest = max(scope.lease_seconds, scope.max_lease_seconds)
    return {
        "interfaces-config": {"interfaces": [scope.interface], "dhcp-socket-type": "raw",
                              "service-sockets-max-retries": 10, "service-sockets-retry-wait-time": 1000},
        "lease-database": {"type": "memfile", "persist": True, "lfc-interval": CLEANUP_SECONDS,
                           "name": str(places.state_dir / Kea.lease_files[-1])},
        "expired-leases-processing": {"reclaim-timer-wait-time": 10, "hold-reclaimed-time": REMEMBER_SECONDS,
                                      "flush-reclaimed-timer-wait-time": 3600},
        "authoritative": True,
        "match-client-id": False,  # the machine is known by its hardware address, whichever system runs on it
        "host-reservation-identifiers": ["hw-address"],
        "ddns-send-updates": False,
        # What is in no host name becomes what is in none either, so that the hook refuses it. Left as it is, a line
        # break would stand in Kea's lease file.
        "hostname-char-set": "[^A-Za-z0-9.-]", "hostname-char-replacement": "_", "ddns-generated-prefix": "_",
        "valid-lifetime": scope.lease_seconds,
        "min-valid-lifetime": min(120, scope.lease_seconds),
        "max-valid-lifetime": longest,
        "calculate-tee-times": True,
        "hooks-libraries": [{"library": f"/usr/lib/{places.multiarch}/kea/hooks/libdhcp_run_script.so",
                             "parameters": {"name": str(places.hook), "sync": False}}],
        "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}],
        "subnet4": [{
            "id": 1, "subnet": str(scope.network), "interface": scope.interface,
            "pools": [{"pool": f"{scope.first} - {scope.last}"}],
            "option-data": [{"name": name, "data": ", ".join(map(str, values))} for name, values in options if values],
            "reservations-in-subnet": True,
            "reservations": [
                {"hw-address": one.mac, "ip-address": str(one.address), **({"hostname": one.name} if one.name else {})}
                for one in scope.reservations],
        }],
    }


def _lease(line: str, columns: dict[str, int]) -> tuple[IPv4Address, Lease | None] | None:
    """Return an address and what a row says of it: a lease, or None when it has none any more. None: no row at all."""
    try:
        row = next(csv.reader([line]), [])
        if len(row) != len(columns):
            return None
        address = IPv4Address(row[columns["address"]])
        seconds, expires = int(row[columns["valid_lifetime"]]), int(row[columns["expire"]])
        mac = macs.normal(row[columns["hwaddr"]])
        if row[columns["state"]] != ASSIGNED or not seconds or not mac:
            return address, None
        name = row[columns["hostname"]].split(".")[0]
        client_id = row[columns["client_id"]]
        until = None if seconds == 0xFFFFFFFF else datetime.fromtimestamp(expires, UTC)
    except (AddressValueError, ValueError, KeyError, OverflowError, OSError, csv.Error):
        return None
    return address, Lease(address=address, mac=mac, name=name, client_id=client_id, expires=until)
