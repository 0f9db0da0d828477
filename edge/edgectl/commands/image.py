"""`edgectl image`: images on the nodes of a rack that has no registry, through the API to each node's agent."""

from __future__ import annotations

import contextlib
import json
import lzma
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import click

from edge.api.errors import ApiError
from edge.edgectl import archives, node_images, session
from edge.edgectl.archives import Archive
from edge.edgectl.failures import CtlError
from edge.edgectl.node_images import Answer, Node, NodeImage
from edge.edgectl.progress import Progress
from edge.edgectl.session import Session

ON_NODES = click.option("--node", "chosen", multiple=True, metavar="NODE",
                        help="Only this node; may be given again. Default: every Ready node.")
SHORT_ID = 12


@click.group("image")
def command() -> None:
    """Put images on the nodes without a registry; see, remove and tidy up what is there.

    It goes through the API to each node's agent, so it works from wherever kubectl works. Images are loaded under the
    names they have in the archive. Pods use them with `imagePullPolicy: IfNotPresent`, which is the default unless the
    tag is `latest` or missing.

    \b
    podman save localhost/hello:1.0 | edgectl image load -
    edgectl image ls
    edgectl image rm localhost/hello:0.9
    edgectl image prune
    """


@command.command("load", short_help="Load image archives on the nodes.")
@click.argument("files", nargs=-1, required=True, metavar="ARCHIVE...",
                type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@ON_NODES
@click.pass_obj
def load(obj: dict[str, Any], files: tuple[Path, ...], chosen: tuple[str, ...]) -> None:
    """Load image archives on the nodes; `-` reads one from standard input.

    `podman save`, `docker save` and `podman save --format oci-archive` make archives, compressed with gzip, bzip2 or xz
    or not. A node that has all images of an archive already is not sent it again, so it is safe to repeat this. A node
    that is away is named, and the others are served.

    \b
    edgectl image load hello.tar world.tar.gz
    podman save localhost/hello:1.0 | edgectl image load - --node node-2
    """
    with contextlib.ExitStack() as stack:
        held = [_archive(path, stack) for path in files]
        access, targets = _open(obj, chosen)
        progress = Progress([node.name for node in targets], sum(archive.size_bytes for archive in held))
        failed = [name for names in node_images.each(targets, lambda node: _load_all(access, node, held, progress))
                  for name in names]
        progress.end()
    if failed:
        raise CtlError(f"not loaded on {', '.join(failed)}; it is safe to run this again")


def _archive(path: Path, stack: contextlib.ExitStack) -> Archive:
    shown = str(path)
    if shown == "-":
        # Every node gets it, so it has to be kept.
        shown = "standard input"
        path = _kept(sys.stdin.buffer, shown, stack)
    archive, unpacked = archives.read(path, shown), archives.unpacked(path)
    if unpacked is None:
        return archive
    # Podman 4.3 takes no archive of Docker's kind that is compressed with gzip.
    with unpacked:
        return archives.read(_kept(unpacked, shown, stack), shown)


def _kept(source: IO[bytes] | archives.Compressed, shown: str, stack: contextlib.ExitStack) -> Path:
    file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="edgectl-image-"))  # noqa: SIM115 - it is one
    try:
        shutil.copyfileobj(source, file)
        file.flush()
    except (OSError, EOFError, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CtlError(f"{shown} cannot be kept in {tempfile.gettempdir()}: {reason}; $TMPDIR may name "
                       "another directory") from error
    return Path(file.name)


def _open(obj: dict[str, Any], chosen: Sequence[str]) -> tuple[Session, tuple[Node, ...]]:
    """Return the API and the nodes that are meant: the chosen ones, or all that are Ready."""
    access = session.open_session(obj["kubeconfig"], obj["context"])
    found = node_images.nodes(access.request("GET", "/api/v1/nodes"), chosen)
    if chosen:
        return access, found
    for node in found:
        if not node.ready:
            click.echo(f"{node.name}: is not Ready and is left out", err=True)
    ready = tuple(node for node in found if node.ready)
    if not ready:
        raise CtlError("no node is Ready: `edgectl get nodes` shows them")
    return access, ready


def _load_all(access: Session, node: Node, held: Sequence[Archive], progress: Progress) -> list[str]:
    """Load the archives that a node lacks; return its name if one of them failed."""
    answer = node_images.ask(access, node)
    if answer.problem:
        progress.say(f"{node.name}: {answer.problem}", err=True)
        return [node.name]
    failed = []
    for archive in held:
        for text in _foreign(node, archive):
            progress.say(text, err=True)
        if node_images.has(answer.images, archive):
            progress.advance(node.name, archive.size_bytes)
            progress.say(f"{node.name}: has {_names(archive)}")
            continue
        try:
            names = node_images.upload(access, node, archive, lambda count: progress.advance(node.name, count))
            progress.say(f"{node.name}: loaded {', '.join(names) or archive.shown}")
        except (ApiError, CtlError) as error:
            progress.say(f"{node.name}: {archive.shown}: {error}", err=True)
            failed = [node.name]
    return failed


def _foreign(node: Node, archive: Archive) -> Iterator[str]:
    for image in archive.images:
        if image.architecture and node.architecture and image.architecture != node.architecture:
            yield (f"{node.name}: warning: {', '.join(image.names) or archive.shown} is for {image.architecture}, and "
                   f"this node is {node.architecture}; build it with `--platform linux/{node.architecture}`")


def _names(archive: Archive) -> str:
    return ", ".join(name for image in archive.images for name in image.names) or archive.shown


@command.command("ls")
@ON_NODES
@click.option("--per-node", is_flag=True, help="A line for each image on each node.")
@click.option("-o", "--output", type=click.Choice(["text", "wide", "json"]), default="text", show_default=True,
              help="wide: also the architecture and whether a pod uses it.")
@click.pass_obj
def ls(obj: dict[str, Any], chosen: tuple[str, ...], per_node: bool, output: str) -> None:
    """List the images on the nodes.

    A name that stands for different images on different nodes has a line for each of them. Of a node that does not
    answer, what it told last is shown.
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    found = node_images.nodes(access.request("GET", "/api/v1/nodes"), chosen)
    answers = node_images.each(found, lambda node: node_images.ask(access, node))
    for answer in answers:
        if answer.problem:
            click.echo(f"{answer.node.name}: shown as it was last, {answer.problem}", err=True)
    if output == "json":
        click.echo(json.dumps({"nodes": [_document(answer) for answer in answers]}, indent=2))
        return
    _table(_rows(answers, per_node=per_node, wide=output == "wide"))


def _document(answer: Answer) -> dict[str, Any]:
    return {"name": answer.node.name, "problem": answer.problem, "images": [
        {"id": image.id, "names": image.names, "digests": image.digests, "sizeBytes": image.size_bytes,
         "architecture": image.architecture, "inUse": image.in_use, "pinned": image.pinned, "pods": image.pods}
        for image in answer.images]}


def _rows(answers: Sequence[Answer], *, per_node: bool, wide: bool) -> list[tuple[str, ...]]:
    more = ("ARCHITECTURE", "IN USE") if wide else ()
    if per_node:
        head = ("NODE", "IMAGE", "IMAGE ID", "SIZE", *more)
        return [head, *((answer.node.name, name, image.id[:SHORT_ID], size(image.size_bytes), *_more(image, wide))
                        for answer in answers
                        for (name, _), (image, _) in node_images.merged([answer]).items())]
    everywhere = len(answers)
    used = {image.id for answer in answers for image in answer.images if image.in_use}
    rows = [("IMAGE", "IMAGE ID", "SIZE", "NODES", *more)]
    for (name, image_id), (image, where) in node_images.merged(answers).items():
        nodes = f"all {everywhere}" if len(where) == everywhere > 1 else ", ".join(where)
        rows.append((name, image_id[:SHORT_ID], size(image.size_bytes), nodes,
                     *_more(image, wide, in_use=image_id in used)))
    return rows


def _more(image: NodeImage, wide: bool, *, in_use: bool | None = None) -> tuple[str, ...]:
    used = image.in_use if in_use is None else in_use
    return (image.architecture, "yes" if used else "pinned" if image.pinned else "no") if wide else ()


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def size(count: int) -> str:
    """Return a number of bytes as people write it: `13.4 MB`."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


@command.command("rm")
@click.argument("references", nargs=-1, required=True, metavar="IMAGE...")
@ON_NODES
@click.option("--force", is_flag=True, help="Also where pods use it: their containers are ended, and started again if "
                                            "the image can be had again.")
@click.pass_obj
def rm(obj: dict[str, Any], references: tuple[str, ...], chosen: tuple[str, ...], force: bool) -> None:
    """Remove images from the nodes that have them.

    IMAGE is a name or a whole id. Of an image with several names only the given one goes. An image that a pod on the
    node uses stays there, and is named, unless --force is given.
    """
    access, targets = _open(obj, chosen)
    results = node_images.each(targets, lambda node: [_remove(access, node, each, force) for each in references])
    for reference, outcomes in zip(references, zip(*results, strict=True), strict=True):
        if not any(outcomes):
            raise CtlError(f"no node has {reference}: `edgectl image ls` shows what there is")
    failed = [node.name for node, outcomes in zip(targets, results, strict=True) if "failed" in outcomes]
    if failed:
        raise CtlError(f"not removed from {', '.join(failed)}")


def _remove(access: Session, node: Node, reference: str, force: bool) -> str:
    """Remove one image from one node; return empty when it is not there, else how it went."""
    try:
        answer = node_images.remove(access, node, reference, force=force)
    except ApiError as error:
        if error.code == 404 and "is not on this node" in error.message:
            return ""
        click.echo(f"{node.name}: {error.message}", err=True)
        return "failed"
    except CtlError as error:
        click.echo(f"{node.name}: {error}", err=True)
        return "failed"
    click.echo(f"{node.name}: removed {', '.join(answer.get('removed', ())) or reference}")
    return "removed"


@command.command("prune", short_help="Remove the images that no pod uses.")
@ON_NODES
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.pass_obj
def prune(obj: dict[str, Any], chosen: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Remove the images that no pod uses; shows them first and asks.

    In a rack without a registry an image that is gone has to be loaded again before a pod can use it, also one that
    moves to another node. Images that the settings of a node's agent pin stay.
    """
    access, targets = _open(obj, chosen)
    answers = node_images.each(targets, lambda node: node_images.ask(access, node))
    for answer in answers:
        if answer.problem:
            click.echo(f"{answer.node.name}: {answer.problem}", err=True)
    going = [Answer(answer.node, node_images.unused(answer)) for answer in answers]
    total = sum(image.size_bytes for answer in going for image in answer.images)
    if not any(answer.images for answer in going):
        click.echo("every image is in use")
    else:
        _table(_rows(going, per_node=True, wide=False))
        if not dry_run and (yes or click.confirm(f"Remove them ({size(total)} at most)?")):
            _prune(access, going)
    if lost := [answer.node.name for answer in answers if answer.problem]:
        raise CtlError(f"not seen: {', '.join(lost)}")


def _prune(access: Session, going: Sequence[Answer]) -> None:
    images = {answer.node.name: answer.images for answer in going}
    results = node_images.each([answer.node for answer in going if answer.images], lambda node: [
        _remove(access, node, image.id, force=False) for image in images[node.name]])
    if any("failed" in outcomes for outcomes in results):
        raise CtlError("not all of them could be removed; it is safe to run this again")
