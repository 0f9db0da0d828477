"""`edge-agent --config FILE [--check]`: joins the node to its master, then runs the agent until it is told to stop.

Stopping leaves all pods running; the next agent adopts them.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import ipaddress
import os
import socket
import ssl
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge import config, ids, logs
from edge.agent import enrol, eviction, image_gc, loop, machine, node_status, node_watch
from edge.agent import names as pod_names
from edge.agent.board import Board
from edge.agent.card import Card
from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.devices import Rule
from edge.agent.disk_use import DiskUse
from edge.agent.engine_keeper import EngineKeeper
from edge.agent.identity import JoinError
from edge.agent.image_keeper import ImageKeeper
from edge.agent.log_keeper import LogKeeper
from edge.agent.log_rotation import Limits
from edge.agent.policy import Policy, maps_volumes
from edge.agent.pressure import Pressure
from edge.agent.sampling import Sampler
from edge.agent.static_folder import StaticFolder
from edge.agent.streams import StreamServer
from edge.agent.system_oom import SystemOom
from edge.agent.taints import parse_taint
from edge.agent.volume_keeper import VolumeKeeper
from edge.api import topology
from edge.bus import messages, topics
from edge.bus.mqtt import MqttBus
from edge.bus.mqtt import Settings as BusSettings
from edge.clock import Clock, SystemClock
from edge.component import Supervisor, until_told_to_stop
from edge.network import names
from edge.network.dns import NameServer
from edge.network.linux import LinuxNetwork
from edge.runtime.podman import Podman
from edge.runtime.podman_care import PodmanCare

if TYPE_CHECKING:
    from edge.agent.settings import Settings

DEFAULT_CONFIG = Path("/etc/edge/agent.toml")
SILENCE_SECONDS = 15.0
LONGEST_SILENCE_SECONDS = 120.0
LOOK_SECONDS = 5.0
SIOCGIFADDR = 0x8915

log = logs.get("agent")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="edge-agent", description="Run this node's pods.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"settings (default {DEFAULT_CONFIG})")
    parser.add_argument("--check", action="store_true", help="read the settings, say what is wrong, and exit")
    options = parser.parse_args(arguments)
    try:
        settings: Settings = config.load_apart(options.config, "edge.agent.settings", "Settings")
    except config.ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.check:
        sys.stdout.write(f"{options.config}: good\n")
        return 0
    logs.configure(settings.log_level)
    try:
        alone = only_one(settings.run_dir)
    except OSError as error:
        sys.stderr.write(f"edge-agent: {error}\n")
        return 1
    with alone:
        asyncio.run(run(settings, SystemClock(), ids.SystemIds()))
    return 0


def only_one(run_dir: Path) -> TextIO:
    """Return a file that is locked until it is closed.

    Raises:
        OSError: another agent has it, or it cannot be made.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    file = (run_dir / "agent.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        whose = file.read(20).strip() or "unknown"
        file.close()
        raise OSError(f"another agent (process {whose}) uses {run_dir} on this node; stop it first") from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


async def run(settings: Settings, clock: Clock, chance: ids.Ids) -> None:
    """Join, run, and stop at SIGTERM or SIGINT; a signal while joining ends the program at once."""
    stop = asyncio.ensure_future(until_told_to_stop())
    work = asyncio.ensure_future(_serve(settings, clock, chance, stop))
    await asyncio.wait((stop, work), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        stop.cancel()
    await work


async def _serve(settings: Settings, clock: Clock, chance: ids.Ids, stop: asyncio.Future[None]) -> None:
    for directory in (settings.data_dir, settings.run_dir):
        directory.mkdir(parents=True, exist_ok=True)
    joining = enrol.Joining(node_name=settings.node_name, data_dir=settings.data_dir, server=settings.server,
                            api_port=settings.api_port, token_file=settings.bootstrap_token_file,
                            ca_cert_hash=settings.ca_cert_hash,
                            ca_cert_hash_file=settings.ca_cert_hash_file)
    enrolled = asyncio.ensure_future(enrol.join(joining, clock))
    await asyncio.wait((enrolled, stop), return_when=asyncio.FIRST_COMPLETED)
    if not enrolled.done():
        enrolled.cancel()
        return
    identity, boot_id = enrolled.result(), chance.uid()
    bus = MqttBus(_bus_settings(settings, identity, boot_id), clock, chance)
    runtime = Podman(str(settings.podman_socket), clock, log_max_bytes=settings.log_max_bytes)
    server = NameServer(_upstreams)

    def renamed(cluster: topology.Cluster, services: Mapping[str, topology.Service]) -> None:
        server.use(names.build(services.values(), cluster))

    agent = loop.Agent(_node(settings, identity), bus=bus, runtime=runtime, network=LinuxNetwork(),
                       checkpoint=Checkpoint(settings.data_dir, settings.run_dir / "agent",
                                             secrets_on_card=settings.secrets_on_card),
                       statuses=Statuses(settings.run_dir / "agent"),
                       clock=clock, boot_id=boot_id, topology_changed=renamed)
    images = _image_keeper(settings, runtime, clock, agent)
    disks = DiskUse(runtime, lambda: agent.around)
    sampler = Sampler(runtime, agent.pods, clock, settings.node_name, disks=disks, data_dir=str(settings.data_dir))
    pressure = _watch_pressure(settings, agent, runtime, sampler, disks, images, clock)
    agent.watch.ask(pressure)
    agent.pressures = pressure.holding
    streams = StreamServer(runtime, agent.pods, _stream_context(identity), clock, settings.node_name,
                           agent.images_changed, images.policy, sampler)
    log_keeper = _log_keeper(settings, clock, agent)
    log_keeper.prepare()
    supervisor = Supervisor(clock)
    await bus.start()
    _start_own(settings, agent, supervisor, clock)
    agent.start(supervisor)
    keeper = EngineKeeper(PodmanCare(str(settings.podman_socket), str(settings.storage_dir)), runtime, agent.watch,
                          agent.reporter, clock)
    supervisor.start("engine care", keeper.run)
    agent.watch.ask(Card(str(settings.data_dir)))
    supervisor.start("logs", log_keeper.run)
    supervisor.start("images", images.run)
    supervisor.start("pressure", pressure.run)
    supervisor.start("streams", lambda: _listen(streams, settings.listen_port))
    supervisor.start("names", lambda: _answer(agent, server))
    supervisor.start("master", lambda: _follow(joining, bus, clock))
    notify("READY=1")
    await stop
    notify("STOPPING=1")
    await supervisor.stop()
    await agent.stop()
    await bus.stop()
    await streams.stop()
    await server.stop()
    await runtime.close()


def _start_own(settings: Settings, agent: loop.Agent, supervisor: Supervisor, clock: Clock) -> None:
    """Start what the node knows by itself: its board with the devices on it, its static pods, its local volumes."""
    rules = [Rule(resource=name, paths=tuple(one.paths), share=one.share, together=one.together, enabled=one.enabled)
             for name, one in settings.devices.items()]
    board = Board(rules, agent.claims, agent.reporter, clock, changed=agent.devices_changed)
    agent.watch.ask(board)
    supervisor.start("board", board.run)
    statics = StaticFolder(settings.static_pod_dir, settings.node_name, settings.run_dir / "agent", agent.pods,
                           agent.reporter, clock)
    agent.awaited.append(statics.known)
    supervisor.start("static pods", statics.run)
    supervisor.start("volumes", _volume_keeper(settings, clock, agent).run)


def _watch_pressure(settings: Settings, agent: loop.Agent, runtime: Podman, sampler: Sampler, disks: DiskUse,
                    images: ImageKeeper, clock: Clock) -> Pressure:
    return Pressure(
        lambda: agent.watch.node.given, str(settings.data_dir), pods=agent.pods, runtime=runtime,
        reporter=agent.reporter, sampler=sampler, disks=disks, clock=clock, changed=agent.watch.look,
        groups=agent.groups, reclaims=(images,), ooms=SystemOom())


def _image_keeper(settings: Settings, runtime: Podman, clock: Clock, agent: loop.Agent) -> ImageKeeper:
    policy = image_gc.Policy(settings.image_gc_high_percent, settings.image_gc_low_percent,
                             settings.image_gc_min_age_seconds, settings.pinned_images)

    def tell(reason: str, message: str) -> None:
        agent.reporter.event(None, reason=reason, message=message, type="Warning")

    return ImageKeeper(runtime, clock, policy, tell, agent.images_changed, agent.disk_full)


def _log_keeper(settings: Settings, clock: Clock, agent: loop.Agent) -> LogKeeper:
    limits = Limits(max_bytes=settings.log_max_bytes, max_files=settings.log_max_files,
                    total_bytes=settings.logs_max_bytes, memory_bytes=settings.logs_memory_bytes)
    return LogKeeper(str(settings.log_dir), str(settings.run_dir / "logs"), limits, clock, agent.pods.views)


def _volume_keeper(settings: Settings, clock: Clock, agent: loop.Agent) -> VolumeKeeper:
    keeper = VolumeKeeper(settings.volumes_dir, settings.removed_volumes_seconds, agent.reporter, clock,
                          lambda: (worker.state.desired for worker in agent.pods.all()))
    agent.hears["desired/volumes"] = keeper.receive
    return keeper


async def _listen(streams: StreamServer, port: int) -> None:
    await streams.start(port=port)
    await asyncio.Event().wait()


async def _answer(agent: loop.Agent, server: NameServer) -> None:
    """Answer names once the node has the cluster's address for that."""
    await agent.networked.wait()
    await server.stop()
    await server.start(agent.dns_address)
    await asyncio.Event().wait()


async def _follow(joining: enrol.Joining, bus: MqttBus, clock: Clock) -> None:
    """Look for the master anew when the bus has been silent for a while: it may have got another address."""
    silent_since, patience = clock.monotonic(), SILENCE_SECONDS
    while True:
        await clock.sleep(LOOK_SECONDS)
        if bus.connected:
            silent_since, patience = clock.monotonic(), SILENCE_SECONDS
        elif not joining.server and clock.monotonic() - silent_since >= patience:
            # Each search costs a program's start: a master that is away for days is looked for less and less often.
            patience = min(patience * 2, LONGEST_SILENCE_SECONDS)
            try:
                master = await enrol.find(joining)
            except JoinError:
                silent_since = clock.monotonic()
                continue
            if master != enrol.remembered(joining.data_dir):
                log.info("the master has moved", address=master.address)
                enrol.remember(joining.data_dir, master)
            bus.move(master.address)
            silent_since = clock.monotonic()


def _bus_settings(settings: Settings, identity: enrol.Identity, boot_id: str) -> BusSettings:
    known = enrol.remembered(settings.data_dir)
    lost = messages.NodeState(boot_id=boot_id, sequence=0, state="lost")
    return BusSettings(
        host=settings.server or (known.address if known else ""), port=settings.bus_port,
        client_id=settings.node_name, ssl_context=enrol.context(identity),
        will_topic=topics.state(settings.node_name), will_payload=messages.encode(lost),
        subscriptions=topics.agent_subscriptions(settings.node_name))


def _node(settings: Settings, identity: enrol.Identity) -> node_watch.Node:
    def address() -> str:
        known = enrol.remembered(settings.data_dir)
        towards = settings.server or (known.address if known else "")
        if settings.node_address:
            return settings.node_address
        return interface_address(settings.interface) if settings.interface else default_address(towards)

    return node_watch.Node(
        given=node_status.Given(name=settings.node_name, address=address(), port=settings.listen_port,
                                cpu_milli=settings.cpu_milli, memory_bytes=settings.memory_bytes,
                                labels=settings.labels, max_pods=settings.max_pods, reserved=settings.reserved,
                                eviction=_eviction(settings)),
        pods_have_groups=settings.cgroups_per_qos, pod_pids_limit=settings.pod_pids_limit,
        least_oom_score=machine.least_oom_score(),
        find_address=address, data_dir=str(settings.data_dir), run_dir=str(settings.run_dir),
        log_dir=str(settings.log_dir),
        cgroup_parent=settings.cgroup_parent, heartbeat_seconds=settings.heartbeat_seconds,
        taints=tuple(parse_taint(text) for text in settings.taints), ca_pem=identity.ca.read_text(),
        parallel_pulls=settings.parallel_pulls,
        policy=Policy(seccomp_dir=str(settings.seccomp_dir or settings.data_dir / "seccomp"),
                      seccomp_default=settings.seccomp_default,
                      allowed_unsafe_sysctls=settings.allowed_unsafe_sysctls,
                      runtime_handlers=settings.runtime_handlers, app_armor=machine.enforces_app_armor(),
                      user_namespaces=maps_volumes(os.uname().release)))


def _eviction(settings: Settings) -> eviction.Rules:
    return eviction.rules(
        settings.eviction_hard, settings.eviction_soft, settings.eviction_soft_grace_seconds,
        settings.eviction_minimum_reclaim, transition_seconds=settings.eviction_transition_seconds,
        max_pod_grace_seconds=settings.eviction_max_pod_grace_seconds)


def _stream_context(identity: enrol.Identity) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(identity.ca))
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(identity.certificate, identity.key)
    return made


def _upstreams() -> tuple[str, ...]:
    """The node's own name servers; 10.96.0.10 would be ourselves."""
    try:
        servers, _, _ = pod_names.parse(Path("/etc/resolv.conf").read_text())
    except OSError:
        return ()
    own = ipaddress.ip_network("10.96.0.0/12")
    return tuple(server for server in servers if _is_ipv4(server) and ipaddress.ip_address(server) not in own)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def interface_address(name: str) -> str:
    """Return the IPv4 address of an interface, empty when it has none."""
    if not name:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def default_address(towards: str = "") -> str:
    """Return the address this node has towards the master, or by its default route; nothing is sent."""
    for target in (towards, "192.0.2.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                if target:
                    probe.connect((target, 9))
                    return str(probe.getsockname()[0])
            except OSError:
                continue
    return ""


def notify(state: str) -> None:
    """Tell systemd how the program is, when systemd asked for that (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        try:
            telling.connect("\0" + path[1:] if path.startswith("@") else path)
            telling.sendall(state.encode())
        except OSError as error:
            log.warning("systemd cannot be told", reason=error)


if __name__ == "__main__":
    sys.exit(main())
