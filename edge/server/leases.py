"""What the API shows of leases: read from the DHCP server's files, and again only when one of them has changed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.clock import Clock
from edge.dhcp import ground, lease_store, report, reservations
from edge.dhcp.model import Lease
from edge.dhcp.servers import SERVERS

PATH = "/edge/v1/rack/leases"
NAMES = "names"


class Leases:
    """The leases of the rack."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._stamp: lease_store.Stamp = ()
        self._ground = ground.Ground()
        self._result = reservations.Result()
        self._names: dict[str, str] = {}
        self._store: lease_store.LeaseStore | None = None
        self._problem = "edge-rack apply has not run yet"

    def document(self) -> report.Report:
        """Return what to show now."""
        leases = self.read()
        problem = self._problem or (self._store.problem if self._store else "")
        return report.make(self._ground, leases, self._names, self._result, self._clock.now(), problem)

    def read(self) -> tuple[Lease, ...]:
        """Return the leases that hold now."""
        files = (self._state_dir / ground.FILE, self._state_dir / reservations.RESULT_FILE, self._state_dir / NAMES)
        if (stamp := lease_store.stamp(files)) != self._stamp:
            self._stamp = stamp
            self._load()
        return self._store.read(self._clock.now()) if self._store else ()

    def _load(self) -> None:
        try:
            made = ground.decode((self._state_dir / ground.FILE).read_bytes())
            self._problem = "" if made.server in SERVERS else f"{ground.FILE} names no DHCP server of ours"
        except FileNotFoundError:
            return
        except OSError as error:
            self._problem = f"cannot read {error.filename}: {error.strerror}"
            return
        except ground.GroundError as error:
            self._problem = str(error)
            return
        if self._problem:
            return
        if self._store is None or made.server != self._ground.server or made.leases != self._ground.leases:
            self._store = lease_store.LeaseStore(SERVERS[made.server], Path(made.leases).parent)
        self._ground = made
        self._result = _result(self._state_dir / reservations.RESULT_FILE)
        reserved = {str(one.address): one.name for one in self._result.kept if one.name}
        self._names = report.names(_texts(self._state_dir / NAMES)) | reserved


def _result(path: Path) -> reservations.Result:
    try:
        return msgspec.json.decode(path.read_bytes(), type=reservations.Result)
    except (OSError, msgspec.DecodeError):
        return reservations.Result()


def _texts(directory: Path) -> list[str]:
    texts = []
    try:
        for path in directory.iterdir():
            if path.name[:1].isdigit():
                texts.append(path.read_text(errors="replace")[:512])
    except OSError:
        return texts  # It comes and goes as machines do; the next look sees it whole.
    return texts
