"""A freshly flashed card: Debian as an imager leaves it, with a user, a default password, and the laptop's key."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("EDGE_MACHINES_CACHE", "/var/cache/edge-machines"))
RELEASE = os.environ.get("EDGE_MACHINES_RELEASE", "bookworm")
"""Debian 12 (bookworm) or 13 (trixie), as Raspberry Pi OS is made of them."""
SYSTEM = {"bookworm": "Debian 12", "trixie": "Debian 13"}[RELEASE]
PACKAGES = ("systemd", "systemd-sysv", "dbus", "ca-certificates", "iproute2", "iputils-ping", "procps", "sudo", "kmod",
            "openssh-server", "python3", "network-manager", "ifupdown", "libpam-systemd",
            "systemd-timesyncd", "systemd-resolved",
            {"bookworm": "isc-dhcp-client", "trixie": "dhcpcd-base"}[RELEASE])
"""What Raspberry Pi OS Lite and Debian's own images have, as far as the rack meets it; nothing the rack needs."""
USER, PASSWORD = "pi", "raspberry"
"""What an imager asks for, and what too many people answer."""

# In a container with the old control groups, Debian 13's systemd is not told when a group is empty, and waits for it:
# so sessions are processes of sshd, and what starts when it is asked does not end when nobody asks.
_OLD_GROUPS = """chroot "$1" pam-auth-update --package --remove systemd
stay="$1/etc/systemd/system/systemd-hostnamed.service.d"
mkdir -p "$stay"
printf '[Service]\\nEnvironment=SYSTEMD_EXIT_ON_IDLE=0\\n' > "$stay/stay.conf"
"""
_CUSTOMIZE = f"""set -eu
{_OLD_GROUPS if RELEASE == "trixie" else ""}
chroot "$1" useradd --create-home --shell /bin/bash --groups sudo {USER}
echo '{USER}:{PASSWORD}' | chroot "$1" chpasswd
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > "$1/etc/sudoers.d/010_{USER}-nopasswd"
rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id "$1"/etc/network/interfaces.d/*
: > "$1/etc/machine-id"
echo raspberrypi > "$1/etc/hostname"
printf '127.0.0.1\\tlocalhost\\n127.0.1.1\\traspberrypi\\n' > "$1/etc/hosts"
chroot "$1" systemctl disable -q NetworkManager networking systemd-networkd systemd-resolved
rm -f "$1/etc/resolv.conf"; : > "$1/etc/resolv.conf"
"""


def ready() -> Path:
    """Return the card's contents as a tar file; made once for each version of the recipe."""
    recipe = hashlib.sha256(repr((RELEASE, PACKAGES, _CUSTOMIZE)).encode()).hexdigest()[:12]
    tar = CACHE / f"card-{RELEASE}-{recipe}.tar"
    if tar.exists():
        return tar
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob(f"card-{RELEASE}-*"):
        old.unlink()
    beside = CACHE / f"new-{tar.name}"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", *excluded,
                    f"--customize-hook={_CUSTOMIZE}", RELEASE, str(beside)], check=True, capture_output=True, text=True)
    return beside.rename(tar)
