"""How nodes, namespaces and what the cluster keeps for itself are shown."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from edge.apiserver.tables import duration
from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    Cell,
    Obj,
    Printer,
    age,
    columns,
    items,
    joined,
    name,
    number,
    section,
    text,
)

_ROLE = "node-role.kubernetes.io/"
_ROLE_VALUE = "kubernetes.io/role"


def _node(obj: Obj, now: datetime) -> list[Cell]:
    info = section(obj, "status", "nodeInfo")
    return [name(obj), _node_status(obj), _roles(obj), age(obj, now), text(info, "kubeletVersion"),
            _address(obj, "InternalIP"), _address(obj, "ExternalIP"), text(info, "osImage", "<unknown>"),
            text(info, "kernelVersion", "<unknown>"), text(info, "containerRuntimeVersion", "<unknown>")]


def _node_status(obj: Obj) -> str:
    ready = next((each for each in items(section(obj, "status"), "conditions") if text(each, "type") == "Ready"), None)
    shown = "Unknown" if ready is None else "Ready" if text(ready, "status") == "True" else "NotReady"
    return shown + (",SchedulingDisabled" if section(obj, "spec").get("unschedulable") else "")


def _roles(obj: Obj) -> str:
    found = set()
    for key, value in section(obj, "metadata", "labels").items():
        if key.startswith(_ROLE) and key != _ROLE:
            found.add(key.removeprefix(_ROLE))
        elif key == _ROLE_VALUE and value:
            found.add(str(value))
    return joined(sorted(found))


def _address(obj: Obj, kind: str) -> str:
    addresses = items(section(obj, "status"), "addresses")
    return next((text(each, "address") for each in addresses if text(each, "type") == kind), NONE)


def _namespace(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), text(section(obj, "status"), "phase", "Active"), age(obj, now)]


def _config_map(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), len(section(obj, "data")) + len(section(obj, "binaryData")), age(obj, now)]


def _secret(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), text(obj, "type", "Opaque"), len(section(obj, "data")), age(obj, now)]


def _service_account(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), len(items(obj, "secrets")), age(obj, now)]


def _lease(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), text(section(obj, "spec"), "holderIdentity"), age(obj, now)]


def _request(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    seconds = spec.get("expirationSeconds")
    return [name(obj), age(obj, now), text(spec, "signerName", NONE), text(spec, "username", NONE),
            duration.human(seconds) if isinstance(seconds, int) else NONE, _request_state(status)]


def _request_state(status: Obj) -> str:
    held = {text(each, "type") for each in items(status, "conditions")}
    words = []
    if "Denied" in held:
        words.append("Denied")
    elif "Approved" in held:
        words.append("Approved")
    else:
        words.append("Pending")
    if "Failed" in held:
        words.append("Failed")
    if _certificate(status):
        words.append("Issued")
    return ",".join(words)


def _certificate(status: Obj) -> bool:
    try:
        return bool(base64.b64decode(text(status, "certificate")))
    except (binascii.Error, ValueError):
        return False


def _event(obj: Obj, now: datetime) -> list[Cell]:
    involved = section(obj, "involvedObject") or section(obj, "regarding")
    series = section(obj, "series")
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    target = f"{text(involved, 'kind').lower()}/{text(involved, 'name')}"
    count = number(series, "count") or number(obj, "count") or number(obj, "deprecatedCount") or 1
    return [duration.since(last, now), text(obj, "type"), text(obj, "reason"), target, text(involved, "fieldPath"),
            _source(obj), (text(obj, "message") or text(obj, "note")).strip(), duration.since(first, now), count,
            name(obj)]


def _source(obj: Obj) -> str:
    source = section(obj, "source") or section(obj, "deprecatedSource")
    words = [text(source, "component", text(obj, "reportingComponent")),
             text(source, "host", text(obj, "reportingInstance"))]
    return ", ".join(word for word in words if word)


NODE = Printer(columns(NAME, "Status", "Roles", AGE, "Version", "+Internal-IP", "+External-IP", "+OS-Image",
                       "+Kernel-Version", "+Container-Runtime"), _node)
NAMESPACE = Printer(columns(NAME, "Status", AGE), _namespace)
CONFIG_MAP = Printer(columns(NAME, "#Data", AGE), _config_map)
SECRET = Printer(columns(NAME, "Type", "#Data", AGE), _secret)
SERVICE_ACCOUNT = Printer(columns(NAME, "#Secrets", AGE), _service_account)
LEASE = Printer(columns(NAME, "Holder", AGE), _lease)
SIGNING_REQUEST = Printer(columns(NAME, AGE, "SignerName", "Requestor", "RequestedDuration", "Condition"), _request)
EVENT = Printer(columns("Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen",
                        "+Count", "+Name"), _event)
