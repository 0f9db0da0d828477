"""Effects: reads what the node is and has from /proc, /etc and the file system."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from edge.agent.node_status import Machine


def read(data_dir: str) -> Machine:
    """Return what the machine is and has now; the disk is that of `data_dir`."""
    memory = parse_meminfo(_text("/proc/meminfo"))
    disk = os.statvfs(data_dir)
    load = _text("/proc/loadavg").split()
    pids = int(load[3].partition("/")[2]) if len(load) > 3 else 0
    return Machine(
        cpu_milli=(os.cpu_count() or 1) * 1000, memory_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0), disk_bytes=disk.f_blocks * disk.f_frsize,
        disk_available_bytes=disk.f_bavail * disk.f_frsize, inodes=disk.f_files, inodes_free=disk.f_favail,
        pids=pids, pids_limit=int(_text("/proc/sys/kernel/pid_max") or 0), kernel_version=platform.release(),
        os_image=parse_os_release(_text("/etc/os-release")), machine=platform.machine(),
        machine_id=_text("/etc/machine-id"), system_uuid=_system_uuid(),
        boot_id=_text("/proc/sys/kernel/random/boot_id"))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _system_uuid() -> str:
    """The board's serial number on a Raspberry Pi, else the firmware's UUID."""
    return _text("/proc/device-tree/serial-number") or _text("/sys/class/dmi/id/product_uuid")


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
