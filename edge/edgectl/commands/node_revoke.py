"""`edgectl node revoke`: a key opens nothing any more, neither the bus nor the API nor a stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from edge.api import errors, times
from edge.clock import SystemClock
from edge.edgectl import node_revocation, session
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Session
from edge.pki import revocation

NODES = "/api/v1/nodes"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
MAPS = f"/api/v1/namespaces/{revocation.NAMESPACE}/configmaps"
ATTEMPTS = 5


@click.command("revoke")
@click.argument("name", required=False)
@click.option("--key", help="Hash of the key: sha256: and 64 hexadecimal digits, as `edgectl node certificates "
                            "-o json` and the log of a node show it.")
@click.option("--certificate", type=click.Path(path_type=Path, dir_okay=False),
              help="A certificate in PEM form, or the kubeconfig of a person, whose key is meant.")
@click.option("--reason", default="", help="Why; it is kept with the key and shown to whoever is refused.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(obj: dict[str, Any], name: str | None, key: str | None, certificate: Path | None, reason: str, yes: bool,
            output: str) -> None:
    """Revoke the key of node NAME, or the one that is named: of a stolen card, or of a person who has left.

    Within seconds the key opens nothing any more: the API answers 401, watches and streams end, the bus refuses it. A
    node goes on running its pods, since it hears nothing else, until it is let in again with a new key (`edgectl node
    adopt`). The list is the ConfigMap revoked-keys in kube-system; who removes an entry takes the revocation back.

    \b
    edgectl node revoke node-2 --reason "card stolen"
    edgectl node revoke --key sha256:3f0c...e1
    edgectl node revoke --certificate jane.kubeconfig --reason "jane has left"
    """
    if [name, key, certificate].count(None) != 2:
        raise CtlError("name one thing to revoke: a node, or --key, or --certificate")
    access = session.open_session(obj["kubeconfig"], obj["context"])
    meant = _meant(access, name, key, certificate)
    node_revocation.guarded(meant, access.certificate, access.ca)
    if not yes:
        click.echo(f"{meant.name}: key {meant.key}", err=True)
        click.confirm("Revoke this key?", abort=True, err=True)
    who = access.request("POST", WHO, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    entry = revocation.Revocation(name=meant.name, by=str(who["status"]["userInfo"]["username"]), reason=reason,
                                  at=times.render(SystemClock().now()))
    written = _write(access, meant, entry)
    if output == "json":
        click.echo(json.dumps({"key": meant.key, "new": written is entry, **msgspec.to_builtins(written)}, indent=2))
        return
    click.echo(revocation.told(meant.key, written) if written is entry else
               f"nothing to do: {revocation.told(meant.key, written)}")
    if name and written is entry:
        click.echo("Its card also has what its pods had, and perhaps a bootstrap token: `edgectl token list`. "
                   f"`kubectl delete node {name}` ends the tokens of its pods.", err=True)


def _meant(access: Session, name: str | None, key: str | None, certificate: Path | None) -> node_revocation.Meant:
    if certificate is not None:
        return node_revocation.of_file(certificate)
    if key is not None:
        return node_revocation.of_key(key, access.request("GET", NODES)["items"])
    assert name is not None
    node = next((each for each in access.request("GET", NODES)["items"] if each["metadata"]["name"] == name), None)
    return node_revocation.of_node(name, node, access.request("GET", REQUESTS)["items"])


def _write(access: Session, meant: node_revocation.Meant, entry: revocation.Revocation) -> revocation.Revocation:
    """Write the entry, beside what others write meanwhile, and return it: the one that was there, if there was one."""
    for _ in range(ATTEMPTS):
        try:
            listed = access.request("GET", f"{MAPS}/{revocation.NAME}")
        except errors.NotFound:
            listed = None
        wanted = node_revocation.with_entry(listed, meant, entry)
        if wanted is None:
            return revocation.read((listed or {}).get("data") or {})[meant.key]
        try:
            if listed is None:
                access.request("POST", MAPS, wanted)
            else:
                access.request("PUT", f"{MAPS}/{revocation.NAME}", wanted)
        except (errors.Conflict, errors.AlreadyExists):
            continue
        return entry
    raise CtlError("the list of revoked keys keeps changing; try again")
