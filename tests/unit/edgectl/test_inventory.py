"""Nodes and leases as an inventory of Ansible."""

from __future__ import annotations

from typing import Any

from edge.edgectl.commands.inventory import inventory


def node(name: str, address: str, ready: bool = True, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {key.replace("__", "/"): value for key, value in labels.items()},
                         "annotations": {"edge.io/serial": f"serial-{name}"}},
            "status": {"addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}],
                       "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
                       "nodeInfo": {"architecture": "arm64", "kubeletVersion": "v1.32.0+edge.0.1.0"}}}


def master() -> dict[str, Any]:
    found = node("master", "10.0.0.1")
    found["metadata"]["labels"]["node-role.kubernetes.io/master"] = ""
    return found


def hosts(found: dict[str, Any]) -> dict[str, Any]:
    return dict(found["_meta"]["hostvars"])


def test_nodes_are_in_the_group_of_their_role() -> None:
    found = inventory([master(), node("node-1", "10.0.0.2")], [])
    assert found["edge_master"] == {"hosts": ["master"]}
    assert found["edge_workers"] == {"hosts": ["node-1"]}
    assert found["all"]["children"] == ["ungrouped", "edge_master", "edge_workers", "edge_not_joined"]


def test_a_node_has_what_is_known_of_it() -> None:
    lease = {"address": "10.0.0.2", "mac": "DC:A6:32:00:00:02", "name": "node-1"}
    found = inventory([node("node-1", "10.0.0.2", ready=False)], [lease])
    assert hosts(found) == {"node-1": {
        "ansible_host": "10.0.0.2", "edge_mac": "dc:a6:32:00:00:02", "edge_serial": "serial-node-1",
        "edge_version": "v1.32.0+edge.0.1.0", "edge_architecture": "arm64", "edge_joined": True, "edge_ready": False,
        "edge_master": False, "edge_cordoned": False}}
    assert found["edge_not_joined"] == {"hosts": []}


def test_the_master_is_reached_as_the_api_is() -> None:
    assert hosts(inventory([master()], [], "pi.home"))["master"]["ansible_host"] == "pi.home"
    assert hosts(inventory([node("node-1", "10.0.0.2")], [], "pi.home"))["node-1"]["ansible_host"] == "10.0.0.2"


def test_a_leased_machine_that_is_no_node_waits_in_a_group_of_its_own() -> None:
    found = inventory([], [{"address": "10.0.0.7", "mac": "dc:a6:32:00:00:07", "name": "node-3.cluster.home"}])
    assert found["edge_not_joined"] == {"hosts": ["node-3"]}
    assert hosts(found)["node-3"] == {"ansible_host": "10.0.0.7", "edge_mac": "dc:a6:32:00:00:07",
                                      "edge_joined": False, "edge_ready": False}


def test_machines_of_one_name_or_none_are_told_apart_by_their_ethernet_address() -> None:
    leases = [{"address": "10.0.0.7", "mac": "dc:a6:32:00:00:07", "name": "raspberrypi"},
              {"address": "10.0.0.8", "mac": "dc:a6:32:00:00:08", "name": "raspberrypi"},
              {"address": "10.0.0.9", "mac": "dc:a6:32:00:00:09"}, {"address": "10.0.0.10"}]
    assert inventory([], leases)["edge_not_joined"]["hosts"] == [
        "10-0-0-10", "dc-a6-32-00-00-09", "raspberrypi", "raspberrypi-dc-a6-32-00-00-08"]


def test_a_flashed_machine_does_not_take_the_name_of_a_node() -> None:
    found = inventory([node("node-1", "10.0.0.2")], [{"address": "10.0.0.7", "mac": "dc:a6:32:00:00:07",
                                                      "name": "node-1"}])
    assert hosts(found)["node-1"]["ansible_host"] == "10.0.0.2"
    assert found["edge_not_joined"]["hosts"] == ["node-1-dc-a6-32-00-00-07"]


def test_a_node_that_has_told_nothing_yet_is_there_all_the_same() -> None:
    assert hosts(inventory([{"metadata": {"name": "node-9"}}], [])) == {
        "node-9": {"edge_joined": True, "edge_ready": False, "edge_master": False, "edge_cordoned": False}}


def test_what_could_be_a_template_is_left_out() -> None:
    """A machine says these of itself, and Ansible runs where people have their keys."""
    hostile = "{{ lookup('pipe', 'id') }}"
    bad = node("node-1", "10.0.0.2", edge__pi=hostile)
    bad["metadata"]["annotations"]["edge.io/serial"] = hostile
    bad["metadata"]["labels"]["edge.pi/model"] = "{% raw %}"
    bad["status"]["nodeInfo"] = {"architecture": "{# #}", "kubeletVersion": hostile, "systemUUID": hostile}
    bad["status"]["addresses"][1]["address"] = hostile
    leases = [{"address": "10.0.0.7", "mac": hostile, "name": hostile}, {"address": hostile, "mac": hostile}]
    found = inventory([bad], leases)
    assert "{" not in "".join(map(str, hosts(found))) + "".join(map(str, hosts(found)["node-1"].values()))
    assert hosts(found)["node-1"] == {"edge_joined": True, "edge_ready": True, "edge_master": False,
                                      "edge_cordoned": False}
    assert hosts(found)["10-0-0-7"] == {"ansible_host": "10.0.0.7", "edge_joined": False, "edge_ready": False}
    assert found["edge_not_joined"] == {"hosts": ["10-0-0-7"]}
