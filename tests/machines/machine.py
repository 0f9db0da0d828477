"""Machines of the rack: systemd in a container each, with a card that outlives the power."""

from __future__ import annotations

import resource
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.machines import image
from tests.machines.wires import HOME, SWITCH, Link, Wires

_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# Nobody in a container may raise the limits of the machine that runs the tests; neither outside nor inside.
_LIMITS = f'''[containers]
default_ulimits = ["nofile={_FILES}:{_FILES}", "nproc=4000:4000"]
'''
_CONTAINERS_CONF = _LIMITS + """[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
@dataclass(frozen=True, slots=True)
class Board:
    """A machine: its name on the card, who manages its network, its cables."""

    name: str
    manager: str
    links: tuple[Link, ...]


def _link(number: int, interface: str = "eth0", bridge: str = SWITCH) -> Link:
    return Link(interface, bridge, f"dc:a6:32:0{int(bridge == HOME)}:00:{number:02x}")


MASTER = Board("master", "NetworkManager", (_link(1), _link(1, "wlan0", HOME)))
WORKERS = (Board("node-1", "systemd-networkd", (_link(2),)), Board("node-2", "networking", (_link(3),)),
           Board("node-3", "NetworkManager", (_link(4),)))
BOARDS = {board.name: board for board in (MASTER, *WORKERS)}
# One card for all: systemd-resolved is for those with systemd-networkd, as in Debian's images for clouds.
_NO_RESOLVED = "dpkg --purge systemd-resolved >/dev/null 2>&1; rm -f /etc/resolv.conf; : > /etc/resolv.conf"
_MANAGED = {
    "NetworkManager": _NO_RESOLVED,
    "systemd-networkd": "printf '[Match]\\nName=eth0\\n[Network]\\nDHCP=yes\\n'"
                        " > /etc/systemd/network/20-wired.network\n"
                        "  systemctl enable -q systemd-resolved\n"
                        "  ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
    "networking": f"{_NO_RESOLVED}\n"
                  "  printf 'auto lo\\niface lo inet loopback\\nauto eth0\\niface eth0 inet dhcp\\n'"
                  " > /etc/network/interfaces",
}




def _boot(board: Board, public_key: str) -> str:
    """Return what stands for the kernel and for what the imager wrote.

    The files in /etc are the card's own instead of Podman's mounts. There is no udev, so that network managers take
    the interfaces as they are: sysfs is read-only for that. The last line is the kernel's command line: Debian 13's
    systemd still takes the control groups of a host that has the old ones.
    """
    return f"""umount /etc/hosts /etc/hostname /etc/resolv.conf
mount -o remount,ro,bind /sys
if [ ! -e /etc/ssh/ssh_host_ed25519_key ]; then
  ssh-keygen -q -A
  install -d -o {image.USER} -g {image.USER} -m 700 /home/{image.USER}/.ssh
  echo '{public_key}' > /home/{image.USER}/.ssh/authorized_keys
  echo {board.name} > /etc/hostname
  sed -i 's/raspberrypi/{board.name}/' /etc/hosts
  mkdir -p /etc/containers/containers.conf.d
  echo '{_LIMITS}' > /etc/containers/containers.conf.d/90-machine.conf
  {_MANAGED[board.manager]}
  ln -sf /lib/systemd/system/{board.manager}.service /etc/systemd/system/multi-user.target.wants/
