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

    @property
    def repository(self) -> str:
        """The full name without tag and digest."""
        return self.within(DEFAULT_REGISTRY).removesuffix(f"@{self.digest}").removesuffix(f":{self.tag}")


def parse(text: str) -> Reference:
    """Split a reference. Raises InvalidImageName."""
    if len(text) > 2 * LONGEST_NAME:
        raise InvalidImageName(f'couldn\'t parse image name "{text[:32]}...": it is too long')
    rest, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "invalid digest")
    registry = ""
    first, slash, remainder = rest.partition("/")
    if slash and ("." in first or ":" in first or first == LOCAL_REGISTRY or first != first.lower()):
        registry, rest = first, remainder
        if not _HOST.fullmatch(registry):
            raise _invalid(text, "invalid registry")
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, "invalid tag")
    if not _PATH.fullmatch(path) or len(path) > LONGEST_NAME:
        upper = path != path.lower() and _PATH.fullmatch(path.lower()) is not None
        raise _invalid(text, f"repository name ({path}) must be lowercase" if upper else "")
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    return Reference(registry, path, tag or ("" if digest else "latest"), digest)


def _invalid(text: str, what: str) -> InvalidImageName:
    """Return the error in Kubernetes' words."""
    return InvalidImageName(f'couldn\'t parse image name "{text}": invalid reference format{what and f": {what}"}')


def full_name(text: str) -> str:
    """Return the name to pull. Raises InvalidImageName."""
    return parse(text).within(DEFAULT_REGISTRY)


def find(text: str, images: tuple[Image, ...]) -> Image | None:
    """Return the image a reference (or an image id) stands for among those stored here. Raises InvalidImageName."""
    found = lookup(text, images)
    return found[0] if found is not None else None


def lookup(text: str, images: tuple[Image, ...]) -> tuple[Image, str] | None:
    """Return the image that `find` does, with the one of its names that was meant; empty for an id or a digest."""
    if match := _ID.fullmatch(text):
        return next(((image, "") for image in images if image.id == match[1]), None)
    reference = parse(text)
    for registry in (DEFAULT_REGISTRY, LOCAL_REGISTRY):
        name = reference.within(registry)
        for image in images:
            if name in image.names:
                return image, name
            if name in image.digests:
                return image, ""
    return None
