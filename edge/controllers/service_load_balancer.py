"""Gives Services of type LoadBalancer an address from the configured pool.

Several services share an address when their ports differ, because a rack at home often has only one. All of them are
looked at together, oldest first, so that the outcome does not depend on the order of changes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

import msgspec

from edge.api import core, meta
from edge.controllers import conditions, interface, plan
from edge.controllers.settings import Settings

CONDITION = "LoadBalancerReady"
LARGEST_POOL = 65536
UPLINK = "uplink"
MASTER_LABEL = "node-role.kubernetes.io/control-plane"
_KEY = interface.Key(core.Service, "", "")


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    fixed = addresses(tuple(entry for entry in settings.load_balancer_addresses if entry != UPLINK))
    with_uplink = UPLINK in settings.load_balancer_addresses

    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        return reconcile(key, view, now, pool=(*fixed, *uplinks(view)) if with_uplink else fixed)

    sources: tuple[interface.Source, ...] = (interface.Source(core.Service, _changed),)
    if with_uplink:
        sources = (*sources, interface.Source(core.Node, _uplink_changed))
    return interface.Controller(name="service_load_balancer", reconcile=run, workers=1, sources=sources)


def uplinks(view: interface.View) -> tuple[str, ...]:
    """Return the addresses masters have outside the rack, in the order of the masters' names.

    While none is known (no uplink, or a master that has just started) services keep what they have.
    """
    masters = sorted((node for node in view.all(core.Node) if MASTER_LABEL in node.metadata.labels),
                     key=lambda node: node.metadata.name)
    found = (entry.address for node in masters for entry in node.status.addresses if entry.type == "ExternalIP")
    return tuple(dict.fromkeys(found)) or tuple(dict.fromkeys(
        _current(service) for service in view.all(core.Service) if _is_ours(service) and _current(service)))


def _uplink_changed(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    return (_KEY,) if isinstance(obj, core.Node) and MASTER_LABEL in obj.metadata.labels else ()


def _changed(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    ours = isinstance(obj, core.Service) and (_is_ours(obj) or obj.status.load_balancer.ingress)
    return (_KEY,) if ours else ()


def addresses(written: tuple[str, ...]) -> tuple[str, ...]:
    """Return the single addresses of a pool written as addresses, ranges `a-b` and subnets.

    Raises:
        ValueError: an entry is none of these.
    """
    found: dict[str, None] = {}
    for entry in written:
        first, dash, last = (part.strip() for part in entry.partition("-"))
        if dash:
            low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
            if low.version != high.version or int(low) > int(high):
                raise ValueError(f"address pool: {entry} is not a range")
            members: Iterable[object] = (low + step for step in range(min(int(high) - int(low) + 1, LARGEST_POOL)))
        elif "/" in first:
            members = ipaddress.ip_network(first, strict=False).hosts()
        else:
            members = (ipaddress.ip_address(first),)
        found |= dict.fromkeys(str(member) for member in islice(members, LARGEST_POOL))
    return tuple(found)


def reconcile(_key: interface.Key, view: interface.View, now: datetime, *, pool: tuple[str, ...]) -> plan.Plan:
    """Return the status every LoadBalancer Service should have."""
    services = sorted(view.all(core.Service), key=lambda s: (s.metadata.creation_timestamp or "",
                                                             s.metadata.namespace, s.metadata.name))
    taken: dict[tuple[str, int, str], core.Service] = {}
    actions: list[plan.Action] = []
    balanced = [service for service in services if _is_ours(service)]
    # Who has an address keeps it; only then the others choose.
    balanced.sort(key=lambda service: not _current(service))
    for service in balanced:
        address = _choose(service, pool, taken)
        for port in service.spec.ports if address else ():
            taken[(address, port.port, port.protocol or "TCP")] = service
        actions += _report(service, address, pool, now)
    for service in services:
        if not _is_ours(service) and service.status.load_balancer.ingress and not service.spec.load_balancer_class:
            status = msgspec.structs.replace(service.status, load_balancer=core.LoadBalancerStatus(),
                                             conditions=conditions.without(service.status.conditions, CONDITION))
            actions.append(plan.UpdateStatus(msgspec.structs.replace(service, status=status)))
    return plan.Plan(tuple(actions))


def _is_ours(service: core.Service) -> bool:
    return service.spec.type == "LoadBalancer" and not service.spec.load_balancer_class \
        and service.metadata.deletion_timestamp is None


def _current(service: core.Service) -> str:
    return next((ingress.ip for ingress in service.status.load_balancer.ingress), "")


def _choose(service: core.Service, pool: tuple[str, ...], taken: dict[tuple[str, int, str], core.Service]) -> str:
    asked = service.spec.load_balancer_ip
    candidates = (asked,) if asked else tuple(dict.fromkeys((_current(service), *pool)))
    for address in candidates:
        if address in pool and not any((address, port.port, port.protocol or "TCP") in taken
                                       for port in service.spec.ports):
            return address
    return ""


def _report(service: core.Service, address: str, pool: tuple[str, ...], now: datetime) -> list[plan.Action]:
    old = conditions.find(service.status.conditions, CONDITION)
    ingress = (core.LoadBalancerIngress(ip=address, ip_mode="VIP"),) if address else ()
    if address:
        made = conditions.make(old, CONDITION, "True", "Assigned", "", now)
    else:
        wanted = ", ".join(f"{port.port}/{port.protocol or 'TCP'}" for port in service.spec.ports)
        asked = service.spec.load_balancer_ip
        message = ("no load balancer addresses are configured" if not pool
                   else f"{asked} is not in the address pool" if asked and asked not in pool
                   else f"no address of the pool has its ports {wanted} free")
        made = conditions.make(old, CONDITION, "False", "Pending", message, now)
    status = msgspec.structs.replace(service.status, load_balancer=core.LoadBalancerStatus(ingress=ingress),
                                     conditions=conditions.put(service.status.conditions, conditions.whole(made, 0)))
    if status == service.status:
        return []
    about = plan.reference("Service", "v1", service)
    event = plan.Emit(about, "Normal", "EnsuredLoadBalancer", f"Ensured load balancer at {address}") if address \
        else plan.Emit(about, "Warning", "SyncLoadBalancerFailed", f"Error syncing load balancer: {made.message}")
    return [plan.UpdateStatus(msgspec.structs.replace(service, status=status)), event]
