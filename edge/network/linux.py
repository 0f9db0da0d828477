"""This node's kernel through iproute2 and nft: pod namespaces, the bridge, routes and our nftables table.

Both are started as child processes with one batch each: that costs a pod's start a few milliseconds and spares every
node the memory of a netlink library. Everything of ours is found again by its name: namespaces `edge-<uid>`, links
`edge…`, routes of protocol 237, the table `ip edge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from pathlib import Path

from edge.network.interface import Links, NetworkFailure, RoutesFailure, Sandbox
from edge.network.ruleset import TABLE

BRIDGE = "edge0"
PREFIX = "edge-"
ROUTE_PROTOCOL = "237"
NAMESPACES = Path("/run/netns")
LINKS = Path("/proc/sys/net/ipv4/conf")
"""Names every link of the namespace we are in; /sys/class/net shows the one it was mounted in."""
SYSCTLS = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/send_redirects": "0"}
POD_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
"""A pod is alone in its namespace: its programs need no rights for port 80 and for ping."""
TOOL_SECONDS = 60.0
"""How long a tool may take: one that hangs must not stop the node's network for good."""
KILLED_SECONDS = 5.0
SET_SYSCTLS = 'while [ $# -gt 0 ]; do printf "%s\\n" "$2" >"/proc/sys/$1" || exit 1; shift 2; done'


class LinuxNetwork:
    """Implements `edge.network.interface.Network` on the namespace this process runs in."""

    def __init__(self) -> None:
        self._known: dict[str, Sandbox] | None = None
        self._ruleset = ""

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        return tuple((await self._sandboxes()).values())

    async def attach(self, pod_uid: str, address: str, prefix_length: int, gateway: str,
                     sysctls: tuple[tuple[str, str], ...] = ()) -> Sandbox:
        known = await self._sandboxes()
        if pod_uid in known:
            return known[pod_uid]
        name, link = PREFIX + pod_uid, link_name(pod_uid)
        await self._remove(pod_uid)
        try:
            await _run("ip", "netns", "add", name)
            await _run(*_inside(name), "sh", "-c", SET_SYSCTLS, "sh", *_settings(dict(sysctls)))
            await self._attach(name, link, address, prefix_length, gateway)
        except NetworkFailure:
            # Nobody would take a half made one away when the pod is deleted before the next attempt.
            await self._remove(pod_uid)
            raise
        sandbox = known[pod_uid] = Sandbox(pod_uid, str(NAMESPACES / name), address)
        return sandbox

    async def _attach(self, name: str, link: str, address: str, prefix_length: int, gateway: str) -> None:
        await _run("ip", "-batch", "-", text=(
            f"link add name {link} type veth peer name eth0 netns {name}\n"
            f"link set dev {link} master {BRIDGE} up\n"
            # Where br_netfilter is loaded, a service's packets to the pod they come from are bridged, not routed.
            f"link set dev {link} type bridge_slave hairpin on\n"))
        await _run(*_inside(name), "ip", "-batch", "-", text=(
            f"link set dev lo up\naddress add {address}/{prefix_length} dev eth0\nlink set dev eth0 up\n"
            f"route add default via {gateway} dev eth0 onlink\n"))

    async def detach(self, pod_uid: str) -> None:
        await self._remove(pod_uid)
        (await self._sandboxes()).pop(pod_uid, None)

    async def apply_links(self, links: Links) -> None:
        for name, value in SYSCTLS.items():
            _sysctl(name, value)
        if not Path(LINKS, BRIDGE).exists():
            # A fixed hardware address: otherwise it changes with every pod that comes or goes.
            await _run("ip", "link", "add", BRIDGE, "address", hardware_address(links.bridge_address), "type", "bridge")
        await _run("ip", "-batch", "-", text=(
            f"address replace {links.bridge_address} dev {BRIDGE}\nlink set dev {BRIDGE} up\n"
            f"address replace {links.dns_address}/32 dev lo\n"))
        await self._drop_other_addresses(links.bridge_address)
        _sysctl(f"net/ipv4/conf/{BRIDGE}/send_redirects", "0")
        wanted = {route.destination: route.gateway for route in links.routes}
        existing = {route["dst"]: route.get("gateway", "")
                    for route in json.loads(await _run("ip", "-j", "-4", "route", "show", "proto", ROUTE_PROTOCOL))}
        lines = [f"route del {destination} proto {ROUTE_PROTOCOL}\n" for destination in existing
                 if destination not in wanted]
        lines += [f"route replace {destination} {f'via {gateway}' if gateway else f'dev {BRIDGE}'} proto "
                  f"{ROUTE_PROTOCOL}\n"
                  for destination, gateway in wanted.items() if existing.get(destination) != gateway]
        if lines:
            try:
                await _run("ip", "-force", "-batch", "-", text="".join(lines))
            except NetworkFailure as error:
                raise RoutesFailure(str(error)) from error

    async def apply_ruleset(self, ruleset: str) -> None:
        # Another program may have flushed all tables; loading ours anew without need would forget affinities.
        if ruleset == self._ruleset and f"table ip {TABLE}\n" in await _run("nft", "list", "tables", "ip"):
            return
        await _run("nft", "-f", "-", text=ruleset)
        self._ruleset = ruleset

    async def _drop_other_addresses(self, wanted: str) -> None:
        """Remove bridge addresses of an earlier subnet: a node that joined another rack."""
        shown = json.loads(await _run("ip", "-j", "-4", "address", "show", "dev", BRIDGE))
        for entry in (entry for link in shown for entry in link.get("addr_info", [])):
            address = f"{entry['local']}/{entry['prefixlen']}"
            if address != wanted:
                await _run("ip", "address", "del", address, "dev", BRIDGE)

    async def _sandboxes(self) -> dict[str, Sandbox]:
        """Return what exists: read from the kernel once, then kept by attach and detach, less what others removed."""
        if self._known is None:
            found: dict[str, Sandbox] = {}
            for path in sorted(NAMESPACES.glob(PREFIX + "*")) if NAMESPACES.is_dir() else ():
                uid = path.name.removeprefix(PREFIX)
                if address := await _address_in(path.name):
                    found[uid] = Sandbox(uid, str(path), address)
                else:
                    await self._remove(uid)
            self._known = found
        for uid in [uid for uid, sandbox in self._known.items() if not Path(sandbox.netns_path).exists()]:
            del self._known[uid]  # Somebody took it away.
        return self._known

    async def _remove(self, pod_uid: str) -> None:
        link = link_name(pod_uid)
        if Path(LINKS, link).exists():
            await _run("ip", "link", "del", "dev", link)
        if (NAMESPACES / (PREFIX + pod_uid)).exists():
            await _run("ip", "netns", "del", PREFIX + pod_uid)


