"""`edgectl inventory`: the rack as an inventory of Ansible, its nodes and the machines that have not joined yet.

The script protocol of https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html: `--list` prints
groups and, under `_meta`, the variables of all hosts, so that Ansible asks once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import click

from edge.api import errors
from edge.edgectl import session
from edge.pki import names

LEASES = "/edge/v1/rack/leases"
MASTER, WORKERS, NOT_JOINED = "edge_master", "edge_workers", "edge_not_joined"
ROLE = "node-role.kubernetes.io/"
MASTER_ROLES = ("master", "control-plane")

Obj = Mapping[str, Any]


@click.command("inventory", short_help="The rack as an inventory of Ansible.")
@click.option("--list", "everything", is_flag=True, help="All groups, hosts and variables (the default).")
@click.option("--host", metavar="NAME", help="The variables of one host.")
@click.pass_obj
def command(obj: dict[str, Any], everything: bool, host: str | None) -> None:
    """Print the rack as an inventory of Ansible, in JSON.

    \b
    edgectl inventory --list
    edgectl inventory --host node-1

    \b
    A script of two lines makes it an inventory (the collection edge.cluster has a plugin that does the same):
        #!/bin/sh
        exec edgectl inventory "$@"

    Groups are edge_master, edge_workers, and edge_not_joined: machines with an address on the rack's switch that are
    no nodes yet.
    """
    if everything and host:
        raise click.UsageError("--list and --host exclude each other")
    access = session.open_session(obj["kubeconfig"], obj["context"])
    nodes = access.request("GET", "/api/v1/nodes")["items"]
    found = inventory(nodes, _leases(access), urlsplit(access.server).hostname or "")
    shown = found["_meta"]["hostvars"].get(host, {}) if host else found
    click.echo(json.dumps(shown, indent=2, sort_keys=True))


def _leases(access: session.Session) -> Sequence[Obj]:
    """Return the leases; none from a rack whose ground is made by somebody else, or for who may not see them."""
    try:
        answer = access.request("GET", LEASES)
    except errors.ApiError as error:
        if error.code in (403, 404):
            return ()
        raise
    leases = answer.get("leases", answer.get("items", ()))
    return [lease for lease in leases or () if isinstance(lease, dict) and lease.get("address")]


def inventory(nodes: Sequence[Obj], leases: Sequence[Obj], api_host: str = "") -> dict[str, Any]:
    """Return groups and variables of the nodes, and of leased addresses that belong to no node.

    From outside the rack the master is reached by `api_host`, as its API is, and not by its address on the switch.
    """
    hosts: dict[str, dict[str, Any]] = {}
    groups: dict[str, list[str]] = {MASTER: [], WORKERS: [], NOT_JOINED: []}
    taken: set[str | None] = set()
    macs = {str(lease["address"]): str(lease.get("mac", "")).lower() for lease in leases}
    for node in nodes:
        name = node["metadata"]["name"]
        hosts[name] = variables(node, macs)
        taken.add(hosts[name].get("ansible_host"))
        if hosts[name]["edge_master"] and api_host:
            hosts[name]["ansible_host"] = api_host
        groups[MASTER if hosts[name]["edge_master"] else WORKERS].append(name)
    for lease in leases:
        address = str(lease["address"])
        if address not in taken and _is_plain(address):
            name = _free_name(lease, hosts)
            hosts[name] = {"ansible_host": address, "edge_joined": False, "edge_ready": False}
            if macs[address] and _is_plain(macs[address]):
                hosts[name]["edge_mac"] = macs[address]
            groups[NOT_JOINED].append(name)
    return {"_meta": {"hostvars": hosts}, "all": {"children": ["ungrouped", *groups]},
            **{group: {"hosts": sorted(members)} for group, members in groups.items()}}


def _free_name(lease: Obj, hosts: Mapping[str, Any]) -> str:
    """Return the machine's host name, or one made of its Ethernet address where that is missing or taken."""
    name = str(lease.get("name") or "").split(".")[0].lower()
    name = name if _is_plain(name) else ""
    if name and name not in hosts:
        return name
    mac = str(lease.get("mac", "")).lower().replace(":", "-")
    mac = mac if _is_plain(mac) else ""
    return "-".join(part for part in (name, mac or str(lease["address"]).replace(".", "-")) if part)


def _is_plain(value: str) -> bool:
    """Return whether Ansible takes the text as it is. A machine says it of itself, and what has braces could be a
    template, which is carried out where Ansible runs."""
    return "{" not in value and "}" not in value


def variables(node: Obj, macs: Mapping[str, str]) -> dict[str, Any]:
    """Return what Ansible may want to know of a node."""
    metadata, status = node["metadata"], node.get("status", {})
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    address = next((each["address"] for each in status.get("addresses") or () if each["type"] == "InternalIP"), "")
    info = status.get("nodeInfo") or {}
    roles = sorted(label.removeprefix(ROLE) for label in labels if label.startswith(ROLE) and _is_plain(label))
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    found = {"ansible_host": address, "edge_mac": macs.get(address, ""), "edge_roles": roles,
             "edge_master": any(role in MASTER_ROLES for role in roles),
             "edge_serial": annotations.get(names.SERIAL_ANNOTATION, "") or info.get("systemUUID", ""),
             "edge_model": labels.get("edge.pi/model", ""), "edge_version": info.get("kubeletVersion", ""),
             "edge_architecture": info.get("architecture", "")}
    plain = {key: value for key, value in found.items() if not isinstance(value, str) or _is_plain(value)}
    return {key: value for key, value in plain.items() if value not in ("", [])} | {
        "edge_joined": True, "edge_ready": ready, "edge_cordoned": bool((node.get("spec") or {}).get("unschedulable"))}
