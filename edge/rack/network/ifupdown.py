"""ifupdown, Debian's own: a stanza in interfaces.d, and a hook for the DHCP client of the uplink.

Two stanzas for one interface would both be carried out, so one of the person's is an objection that names its file and
line. See interfaces(5) and dhclient-script(8).
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.rack.document import WRITTEN_BY, Command, Document
from edge.rack.facts import Facts
from edge.rack.network.interface import Objection
from edge.rack.settings import Rack

NAME = "ifupdown"
UNIT = "networking.service"
MAIN = "network/interfaces"
FILE = "network/interfaces.d/edge-rack"
HOOK = "dhcp/dhclient-enter-hooks.d/edge-rack"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the stanza, and the hook where isc-dhcp-client writes /etc/resolv.conf by itself."""
    stanza = Document(path=rack.etc_dir / FILE, text=_stanza(rack), part="network")
    if not _needs_hook(rack, facts):
        return (stanza,)
    return (stanza, Document(path=rack.etc_dir / HOOK, text=_hook(rack), part="network",
                             check=("sh", "-n", "{}")))


def _stanza(rack: Rack) -> str:
    names = f"""    dns-nameservers {rack.address.ip}
    dns-search {rack.dhcp.domain}
""" if rack.resolve_names else ""
    return f"""# {WRITTEN_BY}
auto {rack.interface}
allow-hotplug {rack.interface}
iface {rack.interface} inet static
    address {rack.address}
{names}"""


def _hook(rack: Rack) -> str:
    return f"""# {WRITTEN_BY}
# Our name server first: it asks the others, and knows the rack's names. When it is away the next one is asked.
if [ -n "$new_domain_name_servers" ] && [ "$interface" != "{rack.interface}" ]; then
  new_domain_name_servers="{rack.address.ip} $new_domain_name_servers"
  new_domain_search="{rack.dhcp.domain} ${{new_domain_search:-$new_domain_name}}"
fi
"""


def _needs_hook(rack: Rack, facts: Facts) -> bool:
    return rack.resolve_names and "dhclient" in facts.programs and "resolvconf" not in facts.programs


def stanzas(rack: Rack, facts: Facts) -> tuple[str, ...]:
    """Return where somebody else configures IPv4 of the rack's interface: `file:line`."""
    return tuple(f"{rack.etc_dir / name}:{number}" for name, text in sorted(facts.texts.items())
                 if name == MAIN or name.startswith("network/interfaces.d/")
                 for number, words in _lines(text)
                 if name != FILE and len(words) >= 4 and words[0] == "iface" and words[1] == rack.interface
                 and words[2] == "inet" and words[3] != "manual")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if (words := line.split()) and not words[0].startswith("#"):
            yield number, words


def objections(rack: Rack, facts: Facts) -> tuple[Objection, ...]:
    """Return the stanzas that are in the way, and that our file would not be read."""
    found = [Objection("InterfaceTaken", f"{where} configures {rack.interface} too",
                       f"remove that stanza (`iface {rack.interface} inet ...`), or make its method `manual`")
             for where in stanzas(rack, facts)]
    main = facts.texts.get(MAIN, "")
    sources = [words[1] for _, words in _lines(main) if len(words) > 1 and words[0].startswith("source")]
    if not any("interfaces.d" in source for source in sources):
        found.append(Objection("SettingsNotRead", f"{rack.etc_dir / MAIN} does not read interfaces.d",
                               f"add the line `source {rack.etc_dir}/network/interfaces.d/*` to it"))
    return tuple(found)


def up(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Take the interface down, as far as ifupdown knows of it, and up again with the new stanza."""
    if rack.interface not in facts.links:
        return ()
    return (Command(argv=("ifdown", "--force", rack.interface), optional=True),
            Command(argv=("ifup", rack.interface)))


def down(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Take the address away; ifupdown has no stanza for it any more."""
    del facts
    return (Command(argv=("ifdown", "--force", rack.interface), optional=True),
            Command(argv=("ip", "address", "del", str(rack.address), "dev", rack.interface), optional=True))


def asks_names(rack: Rack, facts: Facts) -> bool:
    """By resolvconf, or by the hook."""
    return rack.resolve_names and ("resolvconf" in facts.programs or _needs_hook(rack, facts))
