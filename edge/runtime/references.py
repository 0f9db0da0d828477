"""Image references: what a name in a pod spec stands for.

Short names resolve the way Docker resolves them (`hello` is `docker.io/library/hello:latest`), without asking anybody;
see https://kubernetes.io/docs/concepts/containers/images/#image-names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.runtime.containers import Image, InvalidImageName

DEFAULT_REGISTRY = "docker.io"
LOCAL_REGISTRY = "localhost"
LONGEST_NAME = 255

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}")
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference. Either of tag and digest may be ""; both empty never happens."""

    registry: str
    """"" when the reference names none."""
    path: str
    tag: str
    digest: str

    def within(self, registry: str) -> str:
        """Return the full name, in `registry` when the reference itself names none."""
        host = self.registry or registry
        path = self.path if "/" in self.path or host != DEFAULT_REGISTRY else f"library/{self.path}"
        # A digest says exactly what is meant; Docker and Podman both refuse or ignore the tag beside it.
        return f"{host}/{path}@{self.digest}" if self.digest else f"{host}/{path}:{self.tag}"


def parse(text: str) -> Reference:
    """Split a reference. Raises InvalidImageName."""
    if len(text) > 2 * LONGEST_NAME:
        raise InvalidImageName(f'image name "{text[:32]}..." is too long')
    rest, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise InvalidImageName(f'invalid digest in image name "{text}"')
    registry = ""
    first, slash, remainder = rest.partition("/")
    if slash and ("." in first or ":" in first or first == LOCAL_REGISTRY or first != first.lower()):
        registry, rest = first, remainder
        if not _HOST.fullmatch(registry):
            raise InvalidImageName(f'invalid registry in image name "{text}"')
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidImageName(f'invalid tag in image name "{text}"')
    if not _PATH.fullmatch(path) or len(path) > LONGEST_NAME:
        raise InvalidImageName(f'cannot parse image name "{text}"')
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    return Reference(registry, path, tag or ("" if digest else "latest"), digest)


def full_name(text: str) -> str:
    """Return the name to pull. Raises InvalidImageName."""
    return parse(text).within(DEFAULT_REGISTRY)


def find(text: str, images: tuple[Image, ...]) -> Image | None:
    """Return the image a reference (or an image id) stands for among those stored here. Raises InvalidImageName."""
    if match := _ID.fullmatch(text):
        return next((image for image in images if image.id == match[1]), None)
    reference = parse(text)
    for registry in (DEFAULT_REGISTRY, LOCAL_REGISTRY):
        name = reference.within(registry)
        for image in images:
            if name in image.names or name in image.digests:
                return image
    return None
