"""Decides what the downward API gives: fields of the pod and resources of its containers, as text.

See https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

from __future__ import annotations

import re
from fractions import Fraction

from edge.agent.surroundings import Surroundings
from edge.api import core, quantity

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]", re.DOTALL)
_ESCAPES = {"\\": "\\\\", '"': '\\"',
            "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_OWN = ("cpu", "memory", "ephemeral-storage")
"""Resources of which a container without a limit may use all the node has to give."""


class UnknownFieldError(Exception):
    """The pod asks for a field or resource that does not exist; the text names it."""


def field(pod: core.Pod, path: str, address: str, around: Surroundings) -> str:
    """Return the value of a fieldRef path; `address` is the pod's own.

    Raises:
        UnknownFieldError: no such path.
    """
    if match := _SUBSCRIPT.fullmatch(path):
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
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))


def _quoted(text: str) -> str:
    """Return text in quotation marks with everything escaped that would not show, as Go writes it."""
    return '"' + "".join(_ESCAPES.get(letter) or (letter if letter.isprintable() else _escaped(ord(letter)))
                         for letter in text) + '"'


def _escaped(number: int) -> str:
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def container(pod: core.Pod, name: str) -> core.Container:
    """Return a container of the pod.

    Raises:
        UnknownFieldError: there is none of that name.
    """
    for each in (*pod.spec.containers, *pod.spec.init_containers):
        if each.name == name:
            return each
    raise UnknownFieldError(f"container {name} not found")


def resource(container: core.Container, name: str, divisor: str, around: Surroundings) -> str:
    """Return a request or limit, divided and rounded up; without a limit that of the node.

    Raises:
        UnknownFieldError: no such resource.
    """
    side, _, kind = name.partition(".")
    if side not in ("limits", "requests") or not (kind in _OWN or kind.startswith("hugepages-")):
        raise UnknownFieldError(f"unsupported container resource: {name}")
    limits = container.resources.limits
    given = container.resources.requests.get(kind, limits.get(kind)) if side == "requests" else limits.get(kind)
    amount = quantity.parse(given) if given is not None else Fraction(0)
    if side == "limits" and amount == 0:
        own = {"cpu": Fraction(around.cpu_milli, 1000), "memory": Fraction(around.memory_bytes),
               "ephemeral-storage": Fraction(around.storage_bytes)}
        amount = own.get(kind, Fraction(0))
    unit = quantity.parse(divisor) if divisor else Fraction(1)
    return str(-(-amount // (unit or Fraction(1))))
