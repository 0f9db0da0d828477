"""How long a whole rack waits for addresses, and what renewals cost the card, beside dnsmasq as it comes.

    python -m bench.dhcp [--machines 250] [--disk DIR]

Real servers in network namespaces; the machines are `tests/fakes/dhcp_clients.py`, a process of its own. `at once` is
all of them in the same millisecond, `in 3 s` is what the boot times of real boards do to one power switch. Needs root.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import report
from edge.dhcp.dnsmasq import Dnsmasq
from edge.dhcp.model import File, Places, Scope, Server, Zone
from edge.dhcp.servers import SERVERS
from tests.contracts import dhcp_wire
from tests.contracts.dhcp_wire import SCOPE, Wire
from tests.fakes.dhcp_clients import Client

BUDGET_SECONDS = 5.0
BUDGET_BYTES = 10e6
PATIENCE_SECONDS = 90.0
RENEWALS = 12
MACHINES_AT_HOME = 4
DAY_SECONDS = 86400


class Plain(Dnsmasq):
    """dnsmasq with a range and nothing else: its defaults are the reference."""

    def files(self, scope: Scope, zone_: Zone, places: Places) -> tuple[File, ...]:
        text = (f"interface={scope.interface}\nbind-dynamic\nexcept-interface=lo\nuser=root\n"
                f"dhcp-range={scope.first},{scope.last},{scope.network.netmask},{scope.lease_seconds}\n"
                f"dhcp-leasefile={places.state_dir / self.lease_files[-1]}\n")
        return (File(name="dnsmasq.conf", text=text),)


@dataclass(frozen=True)
class Case:
    """A server with settings."""

    name: str
    server: Server
    scope: Scope


SCOPE_2H = replace(SCOPE, lease_seconds=7200)
PLAIN = Case("dnsmasq, its defaults (reference)", Plain(), SCOPE_2H)
CASES = (PLAIN, Case("dnsmasq, ours", SERVERS["dnsmasq"], SCOPE_2H),
         Case("dnsmasq, ours, in_order = 0", SERVERS["dnsmasq"], replace(SCOPE_2H, in_order=0)),
         Case("isc-dhcp-server, ours", SERVERS["isc-dhcp-server"], replace(SCOPE_2H, ping_check=True)),
         Case("kea, ours", SERVERS["kea"], SCOPE_2H))


@contextmanager
def running(case: Case, disk: Path) -> Iterator[Wire]:
    """Run the case's server on a wire of its own."""
    # dnsmasq's child may still be calling hooks that have piled up when everything is killed.
    with tempfile.TemporaryDirectory(prefix="bench-dhcp-", dir=disk, ignore_cleanup_errors=True) as directory:
        wire = Wire(case.server, Path(directory), "dhcpb", case.scope)
        try:
            wire.lay()
            wire.configure()
            wire.start()
            yield wire
        finally:
            wire.take_up()


def storm(wire: Wire, machines: int, spread_seconds: float) -> float:
    """Return the seconds the last machine waited for its address; infinite when it got none."""
    got = wire.ask(*(Client(mac=mac(number), hostname=f"node-{number}", delay=spread_seconds * number / machines)
                     for number in range(machines)), seconds=PATIENCE_SECONDS)
    served = {one.address for one in got} - {""}
    return max(one.seconds for one in got) if len(served) == machines else float("inf")


def bytes_a_day(wire: Wire, lease_seconds: int) -> float:
    """Return what the renewals of a small rack write in a day, as the kernel counts it for the server."""
    machines = [Client(mac=mac(number), hostname=f"node-{number}") for number in range(MACHINES_AT_HOME)]
    addresses = {one.mac: one.address for one in wire.ask(*machines)}
    before = written(wire)
    for number in range(RENEWALS):
        one = machines[number % len(machines)]
        # A renewal in the same second changes nothing in the file.
        time.sleep(1.05)
        assert wire.one(Client(mac=one.mac, requested=addresses[one.mac], start="reboot")).address
    each = (written(wire) - before) / RENEWALS
    return each * MACHINES_AT_HOME * DAY_SECONDS / (lease_seconds / 2)


def written(wire: Wire) -> int:
    """Return the bytes the server has sent to the disk."""
    lines = Path(f"/proc/{wire.processes[0].pid}/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def mac(number: int) -> str:
    return f"02:ed:9e:00:{number >> 8:02x}:{number & 255:02x}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--machines", type=int, default=250)
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"))
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("error: this needs root, for network namespaces")
    print(report.machine())
    cases = [case for case in CASES if dhcp_wire.installed(case.server)]
    print(f"\nuntil the last of {options.machines} machines has its address, budget {BUDGET_SECONDS:.0f} s")
    waits = {case.name: [_storm(case, options, spread) for spread in (0.0, 3.0)] for case in cases}
    at_once, spread = waits[PLAIN.name]
    report.table(("", "at once s", "ratio", "in 3 s", "ratio", "budget"), [
        (name, f"{seconds[0]:.2f}", f"{seconds[0] / at_once:.2f}", f"{seconds[1]:.2f}", f"{seconds[1] / spread:.2f}",
         report.verdict(seconds[0], BUDGET_SECONDS)) for name, seconds in waits.items()])
    print(f"\nwhat {MACHINES_AT_HOME} machines that renew write in a day, budget {BUDGET_BYTES / 1e6:.0f} MB for all "
          "of the master")
    rows = []
    for case in cases[1:]:
        for lease_seconds in (600, 7200):
            with running(replace(case, scope=replace(case.scope, lease_seconds=lease_seconds)), options.disk) as wire:
                measured = bytes_a_day(wire, lease_seconds)
            rows.append((f"{case.name}, {lease_seconds} s", f"{measured / 1e6:.2f}",
                         report.verdict(measured, BUDGET_BYTES)))
    report.table(("", "MB/day", "budget"), rows)


def _storm(case: Case, options: argparse.Namespace, spread_seconds: float) -> float:
    with running(case, options.disk) as wire:
        return storm(wire, options.machines, spread_seconds)


if __name__ == "__main__":
    main()
