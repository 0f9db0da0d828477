"""Reads the board: files below a root, and child programs, each within bounds. Decides nothing."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.edgectl.doctor import here_kernel, here_network, here_programs
from edge.edgectl.doctor.here import AGENT_SETTINGS, CERTIFICATE, RACK_SETTINGS, Disk, Facts, Said

FILES = (
    "proc/cgroups", "proc/filesystems", "proc/mounts", "proc/swaps", "proc/device-tree/model",
    "sys/fs/cgroup/cgroup.controllers", "sys/fs/cgroup/unified/cgroup.controllers",
    "sys/class/thermal/thermal_zone0/temp", "sys/devices/platform/soc/soc:firmware/get_throttled",
    "sys/block/*/device/life_time", "sys/class/net/*/wireless/*",
    "sys/class/net/*/phy80211/name", *here_kernel.CMDLINES, "etc/hostname", "etc/machine-id", "etc/resolv.conf",
    RACK_SETTINGS, AGENT_SETTINGS, "etc/edge/server.toml", CERTIFICATE)
FOLDERS = ("lib/modules", "sys/module")
DISKS = ("/", "/boot/firmware", "/run", "/var/lib/containers", "/var/lib/edge")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("uname", "-m"), ("uname", "-r"), ("dpkg", "--print-architecture"),
    ("podman", "--version"), ("crun", "--version"), ("nft", "--version"),
    *(("modprobe", "--dry-run", "--quiet", name) for name in (*here_kernel.MODULES, *here_kernel.FURTHER_MODULES)),
    ("dmesg",), ("vcgencmd", "get_throttled"),
    ("timedatectl", "show"), ("timedatectl", "show-timesync", "--property=ServerAddress", "--value"),
    ("chronyc", "-c", "-n", "tracking"), ("ip", "-j", "-4", "route", "show", "default"), ("ip", "-j", "-4", "address"),
    ("ip", "-j", "link"),
    here_network.RULES, here_network.LEGACY_RULES, here_programs.SHOW, here_programs.LISTENING)
MOST_BYTES = 1024 * 1024
SECONDS, PROBE_SECONDS = 8.0, 30.0
PAGE_HOST, PAGE_PATH, PAGE_SECONDS = "network-test.debian.org", "/nm", 5.0

Runner = Callable[[tuple[str, ...], float], Said | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where and how to look."""

    root: Path = Path("/")
    rack_settings: Path = Path("/", RACK_SETTINGS)
    agent_settings: Path = Path("/", AGENT_SETTINGS)
    internet: bool = True
    """Ask the internet too."""
    wire: bool = True
    """Look at the rack's wire too, on the master."""


def gather(choice: Choice, now: datetime, run: Runner | None = None) -> Facts:
    """Return what is so on this board. Never raises: what cannot be read is left out."""
    run = run or run_child
    files = _files(choice)
    commands = {argv: argv for argv in (*COMMANDS, *_wireless(files))}
    if choice.internet:
        commands[here_network.NAMES_QUESTION] = here_network.NAMES_QUESTION
    if RACK_SETTINGS in files:
        given = ("--config", str(choice.rack_settings), "-o", "json")
        commands["edge-rack", "check"] = (_own("edge-rack"), "check", *given)
        if choice.wire:
            commands["edge-rack", "probe"] = (_own("edge-rack"), "probe", *given)
    return Facts(now=now, files=files, folders={path: _names(choice.root / path) for path in FOLDERS},
                 said=_all_said(commands, run), disks=_disks(choice.root),
                 page=_page() if choice.internet and run is run_child else None, asked_internet=choice.internet)


def run_child(argv: tuple[str, ...], seconds: float) -> Said | None:
    """Run a program and return what it said; None when there is no such program, or it does not end in time."""
    try:
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
                                env=os.environ | {"LC_ALL": "C.UTF-8", "PATH": _path()})
    except (OSError, subprocess.TimeoutExpired):
        return None
    output = result.stdout if result.stdout.strip() else result.stderr
    return Said(result.returncode, output[-MOST_BYTES:].decode(errors="replace"))


def _path() -> str:
    # A user's path on Debian lacks the folders of nft, ip, modprobe and dnsmasq.
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def _own(program: str) -> str:
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.exists() else shutil.which(program) or program


def _all_said(commands: Mapping[tuple[str, ...], tuple[str, ...]], run: Runner) -> dict[tuple[str, ...], Said]:
    """Run them beside one another: most wait for something."""
    def one(argv: tuple[str, ...]) -> Said | None:
        return run(argv, PROBE_SECONDS if argv[1:2] == ("probe",) else SECONDS)

    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = pool.map(one, commands.values())
        return {key: said for key, said in zip(commands, answers, strict=True) if said is not None}


def _files(choice: Choice) -> dict[str, str]:
    found = {}
    for pattern in FILES:
        paths: Iterable[Path] = choice.root.glob(pattern) if "*" in pattern else (choice.root / pattern,)
        for path in paths:
            if (text := _text(path)) is not None:
                found[str(path.relative_to(choice.root))] = text
    for name, path in ((RACK_SETTINGS, choice.rack_settings), (AGENT_SETTINGS, choice.agent_settings)):
        if path != Path("/", name) and (text := _text(path)) is not None:
            found[name] = text
    if (text := _text(_certificate(choice, found.get(AGENT_SETTINGS, "")))) is not None:
        found[CERTIFICATE] = text
    return found


def _certificate(choice: Choice, settings: str) -> Path:
    """Return where the node's certificate is: in the agent's data_dir."""
    try:
        data_dir = tomllib.loads(settings).get("data_dir")
    except tomllib.TOMLDecodeError:
        data_dir = None
    return choice.root / (f"{data_dir}/identity/node.crt".lstrip("/") if isinstance(data_dir, str) else CERTIFICATE)


def _text(path: Path) -> str | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return None


def _names(path: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(each.name for each in path.iterdir()))
    except OSError:
        return ()


def _wireless(files: Mapping[str, str]) -> list[tuple[str, ...]]:
    names = {path.split("/")[3] for path in files if "/wireless/" in path or "/phy80211/" in path}
    return [("iw", "dev", name, "get", "power_save") for name in sorted(names)]


def _disks(root: Path) -> dict[str, Disk]:
    """Return the file systems below the places where something of ours lies, each once."""
    found: dict[str, Disk] = {}
    seen: set[int] = set()
    for place in DISKS:
        path = root / place.lstrip("/")
        try:
            device, stat = path.stat().st_dev, os.statvfs(path)
        except OSError:
            continue
        if device in seen or not stat.f_blocks:
            continue
        seen.add(device)
        found[place] = Disk(size=stat.f_blocks * stat.f_frsize, free=stat.f_bavail * stat.f_frsize,
                            inodes=stat.f_files, inodes_free=stat.f_favail)
    return found


def _page() -> str | None:
    connection = http.client.HTTPConnection(PAGE_HOST, timeout=PAGE_SECONDS)
    try:
        connection.request("GET", PAGE_PATH)
        return connection.getresponse().read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
