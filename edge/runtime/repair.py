"""What Podman's words say of a container store that a power cut has broken, and which part of it has to go.

A store is four things: the database of containers, the list of containers, the list of images and the layers. Each is
given up alone, so that a node without internet keeps its images when only its containers are lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_IMAGE = re.compile(r'image "([0-9a-f]{64})".*you may need to remove the image', re.DOTALL)
# From its beginning: further on a message may repeat what a pod says, such as a path.
_LAYER = re.compile(r'\A(?:container create: )?creating container storage: creating read-write layer with ID "\w*": .*'
                    r"(?:no such file or directory|layer not known|input/output error|structure needs cleaning)",
                    re.DOTALL)
_LIST = re.compile(r"(/[^\s\"':]*/(?:overlay|vfs|btrfs|zfs)-(?:containers|images|layers)/[a-z-]+\.json)")
_UNREADABLE = ("unexpected end of JSON", "invalid character", "cannot unmarshal")
_DATABASE = ("invalid database", "file is not a database", "database disk image is malformed", "checksum error",
             "version mismatch")
# Podman up to 4 keeps a Bolt file, from 5 on an SQLite one.
_DATABASES = ("libpod/bolt_state.db", "db.sql")


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of the store that cannot be read: files below the store's directory or by full path, and what is lost."""

    paths: tuple[str, ...]
    lost: str
    """`containers` or `images`."""


def damaged_image(text: str) -> str:
    """Return the id of an image that spoils the whole list of images, empty when the text speaks of none."""
    found = _IMAGE.search(text)
    return found[1] if found else ""


def is_layer_damage(text: str) -> bool:
    """Return whether a container could not be created because its image's layers are not whole."""
    return bool(_LAYER.search(text))


def diagnose(text: str) -> Damage | None:
    """Return what is broken, from what a Podman that does not start has printed; None for what a restart may mend."""
    if (found := _LIST.search(text)) and any(words in text for words in _UNREADABLE):
        return Damage((found[1],), "containers" if "-containers/" in found[1] else "images")
    opening = "opening database" in text or "libpod/state" in text
    if (opening and any(words in text for words in _DATABASE)) or _is_panic(text):
        return Damage(_DATABASES, "containers")
    return None


def image_list(storage: str, drivers: tuple[str, ...] = ("overlay", "vfs", "btrfs", "zfs")) -> tuple[str, ...]:
    """Return where the list of images may be, below the store's directory."""
    return tuple(str(PurePosixPath(storage, f"{driver}-images", "images.json")) for driver in drivers)


def _is_panic(text: str) -> bool:
    """A Bolt file with torn pages is not refused: the program that reads it falls over."""
    return "goroutine " in text and "bbolt" in text
