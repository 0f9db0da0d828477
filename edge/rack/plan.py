"""Facts, and which files have changed -> the commands that activate them, in order.

Nothing here is done twice: on a ground that is as it has to be the plan is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from edge.rack import bus, nat, uplink
from edge.rack.document import Command, Document, Part
from edge.rack.facts import Facts
from edge.rack.network import choice, plain
from edge.rack.settings import Rack

SYSTEMD_SECONDS = 60.0


def network(rack: Rack, facts: Facts, changed: Iterable[Document]) -> tuple[Command, ...]:
    """Return what gives the interface its address, where it has not got it, or is to get it otherwise."""
    keeper = choice.choose(rack, facts)
    if facts.has_address(rack.interface, rack.address) and not any(each.part == "network" for each in changed):
        return ()
    commands = keeper.up(rack, facts)
    link = facts.links.get(rack.interface)
    if keeper is not plain and (link is None or not link.carrier):
        # A network manager may want to see a cable first; it does by itself what is left when one comes.
        commands = tuple(replace(command, optional=True) for command in commands)
    return (*leavings(rack, facts), *commands)


def leavings(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Return what takes away the address of the last ground, when it was another one or elsewhere."""
    before = facts.previous
    if before is None or not before.address or not before.network:
        return ()
    address = f"{before.address}/{before.network.partition('/')[2]}"
    there = facts.links.get(before.interface)
    if (before.interface, address) == (rack.interface, str(rack.address)) or there is None:
        return ()
    if address not in {str(each) for each in there.addresses}:
        return ()
    return (Command(argv=("ip", "address", "del", address, "dev", before.interface), optional=True),)


def given_back(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Return what makes the network manager of the last ground forget it, once its files are gone."""
    before = facts.previous
    if before is None or before.manager not in choice.KEEPERS:
        return ()
    return choice.KEEPERS[before.manager].down(rack, facts)


def has_moved(rack: Rack, facts: Facts) -> bool:
    """Return whether another network manager keeps the interface now."""
    before = facts.previous
    return before is not None and before.manager in choice.KEEPERS and before.manager != choice.choose(rack, facts).NAME


def packets(rack: Rack, facts: Facts, changed: Iterable[Document]) -> tuple[Command, ...]:
    """Return what loads the packet rules, where they are new, or somebody has flushed or changed them."""
    if facts.table is not None and facts.table == facts.loaded and not any(each.part == "packets" for each in changed):
        return ()
    return (Command(argv=("nft", "--file", str(rack.config_dir / nat.FILE))),)


def radio(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Return what keeps the uplink's radio awake."""
    return uplink.wake(rack, facts)


def units(facts: Facts, changed: Iterable[Document], identities: Collection[str], *,
          wait: bool) -> tuple[Command, ...]:
    """Return what makes running programs read what has changed. A unit that does not run is left alone.

    Args:
        facts: the machine.
        changed: the files that were written.
        identities: likewise, of the keys and certificates.
        wait: until each unit has done so; not from within a unit that they wait for.
    """
    if not facts.systemd:
        return ()
    restart = {document.unit for document in changed if not document.reload}
    reload = {document.unit for document in changed if document.reload}
    if any(name.startswith("broker.") for name in identities):
        restart.add(bus.UNIT)
    block = () if wait else ("--no-block",)
    return (*(Command(argv=("systemctl", *block, "try-restart", unit), seconds=SYSTEMD_SECONDS)
              for unit in sorted(restart & facts.active)),
            *(Command(argv=("systemctl", *block, "try-reload-or-restart", unit), seconds=SYSTEMD_SECONDS)
              for unit in sorted((reload - restart) & facts.active)))


def obsolete(documents: Iterable[Document], facts: Facts) -> tuple[Path, ...]:
    """Return the files of the last ground that are no part of this one."""
    wanted = {str(document.path) for document in documents}
    return tuple(Path(path) for path in facts.written if path not in wanted)


def of_parts(documents: Iterable[Document], parts: Collection[Part]) -> tuple[Document, ...]:
    """Return the files of these parts."""
    return tuple(document for document in documents if document.part in parts)
