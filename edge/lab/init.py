"""Process number one of a lab machine: prepares its mounts, then keeps its programs running, as systemd does on a Pi.

Started by `edge.lab.power` inside the machine's fresh namespaces: `python -m edge.lab.init SPEC.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge.lab import watching

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
STOP_SECONDS = 5.0
WATCH_SECONDS = 0.3


@dataclass
class Running:
    """One program and how it fares."""

    name: str
    argv: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = -1
    delay: float = FIRST_DELAY_SECONDS
    due: float = 0.0
    once: bool = False
    """Runs to its end: before the others start, and again each time something it watches has changed."""
    watch: list[str] = field(default_factory=list)
    """After a change there it is started again."""
    reload: list[str] = field(default_factory=list)
    """After a change there it gets SIGHUP."""
    seen: tuple[watching.Stamp, watching.Stamp] = ((), ())

    def look(self) -> tuple[watching.Stamp, watching.Stamp]:
        """Return what it watches, as it is now."""
        return watching.stamp(self.watch), watching.stamp(self.reload)

    def due_at(self, now: float) -> bool:
        """Return whether it is to be started."""
        return self.process is None and not self.once and now >= self.due


@dataclass
class Init:
    """The programs of this machine."""

    directory: Path
    services: list[Running] = field(default_factory=list)
    stopping: bool = False

    def start(self, service: Running) -> None:
        service.seen = service.look()
        with (self.directory / "log" / f"{service.name}.log").open("ab", buffering=0) as log:
            service.process = subprocess.Popen(service.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               env=os.environ | service.environment, start_new_session=True,
                                               preexec_fn=_hear_signals)
        service.started = time.monotonic()
        service.restarts += 1
        self.write_status()

    def reap(self) -> None:
        """Collect every child that has ended, also the orphans that containers leave to process number one."""
        ended = set()
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            ended.add(pid)
        now = time.monotonic()
        for service in self.services:
            if service.process and service.process.pid in ended:
                lived = now - service.started
                service.delay = FIRST_DELAY_SECONDS if lived > STOP_SECONDS else min(service.delay * 2,
                                                                                     LONGEST_DELAY_SECONDS)
                service.due = now + service.delay
                service.process.returncode = 0  # already collected here; keeps Popen from waiting for it again
                service.process = None

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
        for service in self.services:
            if not service.once:
                self.start(service)
        while not self.stopping:
            signum = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, self._patience())
            if signum and signum.si_signo == signal.SIGTERM:
                self.stopping = True
            self.reap()
            if self.stopping:
                break
            self.notice_changes()
            now = time.monotonic()
            for service in self.services:
                if service.due_at(now):
                    self.start(service)
        self.stop()

    def notice_changes(self) -> None:
        """Tell every program whose watched files have changed; what runs once at a time is run again."""
        for service in self.services:
            if not (service.watch or service.reload) or (service.once and service.process):
                continue
            before, service.seen = service.seen, service.look()
            if service.seen == before:
                continue
            if service.once:
                self.start(service)
            elif service.process:
                os.kill(service.process.pid, signal.SIGTERM if service.seen[0] != before[0] else signal.SIGHUP)

    def stop(self) -> None:
        """End the programs, the last one first, within a bound."""
        for service in reversed(self.services):
            if service.process:
                os.kill(service.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(service.process for service in self.services) and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.2)
            self.reap()

    def write_status(self) -> None:
        """Tell `edgectl lab status` what runs; process ids are those of this machine's namespace."""
        status = {s.name: {"pid": s.process.pid if s.process else 0, "restarts": s.restarts}
                  for s in self.services if not s.once}
        path = self.directory / "services.json"
        path.with_suffix(".new").write_text(json.dumps(status))
        path.with_suffix(".new").replace(path)

    def _patience(self) -> float:
        """Return the seconds until something may have to be done that no signal tells."""
        if any(service.process is None and not service.once for service in self.services):
            return 0.1
        return WATCH_SECONDS if any(service.watch or service.reload for service in self.services) else 3600


def _hear_signals() -> None:
    """A program inherits what is blocked here, and would never hear that it is to stop; nor, in a lab that was started
    under nohup, that it is to read its files again."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, signal.SIGTERM})


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def prepare(spec: dict[str, object], directory: Path) -> None:
    """Give the machine its own /run, host name, name server and, on a hybrid host, only the v1 cgroup trees."""
    for name in ("log", "etc", "data"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    if spec["hide_unified"]:
        # Podman 4 takes a mounted unified tree for cgroup v2, though every controller is on v1 here.
        # crun writes there all the same, and the directory beneath may be read-only: it gets a place of its own.
        _run("umount", "/sys/fs/cgroup/unified")
        _run("mount", "-t", "tmpfs", "-o", "mode=755,size=4m", "tmpfs", "/sys/fs/cgroup/unified")
    resolv = Path("/etc/resolv.conf").resolve()
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("netns", "lock", "podman"):
        Path("/run", name).mkdir()
    search = f"search {spec['search']}\n" if spec["search"] else ""
    own_id = hashlib.sha256(str(directory).encode()).hexdigest()[:32]
    for target, text in ((resolv, f"{search}nameserver {spec['nameserver']}\n"),
                         (Path("/etc/hostname"), f"{spec['name']}\n"),
                         (Path("/etc/hosts"), f"127.0.0.1 localhost\n127.0.1.1 {spec['name']}\n"),
                         # Else they would all pass for copies of one card.
                         (Path("/etc/machine-id"), f"{own_id}\n")):
        source = directory / "etc" / target.name
        if target == resolv and source.exists():
            text = source.read_text()
        source.write_text(text)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        _run("mount", "--bind", str(source), str(target))
    # Local volumes have the same path on every machine, and are on each one's own card.
    volumes = Path("/var/lib/edge/volumes")
    for path in (volumes, directory / "data" / "volumes"):
        path.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(directory / "data" / "volumes"), str(volumes))
    _run("hostname", str(spec["name"]))
    _run("ip", "link", "set", "lo", "up")


def main() -> None:
    """Prepare the machine, run what must come first, then the programs for as long as it is switched on."""
    spec = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(spec["directory"])
    prepare(spec, directory)
    os.environ.update(spec["environment"])
    init = Init(directory)
    init.write_status()
    for service in spec["services"]:
        running = Running(service["name"], service["argv"], service["environment"], once=service["once"],
                          watch=service["watch"], reload=service["reload"])
        if running.once:
            running.seen = running.look()
            _run_once(service, directory)
        if running.watch or not running.once:
            init.services.append(running)
    init.run()


def _run_once(service: dict[str, list[str]], directory: Path) -> None:
    with (directory / "log" / f"{service['name']}.log").open("ab", buffering=0) as log:
        while subprocess.run(service["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                             check=False).returncode != 0:
            time.sleep(0.5)


if __name__ == "__main__":
    main()
