"""What is wrong with ConfigMaps, Secrets, Nodes, Leases, Events and certificate requests."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json

from edge.api import certificates, configuration, coordination, events, labels, nodes
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_SIZE_LIMIT = 1024 * 1024
_REDACTED = "<secret contents redacted>"
_SET_FOR_GOOD = "field is immutable when `immutable` is set"
_NEEDED_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def config_map(obj: configuration.ConfigMap) -> Causes:
    """Yield what is wrong with a ConfigMap."""
    size = 0
    for key, text in obj.data.items():
        yield from words.check(f"data[{key}]", key, words.config_key)
        if key in obj.binary_data:
            yield words.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        size += len(text.encode())
    for key, encoded in obj.binary_data.items():
        yield from words.check(f"binaryData[{key}]", key, words.config_key)
        content = _decoded(encoded)
        if content is None:
            yield words.invalid(f"binaryData[{key}]", encoded[:32], "illegal base64 data")
        size += len(content or b"")
    if size > _SIZE_LIMIT:
        yield words.too_long("", _SIZE_LIMIT)


def update_config_map(new: configuration.ConfigMap, old: configuration.ConfigMap) -> Causes:
    """Yield what of a change to a ConfigMap is not allowed."""
    if old.immutable:
        if not new.immutable:
            yield words.forbidden("immutable", _SET_FOR_GOOD)
        if new.data != old.data:
            yield words.forbidden("data", _SET_FOR_GOOD)
        if new.binary_data != old.binary_data:
            yield words.forbidden("binaryData", _SET_FOR_GOOD)


def secret(obj: configuration.Secret) -> Causes:
    """Yield what is wrong with a Secret. Its content never shows up in a message."""
    size = 0
    contents: dict[str, bytes] = {}
    for key, encoded in obj.data.items():
        yield from words.check(f"data[{key}]", key, words.config_key)
        content = _decoded(encoded)
        if content is None:
            yield words.invalid(f"data[{key}]", _REDACTED, "illegal base64 data")
        contents[key] = content or b""
        size += len(contents[key])
    if size > _SIZE_LIMIT:
        yield words.too_long("data", _SIZE_LIMIT)
    yield from _typed_content(obj, contents)


def _typed_content(obj: configuration.Secret, contents: dict[str, bytes]) -> Causes:
    for key in _NEEDED_KEYS.get(obj.type, ()):
        if key not in contents or (key == "ssh-privatekey" and not contents[key]):
            yield words.required(f"data[{key}]")
        elif key.startswith(".docker") and (problem := _not_an_object(contents[key])):
            yield words.invalid(f"data[{key}]", _REDACTED, problem)
    if obj.type == "kubernetes.io/basic-auth" and not {"username", "password"} & set(contents):
        yield words.required("data[username]")
        yield words.required("data[password]")
    account = "kubernetes.io/service-account.name"
    if obj.type == "kubernetes.io/service-account-token" and not obj.metadata.annotations.get(account):
        yield words.required(f"metadata.annotations[{account}]")


def update_secret(new: configuration.Secret, old: configuration.Secret) -> Causes:
    """Yield what of a change to a Secret is not allowed."""
    yield from words.same("type", new.type, old.type)
    if old.immutable:
        if not new.immutable:
            yield words.forbidden("immutable", _SET_FOR_GOOD)
        if new.data != old.data:
            yield words.forbidden("data", _SET_FOR_GOOD)


def node(obj: nodes.Node) -> Causes:
    """Yield what is wrong with a Node."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(obj.spec.taints):
        here = f"spec.taints[{index}]"
        yield from words.name_of(f"{here}.key", taint.key, labels.key_problem)
        if taint.value:
            yield from words.check(f"{here}.value", taint.value, labels.value_problem)
        yield from words.one_of(f"{here}.effect", taint.effect, ("NoSchedule", "PreferNoSchedule", "NoExecute"))
        if (taint.key, taint.effect) in seen:
            yield words.duplicate(here, taint)
        seen.add((taint.key, taint.effect))
    for index, cidr in enumerate(obj.spec.pod_cidrs):
        yield from words.check(f"spec.podCIDRs[{index}]", cidr, words.network)
    if len({ipaddress.ip_network(cidr, strict=False).version for cidr in obj.spec.pod_cidrs
            if not words.network(cidr)}) < len(obj.spec.pod_cidrs) > 1:
        yield words.invalid("spec.podCIDRs", list(obj.spec.pod_cidrs),
                            "may specify no more than one CIDR for each IP family")
    if obj.spec.pod_cidr and obj.spec.pod_cidrs and obj.spec.pod_cidr != obj.spec.pod_cidrs[0]:
        yield words.invalid("spec.podCIDR", obj.spec.pod_cidr, "must be equal to podCIDRs[0]")