fi
exec /sbin/init SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"""


class Machines:
    """The boards on the table. Whoever shuts down by itself to reboot is started again, as a board does."""

    def __init__(self, wires: Wires, state: Path) -> None:
        self.wires = wires
        self._state = state
        self._on: set[str] = set()
        self._lock = threading.RLock()
        self._watching = True
        (state / "containers.conf").write_text(_CONTAINERS_CONF)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def flash(self, name: str, public_key: str) -> None:
        """Write the card anew: the host name, a key for the user, and who manages the network, as an imager does."""
        board = BOARDS[name]
        self.cut(name)
        self.podman("rm", "--force", "--time", "0", self._container(name), check=False)
        self.podman("volume", "rm", "--force", self._container(name), check=False)
        card = image.ready()
        called = f"localhost/{card.stem}"
        if self.podman("image", "exists", called, check=False).returncode:
            self.podman("import", str(card), called)
        self.wires.power_on(name, board.links)
        self.podman("create", "--name", self._container(name), "--hostname", name, "--systemd=always", "--privileged",
                    f"--network=ns:/run/netns/{self.wires.namespace(name)}", "--volume",
                    f"{self._container(name)}:/var/lib", called, "sh", "-c", _boot(board, public_key))
        self.wires.power_off(name, board.links)

    def power_on(self, name: str) -> None:
        """Press the switch; returns as soon as init runs."""
        with self._lock:
            if name not in self._on:
                self.wires.power_on(name, BOARDS[name].links)
                self.podman("start", self._container(name))
                self._on.add(name)

    def take_over(self) -> None:
        """Find the machines that another run of the tests has left on."""
        running = self.podman("ps", "--format", "{{.Names}}").stdout.split()
        self._on.update(name for name in BOARDS if self._container(name) in running)

    def mend(self) -> None:
        """Plug every cable in and switch every machine on."""
        for board in BOARDS.values():
            for link in board.links:
                self.plug(board.name, link.interface)
            self.power_on(board.name)

    @contextmanager
    def on_dhcp(self, names: Iterable[str]) -> Iterator[None]:
        """Power these machines on as soon as the master leases addresses, while the body of the `with` goes on."""
        done = threading.Event()

        def wait() -> None:
            while not done.is_set() and ":67 " not in self.shell("master", "ss -lun", check=False):
                done.wait(1.0)
            if not done.is_set():
                for name in names:
                    self.power_on(name)

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def cut(self, name: str) -> None:
        """Pull the plug: nothing on the machine is told, and no packet says goodbye."""
        with self._lock:
            self._on.discard(name)
            for link in BOARDS[name].links:
                self.wires.unplug(name, link)
            self.podman("kill", "--signal", "KILL", self._container(name), check=False)
            self.podman("wait", self._container(name), check=False)
            self.wires.power_off(name, BOARDS[name].links)

    def unplug(self, name: str, interface: str = "eth0") -> None:
        """Pull a network cable."""
        self.wires.unplug(name, self._cable(name, interface))

    def plug(self, name: str, interface: str = "eth0") -> None:
        """Put a network cable back; that of a machine that is off follows when it is switched on."""
        if name in self._on:
            self.wires.plug(name, self._cable(name, interface))

    def shell(self, name: str, command: str, check: bool = True, timeout: float = 120) -> str:
        """Run a command as root on a machine, as with a keyboard at it; return what it printed."""
        return self.podman("exec", self._container(name), "sh", "-c", command, check=check, timeout=timeout).stdout

    def boot(self, name: str) -> str:
        """Return what tells one boot of a machine from another, empty while it is off."""
        return self.shell(name, "stat -c %Z /proc/1", check=False).strip()

    def remove(self) -> None:
        """Take everything away; nothing there is no error."""
        self._watching = False
        self._watcher.join()
        for name in BOARDS:
            self.cut(name)
            self.podman("rm", "--force", "--time", "0", self._container(name), check=False)
            self.podman("volume", "rm", "--force", self._container(name), check=False)
        self.wires.remove()

    def podman(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run Podman where it may start containers with an init, with a store of this rack's own."""
        hidden = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
        argv = ["env", f"CONTAINERS_CONF={self._state / 'containers.conf'}", "unshare", "--mount", "--propagation",
                "slave", "sh", "-c", hidden, "sh", "podman", "--root", str(self._state / "store"), "--runroot",
                str(self._state / "run"), *arguments]
        result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout,
                                stdin=subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise AssertionError(f"podman {' '.join(arguments)} failed ({result.returncode}):\n"
                                 f"{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
        return result

    def _cable(self, name: str, interface: str) -> Link:
        return next(link for link in BOARDS[name].links if link.interface == interface)

    def _container(self, name: str) -> str:
        return self.wires.namespace(name)

    def _watch(self) -> None:
        while self._watching:
            time.sleep(0.3)
            with self._lock:
                for name in sorted(self._on):
                    state = self.podman("inspect", "--format", "{{.State.Status}}", self._container(name), check=False)
                    if state.stdout.strip() == "exited":
                        self.wires.power_off(name, BOARDS[name].links)
                        self._on.discard(name)
                        self.power_on(name)
