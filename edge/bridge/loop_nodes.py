"""Writes what is known of nodes into the API: the Node with its status, and the lease that its heartbeats renew.

Effects: the API.
"""

from __future__ import annotations

import msgspec

from edge import logs
from edge.api import coordination, core, errors
from edge.bridge import interface, loop_absent, reported, surroundings
from edge.bridge.loop_written import ATTEMPTS, Written
from edge.bus import messages
from edge.client.interface import Client
from edge.clock import Clock
from edge.pki import names

log = logs.get("bridge")


class Nodes:
    """What the nodes have said of themselves."""

    def __init__(self, view: interface.View, objects: Written, client: Client, clock: Clock,
                 network: surroundings.Network) -> None:
        self._view = view
        self._objects = objects
        self._client = client
        self._clock = clock
        self._network = network
        self._leases: dict[str, coordination.Lease] = {}
        self._ranges: dict[str, str] = {}
        """Pod subnets given, by node."""
        self._reports: dict[str, messages.ReportedNode] = {}
        self._states: dict[str, str] = {}
        self.absent = loop_absent.Absent(clock, self._give_up)

    async def report(self, name: str, report: messages.ReportedNode) -> None:
        """Write what a node says of itself."""
        self._reports[name] = report
        existing = self._objects.newest(core.Node, name)
        for _ in range(ATTEMPTS):
            try:
                await self._write_node(name, report, existing)
                return
            except (errors.Conflict, errors.AlreadyExists, errors.NotFound):
                existing = await self._objects.fresh(core.Node, name)
        raise errors.Conflict(f"node {name} keeps changing")

    async def _write_node(self, name: str, report: messages.ReportedNode, existing: core.Node | None) -> None:
        taken = {node.spec.pod_cidr for node in self._view.all(core.Node) if node.metadata.name != name}
        taken |= {given for other, given in self._ranges.items() if other != name}
        version = ""
        before = [node for node in self._view.all(core.Node)
                  if node.metadata.annotations.get(names.RENAMED_ANNOTATION) == name != node.metadata.name]
        for action in reported.node(name, report, existing, taken, self._network.pod_cidr, self._clock.now(),
                                    before=before):
            match action:
                case reported.CreateNode(node):
                    # Noted before the first wait: another node may be registering at the same time.
                    self._ranges[name] = node.spec.pod_cidr
                    created = self._objects.keep(await self._client.create(node))
                    log.info("node registered", node=name, pod_cidr=node.spec.pod_cidr)
                    if created.status != node.status:
                        self._objects.keep(await self._client.update_status(
                            msgspec.structs.replace(created, status=node.status)))
                case reported.UpdateNode(node):
                    self._ranges[name] = node.spec.pod_cidr
                    version = self._objects.keep(await self._client.update(node)).metadata.resource_version
                case reported.UpdateNodeStatus(node):
                    if version:  # the first write has moved the object on
                        node = _at(node, version)
                    self._objects.keep(await self._client.update_status(node))

    def state(self, name: str, state: str) -> None:
        """Hear that a node came, went, or was lost."""
        self._states[name] = state
        log.info("node state", node=name, state=state)
        if state == "online":
            self.absent.back(name)
        elif state == "offline":
            self.absent.left(name, "The node has said goodbye.")
        else:
            self.absent.left(name, "The node's connection to the bus was lost.")

    async def _give_up(self, name: str, reason: str) -> None:
        existing = self._objects.newest(core.Node, name)
        for _ in range(ATTEMPTS):
            changed = reported.lost(existing, reason, self._clock.now()) if existing is not None else None
            if changed is None:
                return
            try:
                self._objects.keep(await self._client.update_status(changed))
                return
            except (errors.Conflict, errors.NotFound):
                existing = await self._objects.fresh(core.Node, name)

    async def heartbeat(self, name: str, beat: messages.Heartbeat) -> None:
        """Renew a node's lease."""
        await self._renew(name, beat.boot_id)
        report, node = self._reports.get(name), self._objects.newest(core.Node, name)
        # Somebody gave the node up although its connection held, or deleted it: what it said of itself last is true.
        if (report is not None and report.boot_id == beat.boot_id and (node is None or reported.is_unknown(node))
                and self._states.get(name, "online") == "online"):
            await self.report(name, report)

    async def _renew(self, name: str, boot_id: str) -> None:
        for _ in range(ATTEMPTS):
            known = self._leases.get(name)
            wanted = reported.lease(name, known, self._clock.now(), boot_id)
            try:
                self._leases[name] = await (self._client.update(wanted) if known else self._client.create(wanted))
                return
            except (errors.Conflict, errors.AlreadyExists):
                found = await self._objects.fresh(coordination.Lease, name, reported.LEASE_NAMESPACE)
                if found is not None:
                    self._leases[name] = found
            except errors.NotFound:
                if known is None:
                    raise  # the namespace itself is missing
                del self._leases[name]

    def forget(self, name: str) -> bool:
        """Drop what is known of a deleted node, but for its last report while it lives: it will be registered again.
        Return whether it is gone for good."""
        self._leases.pop(name, None)
        self._ranges.pop(name, None)
        if self._states.get(name, "online") == "online":
            return False
        self._reports.pop(name, None)
        self._states.pop(name, None)
        return True


def _at(node: core.Node, version: str) -> core.Node:
    return msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, resource_version=version))
