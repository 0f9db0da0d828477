"""The images on the nodes of a rack, asked of each node's agent through the API, a few nodes at once.

What a node answers is kept beside its name; a node that is away is a value, not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from edge.api.errors import ApiError
from edge.edgectl.archives import Archive
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Session

AT_ONCE = 4
# One that has lost its power a moment ago does not even refuse.
ASK_SECONDS = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeImage:
    """One image as a node has it."""

    id: str = ""
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int = 0
    architecture: str = ""
    in_use: bool = False
    pinned: bool = False
    pods: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """Return its names, or what stands for one that has none."""
        return self.names or self.digests[:1] or ("<none>",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of the rack."""

    name: str
    ready: bool
    architecture: str = ""
    told: tuple[NodeImage, ...] = field(default=(), repr=False)
    """The images it told the API about last; at most 50."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking a node; `problem` is empty when it answered."""

    node: Node
    images: tuple[NodeImage, ...] = ()
    problem: str = ""


def nodes(listed: dict[str, Any], chosen: Sequence[str] = ()) -> tuple[Node, ...]:
    """Return the nodes of a NodeList, or the chosen ones of them. Raises CtlError for one that is not there."""
    found = {item["metadata"]["name"]: _node(item) for item in listed.get("items", [])}
    if unknown := [name for name in chosen if name not in found]:
        raise CtlError(f"no node is called {', '.join(unknown)}; there are: {', '.join(sorted(found)) or 'none'}")
    return tuple(found[name] for name in dict.fromkeys(chosen)) if chosen else \
        tuple(found[name] for name in sorted(found))


def _node(item: dict[str, Any]) -> Node:
    status = item.get("status", {})
    ready = any(condition["type"] == "Ready" and condition["status"] == "True"
                for condition in status.get("conditions", []))
    told = tuple(NodeImage(names=tuple(name for name in image.get("names", []) if "@" not in name),
                           digests=tuple(name for name in image.get("names", []) if "@" in name),
                           size_bytes=image.get("sizeBytes", 0)) for image in status.get("images", []))
    return Node(name=item["metadata"]["name"], ready=ready, told=told,
                architecture=status.get("nodeInfo", {}).get("architecture", ""))


def each(targets: Iterable[Node], act: Callable[[Node], T]) -> list[T]:
    """Do something with each node, a few at once; the results are in the order of the nodes."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(act, targets))


def ask(access: Session, node: Node) -> Answer:
    """Return the images of a node as its agent knows them; of a node that does not answer, what it told last."""
    try:
        found = access.request("GET", _path(node, "images"), timeout_seconds=ASK_SECONDS).get("images", [])
    except (ApiError, CtlError) as error:
        return Answer(node, node.told, str(error))
    return Answer(node, tuple(_image(row) for row in found))


def _image(row: dict[str, Any]) -> NodeImage:
    return NodeImage(id=row.get("id", ""), names=tuple(row.get("names", ())), digests=tuple(row.get("digests", ())),
                     size_bytes=row.get("sizeBytes", 0), architecture=row.get("architecture", ""),
                     in_use=row.get("inUse", False), pinned=row.get("pinned", False), pods=tuple(row.get("pods", ())))


def remove(access: Session, node: Node, reference: str, *, force: bool = False) -> dict[str, Any]:
    """Remove an image from a node and return what went. Raises ApiError, CtlError."""
    query = f"reference={quote(reference, safe='')}" + ("&force=true" if force else "")
    return access.request("DELETE", _path(node, f"images?{query}"))


def upload(access: Session, node: Node, archive: Archive, sent: Callable[[int], None]) -> tuple[str, ...]:
    """Load an archive on a node and return the names it had; `sent` hears of each piece. Raises ApiError, CtlError."""
    answer = access.upload(_path(node, "images/load"), archive.path, sent)
    return tuple(answer.get("names", ()))


def _path(node: Node, rest: str) -> str:
    return f"/api/v1/nodes/{node.name}/proxy/{rest}"


def has(images: Iterable[NodeImage], archive: Archive) -> bool:
    """Return whether all images of an archive are there under all their names."""
    names = {image.id: set(image.names) for image in images}
    return bool(archive.images) and all(
        image.id in names and names[image.id].issuperset(image.names) for image in archive.images)


def merged(answers: Iterable[Answer]) -> dict[tuple[str, str], tuple[NodeImage, tuple[str, ...]]]:
    """Return each image by name and id, with the nodes that have it: one name may mean two images."""
    found: dict[tuple[str, str], tuple[NodeImage, tuple[str, ...]]] = {}
    for answer in answers:
        for image in answer.images:
            for name in image.shown:
                before = found.get((name, image.id), (image, ()))
                found[name, image.id] = before[0], (*before[1], answer.node.name)
    return dict(sorted(found.items()))


def unused(answer: Answer) -> tuple[NodeImage, ...]:
    """Return the images of a node that no container and no pod uses, and that are not pinned."""
    return () if answer.problem else tuple(image for image in answer.images if not image.in_use and not image.pinned)
