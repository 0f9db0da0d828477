"""A rack's wire for DHCP servers: two network namespaces with a cable, and a server of ours at one end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from edge.clock import SystemClock
from edge.dhcp import zone as zones
from edge.dhcp.model import File, Lease, Places, Scope, Server, Zone
from tests.fakes import dhcp_clients
from tests.fakes.dhcp_clients import Client, Got

PROGRAMS = {"dnsmasq": "dnsmasq", "isc-dhcp-server": "dhcpd", "kea": "kea-dhcp4"}
MASTER = IPv4Address("10.0.0.1")
SCOPE = Scope(interface="eth0", network=IPv4Network("10.0.0.0/24"), first=IPv4Address("10.0.0.2"),
              last=IPv4Address("10.0.0.254"), router=MASTER, dns=(MASTER,), ntp=(MASTER,), lease_seconds=600)
ZONE = Zone(interface="eth0", domain="cluster.home", records=(("master", MASTER), ("kubernetes", MASTER)),
            upstream=(IPv4Address("192.0.2.1"),))
SECONDS = 15.0


def until(condition: Callable[[], bool], what: Callable[[], str] = lambda: "", seconds: float = SECONDS) -> None:
    """Wait for a condition, with a bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


@dataclass
class Wire:
    """The two ends, and the server of the moment."""

    server: Server
    directory: Path
    prefix: str = "dhcpt"
    scope: Scope = SCOPE
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def places(self) -> Places:
        return Places(config_dir=self.directory / "etc", state_dir=self.directory / "state",
                      run_dir=self.directory / "run", user="root",
                      multiarch=sysconfig.get_config_var("MULTIARCH"))

    def lay(self) -> None:
        """Make namespaces and cable."""
        self.take_up()
        for name in ("server", "client"):
            _run("ip", "netns", "add", f"{self.prefix}-{name}")
        _run("ip", "-n", f"{self.prefix}-server", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
             "netns", f"{self.prefix}-client")
        _run("ip", "-n", f"{self.prefix}-server", "address", "add", f"{MASTER}/24", "dev", "eth0")
        for name in ("server", "client"):
            for link in ("lo", "eth0"):
                _run("ip", "-n", f"{self.prefix}-{name}", "link", "set", link, "up")
        for place in ("etc", "state/names", "run"):
            (self.directory / place).mkdir(parents=True, exist_ok=True)

    def take_up(self) -> None:
        """Leave nothing behind."""
        self.kill()
        for name in ("server", "client"):
            subprocess.run(["ip", "netns", "del", f"{self.prefix}-{name}"], check=False, capture_output=True)

    def configure(self, **changes: object) -> None:
        """Write the configuration of the scope, with changes to it."""
        self.scope = replace(self.scope, **changes)  # type: ignore[arg-type]
        files = list(self.server.files(self.scope, ZONE, self.places))
        if not self.server.serves_names:
            files.append(zones.file(ZONE, self.places))
        for file in files:
            write(self.directory / "etc", file)

    def start(self) -> None:
        """Start what leases and what answers names, and wait until it listens."""
        (self.directory / "state" / self.server.lease_files[-1]).touch()
        self._spawn(self.server.command(self.scope, self.places))
        if not self.server.serves_names:
            self._spawn(zones.command(self.places))
        until(lambda: all(self._listens(port) for port in (53, 67)), self.log)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the programs at once, as a power cut does, or with another signal."""
        for process in self.processes:
            process.send_signal(number)
        for process in self.processes:
            process.wait(SECONDS)
        self.processes.clear()

    def log(self) -> str:
        """Return what the programs have said."""
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    def ask(self, *clients: Client, seconds: float = SECONDS) -> list[Got]:
        """Run clients at the other end."""
        return dhcp_clients.inside(f"{self.prefix}-client", "eth0", clients, seconds)

    def one(self, client: Client, seconds: float = SECONDS) -> Got:
        return self.ask(client, seconds=seconds)[0]

    def leases(self) -> tuple[Lease, ...]:
        """Return the leases as the adapter reads them from the server's files."""
        text = "".join(path.read_text() for name in self.server.lease_files
                       if (path := self.directory / "state" / name).exists())
        return self.server.leases(text, SystemClock().now())

    def names(self) -> dict[str, str]:
        """Return leased names by address, as the hook has written them."""
        found = {}
        for path in (self.directory / "state" / "names").glob("[0-9]*"):
            words = path.read_text().split()
            found[words[0]] = words[1]
        return found

    def resolve(self, name: str) -> str:
        """Return what the rack's name server says, `-` when it knows nothing."""
        answer = self._enter("server", "busybox", "nslookup", name, str(MASTER)).stdout.splitlines()
        for line in answer[2:]:
            if "name = " in line:
                return line.partition("name = ")[2].strip()
            if line.startswith("Address") and ":53" not in line:
                return line.split()[-1]
        return "-"

    def check(self, file: File, text: str) -> bool:
        """Return whether the server's own check takes the text for that file."""
        path = self.directory / "etc" / f".{Path(file.name).name}.new"
        path.write_text(text)
        return self._enter("server", *(part.replace("{}", str(path)) for part in file.check)).returncode == 0

    def _enter(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.prefix}-{name}", *argv], capture_output=True,
                              text=True, check=False, timeout=SECONDS)

    def _listens(self, port: int) -> bool:
        assert all(process.poll() is None for process in self.processes), self.log()
        if port == 67 and self.server.name != "dnsmasq":
            return bool(self._enter("server", "ss", "-0Hln").stdout.strip())
        return f":{port} " in self._enter("server", "ss", "-Hlun").stdout

    def _spawn(self, command: Sequence[str]) -> None:
        with (self.directory / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.prefix}-server", *command], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log))


def write(directory: Path, file: File) -> None:
    """Put a file where it belongs, whole."""
    path = directory / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(file.text)
    new.chmod(file.mode)
    new.replace(path)


def installed(server: Server) -> bool:
    return shutil.which(PROGRAMS[server.name], path="/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin") is not None


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251 - beside what the servers write


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
