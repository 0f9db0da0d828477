# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What `edgectl inventory --list` tells -> where the machines of a person's inventory are."""

from __future__ import annotations

import re

DOCUMENTATION = r"""
name: addresses
short_description: Addresses of machines, from the inventory of the rack
description: A machine is known by its Ethernet address if that is given, else by its name.
options:
  _input:
    description: What C(edgectl inventory --list) prints, parsed.
    type: dict
    required: true
  machines:
    description: The names of the machines, each with its Ethernet address or an empty string.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Look where node-1 is
  ansible.builtin.debug:
    msg: "{{ inventory.stdout | from_json | edge.cluster.addresses({'node-1': ''}) }}"
"""

RETURN = r"""
_value:
  description: The name of each machine that was found, and its address.
  type: dict
"""


def addresses(inventory, machines):
    """Return the address of each machine that has one."""
    known = inventory.get("_meta", {}).get("hostvars", {})
    by_mac = {entry["edge_mac"].lower(): entry["ansible_host"] for entry in known.values()
              if entry.get("edge_mac") and entry.get("ansible_host")}
    by_name = {name.split(".")[0].lower(): entry["ansible_host"] for name, entry in known.items()
               if entry.get("ansible_host")}
    found = {name: by_mac.get(mac.lower()) if mac else by_name.get(name.split(".")[0].lower())
             for name, mac in machines.items()}
    return {name: address for name, address in found.items() if address}


def ready(inventory):
    """Return the names of the nodes that are Ready."""
    known = inventory.get("_meta", {}).get("hostvars", {})
    return sorted(name for name, entry in known.items() if entry.get("edge_ready") is True)


def leases(inventory):
    """Return a line for each machine that has an address and has not joined."""
    known = inventory.get("_meta", {}).get("hostvars", {})
    return [f"{entry.get('ansible_host', '?')} to {name} ({entry.get('edge_mac', '?')})"
            for name, entry in sorted(known.items()) if entry.get("edge_joined") is False]


def version(text):
    """Return a version as numbers, for example v1.32.0+edge.0.1.0 or 0.1.0; None for anything else."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", text.rpartition("+edge.")[2])
    return tuple(int(part) for part in match.groups()) if match else None


def skew(inventory, new):
    """Return why the nodes cannot be upgraded to this version of edge; nothing when they can."""
    wanted, problems = version(new), []
    for name, entry in sorted(inventory.get("_meta", {}).get("hostvars", {}).items()):
        have = version(entry.get("edge_version", ""))
        if have is None or wanted is None:
            continue
        shown = ".".join(str(part) for part in have)
        if have > wanted:
            problems.append(f"{name} runs {shown}, which is newer than {new}: check out that version or a later one")
        elif have[0] != wanted[0] or wanted[1] - have[1] > 1:
            problems.append(f"{name} runs {shown}, and {new} is more than one minor version later: "
                            "upgrade to the versions between, one after the other")
    return problems


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"addresses": addresses, "ready": ready, "leases": leases, "skew": skew}
