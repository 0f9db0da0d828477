"""`edgectl image`: images on the nodes of a rack that has no registry, through the API to each node's agent."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from edge.api.errors import ApiError
from edge.edgectl import session
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Session

CHUNK = 256 * 1024


@click.group("image")
def command() -> None:
    """Load container images on the nodes, list them."""


@command.command("load")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--node", "nodes", multiple=True, help="Only this node; may be given again. Default: every Ready node.")
@click.pass_obj
def load(obj: dict[str, Any], archive: Path, nodes: tuple[str, ...]) -> None:
    """Load ARCHIVE, made by `podman save` or `docker save`, on every node.

    It goes through the API to the agents, so it works from wherever kubectl works.
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    targets = nodes or ready_nodes(access.request("GET", "/api/v1/nodes"))
    if not targets:
        raise CtlError("no node is Ready: `edgectl get nodes` shows them")
    with ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(lambda node: _load(access, node, archive), targets))
    failed = [node for node, ok in zip(targets, results, strict=True) if not ok]
    if failed:
        raise CtlError(f"not loaded on {', '.join(failed)}; it is safe to run this again")


@command.command("ls")
@click.pass_obj
def ls(obj: dict[str, Any]) -> None:
    """List the images the nodes have told the API about."""
    access = session.open_session(obj["kubeconfig"], obj["context"])
    rows = [(node["metadata"]["name"], name, f"{image.get('sizeBytes', 0) / 1e6:.1f} MB")
            for node in access.request("GET", "/api/v1/nodes")["items"]
            for image in node.get("status", {}).get("images", []) for name in image.get("names", [])]
    for row in [("NODE", "IMAGE", "SIZE"), *sorted(rows)]:
        click.echo(f"{row[0]:<12} {row[1]:<60} {row[2]}")


def ready_nodes(nodes: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the nodes of a NodeList that are Ready."""
    return tuple(node["metadata"]["name"] for node in nodes.get("items", [])
                 if any(condition["type"] == "Ready" and condition["status"] == "True"
                        for condition in node.get("status", {}).get("conditions", [])))


def _load(access: Session, node: str, archive: Path) -> bool:
    try:
        answer = access.upload(f"/api/v1/nodes/{node}/proxy/images/load", _chunks(archive), archive.stat().st_size)
    except (ApiError, CtlError) as error:
        click.echo(f"{node}: {error}", err=True)
        return False
    click.echo(f"{node}: loaded {', '.join(answer.get('names', []))}")
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
