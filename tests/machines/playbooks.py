"""Runs the playbooks as the documentation says, with an inventory as a person writes it."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from tests.machines import image
from tests.machines.laptop import MASTER, ROOT, Laptop

INVENTORY = f"""all:
  vars:
    ansible_user: {image.USER}
  children:
    edge_master:
      hosts:
        master: {{ansible_host: {MASTER}}}
    edge_workers:
      hosts:
        node-1:
        node-2:
        node-3:
"""


def cache() -> Path:
    """Return the directory of packages for machines without internet, made by the project's own script."""
    what = b"".join((ROOT / name).read_bytes() for name in ("requirements/master.lock", "ansible/packages.yml",
                                                            "scripts/cache"))
    directory = image.CACHE / f"packages-{hashlib.sha256(what).hexdigest()[:12]}"
    subprocess.run([str(ROOT / "scripts/cache"), str(directory), "--release", image.RELEASE, "--arch", "amd64"],
                   check=True, capture_output=True, text=True, timeout=900)
    return directory


def play(laptop: Laptop, playbook: str, *variables: str, arguments: tuple[str, ...] = (), check: bool = True,
         timeout: float = 600) -> str:
    """Run a playbook and return what it printed."""
    inventory = laptop.home / "inventory.yml"
    inventory.write_text(INVENTORY)
    # Containers share the boot id of the kernel below them: their first process tells one boot from another.
    given = ("edge_boot_time_command=stat -c %Z /proc/1", f"edge_kubeconfig={laptop.kubeconfig}", *variables)
    extra = [part for variable in given for part in ("-e", _quoted(variable))]
    result = laptop.run("ansible-playbook", "-i", str(inventory), *extra, *arguments, playbook, check=check,
                        timeout=timeout)
    return result.stdout + result.stderr


def changed(output: str) -> dict[str, int]:
    """Return the number of changes of each host, from the recap. Fails when a host failed."""
    rows = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", output, re.MULTILINE)
    assert rows, output[-3000:]
    assert all(row[2:] == ("0", "0") for row in rows), output[-6000:]
    return {row[0]: int(row[1]) for row in rows}


def _quoted(variable: str) -> str:
    name, _, value = variable.partition("=")
    return f"{name}='{value}'" if " " in value else variable
