"""Decides how a machine is reached and what is done on it so that it joins: values and texts, nothing is run here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from edge.edgectl.failures import CtlError

AGENT_CONFIG = "/etc/edge/agent.toml"
NO_ROOT, NO_AGENT = 77, 78
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How SSH gets to the machine."""

    host: str
    """As SSH is given it: a name or an address."""
    user: str = ""
    via: str = ""
    """`[USER@]HOST` of the machine in between; empty for none."""
    alias: str = ""
    """Under which the machine's host key is known. An address on the rack may be another machine's tomorrow."""

    @property
    def target(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the rack and of this machine."""

    machines: Sequence[Mapping[str, Any]] = ()
    """Unclaimed machines, as the master shows them."""
    nodes: Sequence[Mapping[str, Any]] = ()
    networks: Sequence[IPv4Network] = ()
    """Those of the rack's side."""
    own_addresses: frozenset[str] = frozenset()
    master: str = ""
    """Where this machine reaches the master."""
    resolves: bool = True
    """Whether the name can be looked up here."""


def split(text: str) -> tuple[str, str]:
    """Return user and host of `[USER@]HOST`. Raises CtlError: an option, or what no shell should see, is neither."""
    user, at, host = text.rpartition("@")
    if not _WORD.fullmatch(host) or (at and not _WORD.fullmatch(user)):
        raise CtlError(f"{text!r} is no [USER@]HOST: a host name or address, such as pi@10.0.0.5")
    return user, host


def route(text: str, around: Surroundings, via: str | None = None) -> Route:
    """Return how to reach the machine `[USER@]HOST`, where HOST is an address, a name, or the name or serial number of
    a machine that waits.

    Args:
        text: as a person has typed it.
        around: what is known.
        via: as a person has typed it; `none` for straight; None for what seems right: through the master when the
            machine is on the rack's side and this one is not.

    Raises:
        CtlError: the name stands for several machines, or is none.
    """
    user, name = split(text)
    address, alias = _waiting(name, around.machines)
    if not address:
        address = _node_address(name, around.nodes)
    host = address or name
    chosen = "" if via == "none" else via
    between = _between(host, user, around) if chosen is None else chosen
    if between:
        split(between)
    return Route(host=host, user=user, via=between, alias=alias)


def _waiting(name: str, machines: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    found = [each for each in machines if name.lower() in
             (str(each.get("name", "")).lower(), str(each.get("serial", "")).lower(), *each.get("addresses", ()))]
    if len(found) > 1:
        raise CtlError(f"{len(found)} machines are called {name}: name one by its address, "
                       + " or ".join(str(address) for each in found for address in each.get("addresses", ())[:1]))
    if not found or not found[0].get("addresses"):
        return "", ""
    serial = re.sub(r"[^a-z0-9]", "", str(found[0].get("serial", "")).lower())[-16:]
    return str(found[0]["addresses"][0]), f"edge-{serial}" if serial else ""


def _node_address(name: str, nodes: Iterable[Mapping[str, Any]]) -> str:
    return next((str(entry["address"]) for node in nodes if node["metadata"]["name"] == name
                 for entry in node.get("status", {}).get("addresses") or () if entry["type"] == "InternalIP"), "")


def _between(host: str, user: str, around: Surroundings) -> str:
    """Return the master where this machine has to go through it."""
    here = any(_is_in(own, around.networks) for own in around.own_addresses)
    # A name nobody here knows is one of the rack's: the master's name server knows it.
    is_inside = _is_in(host, around.networks) if _is_address(host) else not around.resolves
    if here or not is_inside or not around.master or around.master in around.own_addresses:
        return ""
    return f"{user}@{around.master}" if user else around.master


def _is_in(address: str, networks: Iterable[IPv4Network]) -> bool:
    return _is_address(address) and any(IPv4Address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def ssh_command(way: Route, script: str, *, identity_file: str = "", port: int = 0,
                config: str = "") -> tuple[str, ...]:
    """Return the command line that runs a shell script as root on the machine. Nothing secret is in it: what is
    secret goes through standard input."""
    options = [*(["-F", config] if config else []),
               "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "StrictHostKeyChecking=accept-new",
               *(["-i", identity_file] if identity_file else [])]
    argv = ["ssh", *options]
    if way.via:
        # Not -J: the connection in between would take none of these options.
        argv += ["-o", "ProxyCommand=" + shlex.join(["ssh", *options, "-W", "[%h]:%p", way.via])]
    if way.alias:
        argv += ["-o", f"HostKeyAlias={way.alias}"]
    if port:
        argv += ["-p", str(port)]
    quoted = shlex.quote(script)
    return (*argv, "--", way.target, f'if [ "$(id -u)" = 0 ]; then exec sh -c {quoted}; fi; '
                                     f"sudo -n true 2>/dev/null || exit {NO_ROOT}; exec sudo -n sh -c {quoted}")


def look_script(config: str = AGENT_CONFIG) -> str:
    """Return the script that tells what the machine is, and changes nothing."""
    return _preamble(config) + f"""
[ -r "$config" ] && {{ command -v edge-agent >/dev/null || [ -x /opt/edge/bin/edge-agent ]; }} || exit {NO_AGENT}
name=$(setting node_name)
echo "node=${{name:-$(hostname | tr '[:upper:]' '[:lower:]')}}"
if [ -f "$data/identity/node.csr" ]; then
  echo "request=$(sha256sum "$data/identity/node.csr" | cut -c 1-10)"
fi
if [ -f "$data/identity/node.crt" ]; then echo "joined=yes"; cat "$data/identity/ca.crt"; fi
"""


def give_script(config: str = AGENT_CONFIG, *, put_aside: bool = False) -> str:
    """Return the script that reads token and hash from standard input, writes them and starts the agent.

    A token file nobody else can read comes whole or not at all; an agent that runs already reads it by itself.
    """
    aside = """
if [ -d "$data/identity" ]; then
  rm -rf "$data/identity.before"
  mv "$data/identity" "$data/identity.before"
  again=restart
fi""" if put_aside else ""
    return _preamble(config) + f"""
umask 077
read -r token
read -r hash
again=start{aside}
put() {{ printf '%s\\n' "$2" >"$1.new"; chmod "$3" "$1.new"; mv -f "$1.new" "$1"; }}
put "$hash_file" "$hash" 644
put "$token_file" "$token" 600
if [ -d /run/systemd/system ]; then
  systemctl enable edge-agent.service
  systemctl $again edge-agent.service
fi
"""


def _preamble(config: str) -> str:
    # Its settings are TOML; the three that matter here are plain strings at the beginning of a line.
    return f"""set -eu
config={shlex.quote(config)}
setting() {{ sed -n "s/^$1 *= *[\\"']\\([^\\"']*\\)[\\"'].*/\\1/p" "$config" 2>/dev/null | head -n 1; }}
token_file=$(setting bootstrap_token_file)
token_file=${{token_file:-/etc/edge/bootstrap-token}}
hash_file=$(setting ca_cert_hash_file)
hash_file=${{hash_file:-/etc/edge/ca-cert-hash}}
data=$(setting data_dir)
data=${{data:-/var/lib/edge/agent}}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the machine says of itself."""

    node: str
    request: str = ""
    """Name of the certificate request it makes, where it has made one before."""
    ca: bytes = b""
    """The authority it has joined, in PEM; empty when it has joined none."""


def read_look(output: str) -> Found:
    """Return what `look_script` has printed. Raises CtlError when that is something else."""
    head, begin, rest = output.partition("-----BEGIN CERTIFICATE-----")
    said = dict(line.partition("=")[::2] for line in head.splitlines() if "=" in line)
    if not said.get("node") or (said.get("joined") == "yes") != bool(begin):
        raise CtlError("the machine answered with something unexpected; does its shell print a greeting for programs "
                       "too?")
    asked = said.get("request", "")
    return Found(node=said["node"], request=f"node-{said['node']}-{asked}" if asked else "",
                 ca=(begin + rest).encode() if begin else b"")


def failure(code: int, error: str, way: Route) -> str:
    """Return in one sentence why SSH, or the script, has failed, and what to do."""
    where = way.target
    match code:
        case 77:
            return f"{where}: its user may not become root without a password: allow that with sudo, or name root"
        case 78:
            return (f"{where}: edge is not installed there: in `ansible`, `ansible-playbook join.yml --limit NAME` "
                    "installs it and lets the machine join; or flash a card that has it")
    last = error.strip().splitlines()[-1] if error.strip() else f"SSH ended with {code}"
    if way.via and f"{way.via}: Permission denied" in error:
        return (f"{way.via}, on the way to {where}: SSH lets nobody in with the keys of this computer: `ssh-copy-id "
                f"{way.via}`")
    for sign, words in _SIGNS:
        if sign in error:
            return words.format(where=where, via=way.via or "the master", alias=way.alias or way.host, last=last)
    return f"{where}: {last}"


_SIGNS = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "{where}: its host key is not the one known of it: when its card was "
     "flashed anew, `ssh-keygen -R {alias}` forgets the old one; else somebody is in between"),
    ("Permission denied", "{where}: SSH lets nobody in with the keys of this computer: `ssh-copy-id {where}` (through "
     "{via} with -o ProxyJump={via}), or name a user: USER@HOST"),
    ("Could not resolve hostname", "{where}: nobody knows this name ({last}); `edgectl discover` lists the machines "
     "that wait, with their addresses"),
    ("Connection refused", "{where}: no SSH server listens there: is it enabled (raspi-config, or the file `ssh` on "
     "the boot partition)?"),
    ("timed out", "{where}: no answer: is it on, and is {via} the right way to it? See --via"),
    ("No route to host", "{where}: no way to it: is it on, and is {via} the right way to it? See --via"),
)
