"""The program `edge-server`: reads the settings, wires the parts together, and runs until it is told to stop.

Every foreseeable failure at the start ends with one sentence on standard error and exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge import component, config, logs, notify
from edge.api import meta
from edge.apiserver import admission_kinds, audit_log, http, local, metrics_text
from edge.apiserver.authenticate import User
from edge.bridge import loop as bridge_loop
from edge.bridge import surroundings
from edge.bus import mqtt
from edge.client import cache
from edge.clock import Clock, SystemClock
from edge.controllers import loop as controllers_loop
from edge.controllers import settings as controllers_settings
from edge.ids import Ids, SystemIds
from edge.pki import clock_floor, names, tokens
from edge.scheduler import loop as scheduler_loop
from edge.server import (
    accounts,
    announcing,
    bootstrap_tokens,
    certificates,
    essentials,
    ground,
    loop,
    node_identities,
    numbers,
    renewals,
    revocations,
)
from edge.server.allowance import Allowance
from edge.store import interface as store_interface
from edge.store import sqlite

if TYPE_CHECKING:
    from edge.server.settings import ServerSettings

PKI_FILES = ("ca.crt", "ca.key", "server.crt", "server.key", "edge-server.crt", "edge-server.key", "sa.key")
STORE_FILE = "store.db"
USERS_CA = "users.crt"
"""Made by edge-rack; a rack of an older version goes on without it."""

log = logs.get("server")


class StartError(Exception):
    """The server cannot start; the text is the whole story for whoever started it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of the surroundings has found in order."""

    settings: ServerSettings
    client_ssl: ssl.SSLContext
    """Identity `system:edge-server`, for the broker and the agents."""
    token: tokens.BootstrapToken | None


def check(settings: ServerSettings) -> Checked:
    """Look whether everything the server needs is there. Raises StartError."""
    pki = settings.pki_dir
    for name in PKI_FILES:
        try:
            (pki / name).read_bytes()
        except OSError as error:
            raise StartError(f"cannot read {pki / name}: {_words(error)} (edge-rack apply makes the keys and "
                             "certificates)") from error
    client_ssl = _client_context(pki)
    try:
        http.server_context(pki / "server.crt", pki / "server.key", pki / "ca.crt", pki / USERS_CA)
    except (ssl.SSLError, ValueError) as error:
        raise StartError(f"{pki / 'server.crt'} and {pki / 'server.key'} cannot be used: {_words(error)}") from error
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(f"cannot make {settings.data_dir}: {_words(error)}") from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise StartError(f"cannot write to {settings.data_dir}: permission denied")
    return Checked(settings, client_ssl, _token(settings.bootstrap_token_file))


async def run(checked: Checked, clock: Clock, ids: Ids, stop: asyncio.Event | None = None) -> None:
    """Run the control plane until SIGTERM, or until `stop` is set. Raises StartError."""
    settings = checked.settings
    async with AsyncExitStack() as stack:
        store = await _open_store(settings)
        stack.push_async_callback(store.close)
        keys = accounts.Accounts(settings.pki_dir / "sa.key", clock)
        announcer = announcing.Announcer(settings, settings.pki_dir / "ca.crt", clock)
        ready: list[bool] = []
        gauges: list[Callable[[], Sequence[metrics_text.Gauge]]] = []

        def unready() -> str:
            return "" if ready else "the caches are not filled yet"

        server = http.ApiServer(_api_settings(checked), store, clock, ids, verify_token=keys.verify,
                                sign_token=keys.sign, signing_keys=keys.keys,
                                checks={"caches": unready},
                                parts=lambda: {"scheduler": unready(), "controller-manager": unready(), "etcd-0": ""},
                                documents={**ground.documents(settings, clock), **announcer.documents()},
                                gauges=lambda: [gauge for read in gauges for gauge in read()])
        try:
            await server.start()
        except OSError as error:
            raise StartError(f"cannot listen on {settings.listen or '*'}:{settings.port}: {_words(error)}") from error
        stack.push_async_callback(server.stop)
        supervisor = component.Supervisor(clock)
        stack.push_async_callback(supervisor.stop)
        caches = _start_parts(checked, server, store, keys, supervisor, stack, clock, ids, gauges)
        if settings.discovery.enabled:
            supervisor.start("discovery", lambda: announcer.run(local.LocalClient(server.service), caches, ids))
        await caches.synced()
        ready.append(True)
        # What is there now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        notify.tell("READY=1")
        log.info("ready", port=server.port, revision=store.revision)
        await (stop.wait() if stop is not None else component.until_told_to_stop())
        notify.tell("STOPPING=1")
        log.info("stopping")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="edge-server", description="The control plane of a rack.")
    parser.add_argument("--config", type=Path, default=Path("/etc/edge/server.toml"), help="settings (TOML)")
    parser.add_argument("--check", action="store_true", help="check the settings and what they name, and exit")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    options = parser.parse_args(arguments)
    logs.configure(options.log_level)
    clock_floor.raise_clock(SystemClock())
    try:
        checked = check(config.load_apart(options.config, "edge.server.settings", "ServerSettings"))
        if not options.check:
            asyncio.run(run(checked, SystemClock(), SystemIds()))
    except (StartError, config.ConfigError) as error:
        sys.stderr.write(f"edge-server: {error}\n")
        return 1
    return 0


def _start_parts(checked: Checked, server: http.ApiServer, store: store_interface.Store, keys: accounts.Accounts,
                 supervisor: component.Supervisor, stack: AsyncExitStack, clock: Clock, ids: Ids,
                 gauges: list[Callable[[], Sequence[metrics_text.Gauge]]]) -> cache.SharedCaches:
    """Start every loop; the supervisor keeps them going."""
    settings = checked.settings
    client = local.LocalClient(server.service)
    caches = cache.SharedCaches(client, clock=clock, ids=ids, start=supervisor.start)
    bus = mqtt.MqttBus(mqtt.Settings(
        host=settings.bus.host or settings.advertise_address, port=settings.bus.port,
        client_id=f"edge-server-{ids.suffix(8)}", ssl_context=checked.client_ssl,
        subscriptions=bridge_loop.SUBSCRIPTIONS, see_retained=True), clock, ids)
    network = surroundings.Network(pod_cidr=settings.network.pod_cidr, service_cidr=settings.network.service_cidr,
                                   dns_address=settings.network.dns_address, domain=settings.network.domain)
    bridge = bridge_loop.Bridge(client, caches, bus, clock, ids, network=network, tokens=keys.of_pod)
    revoked = revocations.Revocations(caches, clock, pki_dir=settings.pki_dir, wishes_dir=settings.rack.wishes_dir,
                                      end=server.end_revoked)
    gauges.append(lambda: numbers.refused_on_the_bus(bridge.recipient.refused, bus.dropped))
    signing = certificates.Certificates(client, caches, clock, settings.pki_dir, ids=ids, revoked=revoked.keys,
                                        own_names=settings.names,
                                        listening=lambda: bridge.listening_since,
                                        silent_seconds=max(node_identities.SILENT_SECONDS,
                                                           settings.nodes.grace_seconds * 1.5))
    renewer = local.LocalClient(server.service, User(names.RENEWER_USER, (names.RENEWERS_GROUP,)))
    server.posts.heard[renewals.PATH] = renewals.Renewals(renewer, caches, clock, signing, Allowance()).answer

    async def run_bridge() -> None:
        await bus.start()
        try:
            await bridge.run()
        finally:
            await bus.stop()

    supervisor.start("essentials", lambda: loop.keep_essentials(client, _essentials(checked), clock))
    supervisor.start("storage class", lambda: loop.offer_storage(client, clock))
    supervisor.start("bridge", run_bridge)
    controlled = _controllers(settings, keys, bridge, clock)
    for name, run_part in (*controllers_loop.build(client, caches, clock, ids, controlled),
                           *scheduler_loop.build(client, caches, clock, ids)):
        supervisor.start(name, run_part)
    supervisor.start("revocations", revoked.run)
    supervisor.start("certificates", signing.run)
    supervisor.start("tokens", bootstrap_tokens.Tokens(client, clock).clean)
    for name, run_ground in ground.loops(settings, client, caches, clock, ids):
        supervisor.start(name, run_ground)
    supervisor.start("renewal", lambda: loop.keep_certificates(
        [settings.pki_dir / name for name in ("server.crt", "server.key", "edge-server.crt", "edge-server.key",
                                              USERS_CA)],
        lambda: _reload(checked, server), clock))
    supervisor.start("compaction", lambda: loop.compact(
        store, clock, every_seconds=settings.history_seconds, keep_revisions=settings.history_revisions))
    supervisor.start("watchdog", lambda: notify.keep_watchdog(clock))
    return caches


def _reload(checked: Checked, server: http.ApiServer) -> None:
    """Take up renewed certificates for new connections."""
    pki = checked.settings.pki_dir
    server.reload_certificate()
    # A pair that does not fit would leave the context without any: tried on another one first.
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pki / "edge-server.crt", pki / "edge-server.key")
    checked.client_ssl.load_cert_chain(pki / "edge-server.crt", pki / "edge-server.key")


def _api_settings(checked: Checked) -> http.Settings:
    settings, pki, audit = checked.settings, checked.settings.pki_dir, checked.settings.audit
    return http.Settings(
        certificate=pki / "server.crt", key=pki / "server.key", client_ca=pki / "ca.crt", users_ca=pki / USERS_CA,
        host=settings.listen, port=settings.port, agent_ssl=checked.client_ssl, agent_port=settings.agent_port,
        identity=(pki / "edge-server.crt", pki / "edge-server.key"), never_revoked=revocations.own_keys(pki),
        audit=audit_log.Settings(path=Path(audit.path) if audit.enabled and audit.path else None,
                                 max_bytes=audit.max_bytes, files=audit.files, mutating_only=audit.mutating_only),
        admission=admission_kinds.Settings(toleration_seconds=settings.nodes.eviction_seconds))


def _controllers(settings: ServerSettings, keys: accounts.Accounts, bridge: bridge_loop.Bridge,
                 clock: Clock) -> controllers_settings.Settings:
    return controllers_settings.Settings(
        load_balancer_addresses=settings.network.load_balancer_addresses,
        node_monitor_grace_seconds=settings.nodes.grace_seconds,
        listening_since=lambda: bridge.listening_since or clock.now(), sign_secret=keys.of_secret,
        root_ca_pem=(settings.pki_dir / "ca.crt").read_text())


def _essentials(checked: Checked) -> tuple[meta.Object, ...]:
    settings = checked.settings
    wanted: list[meta.Object] = [essentials.kubernetes_service(settings.network.service_cidr, settings.port),
                                 essentials.kubernetes_endpoints(settings.advertise_address, settings.port)]
    if checked.token is not None:
        wanted.append(essentials.bootstrap_secret(checked.token))
    ca, users = (settings.pki_dir / "ca.crt").read_text(), settings.pki_dir / USERS_CA
    wanted.append(essentials.extension_authentication(ca, users.read_text() if users.exists() else ""))
    return tuple(wanted)


async def _open_store(settings: ServerSettings) -> store_interface.Store:
    path = settings.data_dir / STORE_FILE
    try:
        return await sqlite.open_store(path)
    except (store_interface.StoreUnavailable, store_interface.StoreCorrupt) as error:
        raise StartError(f"cannot open {path}: {error}") from error


def _client_context(pki: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "edge-server.crt", pki / "edge-server.key")
    except (ssl.SSLError, ValueError) as error:
        raise StartError(f"{pki / 'edge-server.crt'} and its key or {pki / 'ca.crt'} cannot be used: "
                         f"{_words(error)}") from error
    return context


def _token(path: Path | None) -> tokens.BootstrapToken | None:
    if path is None:
        return None
    try:
        token = tokens.parse_bootstrap(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"cannot read {path}: {_words(error)}") from error
    if token is None:
        raise StartError(f"{path} holds no bootstrap token: six letters or digits, a dot, and sixteen more")
    return token


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).lower().replace("_", " ")
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
