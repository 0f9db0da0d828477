"""Turns the manifest of a static pod into the pod a node runs, as the kubelet does, or says what is wrong with it.

It needs all rules of the API and is needed rarely, so it is imported in a child process only.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec.structs import replace

from edge.api import codec, core, defaults, errors, meta, mirror_pods, scheme, validation

MOST_BYTES = mirror_pods.MOST_BYTES


class ManifestError(Exception):
    """The file holds no pod this node can run; the text says why."""


def read(content: bytes, path: str, node: str, seen: str) -> tuple[core.Pod, tuple[str, ...]]:
    """Return the static pod of a file, and what a person should know of it.

    Args:
        content: of the file, YAML or JSON.
        path: of the file; part of the pod's identity.
        node: the node's name.
        seen: RFC 3339, when the file came to be.

    Raises:
        ManifestError: it is no pod, or one that may not be.
    """
    if len(content) > MOST_BYTES:
        raise ManifestError(f"{len(content)} bytes are more than the {MOST_BYTES} a manifest may have")
    raw = _parse(content, path)
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if (kind, version) != ("Pod", "v1"):
        raise ManifestError(f"it holds a {kind} of {version}, only a Pod of v1 can be static")
    try:
        sent = codec.decode(scheme.of_type(core.Pod), raw)
    except errors.ApiError as error:
        raise ManifestError(error.message) from error
    assert isinstance(sent, core.Pod)
    unknown = tuple(f"unknown field {field!r}" for field in codec.unknown_fields(core.Pod, raw))
    return _derived(sent, _identity(raw, path, node), node, seen), unknown


def _parse(content: bytes, path: str) -> dict[str, Any]:
    try:
        if path.endswith(".json"):
            raw = msgspec.json.decode(content)
        else:
            from edge.apiserver import yaml_bodies  # A program without manifests in YAML needs no reader of it.

            raw = yaml_bodies.read(content)
    except ImportError as error:
        raise ManifestError("it is YAML, and the package PyYAML is not installed; write it as JSON") from error
    except errors.ApiError as error:
        raise ManifestError(error.message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"it does not parse: {error}") from error
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise ManifestError("it holds no object" if raw is not None else "it is empty")
    return raw


def _identity(raw: dict[str, Any], path: str, node: str) -> str:
    """Return a uid that changes with the manifest, but not with how it is laid out."""
    try:
        content = msgspec.json.encode(raw, order="deterministic")
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ManifestError(f"it holds what JSON cannot: {error}") from error
    return hashlib.sha256(content + f"\nhost:{node}\nfile:{path}".encode()).hexdigest()[:32]


def _derived(sent: core.Pod, uid: str, node: str, seen: str) -> core.Pod:
    if not sent.metadata.name:
        raise ManifestError("metadata.name: Required value")
    if kind := mirror_pods.reference(sent.spec):
        raise ManifestError(f"a static pod may not refer to {kind}: it runs without the API")
    if sent.spec.node_name not in ("", node):
        raise ManifestError(f"spec.nodeName is {sent.spec.node_name}, this node is {node}")
    annotations = {key: value for key, value in sent.metadata.annotations.items() if key not in mirror_pods.ANNOTATIONS}
    annotations |= {mirror_pods.SOURCE: mirror_pods.FILE, mirror_pods.HASH: uid, mirror_pods.SEEN: seen}
    # As by the kubelet: what a node runs by itself is not driven from it by what is wrong with the node.
    stays = core.Toleration(operator="Exists", effect="NoExecute")
    tolerations = (*(each for each in sent.spec.tolerations if each != stays), stays)
    pod = defaults.apply(core.Pod(
        api_version="v1", kind="Pod",
        metadata=meta.ObjectMeta(name=mirror_pods.name_on(sent.metadata.name, node),
                                 namespace=sent.metadata.namespace or "default", labels=sent.metadata.labels,
                                 annotations=annotations),
        spec=replace(sent.spec, node_name=node, tolerations=tolerations, scheduling_gates=())))
    if causes := validation.create(pod):
        raise ManifestError("; ".join(f"{cause.field}: {cause.message}" for cause in causes[:5]))
    return replace(pod, metadata=replace(pod.metadata, uid=uid))
