"""What every API object is made of: the struct base, object metadata, and how a field tells its meaning.

A resource type is a frozen `Struct`. Attribute names are snake_case and become Kubernetes' camelCase on the wire
(`pod_ip` -> `podIP`). A field's meaning, merge key and list type stand beside it in `Annotated[..., doc(...)]`;
OpenAPI, `kubectl explain`, strategic merge patch and validation are derived from there.
Every field has a default, so that a missing one is reported by validation in Kubernetes' words, not by the decoder.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, dataclass_transform

import msgspec

_ACRONYMS = {"ip": "IP", "ips": "IPs", "cidr": "CIDR", "cidrs": "CIDRs", "id": "ID", "uuid": "UUID", "pid": "PID",
             "ipc": "IPC", "uri": "URI", "url": "URL", "urls": "URLs", "iqn": "IQN", "api": "API", "fqdn": "FQDN"}


def camel(name: str) -> str:
    """Return the wire name of an attribute: `host_ip` -> `hostIP`, `dns_policy` -> `dnsPolicy`."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(part, part.capitalize()) for part in rest)


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Struct(msgspec.Struct, frozen=True, omit_defaults=True, rename=camel, gc=False):
    """The base of every API type: immutable, absent fields stay absent on the wire.

    The garbage collector does not look at them: what cannot change cannot become part of a cycle, and going through
    all objects of a large rack would stop everything for a while.
    """


def doc(text: str, *, merge_key: str = "", list_type: str = "", list_map_keys: tuple[str, ...] = (),
        patch_strategy: str = "", required: bool = False) -> msgspec.Meta:
    """Return the annotation of one field.

    Args:
        text: what the field means, with its unit and default; shown by `kubectl explain`.
        merge_key: the field that identifies an element when a strategic merge patch merges this list.
        list_type: `atomic`, `set` or `map`, for server-side apply.
        list_map_keys: the keys of a list of type `map`.
        patch_strategy: `merge`, `replace` or `retainKeys`; `merge` is implied by a merge key.
        required: whether OpenAPI lists the field as required.
    """
    extra = {"mergeKey": merge_key, "listType": list_type, "listMapKeys": list_map_keys,
             "patchStrategy": patch_strategy or ("merge" if merge_key else ""), "required": required}
    return msgspec.Meta(description=text, extra={key: value for key, value in extra.items() if value})


_T = TypeVar("_T")


def written(kind: type[_T]) -> _T:
    """Return the empty value of a type as a default that is written to the wire all the same.

    For fields that clients expect to find: `restartCount: 0`, `ready: false`, `imageID: ""`.
    """
    return msgspec.field(default_factory=lambda: kind())  # a bare tuple as factory would count as "empty: leave out"


# RFC 3339, written by Kubernetes in UTC with whole seconds: "2017-09-20T12:00:00Z". "" means unset. Checked when it is
# read, because everything that decides by times takes their form for granted.
Time = Annotated[str, msgspec.Meta(pattern=r"^$|^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]"
                                           r"([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$")]
# A number or a percentage / port name.
IntOrString = int | str
# A decimal number with a suffix: "500m", "64Mi". Numbers are accepted on input and kept as written.
Quantity = str | int | float


class OwnerReference(Struct):
    """Says which object owns this one; the garbage collector deletes what has lost all its owners."""

    api_version: Annotated[str, doc("API version of the owner.", required=True)] = ""
    kind: Annotated[str, doc("Kind of the owner.", required=True)] = ""
    name: Annotated[str, doc("Name of the owner.", required=True)] = ""
    uid: Annotated[str, doc("Uid of the owner.", required=True)] = ""
    controller: Annotated[bool | None, doc("True for the one owner that manages this object.")] = None
    block_owner_deletion: Annotated[bool | None, doc("Foreground deletion of the owner waits for this object.")] = None


class ManagedFieldsEntry(Struct):
    """Which fields one client manages; kept as sent."""

    manager: Annotated[str, doc("Name of the client.")] = ""
    operation: Annotated[str, doc("Apply or Update.")] = ""
    api_version: Annotated[str, doc("Version the fields are written in.")] = ""
    time: Annotated[Time | None, doc("When the entry last changed.")] = None
    fields_type: Annotated[str, doc("Always FieldsV1.")] = ""
    fields_v1: Annotated[dict[str, Any] | None, doc("The set of fields.")] = None
    subresource: Annotated[str, doc("Subresource the fields were written through.")] = ""


