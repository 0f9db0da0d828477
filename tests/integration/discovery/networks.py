"""Networks of a test's own: bridges and machines as network namespaces, cleaned up whatever happens."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def ip(*argv: str) -> None:
    subprocess.run(("ip", *argv), check=True, capture_output=True)


class Program:
    """A program in a machine; actors take a line of JSON and answer with one."""

    def __init__(self, namespace: str, argv: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            ("nsenter", f"--net=/run/netns/{namespace}", *argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"})

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self, seconds: float = 30) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, f"{self.process.args!r} said nothing for {seconds:.0f} s"
        return self.process.stdout.readline().strip()

    def order(self, do: str, **values: Any) -> Any:
        self.write(json.dumps({"do": do} | values))
        return json.loads(self.read())

    def stop(self) -> None:
        """Let it end by itself: its input ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                stream.close()


@dataclass
class Networks:
    """Bridges and machines whose namespaces begin with `prefix`."""

    prefix: str
    namespaces: list[str] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)

    def namespace(self, name: str) -> str:
        full = f"{self.prefix}-{name}"
        if full not in self.namespaces:
            ip("netns", "add", full)
            self.namespaces.append(full)
            ip("-n", full, "link", "set", "lo", "up")
        return full

    def bridge(self, name: str) -> None:
        full = self.namespace(name)
        ip("-n", full, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        ip("-n", full, "link", "set", "br0", "up")

    def plug(self, machine: str, bridge: str, interface: str, address: str, *, default: bool = False) -> None:
        """Give a machine a wire into a bridge; the port there is called after the machine."""
        full, switch = self.namespace(machine), self.namespace(bridge)
        port = f"{machine}-{interface}"[:15]
        ip("-n", switch, "link", "add", "name", port, "type", "veth", "peer", "name", interface, "netns", full)
        ip("-n", switch, "link", "set", "dev", port, "master", "br0", "up")
        ip("-n", full, "link", "set", interface, "up")
        ip("-n", full, "address", "add", address, "dev", interface)
        if default:
            ip("-n", full, "route", "add", "default", "dev", interface)

    def start(self, machine: str, *argv: str) -> Program:
        program = Program(self.namespace(machine), argv)
        self.programs.append(program)
        return program

    def python(self, machine: str, module: str, *argv: str) -> Program:
        return self.start(machine, sys.executable, "-m", module, *argv)

    def run(self, machine: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(("nsenter", f"--net=/run/netns/{self.namespace(machine)}", *argv), capture_output=True,
                              text=True, timeout=60, check=False, cwd=ROOT,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})

    def ask(self, machine: str, own: str, name: str, kind: str = "A") -> list[list[str]]:
        """Return what a machine hears when it asks for a name: sender, type, name, data."""
        done = self.run(machine, sys.executable, "-m", "tests.integration.discovery.ask", own, name, kind)
        assert done.returncode == 0, done.stderr
        found: list[list[str]] = json.loads(done.stdout)
        return found

    def addresses(self, machine: str, own: str, name: str) -> set[str]:
        return {data for _, kind, _, data in self.ask(machine, own, name) if kind == "A"}

    def close(self) -> None:
        for program in self.programs:
            program.kill()
        for full in self.namespaces:
            subprocess.run(("ip", "netns", "delete", full), check=False, capture_output=True)


def until(condition: Callable[[], Any], seconds: float, what: Callable[[], Any]) -> Any:
    """Wait until the condition gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {what()}"
        time.sleep(0.1)
    return result
