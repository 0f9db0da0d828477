"""Decides which stored objects a label and field selector takes in, without building whole objects.

https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.api import custom, errors, fields, labels, scheme

_COMMON = ("metadata.name", "metadata.namespace")
_INVOLVED = tuple(f"involvedObject.{name}" for name in
                  ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"))
_REGARDING = {name.replace("involvedObject", "regarding"): name for name in _INVOLVED}
"""How events.k8s.io/v1 calls them."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec.nodeName", "spec.host", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
            "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"),
    "Event": (*_INVOLVED, *_REGARDING, "reason", "reportingComponent", "reportingController", "source",
              "type"),
    "Node": ("spec.unschedulable",),
    "Namespace": ("status.phase",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP", "spec.type"),
    "ReplicaSet": ("status.replicas",),
    "ReplicationController": ("status.replicas",),
    "Job": ("status.successful",),
    "CertificateSigningRequest": ("spec.signerName",),
}
"""What each kind may be selected by, beside its name and namespace."""
_WORDS = {"Job": 'field label "{}" not supported for Job'}
_ABSENT = {"spec.hostNetwork": "false", "spec.unschedulable": "false", "status.succeeded": "0"}
"""What a field that is not there counts as; most count as empty."""
_ELSEWHERE = {"spec.host": "spec.nodeName", "source": "source.component", "status.successful": "status.succeeded",
              "reportingController": "reportingComponent", **_REGARDING}
"""Fields that selectors know by another name."""


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _Head(msgspec.Struct):
    """The part of an object that selecting by name and label needs; the decoder skips the rest."""

    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_head = msgspec.json.Decoder(_Head).decode
_whole = msgspec.json.Decoder(dict[str, Any]).decode
# Many watchers ask about the same change, one after the other.
_kept_head, _kept_whole = functools.lru_cache(maxsize=32)(_head), functools.lru_cache(maxsize=32)(_whole)
_LARGEST_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Selection:
    """Both selectors of a request, ready to ask."""

    labels: labels.Selector | None = None
    fields: fields.FieldSelector | None = None
    named: tuple[str, ...] = ()
    """The fields it asks for."""

    @property
    def everything(self) -> bool:
        """Whether there is nothing to select by."""
        return self.labels is None and self.fields is None

    def matches(self, value: bytes, *, by_many: bool = False) -> bool:
        """Return whether the stored object is selected; `by_many` keeps what was read of it for who asks next."""
        if self.everything:
            return True
        kept = by_many and len(value) <= _LARGEST_KEPT_BYTES
        if self.fields is not None and any(name not in _COMMON for name in self.named):
            return self._matches_whole((_kept_whole if kept else _whole)(value))
        head = (_kept_head if kept else _head)(value).metadata
        if self.labels is not None and not self.labels.matches(head.labels):
            return False
        return self.fields is None or self.fields.matches(
            {"metadata.name": head.name, "metadata.namespace": head.namespace})

    def _matches_whole(self, obj: dict[str, Any]) -> bool:
        if self.labels is not None and not self.labels.matches(obj.get("metadata", {}).get("labels", {})):
            return False
        assert self.fields is not None
        return self.fields.matches({name: _value(obj, name) for name in self.named})


def parse(resource: scheme.Resource, label_selector: str, field_selector: str) -> Selection:
    """Return the selection.

    Raises:
        errors.BadRequest: when a selector does not parse, or names a field the kind cannot be selected by.
    """
    by_label = labels.parse(label_selector) if label_selector else None
    if not field_selector:
        return Selection(by_label)
    by_field = fields.parse(field_selector)
    known = (*_COMMON, *selectable(resource))
    for requirement in by_field.requirements:
        if requirement.field not in known:
            raise _not_supported(resource, requirement.field)
    return Selection(by_label, by_field, tuple(requirement.field for requirement in by_field.requirements))


def _not_supported(resource: scheme.Resource, name: str) -> errors.BadRequest:
    """Return the refusal of a field: kinds that can be selected by nothing of their own have other words for it."""
    if isinstance(resource, custom.CustomResource) or resource.kind in FIELDS:
        return errors.BadRequest(_WORDS.get(resource.kind, "field label not supported: {}").format(name))
    return errors.BadRequest(f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def selectable(resource: scheme.Resource) -> tuple[str, ...]:
    """Return the fields of a kind that a selector may name, beside name and namespace."""
    if isinstance(resource, custom.CustomResource):
        return tuple(name for version in resource.versions.values() for name in version.selectable)
    return FIELDS.get(resource.kind, ())


def _value(obj: dict[str, Any], path: str) -> str:
    path = _ELSEWHERE.get(path, path)
    node: Any = obj
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if isinstance(node, bool):
        return "true" if node else "false"
    if node is None:
        return _ABSENT.get(path, "")
    return str(node)


LATEST = -1
"""The revision of a token that goes on after its snapshot is gone."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Where a paged listing goes on: the snapshot (LATEST: what is there by then), and the last key that was given."""

    revision: int
    after_key: str


def write_continue(place: Continue) -> str:
    """Return the token for `metadata.continue`; clients do not look inside."""
    raw = msgspec.json.encode({"v": "edge/v1", "rv": place.revision, "after": place.after_key})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_continue(token: str, prefix: str) -> Continue:
    """Return the place a token names.

    Raises:
        errors.BadRequest: when it is not one of ours, or of another listing.
    """
    try:
        raw = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=dict[str, Any])
        place = Continue(int(raw["rv"]), str(raw["after"]))
    except (binascii.Error, msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
        raise errors.BadRequest(f"invalid continue token: continue key is not valid: {error}") from error
    if not place.after_key.startswith(prefix) or (place.revision < 1 and place.revision != LATEST):
        raise errors.BadRequest("invalid continue token: continue key is not valid: it belongs to another listing")
    return place


def revision_number(text: str, name: str = "resourceVersion") -> int:
    """Return a resourceVersion as a number; "" is 0.

    Raises:
        errors.BadRequest: when it is none.
    """
    if not text:
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > 19:
        raise errors.BadRequest(f'invalid resource version: {name}: Invalid value: "{text}": strconv.ParseUint: '
                                f'parsing "{text}": invalid syntax')
    return int(text)