class ObjectMeta(Struct):
    """Name, identity and labels of an object."""

    name: Annotated[str, doc("Name, unique among objects of its kind in the namespace.")] = ""
    generate_name: Annotated[str, doc("Prefix of a name the server makes when none is given.")] = ""
    namespace: Annotated[str, doc("Namespace the object lives in; empty for cluster-wide kinds.")] = ""
    self_link: Annotated[str, doc("No longer set; accepted from old manifests.")] = ""
    uid: Annotated[str, doc("Identity in time and space, set by the server.")] = ""
    resource_version: Annotated[str, doc("Revision of the last change, for watches and optimistic locking.")] = ""
    generation: Annotated[int, doc("Counts changes of the spec.")] = 0
    creation_timestamp: Annotated[Time | None, doc("When the object was created.")] = None
    deletion_timestamp: Annotated[Time | None, doc("When a graceful deletion ends.")] = None
    deletion_grace_period_seconds: Annotated[int | None, doc("Seconds between the deletion and its end.")] = None
    labels: Annotated[dict[str, str], doc("Names and values to select objects by.")] = {}
    annotations: Annotated[dict[str, str], doc("Names and values tools keep here; not for selecting.")] = {}
    owner_references: Annotated[tuple[OwnerReference, ...],
                                doc("Objects this one depends on.", merge_key="uid", list_type="map",
                                    list_map_keys=("uid",))] = ()
    finalizers: Annotated[tuple[str, ...], doc("Deletion waits until this list is empty.", patch_strategy="merge",
                                               list_type="set")] = ()
    managed_fields: Annotated[tuple[ManagedFieldsEntry, ...], doc("Who manages which fields.",
                                                                  list_type="atomic")] = ()


class Object(Struct):
    """The base of every resource type."""

    api_version: Annotated[str, doc("Version of the schema, as group/version.")] = ""
    kind: Annotated[str, doc("Name of the schema.")] = ""
    metadata: Annotated[ObjectMeta, doc("Name, labels and identity.")] = ObjectMeta()


class LabelSelectorRequirement(Struct):
    """One condition on a label."""

    key: Annotated[str, doc("Name of the label.", required=True)] = ""
    operator: Annotated[str, doc("In, NotIn, Exists or DoesNotExist.", required=True)] = ""
    values: Annotated[tuple[str, ...], doc("Values for In and NotIn.", list_type="atomic")] = ()


class LabelSelector(Struct):
    """Selects objects by label; all conditions hold together."""

    match_labels: Annotated[dict[str, str], doc("Labels that must have these values.")] = {}
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], doc("Further conditions.",
                                                                           list_type="atomic")] = ()


class LocalObjectReference(Struct):
    """Names an object in the same namespace."""

    name: Annotated[str, doc("Name of the object.")] = ""


class ObjectReference(Struct):
    """Names any object."""

    kind: Annotated[str, doc("Kind of the object.")] = ""
    namespace: Annotated[str, doc("Namespace of the object.")] = ""
    name: Annotated[str, doc("Name of the object.")] = ""
    uid: Annotated[str, doc("Uid of the object.")] = ""
    api_version: Annotated[str, doc("API version of the object.")] = ""
    resource_version: Annotated[str, doc("Revision the reference was made at.")] = ""
    field_path: Annotated[str, doc("Part of the object, such as spec.containers{web}.")] = ""


class Condition(Struct):
    """One aspect of an object's state. The same shape serves every kind; unused times stay absent."""

    type: Annotated[str, doc("Name of the aspect.", required=True)] = ""
    status: Annotated[str, doc("True, False or Unknown.", required=True)] = ""
    observed_generation: Annotated[int, doc("Generation of the spec this was seen at.")] = 0
    last_probe_time: Annotated[Time | None, doc("When the aspect was last looked at.")] = None
    last_heartbeat_time: Annotated[Time | None, doc("When a node last reported the aspect.")] = None
    last_update_time: Annotated[Time | None, doc("When the condition was last updated.")] = None
    last_transition_time: Annotated[Time | None, doc("When the status last changed.")] = None
    reason: Annotated[str, doc("One word that says why.")] = ""
    message: Annotated[str, doc("A sentence for people.")] = ""


class WholeCondition(Condition):
    """A condition of the kinds whose clients always expect a reason and a message, even empty ones."""

    reason: Annotated[str, doc("One word that says why.", required=True)] = written(str)
    message: Annotated[str, doc("A sentence for people; may be empty.", required=True)] = written(str)