def link_name(pod_uid: str) -> str:
    """Return the name of the node's end of a pod's link (at most 15 letters)."""
    return "edge" + hashlib.sha256(pod_uid.encode()).hexdigest()[:11]


def hardware_address(address: str) -> str:
    """Return a locally administered hardware address made of an IPv4 address: 10.244.1.1 -> 0a:58:0a:f4:01:01."""
    return "0a:58:" + ":".join(f"{int(part):02x}" for part in address.split("/")[0].split("."))


def _inside(namespace: str) -> tuple[str, ...]:
    """Return what a tool is started with inside a namespace."""
    # `ip -n` and `ip netns exec` make a mount namespace for each call: costly, and not allowed to this program.
    return ("nsenter", f"--net={NAMESPACES / namespace}")


async def _address_in(namespace: str) -> str:
    try:
        shown = json.loads(await _run(*_inside(namespace), "ip", "-j", "-4", "address", "show", "dev", "eth0"))
    except NetworkFailure:
        return ""  # half made: the agent died between its steps
    entries = [entry for link in shown for entry in link.get("addr_info", [])]
    return str(entries[0]["local"]) if entries else ""


def _settings(sysctls: dict[str, str]) -> tuple[str, ...]:
    """Return the files of a new namespace and what goes into them; in a name with dots, a slash is a dot of a part."""
    names = str.maketrans("./", "/.")
    return tuple(word for name, value in (POD_SYSCTLS | sysctls).items() for word in (name.translate(names), value))


def _sysctl(name: str, value: str) -> None:
    path = Path("/proc/sys", name)
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except OSError as error:
        raise NetworkFailure(f"cannot set {name.replace('/', '.')} to {value}: {error}") from error


async def _run(*argv: str, text: str = "") -> str:
    """Run a tool with `text` as its input and return what it printed. Raises NetworkFailure with its words."""
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE,
                                                       stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    except OSError as error:
        raise NetworkFailure(f"{argv[0]} cannot be started: {error}") from error
    try:
        async with asyncio.timeout(TOOL_SECONDS):
            output, errors = await process.communicate(text.encode())
    except TimeoutError as error:
        raise NetworkFailure(f"`{' '.join(argv)}` did not end within {TOOL_SECONDS:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                process.kill()
                async with asyncio.timeout(KILLED_SECONDS):
                    await process.wait()
    if process.returncode != 0:
        raise NetworkFailure(f"`{' '.join(argv)}`: {errors.decode(errors='replace').strip()}")
    return output.decode() or "[]"
