"""`edge-rack`: makes the master's own ground so, checks it and exits. Nothing of it stays in memory.

`edge-rack apply` is safe to repeat: it changes what differs. Every configuration is checked by the program that will
read it before it takes the place of the last good one.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from edge import config
from edge.bus import broker
from edge.clock import SystemClock
from edge.pki import authority, directory
from edge.rack import addressing, dhcp, nat
from edge.rack.settings import Rack

SYSCTLS = {"net/ipv4/ip_forward": "1"}


class RackError(Exception):
    """Something the person who runs the rack can mend; the text says what."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A configuration file and the command that checks it; `{}` in the command stands for the file."""

    path: Path
    text: str
    check: tuple[str, ...] = ()


def files(rack: Rack) -> tuple[Rendered, ...]:
    """Return every file the ground consists of."""
    target = rack.config_dir
    return (
        Rendered(target / "dnsmasq.conf", dhcp.render(rack), ("dnsmasq", "--test", "--conf-file={}")),
        Rendered(target / "rack.nft", nat.render(rack), ("nft", "--check", "--file", "{}")),
        Rendered(target / "mosquitto.acl", broker.access_list()),
        Rendered(target / "mosquitto.conf", broker.configuration(broker.Broker(
            ca=rack.pki_dir / "ca.crt", certificate=rack.pki_dir / "broker.crt", key=rack.pki_dir / "broker.key",
            access_list=target / "mosquitto.acl", port=rack.bus_port, user=rack.broker_user))),
    )


def apply(rack: Rack) -> tuple[str, ...]:
    """Make everything so and return what was changed.

    Raises:
        RackError: a tool refused a configuration, or the network; what was good before is still in place.
    """
    changed = [f"identity {name}" for name in _identities(rack)]
    rack.state_dir.mkdir(parents=True, exist_ok=True)
    rack.config_dir.mkdir(parents=True, exist_ok=True)
    changed += [str(file.path) for file in files(rack) if _put(file)]
    _run("ip", "link", "set", rack.interface, "up")
    _run("ip", "address", "replace", str(rack.address), "dev", rack.interface)
    for name, value in SYSCTLS.items():
        path = Path("/proc/sys", name)
        if path.read_text().strip() != value:
            path.write_text(value)
            changed.append(name.replace("/", "."))
    _run("nft", "--file", str(rack.config_dir / "rack.nft"))
    return tuple(changed)


def _identities(rack: Rack) -> tuple[str, ...]:
    try:
        owner = pwd.getpwnam(rack.broker_user)
        return directory.ensure(rack.pki_dir, dns=addressing.dns_names(rack), addresses=addressing.addresses(rack),
                                now=SystemClock().now(),
                                owners={"broker.key": (owner.pw_uid, owner.pw_gid)} if owner.pw_uid else None)
    except KeyError as error:
        raise RackError(f"there is no user {rack.broker_user}: install mosquitto, or set broker_user") from error
    except (authority.PkiError, OSError) as error:
        raise RackError(f"{rack.pki_dir}: {error}") from error


def _put(file: Rendered) -> bool:
    """Write, check and rename; return whether it changed anything."""
    if file.path.exists() and file.path.read_text() == file.text:
        return False
    new = file.path.with_name(f".{file.path.name}.new")
    new.write_text(file.text)
    try:
        if file.check:
            _run(*(part.replace("{}", str(new)) for part in file.check))
        os.replace(new, file.path)  # noqa: PTH105 - atomic, as its name says
    finally:
        new.unlink(missing_ok=True)
    return True


def _run(*argv: str) -> None:
    try:
        result = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RackError(f"{argv[0]} is not installed") from error
    if result.returncode != 0:
        raise RackError(f"`{' '.join(argv)}` failed: {(result.stderr or result.stdout).strip()}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def edge_rack() -> None:
    """The master's own ground: address, NAT, DHCP, broker, identities."""


@edge_rack.command("apply")
@click.option("--config", "path", type=click.Path(path_type=Path), default=Path("/etc/edge/rack.toml"),
              show_default=True, help="The rack's settings.")
def apply_command(path: Path) -> None:
    """Make the ground as the settings say. Safe to repeat; needs root."""
    changed = apply(config.load(path, Rack))
    click.echo("changed: " + ", ".join(changed) if changed else "nothing to change")


def main() -> None:
    """Run the command; a problem a person can mend is one sentence and exit code 1."""
    try:
        edge_rack(prog_name="edge-rack")
    except (RackError, config.ConfigError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
