"""A card is flashed anew: the machine comes back as itself, with one command."""

from __future__ import annotations

import time

from tests.machines import playbooks
from tests.machines.conftest import Rack, until

NODE = "node-2"


def test_a_worker_flashed_anew_is_adopted_with_one_command(rack: Rack) -> None:
    before = rack.laptop.get("node", NODE)
    began = time.monotonic()
    rack.machines.flash(NODE, rack.laptop.public_key)
    rack.machines.power_on(NODE)
    rack.laptop.run("ssh-keygen", "-R", NODE, "-f", str(rack.laptop.home / ".ssh/known_hosts"), check=False)
    until(lambda: rack.laptop.ssh(NODE, "true", check=False).returncode == 0, 120, "no SSH", rack.report)
    cache = playbooks.cache()
    shown = playbooks.play(rack.laptop, "join.yml", f"edge_offline_cache={cache}",
                           "edge_ready_wait_seconds=10",
                           arguments=("--limit", f"master,{NODE}"), check=False, timeout=900)
    adopted = rack.laptop.edgectl("node", "adopt", NODE, "--yes", check=False)
    assert adopted.returncode == 0, shown[-4000:] + adopted.stdout + adopted.stderr
    rack.healed("a worker's card is flashed anew", began, seconds=120)
    after = rack.laptop.get("node", NODE)
    assert after["spec"]["podCIDR"] == before["spec"]["podCIDR"]
    assert after["status"]["addresses"][0] == before["status"]["addresses"][0]
    assert after["metadata"]["annotations"]["edge.io/key"] != before["metadata"]["annotations"]["edge.io/key"]
