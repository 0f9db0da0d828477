"""`edgectl token`: bootstrap tokens, which a new machine joins the rack with.

They are Secrets of type bootstrap.kubernetes.io/token in kube-system, as kubeadm keeps them
(https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import click

from edge.api import times
from edge.clock import SystemClock
from edge.edgectl import session
from edge.edgectl.failures import CtlError
from edge.ids import SystemIds
from edge.pki import authority

SECRETS = "/api/v1/namespaces/kube-system/secrets"
PREFIX = "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LEAST_SECONDS, MOST_SECONDS = 1, 10 * 365 * 86400
OUTPUT = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group("token")
def command() -> None:
    """Create, list and revoke the tokens machines join with.

    A token lets machines in that the rack does not know yet, under names nobody has. It is needed once: a machine that
    has joined is known by its key.

    \b
    edgectl token create                              good for a day
    edgectl token create --ttl 30m --description "the two new ones"
    edgectl token list
    edgectl token revoke abcdef
    """


@command.command("create")
@click.option("--ttl", default="24h", show_default=True,
              help="How long it is good for: 30m, 24h, 7d, 1h30m; 0 for ever.")
@click.option("--description", default="", help="What it is for; shown by `edgectl token list`.")
@OUTPUT
@click.pass_obj
def create(obj: dict[str, Any], ttl: str, description: str, output: str) -> None:
    """Make a token and print it with the hash of the rack's CA: all that a new machine needs."""
    seconds = parse_ttl(ttl)
    made = make(session.open_session(obj["kubeconfig"], obj["context"]), seconds, description)
    if output == "json":
        click.echo(json.dumps(made))
    else:
        click.echo(f"token:        {made['token']}\nca-cert-hash: {made['caCertHash']}")


def make(access: session.Session, seconds: int, description: str = "") -> dict[str, str]:
    """Make a token that is good for so long, 0 for ever, and return it with the hash of the rack's authority."""
    ids = SystemIds()
    token_id, secret = ids.secret(6), ids.secret(16)
    data = {"token-id": token_id, "token-secret": secret, "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:edge:node"}
    if description:
        data["description"] = description
    if seconds:
        data["expiration"] = times.render(SystemClock().now() + timedelta(seconds=seconds))
    access.request("POST", SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PREFIX + token_id},
                                     "type": TYPE, "stringData": data})
    return {"token": f"{token_id}.{secret}", "caCertHash": authority.spki_hash(access.ca),
            "expires": data.get("expiration", "")}


@command.command("list")
@OUTPUT
@click.pass_obj
def list_tokens(obj: dict[str, Any], output: str) -> None:
    """List the tokens by their id (the secret half is not shown). Expired ones are removed by the rack."""
    access = session.open_session(obj["kubeconfig"], obj["context"])
    now = SystemClock().now()
    found = [shown(item, now) for item in access.request("GET", SECRETS)["items"] if item.get("type") == TYPE]
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{'ID':<8} {'STATE':<8} {'EXPIRES':<21} DESCRIPTION")
    for each in found:
        row = f"{each['id']:<8} {each['state']:<8} {each['expires'] or 'never':<21} {each['description']}"
        click.echo(row.rstrip())


@command.command("revoke")
@click.argument("token_id")
@click.pass_obj
def revoke(obj: dict[str, Any], token_id: str) -> None:
    """Revoke the token whose id is TOKEN_ID (the whole token will do). Machines that have joined stay."""
    known = token_id.partition(".")[0]
    if not re.fullmatch(r"[a-z0-9]{6}", known):
        raise CtlError(f"{known[:12]!r} is no id of a token: six letters or digits; `edgectl token list` shows them")
    session.open_session(obj["kubeconfig"], obj["context"]).request("DELETE", f"{SECRETS}/{PREFIX}{known}")
    click.echo(f"token {known} revoked")


@command.command("delete")
@click.argument("token_id")
@click.pass_context
def delete(context: click.Context, token_id: str) -> None:
    """The same as `revoke`."""
    context.invoke(revoke, token_id=token_id)


def shown(item: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return what is shown of a token's Secret, which is nothing of its secret half."""
    data = item.get("data") or {}
    expires = _decoded(data.get("expiration", ""))
    try:
        is_over = bool(expires) and times.parse(expires) <= now
    except ValueError:
        is_over = True
    return {"id": item["metadata"]["name"].removeprefix(PREFIX), "state": "expired" if is_over else "valid",
            "expires": expires, "description": _decoded(data.get("description", ""))}


def parse_ttl(text: str) -> int:
    """Return the seconds of `30m`, `24h`, `7d`, `1h30m` or `0`. Raises CtlError."""
    if text == "0":
        return 0
    if not re.fullmatch(r"([0-9]{1,9}[smhd])+", text):
        raise CtlError(f"--ttl {text!r}: write a number and a unit, such as 30m, 24h or 7d; or 0 for ever")
    seconds = sum(int(number) * UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", text))
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise CtlError(f"--ttl {text!r}: a token is good for one second at least and ten years at most, or 0 for ever")
    return seconds


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "?"
