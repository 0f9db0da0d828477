"""`edge-agent --config FILE [--check]`: joins the node to its master, then runs the agent until it is told to stop.

Stopping leaves all pods running; the next agent adopts them.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import fcntl
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge import config, ids, logs, notify
from edge.agent import checkpoint, identity_files, loop, masters, membership, node_settings
from edge.agent.addresses import upstreams
from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.identity import JoinError
from edge.agent.identity_files import Identity, Joining
from edge.agent.parts import Parts
from edge.agent.renewal import Renewal
from edge.agent.streams import StreamServer
from edge.api import topology
from edge.bus import messages, topics
from edge.bus.mqtt import MqttBus
from edge.bus.mqtt import Settings as BusSettings
from edge.clock import Clock, SystemClock
from edge.component import Supervisor, until_told_to_stop
from edge.network import names
from edge.network.dns import NameServer
from edge.network.linux import LinuxNetwork
from edge.pki import clock_floor
from edge.runtime.podman import Podman
from edge.runtime.podman_care import PodmanCare

if TYPE_CHECKING:
    from edge.agent.settings import Settings

DEFAULT_CONFIG = Path("/etc/edge/agent.toml")
SILENCE_SECONDS = 15.0
LONGEST_SILENCE_SECONDS = 120.0
LOOK_SECONDS = 5.0
STUCK_SECONDS = 150.0
"""A look waits half a minute for an engine that hangs, and a part that failed is started again after half a minute."""

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
    clock_floor.raise_clock(SystemClock())
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
    work = asyncio.ensure_future(_be_nodes(settings, clock, chance, stop))
    await asyncio.wait((stop, work), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        stop.cancel()
    await work


async def _be_nodes(settings: Settings, clock: Clock, chance: ids.Ids, stop: asyncio.Future[None]) -> None:
    """Be one node until told to stop; whoever gets another name or identity meanwhile begins anew as that."""
    while not stop.done():
        await _serve(settings, clock, chance, stop)


async def _serve(settings: Settings, clock: Clock, chance: ids.Ids, stop: asyncio.Future[None]) -> None:
    for directory in (settings.data_dir, settings.run_dir):
        directory.mkdir(parents=True, exist_ok=True)
    joining = Joining(node_name=settings.node_name, data_dir=settings.data_dir, server=settings.server,
                      serial=settings.board_serial,
                      api_port=settings.api_port, token_file=settings.bootstrap_token_file,
                      ca_cert_hash=settings.ca_cert_hash,
                      ca_cert_hash_file=settings.ca_cert_hash_file,
                      interface=settings.interface, announced=settings.announce)
    identity = await _join(joining, clock, stop)
    if identity is None:
        return
    boot_id, settings = chance.uid(), _named(settings, identity.name)
    contexts = identity_files.context(identity), _stream_context(identity)
    renewal = Renewal(joining, identity.name, contexts, clock, lambda reason, message: agent.reporter.event(
        None, reason=reason, message=message), boot_id=boot_id, chance=chance)
    bus = MqttBus(_bus_settings(settings, contexts[0], boot_id, renewal), clock, chance)
    runtime = Podman(str(settings.podman_socket), clock, log_max_bytes=settings.log_max_bytes)
    server = NameServer(upstreams)

    def renamed(cluster: topology.Cluster, services: Mapping[str, topology.Service]) -> None:
        server.use(names.build(services.values(), cluster))

    agent = loop.Agent(node_settings.node(settings, identity), bus=bus, runtime=runtime, network=LinuxNetwork(),
                       checkpoint=Checkpoint(settings.data_dir, settings.run_dir / "agent",
                                             secrets_on_card=settings.secrets_on_card),
                       statuses=Statuses(settings.run_dir / "agent"),
                       clock=clock, boot_id=boot_id, topology_changed=renamed)
    parts = Parts(settings, agent, runtime, PodmanCare(str(settings.podman_socket), str(settings.storage_dir)), clock)
    streams = StreamServer(runtime, agent.pods, contexts[1], clock, settings.node_name,
                           agent.images_changed, parts.images.policy, parts.sampler)
    supervisor = Supervisor(clock)
    await bus.start()
    agent.start(supervisor)
    for name, run in parts.running:
        supervisor.start(name, run)
    supervisor.start("streams", lambda: _listen(streams, settings.listen_port))
    supervisor.start("names", lambda: _answer(agent, server))
    supervisor.start("master", lambda: _follow(joining, bus, clock))
    supervisor.start("renewal", renewal.run)
    supervisor.start("watchdog", lambda: notify.keep_watchdog(
        clock, lambda: stuck(clock.monotonic(), agent.watch.looked_at)))
    notify.status(f"node {settings.node_name} runs its pods")
    over = asyncio.ensure_future(renewal.over.wait())
    await asyncio.wait((stop, over), return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    if stop.done():
        notify.tell("STOPPING=1")
    await supervisor.stop()
    await agent.stop()
    await bus.stop()
    await streams.stop()
    await server.stop()
    await runtime.close()
    if renewal.is_foreign:
        identity_files.forget(joining)
        checkpoint.forget(settings.data_dir, settings.run_dir / "agent")


def _named(settings: Settings, name: str) -> Settings:
    """Return the settings with the name the certificate gives the node."""
    if settings.node_name == name:
        return settings
    changed = copy.copy(settings)
    changed.__dict__["node_name"] = name
    return changed


async def _join(joining: Joining, clock: Clock, stop: asyncio.Future[None]) -> Identity | None:
    """Return the node's identity, or None when the program is told to stop first."""
    # A node may have to wait for its master for days: that is no failed start, and nobody has to wait for it.
    notify.tell("READY=1")
    notify.status(f"node {joining.node_name} has no identity yet, or a broken one: looks for its master to join")
    alive = asyncio.ensure_future(notify.keep_watchdog(clock))
    enrolled = asyncio.ensure_future(membership.join(joining, clock))
    try:
        await asyncio.wait((enrolled, stop), return_when=asyncio.FIRST_COMPLETED)
        return enrolled.result() if enrolled.done() else None
    finally:
        enrolled.cancel()
        alive.cancel()


