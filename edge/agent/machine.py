"""Effects: reads what the node is and has from /proc, /etc and the file system."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from edge.agent.node_status import Machine
from edge.pki import serials

CAP_SYS_RESOURCE = 24
_RANDOM_ADDRESS = "1"
"""As /sys/class/net/*/addr_assign_type says it: another one at the next boot."""


def read(data_dir: str, image_dir: str = "") -> Machine:
    """Return what the machine is and has now; the disks are those of `data_dir` and of `image_dir`."""
    memory = parse_meminfo(_text("/proc/meminfo"))
    disk = os.statvfs(data_dir)
    images = _other_disk(data_dir, image_dir)
    load = _text("/proc/loadavg").split()
    pids = int(load[3].partition("/")[2]) if len(load) > 3 else 0
    return Machine(
        cpu_milli=(os.cpu_count() or 1) * 1000, memory_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0), disk_bytes=disk.f_blocks * disk.f_frsize,
        disk_available_bytes=disk.f_bavail * disk.f_frsize, inodes=disk.f_files, inodes_free=disk.f_favail,
        image_disk_bytes=images.f_blocks * images.f_frsize if images else 0,
        image_disk_available_bytes=images.f_bavail * images.f_frsize if images else 0,
        image_inodes=images.f_files if images else 0, image_inodes_free=images.f_favail if images else 0,
        pids=pids, pids_limit=_least("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"),
        kernel_version=platform.release(), os_image=parse_os_release(_text("/etc/os-release")),
        machine=platform.machine(), machine_id=_text("/etc/machine-id"), system_uuid=_system_uuid(),
        boot_id=_text("/proc/sys/kernel/random/boot_id"))


def _other_disk(data_dir: str, image_dir: str) -> os.statvfs_result | None:
    """Return the file system of the images where it is not that of the pods."""
    try:
        if not image_dir or Path(image_dir).stat().st_dev == Path(data_dir).stat().st_dev:
            return None
        return os.statvfs(image_dir)
    except OSError:
        return None


def _least(*paths: str) -> int:
    found = [int(text) for path in paths if (text := _text(path)).isdigit()]
    return min(found, default=0)


def least_oom_score() -> int:
    """Return the lowest oom_score_adj this program may give to what it starts."""
    rights = next((line.partition(":")[2].strip() for line in _text("/proc/self/status").splitlines()
                   if line.startswith("CapEff:")), "0")
    if int(rights, 16) >> CAP_SYS_RESOURCE & 1:
        return -1000
    own = _text("/proc/self/oom_score_adj")
    return int(own) if own.lstrip("-").isdigit() else 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def enforces_app_armor() -> bool:
    """Return whether the kernel confines programs by AppArmor."""
    return _text("/sys/module/apparmor/parameters/enabled") == "Y"


def _system_uuid() -> str:
    """The board's serial number on a Raspberry Pi, else the firmware's UUID."""
    return _text("/proc/device-tree/serial-number") or _text("/sys/class/dmi/id/product_uuid")


def board_serial() -> str:
    """Return the number this board is known by, "" for one that has none."""
    return serials.choose((_text("/proc/device-tree/serial-number"), _text("/sys/class/dmi/id/product_uuid"),
                           *map(serials.of_address, _ports())))


def _ports() -> list[str]:
    """Return the lasting hardware addresses of the network ports: built-in ones first, wired before wireless."""
    found: list[tuple[bool, str, str]] = []
    for port in Path("/sys/class/net").glob("*"):
        if port.name.startswith(("eth", "en", "wl")) and _text(f"{port}/addr_assign_type") != _RANDOM_ADDRESS:
            found.append((not (port / "device").exists(), port.name, _text(f"{port}/address")))
    return [address for _, _, address in sorted(found)]


def parse_meminfo(text: str) -> dict[str, int]:
    """Return the numbers of /proc/meminfo in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        match rest.split():
            case [amount, "kB"] if amount.isdigit():
                found[name] = int(amount) * 1024
    return found


def parse_os_release(text: str) -> str:
    """Return PRETTY_NAME of an os-release file."""
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return "Linux"
