"""The last of all: `reset.yml` gives the machines back."""

from __future__ import annotations

from tests.machines import playbooks
from tests.machines.conftest import KEEP, NAMES, STATE, Rack


def test_reset_takes_everything_of_ours_away(rack: Rack) -> None:
    if KEEP and (STATE / "kept").exists():
        # Whoever keeps the machines wants them as a rack.
        return
    playbooks.play(rack.laptop, "reset.yml", "edge_reset=true", "edge_reset_data=true", timeout=600)
    for name in NAMES:
        left = rack.machines.shell(name, "ls -d /opt/edge /etc/edge /var/lib/edge /run/edge 2>/dev/null; "
                                         "systemctl list-unit-files --no-legend 'edge-*'; nft list tables | grep edge; "
                                         "ip -br link | grep -i edge; podman ps -aq", check=False)
        assert left.strip() == "", f"{name}: {left}"
    assert rack.machines.shell("master", "ip -br -4 address show eth0").find("10.0.0.1/24") < 0
