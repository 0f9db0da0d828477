"""What runs on each machine of the lab, and the files it reads: values and texts, nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.lab import topology
from edge.lab.topology import Lab, Machine, Service

PODMAN_SOCKET = "/run/podman/podman.sock"
CPU_MILLI = 2000
MEMORY_BYTES = 2 * 1024**3
# The machines share the disk of the one they run on: how full that is, is its owner's business.
EVICTION = '{ "memory.available" = "100Mi" }'


@dataclass(frozen=True, slots=True)
class File:
    """A file of a machine, made before it is switched on."""

    path: Path
    text: str
    mode: int = 0o644


def describe(lab: Lab, name: str, programs: Path) -> Machine:
    """Return the machine `name` of the book's rack with its programs, which are in the directory `programs`."""
    directory = lab.directory(name)
    services: tuple[Service, ...] = ()
    nameserver = topology.HOME_ROUTER
    search = ""
    if name == "home":
        services = _home(directory)
    elif name == "master":
        # As the rack's ground leaves it on a Pi: the master asks its own name server, which asks the home's.
        nameserver, search = topology.MASTER, topology.DOMAIN
        services = (*_ground(directory, programs), *_node(directory, programs))
    elif name in topology.WORKERS:
        nameserver = topology.MASTER
        services = (_dhcp_client(name, directory), *_node(directory, programs))
    return Machine(name=name, links=topology.links(name), nameserver=nameserver, search=search,
                   services=services)


def _home(directory: Path) -> tuple[Service, ...]:
    """The home router is "the internet": a name server and a small web server."""
    return (
        Service(name="dns", argv=("dnsmasq", "--keep-in-foreground", f"--conf-file={directory / 'etc/dnsmasq.conf'}",
                                  "--user=root", "--pid-file=", "--log-facility=-")),
        Service(name="http", argv=("busybox", "httpd", "-f", "-p", "80", "-h", str(directory / "www"))),
    )


def _ground(directory: Path, programs: Path) -> tuple[Service, ...]:
    """The master's own: the rack's network, DHCP, the broker and the control plane."""
    rack = directory / "etc" / "rack"
    return (
        Service(name="edge-rack", once=True,
                argv=(str(programs / "edge-rack"), "apply", "--config", str(directory / "etc/rack.toml")),
                watch=(str(directory / "etc/rack.toml"), str(directory / "data/server/rack"))),
        Service(name="dnsmasq",
                argv=(str(programs / "edge-rack"), "serve-dhcp", "--config", str(directory / "etc/rack.toml")),
                watch=(str(rack / "dnsmasq.conf"),), reload=(str(rack / "dhcp-hosts"),)),
        Service(name="mosquitto", argv=("mosquitto", "-c", str(rack / "mosquitto.conf")),
                watch=(str(rack / "mosquitto.conf"),)),
        Service(name="edge-server",
                argv=(str(programs / "edge-server"), "--config", str(directory / "etc/server.toml"))),
    )


def _node(directory: Path, programs: Path) -> tuple[Service, ...]:
    return (
        Service(name="podman", argv=("podman", "system", "service", "--time=0", f"unix://{PODMAN_SOCKET}")),
        Service(name="edge-agent",
                argv=(str(programs / "edge-agent"), "--config", str(directory / "etc/agent.toml"))),
    )


def _dhcp_client(name: str, directory: Path) -> Service:
    return Service(name="udhcpc", argv=("busybox", "udhcpc", "-f", "-i", "eth0", "-t", "3", "-T", "1", "-A", "1",
                                        "-x", f"hostname:{name}", "-s", str(directory / "etc/udhcpc.script")))


def files(lab: Lab, name: str, storage_driver: str) -> tuple[File, ...]:
    """Return the files the machine starts with. Secrets (token, kubeconfig) are put there when they exist."""
    etc = lab.directory(name) / "etc"
    storage = (File(etc / "containers.conf", _CONTAINERS_CONF),
               File(etc / "storage.conf", _storage(lab.directory(name) / "data/containers", storage_driver)),
               File(etc / "registries.conf", _REGISTRIES_CONF))
    match name:
        case "home":
            return (File(etc / "dnsmasq.conf", _HOME_DNS),
                    File(lab.directory(name) / "www/index.html", "hello from the internet\n"))
        case "laptop":
            return storage
        case "master":
            return (*storage, File(etc / "rack.toml", _rack(lab)), File(etc / "server.toml", _server(lab)),
                    File(etc / "agent.toml", _agent(lab, name)))
        case _:
            return (*storage, File(etc / "udhcpc.script", _UDHCPC, 0o755), File(etc / "agent.toml", _agent(lab, name)))


