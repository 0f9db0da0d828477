"""The home network: a router that leases the master its Wi-Fi address, and a web page that stands for the internet."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.machines.laptop import MASTER
from tests.machines.machine import BOARDS
from tests.machines.wires import HOME, HOME_ROUTER, Wires, ip

PAGE = "hello from the internet\n"


def get(host: str) -> str:
    """Return a shell command that prints a web page."""
    program = f'import urllib.request as r; print(r.urlopen("http://{host}/", timeout=3).read().decode())'
    return f"python3 -c '{program}' 2>&1"


class Home:
    """The router and what is behind it, as processes in the home network's namespace."""

    def __init__(self, wires: Wires, state: Path) -> None:
        self._namespace = wires.namespace(HOME)
        self._state = state
        self._processes: list[subprocess.Popen[bytes]] = []
        self._leased = MASTER

    def start(self, master: str = MASTER) -> None:
        """Switch the router on; the master gets that address."""
        self.stop()
        self._leased = master
        mac = BOARDS["master"].links[1].mac
        (self._state / "home.leases").unlink(missing_ok=True)
        web = self._state / "www"
        web.mkdir(exist_ok=True)
        (web / "index.html").write_text(PAGE)
        self._start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--interface=br0", "--bind-dynamic",
                    "--except-interface=lo", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root",
                    "--dhcp-range=192.168.43.100,192.168.43.150,120", f"--dhcp-host={mac},{master}",
                    "--dhcp-authoritative", f"--dhcp-leasefile={self._state / 'home.leases'}",
                    f"--host-record=internet.home,{HOME_ROUTER}")
        self._start("busybox", "httpd", "-f", "-p", "80", "-h", str(web))

    def stop(self) -> None:
        """Switch it off, also what an earlier run has left; not running is no error."""
        for pid in ip("netns", "pids", self._namespace, check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def master_address(self) -> str:
        """Return the address the home network has given the master."""
        return self._leased

    def cut_internet(self) -> None:
        """Let the router have no way out: the page is gone, leases and Wi-Fi stay."""
        ip("-n", self._namespace, "address", "delete", f"{HOME_ROUTER}/24", "dev", "br0", check=False)

    def mend_internet(self) -> None:
        """Put it back."""
        ip("-n", self._namespace, "address", "replace", f"{HOME_ROUTER}/24", "dev", "br0")

    def _start(self, *argv: str) -> None:
        with (self._state / "home.log").open("ab") as log:
            self._processes.append(subprocess.Popen(["nsenter", f"--net=/run/netns/{self._namespace}", *argv],
                                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log))
