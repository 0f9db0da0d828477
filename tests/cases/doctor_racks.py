"""For every check of `edgectl doctor`: a rack where all is well, and racks where it is not."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from edge.api import times
from edge.dhcp.findings import Finding, Findings
from edge.edgectl.doctor.rack import Certificate, Facts, Reach
from edge.edgectl.doctor.results import Level
from tests.cases.doctor_boards import NOW

WARNING, PROBLEM = Level.WARNING, Level.PROBLEM
OLD, NEW = times.render(NOW - timedelta(hours=3)), times.render(NOW - timedelta(seconds=5))
SERVER = Certificate(not_before=NOW - timedelta(days=10), not_after=NOW + timedelta(days=800),
                     common_name="edge-server", dns=("master", "master.local"), addresses=("10.0.0.1", "192.168.1.20"),
                     fits_ca=True)
OWN = Certificate(not_after=NOW + timedelta(days=800), common_name="kubernetes-admin")
READY = {"type": "Ready", "status": "True"}


def node(name: str, *conditions: dict[str, str], version: str = "0.1.0", serial: str = "", machine_id: str = "",
         expires: str = "2029-01-01T00:00:00Z", **spec: Any) -> dict[str, Any]:
    """Return a Node with its conditions; Ready where none is given."""
    return {"metadata": {"name": name, "annotations": {"edge.io/certificate-expires": expires,
                                                       "edge.io/serial": serial or f"serial of {name}"}},
            "spec": spec,
            "status": {"conditions": list(conditions) or [READY], "nodeInfo": {
                "kubeletVersion": f"v1.32.0+edge.{version}", "systemUUID": serial or f"serial of {name}",
                "machineID": machine_id or f"id of {name}"}}}


def pod(name: str, waiting: str = "", message: str = "", *, placed: bool = True, created: str = OLD,
        why: str = "") -> dict[str, Any]:
    """Return a Pod, with the reason one of its containers waits for."""
    state = {"waiting": {"reason": waiting, "message": message}} if waiting else {"running": {}}
    return {"metadata": {"namespace": "default", "name": name, "creationTimestamp": created},
            "spec": {"nodeName": "node-1"} if placed else {},
            "status": {"containerStatuses": [{"state": state}] if placed else [],
                       "conditions": [{"type": "PodScheduled", "status": "False", "message": why}] if why else []}}


def service(name: str, kind: str = "ClusterIP", ingress: str = "") -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"type": kind, "selector": {"app": name}},
            "status": {"loadBalancer": {"ingress": [{"ip": ingress}]} if ingress else {}}}


def endpoints(name: str, *addresses: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name},
            "subsets": [{"addresses": [{"ip": each} for each in addresses]}] if addresses else []}


def token(name: str, expiration: str = "") -> dict[str, Any]:
    data = {"expiration": base64.b64encode(expiration.encode()).decode()} if expiration else {}
    return {"metadata": {"namespace": "kube-system", "name": f"bootstrap-token-{name}"},
            "type": "bootstrap.kubernetes.io/token", "data": data}


def request(name: str, created: str = OLD, *conditions: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": created},
            "status": {"conditions": [{"type": each} for each in conditions]}}


RACK = Facts(
    now=NOW, own_version="0.1.0", kubeconfig="/home/pi/.kube/config", context="rack", server="https://master.local:6443",
    host="master.local", reach=Reach(reached=True), server_certificate=SERVER, own_certificate=OWN, server_date=NOW,
    server_version="v1.32.0+edge.0.1.0",
    lists={"nodes": (node("master"), node("node-1"), node("node-2", unschedulable=True)),
           "pods": (pod("web-1"), pod("new", placed=False, created=NEW)),
           "services": (service("web", "LoadBalancer", "192.168.1.20"),
                        {"metadata": {"namespace": "default", "name": "kubernetes"}, "spec": {}}),
           "endpoints": (endpoints("web", "10.244.1.2"),), "secrets": (token("abcdef", "2026-11-22T00:00:00Z"),),
           "certificatesigningrequests": (request("node-node-1-x", OLD, "Approved"), request("node-node-3-y", NEW)),
           "events": ()},
    node_dates={"master": 0.0, "node-1": 0.4}, leases={"pool": {"size": 253, "free": 250}},
    findings=Findings(looked_at=times.render(NOW - timedelta(minutes=10))))
"""A rack in which all is well, seen from a laptop."""


def unreached(kind: str, words: str, **more: Any) -> Facts:
    """Return what is known when the server could not be asked."""
    facts = Facts(now=NOW, own_version="0.1.0", kubeconfig="/home/pi/.kube/config", context="rack", host="master.local",
                  server="https://master.local:6443", reach=Reach(kind=kind, words=words))
    return replace(facts, **more)


def with_(**lists: tuple[dict[str, Any], ...]) -> Facts:
    """Return the rack with other objects."""
    return replace(RACK, lists={**RACK.lists, **lists})


def without(kind: str) -> Facts:
    """Return the rack to somebody who may not list a kind."""
    return replace(RACK, lists={name: items for name, items in RACK.lists.items() if name != kind})


OFF = unreached("silent", "nothing came within 10 s")


@dataclass(frozen=True)
class Trouble:
    """A rack with something wrong, and how the check has to tell of it."""

    facts: Facts
    level: Level = Level.PROBLEM
    says: str = ""
    next: str = ""


@dataclass(frozen=True)
class Cases:
    """What a check is shown."""

    bad: list[Trouble]
    good: Facts = RACK
    unknown: Facts | None = None
    none: list[Facts] = field(default_factory=lambda: [OFF])


FOREIGN = Certificate(not_before=SERVER.not_before, not_after=SERVER.not_after, dns=SERVER.dns, fits_ca=False)
ENDED = replace(SERVER, not_after=NOW - timedelta(days=1))
EARLY = replace(SERVER, not_before=NOW + timedelta(days=1))
RACKS: dict[str, Cases] = {
    "api": Cases(
        bad=[Trouble(OFF, says="does not answer: nothing came within 10 s", next="is the master on"),
             Trouble(unreached("kubeconfig", "/home/pi/.kube/config: no such file", server=""), says="cannot be used"),
             Trouble(unreached("name", "Name or service not known"), says="master.local does not resolve"),
             Trouble(unreached("refused", "connection refused"), says="nothing listens", next="edge-server"),
             Trouble(unreached("tls", "unable to get local issuer certificate", server_certificate=FOREIGN),
                     says="of another authority than the kubeconfig's"),
             Trouble(unreached("tls", "certificate has expired", server_certificate=ENDED), says="ended on 2026-11-20",
                     next="edge-rack apply"),
             Trouble(unreached("tls", "certificate is not yet valid", server_certificate=EARLY),
                     says="The clock of this machine (2026-11-21 12:00 UTC) is before", next="set the clock"),
             Trouble(unreached("tls", "Hostname mismatch", host="rack.example", server_certificate=SERVER),
                     says="The certificate is for master, master.local, 10.0.0.1, 192.168.1.20, not for rack.example",
                     next='names = ["rack.example"]'),
             Trouble(unreached("tls", "record layer failure"), says="not trusted: record layer failure"),
             Trouble(unreached("login", "Unauthorized"), says="does not accept this kubeconfig"),
             Trouble(unreached("http", "status 502 at /version"), says="answers strangely"),
             Trouble(replace(RACK, health="[-]caches failed"), says="not ready: [-]caches failed")],
        none=[]),
    "certificates": Cases(
        bad=[Trouble(replace(RACK, own_certificate=replace(OWN, not_after=NOW - timedelta(days=2))),
                     says="the kubeconfig's own certificate ended on 2026-11-19"),
             Trouble(replace(RACK, server_certificate=replace(SERVER, not_after=NOW + timedelta(days=9))), WARNING,
                     "the API server's certificate ends on 2026-11-30", "edge-rack apply")]),
    "clock-of-this-machine": Cases(
        bad=[Trouble(replace(RACK, server_date=NOW - timedelta(hours=1)),
                     says="this machine's clock is 1:00:00 ahead of the master's"),
             Trouble(replace(RACK, server_date=NOW + timedelta(seconds=45)), WARNING, "0:00:45 behind the master's")],
        unknown=replace(RACK, server_date=None)),
    "clocks-of-nodes": Cases(
        bad=[Trouble(replace(RACK, node_dates={"node-1": -86400.0 * 30, "node-2": 0.0}),
                     says="the clock of node-1 is 30 days, 0:00:00 behind the master's", next="--here"),
             Trouble(replace(RACK, node_dates={"node-1": 40.0}), WARNING, "ahead of")],
        none=[OFF, replace(RACK, node_dates={})]),
    "versions": Cases(
        bad=[Trouble(with_(nodes=(node("master"), node("node-1", version="0.2.0"))), says="newer than the server "
                                                                                          "(0.1.0): "
                     "node-1", next="the master first"),
             Trouble(with_(nodes=(node("master"), node("node-1", version="0.0.9"))), WARNING, "older than the server"),
             Trouble(replace(RACK, own_version="0.3.0"), WARNING, "edgectl is 0.3.0, the server 0.1.0")]),
    "nodes": Cases(
        bad=[Trouble(with_(nodes=(node("master"), node("node-2", {
            "type": "Ready", "status": "Unknown", "lastTransitionTime": OLD}))), says=f"node-2 is silent since {OLD}",
            next="is its light on?"),
             Trouble(with_(nodes=(node("node-1", {"type": "Ready", "status": "False", "message": "podman is away"}),)),
                     says="node-1 is not Ready: podman is away", next="describe node node-1"),
             Trouble(with_(nodes=()), says="no nodes, not even the master")],
        unknown=without("nodes")),
    "node-conditions": Cases(
        bad=[Trouble(with_(nodes=(node("node-1", READY, {
            "type": "UnderVoltage", "status": "True", "message": "the voltage is below 4.63 V"}),)), WARNING,
            "node-1: UnderVoltage: the voltage is below 4.63 V", "power supply"),
             Trouble(with_(nodes=(node("node-1", READY, {"type": "DiskPressure", "status": "True"}),)), WARNING,
                     "node-1: DiskPressure", "image prune")],
        none=[OFF, without("nodes")]),
    "cloned-cards": Cases(
        bad=[Trouble(with_(nodes=(node("node-1", machine_id="same"), node("node-2", machine_id="same"))), WARNING,
                     "node-1, node-2 have one machine id", "systemd-machine-id-setup"),
             Trouble(with_(nodes=(node("old", serial="1000"), node("new", serial="1000"))), WARNING,
                     "new, old have the serial number of one board", "delete node")],
        none=[OFF, without("nodes")]),
    "node-certificates": Cases(
        bad=[Trouble(with_(nodes=(node("node-1", expires=OLD), node("node-2"))),
                     says="the certificates of node-1 have ended", next="renews by itself"),
             Trouble(with_(nodes=(node("node-1", expires=times.render(NOW + timedelta(days=3))),)), WARNING,
                     "end within 30 days")],
        none=[OFF, with_(nodes=(node("node-1", expires=""),)), with_(nodes=(node("node-1", expires="soon"),))]),
    "certificate-requests": Cases(
        bad=[Trouble(with_(certificatesigningrequests=(request("node-node-3-abc"),)), WARNING,
                     "node-node-3-abc waits for a person", "edgectl certificate approve node-node-3-abc")],
        none=[OFF, without("certificatesigningrequests")]),
    "bootstrap-tokens": Cases(
        bad=[Trouble(with_(secrets=(token("abcdef"), token("ghijkl", OLD))), WARNING, "tokens abcdef never expire",
                     "edgectl token revoke abcdef")],
        none=[OFF, without("secrets")]),
    "addresses": Cases(
        bad=[Trouble(replace(RACK, leases={"pool": {"size": 10, "free": 0}}), says="all 10 addresses of the rack are "
                                                                                   "taken",
                     next="widen dhcp.first"),
             Trouble(replace(RACK, leases={"pool": {"size": 100, "free": 4}}), WARNING, "4 of 100 addresses")],
        unknown=replace(RACK, leases=None)),
    "wire": Cases(
        bad=[Trouble(replace(RACK, findings=Findings(looked_at=NEW, findings=(Finding(
            reason="DuplicateAddress", message="10.0.0.3 is leased to node-2, and aa:bb:cc:00:00:01 uses it too. Find "
            "aa:bb:cc:00:00:01"),))), says="DuplicateAddress: 10.0.0.3 is leased", next="Find aa:bb:cc:00:00:01")],
        unknown=replace(RACK, findings=Findings(looked_at=NEW, problem="eth0 has no link"))),
    "pods": Cases(
        bad=[Trouble(with_(pods=(pod("a", "CrashLoopBackOff"), pod("b"))), WARNING,
                     "1 pod crashing again and again: default/a", "edgectl logs --previous -n default a"),
             Trouble(with_(pods=(pod("c", "ImagePullBackOff", "no such image"),)), WARNING,
                     "1 pod that cannot start: default/c (ImagePullBackOff)", "describe pod -n default c"),
             Trouble(with_(pods=(pod("d", placed=False, why="0/4 nodes are available: 4 Insufficient memory."),)),
                     WARNING, "1 pod without a node: default/d (0/4 nodes are available")],
        unknown=without("pods")),
    "image-architecture": Cases(
        bad=[Trouble(with_(pods=(pod("a", "CrashLoopBackOff", "exec format error: a program of image \"x\" is not for "
                                     "this node (arm64)"),)), says="1 pod with an image that is not for these boards",
                     next="--platform linux/arm64"),
             Trouble(with_(events=({"reason": "ImageArchitectureMismatch", "message": "Image \"x\" is for amd64",
                                    "involvedObject": {"namespace": "default", "name": "web-1"}},)),
                     says="default/web-1 (Image \"x\" is for amd64)")],
        none=[OFF, without("pods")]),
    "services": Cases(
        bad=[Trouble(with_(endpoints=(endpoints("web"),)), WARNING, "1 service without a ready pod behind them: "
                     "default/web", "describe service -n default web"),
             Trouble(with_(services=(service("web", "LoadBalancer"),)), WARNING, "1 service waiting for an address",
                     "load_balancer_addresses")],
        none=[OFF, without("services"), without("endpoints")]),
}
"""By name of the check."""
