"""Checks of a board's card: what is on it, how full it is, and whether it is dying."""

from __future__ import annotations

import re

from edge.edgectl.doctor.here import Facts
from edge.edgectl.doctor.results import Outcome, Result, ok, problem, unknown, warning

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "9p")
NO_OVERLAY_ON = (*NETWORK_FILE_SYSTEMS, "vfat", "exfat", "ntfs3", "overlay")
STORAGE = "/var/lib/containers"
FULL, NEARLY_FULL = 0.95, 0.85
# mmc1 is the Wi-Fi of a Raspberry Pi, whose complaints are no card's.
_CARD_ERRORS = re.compile(r"mmc(0|blk\w*): .*(error|timeout|timed out|stuck)|I/O error|EXT4-fs error|"
                          r"Remounting filesystem read-only|F2FS-fs .*error|BTRFS (error|critical)", re.IGNORECASE)
WORN, NEARLY_WORN = 10, 8
"""Tenths of an eMMC's life, as it says itself (JEDEC 84-B51, DEVICE_LIFE_TIME_EST)."""


def root_file_system(facts: Facts) -> Outcome:
    """The file system of `/`: writable, and lasting."""
    mount = _mount_of(facts, "/")
    if mount is None:
        return unknown("/proc/mounts cannot be read")
    kind, options = mount
    if kind in NETWORK_FILE_SYSTEMS:
        return problem(f"the root file system is {kind}: containers cannot be stored there, since overlayfs does "
                       "not work on it", f"put {STORAGE} on a disk of the board's own (USB or NVMe), or boot from a "
                                         "card")
    if kind == "overlay":
        return problem("the root file system is an overlay in memory: identity, images and data are gone with the next "
                       "reboot", "switch it off: `sudo raspi-config nonint disable_overlayfs`, then reboot")
    if "ro" in options:
        return problem("the root file system is read-only: the kernel does that after errors of the card",
                       "`sudo dmesg | grep -i -e mmc -e ext4` says whether the card is dying; then copy and replace "
                       "it. "
                       "A healthy one: `sudo mount -o remount,rw /`")
    return ok(f"the root file system is {kind}, writable")


def container_storage(facts: Facts) -> Outcome:
    """Whether overlayfs works where containers are stored."""
    mount = _mount_of(facts, STORAGE)
    if mount is None:
        return unknown("/proc/mounts cannot be read")
    if mount[0] in NO_OVERLAY_ON:
        return problem(f"{STORAGE} is on {mount[0]}, on which overlayfs does not work: containers do not start, or "
                       "each is copied in full", f"mount a disk of the board's own on {STORAGE}")
    return ok(f"containers are stored on {mount[0]}")


def _mount_of(facts: Facts, path: str) -> tuple[str, list[str]] | None:
    """Return type and options of the file system a path is on."""
    best: tuple[str, str, list[str]] | None = None
    for line in (facts.text("proc/mounts") or "").splitlines():
        parts = line.split()
        if len(parts) < 4:
            continue
        place = parts[1]
        inside = place == "/" or path == place or path.startswith(place + "/")
        if inside and (best is None or len(place) >= len(best[0])):
            best = place, parts[2], parts[3].split(",")
    return best and best[1:]


def disk_room(facts: Facts) -> Outcome:
    """How full the disks are, in bytes and in files."""
    if not facts.disks:
        return unknown("no file system can be looked at")
    found = []
    for place, disk in facts.disks.items():
        used = 1 - disk.free / disk.size if disk.size else 0.0
        files = 1 - disk.inodes_free / disk.inodes if disk.inodes else 0.0
        share, what = max((used, "full"), (files, "full of small files"))
        mend = "`sudo podman image prune --all` and `sudo journalctl --vacuum-size=50M` make room; `sudo du -xh / | " \
               "sort -h | tail` shows where it went"
        if share >= FULL:
            found.append(problem(f"{place} is {what} ({share:.0%}): images cannot be pulled, and pods are evicted",
                                 mend))
        elif share >= NEARLY_FULL:
            found.append(warning(f"{place} is nearly {what} ({share:.0%})", mend))
    return tuple(found) or ok(", ".join(f"{place} {1 - disk.free / disk.size if disk.size else 0:.0%} full"
                                        for place, disk in facts.disks.items()))


def card_errors(facts: Facts) -> Outcome:
    """Errors of the card or a file system in the kernel's log."""
    log = facts.output("dmesg")
    if log is None:
        return unknown("the kernel's log cannot be read", "run it as root: sudo edgectl doctor --here")
    errors = [line for line in log.splitlines() if _CARD_ERRORS.search(line)]
    if not errors:
        return ok("no errors of the card since the last start")
    last = re.sub(r"^\[[^]]*\]\s*", "", errors[-1]).strip()
    return problem(f"errors of the card since the last start: {len(errors)}, the last one: {last}",
                   "back up now and replace the card; before that, look at power supply and cable, whose faults look "
                   "the same")


def card_wear(facts: Facts) -> Outcome:
    """How much of its life an eMMC has used, as it says itself; SD cards do not say."""
    found: list[Result] = []
    for path, text in facts.all("sys/block/*/device/life_time").items():
        name = path.split("/")[2]
        tenths = [int(part, 16) for part in text.split() if re.fullmatch("0x[0-9a-fA-F]+", part)]
        if not tenths or not max(tenths):
            found.append(unknown(f"{name} does not say how worn it is"))
        elif max(tenths) > NEARLY_WORN:
            tell = problem if max(tenths) > WORN else warning
            found.append(tell(f"{name} has used {min(max(tenths), WORN) * 10} % or more of its life",
                              "copy what matters, and replace the module; SSD or NVMe lasts longer"))
        else:
            found.append(ok(f"{name} has used up to {max(tenths) * 10} % of its life"))
    return tuple(found) or None


def swap(facts: Facts) -> Outcome:
    """Swap on the card, which wears it and hides a lack of memory; compressed memory (zram) is fine."""
    text = facts.text("proc/swaps")
    if text is None:
        return unknown("/proc/swaps cannot be read")
    areas = [line.split()[0] for line in text.splitlines()[1:] if line.split()]
    on_card = [area for area in areas if "zram" not in area]
    if on_card:
        return warning(f"swap is on the card ({', '.join(on_card)}): it wears the card, and pods get slow before they "
                       "are evicted", "sudo swapoff -a && sudo systemctl disable --now dphys-swapfile (Debian 12); "
                       "`Mechanism=zram` in /etc/rpi/swap.conf (Debian 13)")
    return ok("swap is compressed memory" if areas else "no swap")


CHECKS = (root_file_system, container_storage, disk_room, card_errors, card_wear, swap)