def stuck(now: float, looked_at: float) -> str:
    """Return why the agent does not count as alive, empty when it does; times are monotonic."""
    silent = now - looked_at
    return f"the last look at the node was {silent:.0f} s ago" if silent > STUCK_SECONDS else ""


async def _listen(streams: StreamServer, port: int) -> None:
    await streams.start(port=port)
    await asyncio.Event().wait()


async def _answer(agent: loop.Agent, server: NameServer) -> None:
    """Answer names once the node has the cluster's address for that."""
    await agent.networked.wait()
    await server.stop()
    await server.start(agent.dns_address)
    await asyncio.Event().wait()


async def _follow(joining: Joining, bus: MqttBus, clock: Clock) -> None:
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
                master = await masters.find(joining)
            except JoinError:
                silent_since = clock.monotonic()
                continue
            if master != masters.remembered(joining.data_dir):
                log.info("the master has moved", address=master.address)
                masters.remember(joining.data_dir, master)
            bus.move(master.address)
            silent_since = clock.monotonic()


def _bus_settings(settings: Settings, context: ssl.SSLContext, boot_id: str, renewal: Renewal) -> BusSettings:
    known = masters.remembered(settings.data_dir)
    lost = messages.NodeState(boot_id=boot_id, sequence=0, state="lost")
    return BusSettings(
        host=settings.server or (known.address if known else ""), port=settings.bus_port,
        client_id=settings.node_name, ssl_context=context, until_alone=renewal.until_alone,
        will_topic=topics.state(settings.node_name), will_payload=messages.encode(lost),
        subscriptions=topics.agent_subscriptions(settings.node_name))


def _stream_context(identity: Identity) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(identity.ca))
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(identity.certificate, identity.key)
    return made


if __name__ == "__main__":
    sys.exit(main())
