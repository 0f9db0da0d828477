"""What admission is shown of an exec, attach, port-forward or proxy request: the operation CONNECT and its options.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.api import meta, scheme
from edge.apiserver import discovery
from edge.apiserver.admit import Attributes
from edge.apiserver.authenticate import User
from edge.apiserver.paths import ResourceRequest
from edge.apiserver.write import Write

SUBRESOURCES = ("exec", "attach", "portforward", "proxy")
_TRUE = ("1", "t", "T", "true", "True", "TRUE")


class ConnectOptions(meta.Object):
    """The options of a connection; which of them there are depends on the kind."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    container: str = ""
    command: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    path: str = ""


def attributes(asked: ResourceRequest, resource: scheme.Resource, user: User) -> Attributes:
    """Return what admission is shown of a request for one of the subresources."""
    group, version, kind, _ = discovery.subresource(resource, asked.subresource)
    query = asked.query
    ports = [port for text in query.get("ports", ()) for port in text.split(",")]
    options = ConnectOptions(
        api_version=f"{group}/{version}" if group else version, kind=kind,
        stdin=_flag(query, "stdin"), stdout=_flag(query, "stdout"), stderr=_flag(query, "stderr"),
        tty=_flag(query, "tty"), container=(query.get("container") or [""])[0],
        command=tuple(query.get("command", ())), path=f"/{asked.rest}" if asked.subresource == "proxy" else "",
        ports=tuple(int(port) for port in ports if port.isascii() and port.isdecimal() and len(port) < 6))
    return Attributes(operation="CONNECT", resource=resource, namespace=asked.namespace, name=asked.name, obj=options,
                      write=Write(user=user, api_version=asked.api_version, subresource=asked.subresource))


def _flag(query: Mapping[str, list[str]], name: str) -> bool:
    return (query.get(name) or [""])[0] in _TRUE
