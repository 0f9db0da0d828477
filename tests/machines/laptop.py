"""The person's laptop: a namespace on the home network with a real OpenSSH, Ansible, kubectl and edgectl."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.lab import host
from tests.machines import image
from tests.machines.wires import HOME, Link, Wires, ip

ROOT = Path(__file__).resolve().parents[2]
ADDRESS, MASTER = "192.168.43.20", "192.168.43.10"
LINK = Link("wlan0", HOME, "3c:22:fb:00:00:20")


class Laptop:
    """Programs on it run in this machine's file system with a home directory of their own, in the laptop's network."""

    def __init__(self, wires: Wires, state: Path) -> None:
        self._namespace = wires.namespace("laptop")
        self.home = state / "laptop"
        self.kubeconfig = self.home / "kubeconfig"
        self._wires = wires

    def set_up(self) -> None:
        """Connect it to the home network, and make the person's SSH key."""
        self._wires.power_on("laptop", (LINK,))
        ip("-n", self._namespace, "link", "set", "lo", "up")
        ip("-n", self._namespace, "address", "add", f"{ADDRESS}/24", "dev", "wlan0")
        ip("-n", self._namespace, "link", "set", "wlan0", "up")
        self.home.mkdir(mode=0o700)
        (self.home / ".ssh").mkdir(mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.home / ".ssh/id_ed25519")],
                       check=True)

    @property
    def public_key(self) -> str:
        return (self.home / ".ssh/id_ed25519.pub").read_text().strip()

    def run(self, *argv: str, check: bool = True, timeout: float = 120,
            text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program on the laptop."""
        environment = {**os.environ, "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig),
                       "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
                       "ANSIBLE_HOME": str(self.home / ".ansible"), "ANSIBLE_NOCOLOR": "1"}
        environment.pop("SSH_AUTH_SOCK", None)
        result = subprocess.run(["nsenter", f"--net=/run/netns/{self._namespace}", *self._with_own_keys(), *argv],
                                input=text,
                                stdin=subprocess.DEVNULL if text is None else None, capture_output=True, text=True,
                                check=False, timeout=timeout, env=environment, cwd=ROOT / "ansible")
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} failed ({result.returncode}):\n{result.stdout[-12000:]}\n"
                                 f"{result.stderr[-4000:]}")
        return result

    def ssh(self, host_name: str, command: str, check: bool = True,
            timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine as the person does: the master directly, the others through it."""
        options = ["-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
        through = " ".join(["ssh", *options, "-W", "%h:%p", f"{image.USER}@{MASTER}"])
        jump = [] if host_name == "master" else ["-o", f"ProxyCommand={through}"]
        target = MASTER if host_name == "master" else host_name
        return self.run("ssh", *options, *jump, f"{image.USER}@{target}", command, check=check, timeout=timeout)

    def _with_own_keys(self) -> tuple[str, ...]:
        """OpenSSH takes the home directory from the password file, whatever HOME says: the laptop's keys lie there."""
        keys = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        return ("unshare", "--mount", "sh", "-c", f'mount --bind "{self.home}/.ssh" "{keys}"; exec "$@"', "sh")

    def kubectl(self, *argv: str, check: bool = True, timeout: float = 120, text: str | None = None) -> str:
        """Run the real kubectl with the kubeconfig the playbook has left."""
        return self.run(host.find_kubectl(), *argv, check=check, timeout=timeout, text=text).stdout

    def get(self, *argv: str) -> Any:
        """Return what `kubectl get ... -o json` prints."""
        return msgspec.json.decode(self.kubectl("get", *argv, "-o", "json"))

    def edgectl(self, *argv: str, check: bool = True, timeout: float = 200) -> subprocess.CompletedProcess[str]:
        """Run edgectl."""
        return self.run(sys.executable, "-m", "edge.edgectl.main", *argv, check=check, timeout=timeout)

    def fetch(self, url: str) -> str:
        """Return a page as the laptop's browser sees it, empty when it does not answer."""
        return self.run(sys.executable, "-m", "edge.lab.fetch", url, check=False).stdout