def update_node(new: nodes.Node, old: nodes.Node) -> Causes:
    """Yield what of a change to a Node is not allowed."""
    if old.spec.pod_cidrs and new.spec.pod_cidrs != old.spec.pod_cidrs:
        yield words.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if old.spec.provider_id and new.spec.provider_id != old.spec.provider_id:
        yield words.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')
    if new.spec.external_id != old.spec.external_id:
        yield words.forbidden("spec.externalID", "may not be updated")


def lease(obj: coordination.Lease) -> Causes:
    """Yield what is wrong with a Lease."""
    spec = obj.spec
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        yield words.invalid("spec.leaseDurationSeconds", spec.lease_duration_seconds, "must be greater than 0")
    yield from words.at_least("spec.leaseTransitions", spec.lease_transitions)
    if spec.strategy:
        yield from words.check("spec.strategy", spec.strategy, labels.key_problem)
    elif spec.preferred_holder:
        yield words.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined")


def event(obj: events.Event) -> Causes:
    """Yield what is wrong with an Event; one with eventTime is of the new style and must say more."""
    involved, namespace = obj.involved_object.namespace, obj.metadata.namespace
    if obj.event_time:
        if not involved and namespace not in ("default", "kube-system"):
            yield words.invalid("involvedObject.namespace", involved, "does not match event.namespace")
        yield from _reported(obj)
    elif involved != namespace and not (not involved and namespace in ("", "default")):
        yield words.invalid("involvedObject.namespace", involved, "does not match event.namespace")


def _reported(obj: events.Event) -> Causes:
    yield from words.name_of("reportingComponent", obj.reporting_component, labels.key_problem)
    for field, text, longest in (("reportingInstance", obj.reporting_instance, 128), ("action", obj.action, 128),
                                 ("reason", obj.reason, 128)):
        if not text:
            yield words.required(field)
        elif len(text.encode()) > longest:
            yield words.invalid(field, "", f"can have at most {longest} characters")
    if len(obj.message.encode()) > 1024:
        yield words.invalid("message", "", "can have at most 1024 characters")


def signing_request(obj: certificates.CertificateSigningRequest) -> Causes:
    """Yield what is wrong with a CertificateSigningRequest."""
    spec = obj.spec
    pem = _decoded(spec.request)
    if not spec.request or pem is None:
        yield words.invalid("spec.request", spec.request[:32], "illegal base64 data" if pem is None else
                            "PEM block type must be CERTIFICATE REQUEST")
    elif b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
        yield words.invalid("spec.request", spec.request[:32], "PEM block type must be CERTIFICATE REQUEST")
    if not spec.signer_name:
        yield words.required("spec.signerName")
    elif spec.signer_name.count("/") != 1 or "." not in spec.signer_name.partition("/")[0]:
        yield words.invalid("spec.signerName", spec.signer_name, "must be a fully qualified domain and path of the "
                                                                 "form 'example.com/signer-name'")
    if not spec.usages:
        yield words.required("spec.usages")
    for index in sorted(words.repeated(spec.usages)):
        yield words.duplicate(f"spec.usages[{index}]", spec.usages[index])
    if spec.expiration_seconds is not None and spec.expiration_seconds < 600:
        yield words.invalid("spec.expirationSeconds", spec.expiration_seconds, "may not specify a duration less than "
                                                                               "600 seconds (10 minutes)")


def update_signing_request(new: certificates.CertificateSigningRequest,
                           old: certificates.CertificateSigningRequest) -> Causes:
    """Yield what of a change to a CertificateSigningRequest is not allowed."""
    yield from words.same("spec", new.spec, old.spec)


def _decoded(encoded: str) -> bytes | None:
    """Return the bytes of base64 text, or None when it is none."""
    try:
        return base64.b64decode(encoded.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def _not_an_object(content: bytes) -> str:
    """Return why bytes are no JSON object, in the words of Go's decoder; empty when they are one."""
    try:
        read = json.loads(content, parse_int=float, parse_float=float)
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc):
            return "unexpected end of JSON input"
        return f"invalid character {error.doc[error.pos]!r} looking for beginning of value"
    except UnicodeDecodeError:
        return "invalid character in string literal"
    except RecursionError:
        return "exceeded max depth"
    if isinstance(read, dict) or read is None:
        return ""
    kind = {list: "array", str: "string", bool: "bool"}.get(type(read), "number")
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
