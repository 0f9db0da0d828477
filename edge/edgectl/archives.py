"""What is in an image archive of Podman, Docker or OCI, read without unpacking it: ids, names and architectures.

An image's id is the hash of its configuration, on every node the same; so a node that has it needs no upload.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from edge.edgectl.failures import CtlError
from edge.runtime import references
from edge.runtime.containers import InvalidImageName

LONGEST_DOCUMENT_BYTES = 4 * 1024 * 1024
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


Compressed = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image of an archive."""

    id: str
    names: tuple[str, ...]
    """In full; empty where the archive names none."""
    architecture: str


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive on this machine."""

    path: Path
    shown: str
    """What the person called it."""
    size_bytes: int
    images: tuple[ArchivedImage, ...]
    """Empty when the archive offers different images to different machines."""


def read(path: Path, shown: str) -> Archive:
    """Return what an archive holds. Raises CtlError when it is none."""
    try:
        with tarfile.open(path, "r:*") as tar:
            documents = _documents(tar)
        images = tuple(_docker(documents) if "manifest.json" in documents else _oci(documents))
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CtlError(f"{shown}: is no image archive, or is cut off. `podman save` and `docker save` make one; what "
                       "is compressed with zstd has to be unpacked first") from error
    except OSError as error:
        raise CtlError(f"{shown}: {error.strerror or error}") from error
    return Archive(path, shown, path.stat().st_size, images)


def unpacked(path: Path) -> Compressed | None:
    """Open what is inside a compressed file; None for one that is not compressed."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head.startswith(b"BZh"):
        return bz2.open(path)
    return lzma.open(path) if head == b"\xfd7zXZ\x00" else None


def _documents(tar: tarfile.TarFile) -> dict[str, bytes]:
    """Return the small files; layers are large, and what is small and no JSON is not asked for."""
    found = {}
    for member in tar:
        if member.isfile() and member.size <= LONGEST_DOCUMENT_BYTES:
            file = tar.extractfile(member)
            head = file.read(1) if file is not None else b""
            if file is not None and head in (b"{", b"["):
                found[member.name.removeprefix("./")] = head + file.read()
    return found


def _docker(documents: dict[str, bytes]) -> Iterator[ArchivedImage]:
    for entry in json.loads(documents["manifest.json"]):
        yield _image(documents[entry["Config"]], entry.get("RepoTags") or ())


def _oci(documents: dict[str, bytes]) -> Iterator[ArchivedImage]:
    for entry in json.loads(documents["index.json"])["manifests"]:
        manifest = json.loads(documents[_blob(entry["digest"])])
        if "config" not in manifest:
            # A list: which of its images a node takes is the node's business.
            continue
        annotations = entry.get("annotations") or {}
        name = next((annotations[key] for key in _NAMES if key in annotations), "")
        yield _image(documents[_blob(manifest["config"]["digest"])], (name,) if "/" in name or ":" in name else ())


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/", 1)


def _image(configuration: bytes, names: tuple[str, ...] | list[str]) -> ArchivedImage:
    document: dict[str, Any] = json.loads(configuration)
    full = []
    for name in names:
        try:
            full.append(references.full_name(name))
        except InvalidImageName as error:
            raise ValueError(name) from error
    return ArchivedImage(sha256(configuration).hexdigest(), tuple(full), str(document.get("architecture") or ""))
