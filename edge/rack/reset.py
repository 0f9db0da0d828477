"""Effects: takes the ground away again, and gives the interface back to whoever kept it before.

Identities, leases and what the server keeps are left: without them a new `edge-rack apply` would make another rack.
"""

from __future__ import annotations

from pathlib import Path

from edge.dhcp import ground
from edge.rack import files, gathering, nat, plan
from edge.rack.commands import RackError, must, require_root, run
from edge.rack.document import Command
from edge.rack.settings import Rack


def reset(rack: Rack) -> tuple[str, ...]:
    """Remove what `apply` has made and return what was removed. Nothing there is no error.

    Raises:
        RackError: a file cannot be removed.
    """
    require_root()
    facts = gathering.gather(rack, firewalls=False)
    try:
        gone = [path for path in facts.written if files.remove(Path(path))]
        if facts.table is not None:
            run("nft", "delete", "table", "inet", nat.TABLE)
            gone.append(f"table inet {nat.TABLE}")
        for command in plan.given_back(rack, facts):
            must(command)
        if facts.previous is not None and facts.has_address(rack.interface, rack.address):
            must(Command(argv=("ip", "address", "del", str(rack.address), "dev", rack.interface), optional=True))
        for path in (rack.run_dir / gathering.LOADED, rack.state_dir / ground.FILE, rack.state_dir / gathering.WRITTEN):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise RackError(f"{error.filename}: {error.strerror}") from error
    return tuple(gone)
