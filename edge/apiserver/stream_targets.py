"""Decides where a log, exec, attach, port-forward or proxy request goes: which node's agent, and which path there.

The agent's paths are the kubelet's. https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from edge.api import core, discovery, errors

_RENAMED = {"stdin": "input", "stdout": "output", "stderr": "error"}
_TRUE = ("1", "true", "True", "t", "T")


@dataclass(frozen=True, slots=True)
class Target:
    """A request to one agent."""

    node: str
    path: str
    """With the query."""


@dataclass(frozen=True, slots=True)
class ProxyName:
    """What a proxy path names: `[scheme:]name[:port]`."""

    name: str
    port: str = ""


def proxy_name(text: str) -> ProxyName:
    """Return the parts of a name in a proxy path. Raises errors.BadRequest."""
    parts = text.split(":")
    if len(parts) == 1:
        return ProxyName(parts[0])
    if len(parts) == 2:
        return ProxyName(parts[0], parts[1])
    if len(parts) == 3 and parts[0] in ("", "http"):
        return ProxyName(parts[1], parts[2])
    raise errors.BadRequest(f'invalid proxy request "{text}": want name, name:port or http:name:port')


def node_of(pod: core.Pod) -> str:
    """Return the pod's node. Raises errors.BadRequest when it has none yet."""
    if not pod.spec.node_name:
        raise errors.BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    return pod.spec.node_name


def address_of(node: core.Node) -> str:
    """Return the address the agent is reached at. Raises errors.Unavailable when the node reported none."""
    for kind in ("InternalIP", "ExternalIP"):
        for address in node.status.addresses:
            if address.type == kind and address.address:
                return address.address
    raise errors.Unavailable(f"no preferred addresses found; known addresses: {_listed(node.status.addresses)}")


def _listed(addresses: Iterable[core.NodeAddress]) -> str:
    return "[" + " ".join(f"{{{address.type} {address.address}}}" for address in addresses) + "]"


def container_of(pod: core.Pod, name: str) -> str:
    """Return the container meant. Raises errors.BadRequest when that is not clear, or there is no such one."""
    main = [container.name for container in pod.spec.containers]
    init = [container.name for container in pod.spec.init_containers]
    if name:
        if name not in main + init + [container.name for container in pod.spec.ephemeral_containers]:
            raise errors.BadRequest(f"container {name} is not valid for pod {pod.metadata.name}")
        return name
    if len(main) == 1:
        return main[0]
    text = f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(main)}]"
    raise errors.BadRequest(f"{text} or one of the init containers: [{' '.join(init)}]" if init else text)


def of_pod(pod: core.Pod, subresource: str, query: Mapping[str, list[str]]) -> Target:
    """Return where logs, exec, attach and port-forward of a pod go. Raises errors.BadRequest."""
    node = node_of(pod)
    at = f"{quote(pod.metadata.namespace)}/{quote(pod.metadata.name)}"
    if subresource == "portforward":
        return Target(node, _with_query(f"/portForward/{at}", query))
    container = container_of(pod, (query.get("container") or [""])[0])
    rest = {key: values for key, values in query.items() if key != "container"}
    if subresource == "log":
        return Target(node, _with_query(f"/containerLogs/{at}/{quote(container)}", rest))
    if subresource == "exec" and not any(rest.get("command", [])):
        raise errors.BadRequest("you must specify at least one command for the container")
    streams = {_RENAMED.get(key, key): ["1"] if key in (*_RENAMED, "tty") and values[0] in _TRUE else values
               for key, values in rest.items() if key not in (*_RENAMED, "tty") or values[0] in _TRUE}
    if not any(key in streams for key in _RENAMED.values()):
        raise errors.BadRequest("you must specify at least one of stdin, stdout, stderr")
    return Target(node, _with_query(f"/{subresource}/{at}/{quote(container)}", streams))


def of_node(name: str, rest: str, query_text: str) -> Target:
    """Return where a node proxy request goes: the same path at the agent."""
    return Target(proxy_name(name).name, f"/{rest}" + (f"?{query_text}" if query_text else ""))


def of_pod_proxy(pod: core.Pod, port: str, rest: str, query_text: str) -> Target:
    """Return where an HTTP request to a pod's port goes: through the agent of its node. Raises errors.BadRequest."""
    number = _pod_port(pod, port)
    path = f"/proxy/{quote(pod.metadata.namespace)}/{quote(pod.metadata.name)}/{number}/{rest}"
    return Target(node_of(pod), path + (f"?{query_text}" if query_text else ""))


def _pod_port(pod: core.Pod, port: str) -> int:
    ports = [each for container in pod.spec.containers for each in container.ports]
    if not port:
        return ports[0].container_port if ports else 80
    if port.isdecimal():
        if not 0 < int(port) < 65536:
            raise errors.BadRequest(f'invalid port "{port}"')
        return int(port)
    for each in ports:
        if each.name == port:
            return each.container_port
    raise errors.BadRequest(f'pod {pod.metadata.name} has no port named "{port}"')


def service_endpoint(service: core.Service, port: str,
                     slices: Iterable[discovery.EndpointSlice]) -> tuple[str, str]:
    """Return the pod and the port that a proxy request to the service goes to.

    Raises:
        errors.Unavailable: when nothing is ready, or the service has no such port.
    """
    name = service.metadata.name
    wanted = [each for each in service.spec.ports if port in ("", each.name, str(each.port))]
    if not wanted:
        raise errors.Unavailable(f'no service port "{port}" found for service "{name}"')
    for piece in slices:
        number = next((each.port for each in piece.ports if each.name == wanted[0].name), None)
        for endpoint in piece.endpoints:
            ready = endpoint.conditions is None or endpoint.conditions.ready is not False
            if number and ready and endpoint.target_ref is not None and endpoint.target_ref.kind == "Pod":
                return endpoint.target_ref.name, str(number)
    raise errors.Unavailable(f'no endpoints available for service "{name}"')


def _with_query(path: str, query: Mapping[str, list[str]]) -> str:
    text = urlencode(query, doseq=True)
    return f"{path}?{text}" if text else path
