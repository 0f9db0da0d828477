"""The other playbooks, on the rack as it runs."""

from __future__ import annotations

import time

import msgspec

from tests.machines import playbooks
from tests.machines.conftest import NAMES, Rack


def boots(rack: Rack) -> dict[str, str]:
    return {name: rack.machines.boot(name) for name in NAMES}


def test_the_dynamic_inventory_knows_every_node(rack: Rack) -> None:
    listed = msgspec.json.decode(rack.laptop.edgectl("inventory", "--list").stdout)
    assert set(listed["_meta"]["hostvars"]) >= set(NAMES)
    assert msgspec.json.decode(rack.laptop.edgectl("inventory", "--host", "node-1").stdout) == \
        listed["_meta"]["hostvars"]["node-1"]


def test_machines_are_rebooted_one_after_the_other(rack: Rack) -> None:
    before, began = boots(rack), time.monotonic()
    playbooks.play(rack.laptop, "reboot.yml", timeout=900)
    after = boots(rack)
    assert all(after[name] != before[name] for name in NAMES)
    rack.healed("reboot.yml, one machine after the other", began)


def test_an_upgrade_rolls_through_the_rack(rack: Rack) -> None:
    began = time.monotonic()
    playbooks.play(rack.laptop, "upgrade.yml", f"edge_offline_cache={playbooks.cache()}", timeout=900)
    rack.healed("upgrade.yml, one machine after the other", began)
    assert not any(node["spec"].get("unschedulable") for node in rack.laptop.get("nodes")["items"])
