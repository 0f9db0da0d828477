"""systemd-networkd: a .network file of our own, which comes before all others.

Names are asked for through systemd-resolved, for the rack's domain only, so that nothing else goes by our name server
and no loop can be. See systemd.network(5) and networkd.conf(5).
"""

from __future__ import annotations

from edge.rack.document import WRITTEN_BY, Command, Document
from edge.rack.facts import Facts
from edge.rack.network.interface import Objection, reverse_zone
from edge.rack.settings import Rack

NAME = "systemd-networkd"
UNIT = "systemd-networkd.service"
FILE = "systemd/network/00-edge-rack.network"
"""The first file by name that matches an interface is the one that is used."""


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the .network file; and that routes which others have made, as our agent does, are left alone."""
    del facts
    return (Document(path=rack.etc_dir / FILE, text=_network(rack), part="network"),
            Document(path=rack.etc_dir / "systemd/networkd.conf.d/edge-rack.conf", part="network",
                     text=f"# {WRITTEN_BY}\n[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"))


def _network(rack: Rack) -> str:
    names = f"""DNS={rack.address.ip}
DNSDefaultRoute=no
Domains={rack.dhcp.domain} ~{reverse_zone(rack)}
""" if rack.resolve_names else ""
    return f"""# {WRITTEN_BY}
[Match]
Name={rack.interface}

[Link]
RequiredForOnline=no

[Network]
Address={rack.address}
ConfigureWithoutCarrier=yes
IgnoreCarrierLoss=yes
IPv6AcceptRA=no
{names}"""


def objections(rack: Rack, facts: Facts) -> tuple[Objection, ...]:
    """Return nothing: our file comes first whatever else is there."""
    del rack, facts
    return ()


def up(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Read the files again, and configure this one link anew."""
    reload = Command(argv=("networkctl", "reload"))
    if rack.interface not in facts.links:
        return (reload,)
    return (reload, Command(argv=("networkctl", "reconfigure", rack.interface)))


def down(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """As `up`, with the file gone; an address nobody configures any more goes with the link's configuration."""
    del facts
    return (Command(argv=("networkctl", "reload"), optional=True),
            Command(argv=("networkctl", "reconfigure", rack.interface), optional=True),
            Command(argv=("ip", "address", "del", str(rack.address), "dev", rack.interface), optional=True))


def asks_names(rack: Rack, facts: Facts) -> bool:
    """Only systemd-resolved hears which name server belongs to a link."""
    return rack.resolve_names and "systemd-resolved.service" in facts.active
