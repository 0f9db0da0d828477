"""Decides what the downward API gives: fields of the pod and resources of its containers, as text.

See https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

from __future__ import annotations

import re
from fractions import Fraction

from edge.agent.surroundings import Surroundings
from edge.api import core, quantity

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['([^']*)'\]$")


class UnknownFieldError(Exception):
    """The pod asks for a field or resource that does not exist; the text names it."""


def field(pod: core.Pod, path: str, address: str, around: Surroundings) -> str:
    """Return the value of a fieldRef path; `address` is the pod's own.

    Raises:
        UnknownFieldError: no such path.
    """
    if match := _SUBSCRIPT.match(path):
        values = pod.metadata.labels if match[1] == "labels" else pod.metadata.annotations
        return values.get(match[2], "")
    values = {
        "metadata.name": pod.metadata.name, "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid, "metadata.labels": _lines(pod.metadata.labels),
        "metadata.annotations": _lines(pod.metadata.annotations),
        "spec.nodeName": pod.spec.node_name or around.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name or "default",
        "status.hostIP": around.node_address, "status.hostIPs": around.node_address,
        "status.podIP": address, "status.podIPs": address,
    }
    if path not in values:
        raise UnknownFieldError(f"unsupported fieldPath: {path}")
    return values[path]


def _lines(values: dict[str, str]) -> str:
    def quoted(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return "\n".join(f"{key}={quoted(values[key])}" for key in sorted(values))


def resource(container: core.Container, name: str, divisor: str, around: Surroundings) -> str:
    """Return a request or limit, divided and rounded up; without a limit that of the node.

    Raises:
        UnknownFieldError: no such resource.
    """
    side, _, kind = name.partition(".")
    if side not in ("limits", "requests") or kind not in ("cpu", "memory", "ephemeral-storage"):
        raise UnknownFieldError(f"unsupported container resource: {name}")
    resources = container.resources
    limits = resources.limits if resources else {}
    given = (resources.requests if resources and side == "requests" else {}).get(kind, limits.get(kind))
    if given is not None:
        amount = quantity.parse(given)
    elif side == "requests":
        amount = Fraction(0)
    else:
        own = {"cpu": Fraction(around.cpu_milli, 1000), "memory": Fraction(around.memory_bytes)}
        amount = own.get(kind, Fraction(0))
    unit = quantity.parse(divisor) if divisor and divisor != "0" else Fraction(1)
    return str(-(-amount // unit))
