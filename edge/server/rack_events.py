"""Reports what `edge-rack probe` has found on the rack's wire as Events of the master's Node.

The findings come in a file of `run_dir`, which edge-rack writes as root and the server reads; whether there are
addresses left the leases say. A finding is told when it
is new, when its words change, and once an hour while it lasts; when it is over, that is told too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge import logs
from edge.api import core, meta
from edge.client import cache
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock
from edge.dhcp import findings, report
from edge.dhcp.findings import Findings
from edge.ids import Ids

PATH = "/edge/v1/rack/findings"
LOOK_SECONDS = 20.0
AGAIN_SECONDS = 3600.0
MOST_BYTES = 1024 * 1024
OVER = {findings.ROGUE_SERVER: ("RogueDHCPServerGone", "no other DHCP server answers on the rack's wire any more"),
        findings.POOL_EXHAUSTED: ("DHCPPoolHasAddresses", "the rack's DHCP server has addresses to give again"),
        findings.DUPLICATE_ADDRESS: ("DuplicateAddressGone", "the address has one owner again"),
        findings.SERVER_SILENT: ("DHCPServerAnswers", "the rack's own DHCP server makes offers again")}

log = logs.get("rack")

Key = tuple[str, str, str]
"""Reason, address and hardware address of a finding: what makes it the same one as before."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of a finding last, and when (monotonic)."""

    message: str
    at: float


@dataclass(frozen=True, slots=True)
class News:
    """An event to record."""

    type: str
    reason: str
    message: str


def current(found: Findings, pool: report.Pool, told: Iterable[Key]) -> dict[Key, str | None]:
    """Return what is wrong now, with its words.

    Where the wire could not be looked at, what was told of it stays as it is (None), and is not told again. Whether
    there are addresses left the leases say, which are newer than the last look.
    """
    if found.looked_at and not found.problem:
        wrong: dict[Key, str | None] = {(each.reason, each.address, each.mac): each.message for each in found.findings}
    else:
        wrong = dict.fromkeys(told)
    if pool.size:
        wrong = {key: message for key, message in wrong.items() if key[0] != findings.POOL_EXHAUSTED}
        if pool.free <= 0:
            wrong[findings.POOL_EXHAUSTED, "", ""] = (
                f"all {pool.size} addresses from {pool.first} to {pool.last} are taken, so a new machine gets none. "
                "Widen "
                "dhcp.first and dhcp.last in /etc/edge/rack.toml, or remove reservations of machines that are gone")
    return wrong


def news(wrong: Mapping[Key, str | None], told: Mapping[Key, Told],
         monotonic: float) -> tuple[tuple[News, ...], dict[Key, Told]]:
    """Return what there is to tell, and what has been told then."""
    said: list[News] = []
    after: dict[Key, Told] = {}
    for key, message in wrong.items():
        before = told.get(key)
        if before is not None and (message is None or (
                before.message == message and monotonic - before.at < AGAIN_SECONDS)):
            after[key] = before
        elif message is not None:
            after[key] = Told(message, monotonic)
            said.append(News("Warning", key[0], message))
    for reason, address, mac in told:
        if (reason, address, mac) not in after:
            name, text = OVER.get(reason, (f"{reason}Over", "it is over"))
            about = " ".join(part for part in (address, mac) if part)
            said.append(News("Normal", name, f"{text} ({about})" if about else text))
    return tuple(said), after


def read(run_dir: Path) -> Findings:
    """Return the findings of the last look, empty when there was none."""
    try:
        with (run_dir / findings.FILE).open("rb") as file:
            return findings.decoded(file.read(MOST_BYTES))
    except FileNotFoundError:
        return Findings()
    except OSError as error:
        return Findings(problem=f"{run_dir / findings.FILE} cannot be read: {(error.strerror or str(error)).lower()}")


def document(run_dir: Path) -> Callable[[], object]:
    """Return what serves the findings at PATH."""
    return lambda: read(run_dir)


def loop(run_dir: Path, address: str, pool: Callable[[], report.Pool], client: Client, caches: cache.SharedCaches,
         clock: Clock, ids: Ids) -> Callable[[], Awaitable[None]]:
    """Return the loop that turns findings into Events of the Node that has the address, the master's own."""
    recorder = Recorder(client, clock, ids, component="edge-rack")
    nodes = caches.of(core.Node)

    async def run() -> None:
        told: dict[Key, Told] = {}
        while True:
            node = next((node for node in nodes.items() if _has(node, address)), None)
            if node is not None:
                about = meta.ObjectReference(kind="Node", api_version="v1", name=node.metadata.name,
                                             uid=node.metadata.uid)
                wrong = current(read(run_dir), pool(), told)
                said, told = news(wrong, told, clock.monotonic())
                for each in said:
                    await recorder.record(about, each.type, each.reason, each.message)
                    tell = log.warning if each.type == "Warning" else log.info
                    tell("seen on the rack's wire", reason=each.reason, text=each.message)
            await clock.sleep(LOOK_SECONDS)

    return run


def _has(node: core.Node, address: str) -> bool:
    return any(each.type == "InternalIP" and each.address == address for each in node.status.addresses)
