"""Effects: makes the ground so. Gathers, has everything checked, swaps all files at once, activates, and reports.

When something fails after the swap, the files of before are put back and activated again: a rack that worked goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import msgspec

from edge.clock import Clock, SystemClock
from edge.dhcp import ground
from edge.pki import directory
from edge.rack import check, dhcp, files, gathering, identities, plan, renderers
from edge.rack.check import Problem
from edge.rack.commands import RackError, must, require_root
from edge.rack.document import PARTS, Command, Document, Part
from edge.rack.facts import Facts
from edge.rack.network import choice
from edge.rack.settings import Rack

LOCK = "lock"
LOCK_SECONDS = 60.0
ADDRESS_SECONDS = 15.0
CARRIER_SECONDS = 8.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an apply has done, in words for a person."""

    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Commands that failed and could."""
    problems: tuple[Problem, ...] = ()


def apply(rack: Rack, parts: Collection[Part] = PARTS, clock: Clock | None = None) -> Outcome:
    """Make the ground, or some parts of it, as the settings say.

    Raises:
        RackError: it cannot be made so; what was good before is still in place.
    """
    clock = clock or SystemClock()
    require_root()
    identities.make_directories(rack)
    try:
        with _alone(rack, clock):
            return _Run(rack, frozenset(parts), clock).run()
    except OSError as error:
        raise RackError(f"{error.filename or rack.state_dir}: {error.strerror}") from error


def preview(rack: Rack) -> tuple[str, ...]:
    """Return what an apply would change, once the programs that will read it have found no fault. Changes nothing.

    Raises:
        RackError: it would be refused.
    """
    require_root()
    facts = gathering.gather(rack)
    _refuse(rack, facts)
    documents = renderers.documents(rack, facts)
    changed = files.differing(documents)
    files.tried(changed)
    commands = plan.network(rack, facts, changed)
    return (*(() if facts.authority else (f"make the rack's identities in {rack.pki_dir}",)),
            *(f"write {document.path}" for document in changed),
            *(f"remove {path}" for path in plan.obsolete(documents, facts) if path.exists()),
            *(f"run {' '.join(command.argv)}" for command in commands),
            *(() if facts.forwards else ("set net.ipv4.ip_forward to 1",)),
            *(f"run {' '.join(command.argv)}" for command in plan.packets(rack, facts, changed)),
            *(f"run {' '.join(command.argv)}" for command in plan.radio(rack, facts)),
            *(f"run {' '.join(command.argv)}" for command in plan.units(facts, changed, (), wait=True)))


class _Run:
    """One apply."""

    def __init__(self, rack: Rack, parts: frozenset[Part], clock: Clock) -> None:
        self.rack, self.parts, self.clock = rack, parts, clock
        self.whole = parts == frozenset(PARTS)
        self.changed: list[str] = []
        self.notes: list[str] = []

    def run(self) -> Outcome:
        rack = self.rack
        facts = gathering.gather(rack, firewalls=False)
        _refuse(rack, facts)
        made: tuple[str, ...] = ()
        if self.whole:
            made = identities.ensure(rack, self.clock.now())
            self.changed += [f"identity {name}" for name in made]
            if made:
                facts = gathering.gather(rack, firewalls=False)
        documents = renderers.documents(rack, facts)
        different = files.differing(plan.of_parts(documents, self.parts))
        _remember(rack, facts, documents)
        files.stage(different)
        self._swap(different, facts, made)
        self.changed += [str(document.path) for document in different]
        if not self.whole:
            return Outcome(changed=tuple(self.changed), notes=tuple(self.notes))
        self._tidy(documents, facts)
        _leave_ground(rack, facts)
        after = gathering.gather(rack)
        return Outcome(changed=tuple(self.changed), notes=tuple(self.notes), problems=check.check(rack, after))

    def _swap(self, different: tuple[Document, ...], facts: Facts, made: tuple[str, ...]) -> None:
        files.swap(different)
        try:
            self._activate(different, facts, made)
        except (RackError, OSError) as error:
            files.restore(different)
            worked = self._activate_again(different, facts)
            raise RackError(f"{error}. {'What was there before is back' if worked else 'Going back failed too'}"
                            ) from error

    def _activate(self, different: tuple[Document, ...], facts: Facts, made: tuple[str, ...]) -> None:
        rack = self.rack
        if "network" in self.parts:
            commands = plan.network(rack, facts, different)
            self._do(commands)
            if commands:
                self._await_address(facts)
            self._do(plan.radio(rack, facts))
        if "forwarding" in self.parts and not facts.forwards:
            _write_value(gathering.PROC / "ip_forward", "1")
            self.changed.append("net.ipv4.ip_forward")
        if "packets" in self.parts:
            commands = plan.packets(rack, facts, different)
            self._do(commands)
            if commands:
                self.changed.append("packet rules")
                directory.write(rack.run_dir / gathering.LOADED, (gathering.table() or "").encode(), mode=0o644)
        # Whoever waits for us to end cannot be waited for.
        self._do(plan.units(facts, different, made, wait="INVOCATION_ID" not in os.environ))

    def _activate_again(self, different: tuple[Document, ...], facts: Facts) -> bool:
        try:
            if any(document.part == "network" for document in different):
                before = facts.previous.manager if facts.previous else ""
                again = choice.KEEPERS[before].up if before in choice.KEEPERS else choice.choose(self.rack, facts).down
                self._do(again(self.rack, facts))
            if (self.rack.config_dir / "rack.nft").exists():
                self._do(plan.packets(self.rack, Facts(), ()))
            self._do(replace(each, optional=True) for each in plan.units(facts, different, (), wait=False))
        except RackError:
            return False
        return True

    def _do(self, commands: Iterable[Command]) -> None:
        self.notes += [failure for command in commands if (failure := must(command))]

    def _await_address(self, facts: Facts) -> None:
        """Wait until the interface has its address: not every network manager says when it is done."""
        link = facts.links.get(self.rack.interface)
        if link is None:
            return

        def has_carrier() -> bool:
            return (now := gathering.link(self.rack.interface)) is None or now.carrier

        def is_there() -> bool:
            return (now := gathering.link(self.rack.interface)) is not None and self.rack.address in now.addresses

        if asyncio.run(_until(is_there, self.clock, ADDRESS_SECONDS)):
            self.changed.append(f"{self.rack.address} on {self.rack.interface}")
            if link.carrier:  # A link that was taken down and up needs a moment until the switch has noticed.
                asyncio.run(_until(has_carrier, self.clock, CARRIER_SECONDS))
        elif link.carrier:
            raise RackError(f"{self.rack.interface} did not get {self.rack.address} from "
                            f"{choice.choose(self.rack, facts).NAME} within {ADDRESS_SECONDS:g} s")

    def _tidy(self, documents: tuple[Document, ...], facts: Facts) -> None:
        """Remove what is no part of the ground any more, and give the interface back to whoever kept it before."""
        gone = [path for path in plan.obsolete(documents, facts) if files.remove(path)]
        self.changed += [f"{path} (removed)" for path in gone]
        if gone and plan.has_moved(self.rack, facts):
            self._do(plan.given_back(self.rack, facts))
            self._do(plan.network(self.rack, gathering.gather(self.rack, firewalls=False), ()))
        _remember(self.rack, Facts(), documents)


def _refuse(rack: Rack, facts: Facts) -> None:
    if problems := check.blocking(rack, facts):
        raise RackError("\n".join(f"{each.message}: {each.remedy}" for each in problems))


def _remember(rack: Rack, facts: Facts, documents: Collection[Document]) -> None:
    """Write down which files are ours, before they are: none is left behind when the power goes."""
    paths = dict.fromkeys((*facts.written, *(str(document.path) for document in documents)))
    content = msgspec.json.encode(list(paths))
    path = rack.state_dir / gathering.WRITTEN
    if not path.exists() or path.read_bytes() != content:
        directory.write(path, content, mode=0o644)


def _leave_ground(rack: Rack, facts: Facts) -> None:
    """Tell the server and the next apply what the ground is."""
    content = ground.encode(ground.Ground(
        server=dhcp.server_name(rack), leases=str(dhcp.leases_path(rack)), interface=rack.interface,
        network=str(rack.address.network), address=str(rack.address.ip), first=str(rack.dhcp.first),
        last=str(rack.dhcp.last), domain=rack.dhcp.domain, uplink=rack.uplink_name,
        manager=choice.choose(rack, facts).NAME, made_by=metadata.version("edgerack")))
    path = rack.state_dir / ground.FILE
    if not path.exists() or path.read_bytes() != content:
        directory.write(path, content, mode=0o644)


def _write_value(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise RackError(f"{path}: {error.strerror}") from error


@contextlib.contextmanager
def _alone(rack: Rack, clock: Clock) -> Iterator[None]:
    """Hold the lock: two applies at once would take each other's files away."""
    with (rack.run_dir / LOCK).open("w") as file:
        if not asyncio.run(_until(lambda: _locked(file.fileno()), clock, LOCK_SECONDS)):
            raise RackError(f"another edge-rack has been at work for {LOCK_SECONDS:g} s: see `pgrep -af edge-rack`")
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _until(condition: Callable[[], bool], clock: Clock, seconds: float) -> bool:
    """Return True as soon as the condition holds, False after that many seconds."""
    end = clock.monotonic() + seconds
    while not condition():
        if clock.monotonic() >= end:
            return False
        await clock.sleep(LOOK_SECONDS)
    return True