_HOME_DNS = f"""interface=br0
bind-interfaces
except-interface=lo
no-resolv
no-hosts
domain-needed
local=/home/
host-record=router.home,internet.home,{topology.HOME_ROUTER}
host-record=registry.home,{topology.HOME_ROUTER}
host-record=master.home,{topology.MASTER_UPLINK}
host-record=laptop.home,{topology.LAPTOP}
"""

# Equal soft and hard limits: Podman 4.3 swaps them for containers made through its API.
_CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
lock_type = "file"
# Every exec leaves a monitor behind for this many seconds (300 by default); probes would pile them up.
exit_command_delay = 10
"""

# Whoever runs a registry at home for a try has no certificate for it.
_REGISTRIES_CONF = """[[registry]]
location = "registry.home:5000"
insecure = true
"""

# /etc/resolv.conf is written in place: it is a bind mount of the machine's own file.
_UDHCPC = """#!/bin/sh
case "$1" in
  deconfig) busybox ip link set "$interface" up ;;
  bound|renew)
    busybox ip address replace "$ip/${mask:-24}" dev "$interface"
    for other in $(busybox ip -o -4 address show dev "$interface" | busybox awk '{print $4}'); do
      [ "$other" = "$ip/${mask:-24}" ] || busybox ip address del "$other" dev "$interface"
    done
    [ -z "$router" ] || busybox ip route replace default via "${router%% *}" dev "$interface"
    { [ -z "$domain" ] || echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } \
      > /etc/resolv.conf ;;
esac
"""


def _storage(root: Path, driver: str) -> str:
    return f'[storage]\ndriver = "{driver}"\ngraphroot = "{root}"\nrunroot = "/run/containers/storage"\n'


def _rack(lab: Lab) -> str:
    directory = lab.directory("master")
    return f"""address = "{topology.MASTER}/24"
interface = "eth0"
uplink = "wlan0"
manager = "none"
names = ["master.home", "{topology.MASTER_UPLINK}"]
broker_user = "root"
server_user = "root"
pki_dir = "{directory / 'data/pki'}"
state_dir = "{directory / 'data/rack'}"
config_dir = "{directory / 'etc/rack'}"
etc_dir = "{directory / 'etc'}"
wishes_dir = "{directory / 'data/server/rack'}"

[dhcp]
upstream_dns = ["{topology.HOME_ROUTER}"]
"""


def _server(lab: Lab) -> str:
    directory = lab.directory("master")
    return f"""data_dir = "{directory / 'data/server'}"
pki_dir = "{directory / 'data/pki'}"
advertise_address = "{topology.MASTER}"

[bus]
host = "{topology.MASTER}"

[discovery]
interfaces = ["{topology.MASTER}"]

[rack]
state_dir = "{directory / 'data/rack'}"
wishes_dir = "{directory / 'data/server/rack'}"
"""


def _agent(lab: Lab, name: str) -> str:
    directory = lab.directory(name)
    master = name == "master"
    taints = '["node-role.kubernetes.io/master:NoSchedule"]' if master else "[]"
    role = '"node-role.kubernetes.io/master" = ""\n"node-role.kubernetes.io/control-plane" = ""\n' if master else ""
    return f"""node_name = "{name}"
board_serial = "{lab.prefix}-{name}"
interface = "eth0"
data_dir = "{directory / 'data/agent'}"
log_dir = "{directory / 'log/pods'}"
static_pod_dir = "{directory / 'etc/manifests'}"
podman_socket = "{PODMAN_SOCKET}"
storage_dir = "{directory / 'data/containers'}"
bootstrap_token_file = "{directory / 'etc/bootstrap-token'}"
ca_cert_hash_file = "{directory / 'etc/ca-cert-hash'}"
cgroup_parent = "{lab.cgroup(name)}"
cpu_milli = {CPU_MILLI}
memory_bytes = {MEMORY_BYTES}
eviction_hard = {EVICTION}
taints = {taints}

[labels]
{role}"""
