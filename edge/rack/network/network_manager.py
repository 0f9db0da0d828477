"""NetworkManager, which Raspberry Pi OS uses: a connection profile and a piece of configuration of our own.

The profile has no gateway and is never the default route. A higher autoconnect priority lets it win against the
profiles of the person, which stay as they are. See nm-settings-keyfile(5) and NetworkManager.conf(5).
"""

from __future__ import annotations

from pathlib import Path

from edge.rack.document import WRITTEN_BY, Command, Document
from edge.rack.facts import Facts
from edge.rack.network.interface import Objection
from edge.rack.settings import Rack

NAME = "NetworkManager"
UNIT = "NetworkManager.service"
PROFILE = "edge-rack"
ANSWER_SECONDS = 20


def profile_path(rack: Rack) -> Path:
    """Return where the profile is."""
    return rack.etc_dir / f"NetworkManager/system-connections/{PROFILE}.nmconnection"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the profile, and what holds for devices. Others may not read a profile: NetworkManager ignores it then."""
    del facts
    return (Document(path=profile_path(rack), text=_profile(rack), part="network", mode=0o600),
            Document(path=rack.etc_dir / "NetworkManager/conf.d/edge-rack.conf", text=_devices(rack), part="network"))


def _profile(rack: Rack) -> str:
    # Before the home network's name servers (100): our own forwards to those. VPN (50) and we do not exclude them.
    names = f"""dns={rack.address.ip};
dns-search={rack.dhcp.domain};
dns-priority=90
""" if rack.resolve_names else ""
    return f"""# {WRITTEN_BY}
[connection]
id={PROFILE}
type=ethernet
interface-name={rack.interface}
autoconnect=true
autoconnect-priority=999
autoconnect-retries=0

[ipv4]
method=manual
address1={rack.address}
never-default=true
{names}
[ipv6]
method=link-local
never-default=true
"""


def _devices(rack: Rack) -> str:
    # Without ignore-carrier the master would lose its address, and all that listens on it, with the switch.
    uplink = f"interface-name:{rack.uplink_name}" if rack.uplink_name else "type:wifi"
    power_save = "" if rack.wifi_power_save else f"""
[connection-edge-rack-uplink]
match-device={uplink}
wifi.powersave=2
"""
    return f"""# {WRITTEN_BY}
[device-edge-rack]
match-device=interface-name:{rack.interface}
ignore-carrier=true

[device-edge-pods]
match-device=interface-name:edge*
managed=false
{power_save}"""


def objections(rack: Rack, facts: Facts) -> tuple[Objection, ...]:
    """Return that the person has taken the interface away from it."""
    if facts.network_manager.get(rack.interface) == "unmanaged":
        return (Objection("InterfaceTaken", f"NetworkManager leaves {rack.interface} alone",
                          f"take it out of `unmanaged-devices` in {rack.etc_dir}/NetworkManager and out of "
                          f"{rack.etc_dir}/network/interfaces, or set manager = \"none\" in rack.toml"),)
    return ()


def up(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Load the files and bring the profile up in the place of whatever is on the interface."""
    load = (Command(argv=("nmcli", "general", "reload", "conf")),
            Command(argv=("nmcli", "connection", "load", str(profile_path(rack)))))
    if rack.interface not in facts.links:
        return load
    return (*load, Command(argv=("nmcli", "--wait", str(ANSWER_SECONDS), "connection", "up", "id", PROFILE),
                           seconds=ANSWER_SECONDS + 10.0))


def down(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Look again: a profile whose file is gone is taken down, and the best of the person's comes up."""
    del rack, facts
    return (Command(argv=("nmcli", "connection", "reload"), optional=True),
            Command(argv=("nmcli", "general", "reload", "conf"), optional=True))


def asks_names(rack: Rack, facts: Facts) -> bool:
    """It writes /etc/resolv.conf, or tells systemd-resolved."""
    del facts
    return rack.resolve_names
