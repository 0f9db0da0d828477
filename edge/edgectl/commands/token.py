"""`edgectl token`: bootstrap tokens, which a new machine joins the rack with.

They are Secrets of type bootstrap.kubernetes.io/token in kube-system, as kubeadm keeps them
(https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
"""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
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
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group("token")
def command() -> None:
    """Create, list and delete the tokens machines join with."""


@command.command("create")
@click.option("--ttl", default="24h", show_default=True, help="How long it is good for: 30m, 24h, 7d; 0 for ever.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def create(obj: dict[str, Any], ttl: str, output: str) -> None:
    """Make a token and print it with the hash of the rack's CA: all that a new machine needs."""
    access = session.open_session(obj["kubeconfig"], obj["context"])
    ids = SystemIds()
    token_id, secret = ids.secret(6), ids.secret(16)
    seconds = parse_ttl(ttl)
    data = {"token-id": token_id, "token-secret": secret, "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:edge:node"}
    if seconds:
        data["expiration"] = times.render(SystemClock().now() + timedelta(seconds=seconds))
    access.request("POST", SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PREFIX + token_id},
                                     "type": "bootstrap.kubernetes.io/token", "stringData": data})
    token, ca_hash = f"{token_id}.{secret}", authority.spki_hash(access.ca)
    if output == "json":
        click.echo(json.dumps({"token": token, "caCertHash": ca_hash}))
    else:
        click.echo(f"token:        {token}\nca-cert-hash: {ca_hash}")


@command.command("list")
@click.pass_obj
def list_tokens(obj: dict[str, Any]) -> None:
    """List the tokens by their id (the secret half is not shown)."""
    access = session.open_session(obj["kubeconfig"], obj["context"])
    click.echo(f"{'ID':<8} EXPIRES")
    for item in access.request("GET", SECRETS)["items"]:
        if item.get("type") == "bootstrap.kubernetes.io/token":
            expires = base64.b64decode(item.get("data", {}).get("expiration", "")).decode()
            click.echo(f"{item['metadata']['name'].removeprefix(PREFIX):<8} {expires or 'never'}")


@command.command("delete")
@click.argument("token_id")
@click.pass_obj
def delete(obj: dict[str, Any], token_id: str) -> None:
    """Revoke the token whose id is TOKEN_ID. Machines that have joined stay."""
    session.open_session(obj["kubeconfig"], obj["context"]).request("DELETE", f"{SECRETS}/{PREFIX}{token_id[:6]}")
    click.echo(f"token {token_id[:6]} deleted")


def parse_ttl(text: str) -> int:
    """Return the seconds of `30m`, `24h`, `7d` or `0`. Raises CtlError."""
    if text == "0":
        return 0
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if not match:
        raise CtlError(f"--ttl {text!r}: write a number and a unit, such as 30m, 24h or 7d; or 0 for ever")
    return int(match[1]) * UNITS[match[2]]
