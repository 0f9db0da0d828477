"""What admission knows about single kinds: pods, namespaces, jobs, certificate requests, services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from edge.api import batch, certificates, core, custom, defaults, job_selectors, meta, mirror_pods, quantity, scheme
from edge.apiserver.authenticate import User

O = TypeVar("O", bound=meta.Object)  # noqa: E741
NAMESPACE_FINALIZER = "kubernetes"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_AWAY_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a rack may want otherwise."""

    toleration_seconds: int = 10
    """How long a pod stays on a node that is not ready or unreachable."""


def without_status(resource: scheme.Resource, obj: O) -> O:
    """Return a new object with an empty status where clients may not set one; a node brings its own."""
    if "status" not in resource.subresources or isinstance(obj, core.Node):
        return obj
    return custom.with_part(obj, "status", custom.part(resource.type(), "status"))


def on_create(obj: O, user: User, settings: Settings) -> O:
    """Return the new object with what admission adds for its kind."""
    if isinstance(obj, core.Pod):
        return cast(O, _pod(obj, settings))
    if isinstance(obj, core.Namespace):
        return cast(O, _namespace(obj))
    if isinstance(obj, batch.Job):
        return cast(O, job_selectors.with_selector(obj))
    if isinstance(obj, certificates.CertificateSigningRequest):
        spec = msgspec.structs.replace(obj.spec, username=user.name, uid=user.uid, groups=user.groups,
                                       extra=dict(user.extra))
        return cast(O, msgspec.structs.replace(obj, spec=spec))
    return obj


def settled(obj: O) -> O:
    """Return a new object with what depends on all that plugins have made of it."""
    if not isinstance(obj, core.Pod):
        return obj
    spec = obj.spec if obj.spec.priority is not None else msgspec.structs.replace(obj.spec, priority=0)
    status = msgspec.structs.replace(obj.status, qos_class=qos_class(spec))
    return cast(O, msgspec.structs.replace(obj, spec=spec, status=status))


def on_update(new: O, old: O) -> O:
    """Return the replacement with what a client may leave out taken from the old object."""
    if isinstance(new, core.Service) and isinstance(old, core.Service):
        return cast(O, _keep_allocated(new, old))
    if isinstance(new, core.Namespace) and isinstance(old, core.Namespace):
        labels = {**new.metadata.labels, NAMESPACE_LABEL: old.metadata.name}
        metadata = msgspec.structs.replace(new.metadata, labels=labels)
        return cast(O, msgspec.structs.replace(new, spec=old.spec, metadata=metadata))
    if isinstance(new, certificates.CertificateSigningRequest) \
            and isinstance(old, certificates.CertificateSigningRequest):
        return cast(O, msgspec.structs.replace(new, spec=old.spec))
    return new


def on_subresource(new: O, old: O, subresource: str) -> O:
    """Return the old object with only what the subresource writes taken from the new one."""
    if subresource == "finalize" and isinstance(new, core.Namespace):
        return msgspec.structs.replace(old, spec=new.spec)
    if subresource == "ephemeralcontainers" and isinstance(new, core.Pod) and isinstance(old, core.Pod):
        added = defaults.apply(new).spec.ephemeral_containers
        return cast(O, msgspec.structs.replace(old, spec=msgspec.structs.replace(old.spec, ephemeral_containers=added)))
    if isinstance(new, certificates.CertificateSigningRequest) \
            and isinstance(old, certificates.CertificateSigningRequest):
        approving = subresource == "approval"
        decided = new if approving else old
        conditions = tuple(c for c in decided.status.conditions if c.type in ("Approved", "Denied"))
        others = tuple(c for c in (old if approving else new).status.conditions
                       if c.type not in ("Approved", "Denied"))
        certificate = old.status.certificate if approving else new.status.certificate
        status = msgspec.structs.replace(old.status, conditions=conditions + others, certificate=certificate)
        return cast(O, msgspec.structs.replace(old, status=status))
    return custom.with_part(old, "status", custom.part(new, "status"))


def qos_class(spec: core.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort, by the requests and limits of all containers.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
    """
    containers = (*spec.init_containers, *spec.containers)
    named = [(name, amounts) for container in containers
             for amounts in (container.resources.requests, container.resources.limits) for name in amounts
             if name in ("cpu", "memory")]
    if not named:
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(container) for container in containers) else "Burstable"


def _guaranteed(container: core.Container) -> bool:
    limits, requests = container.resources.limits, container.resources.requests
    if "cpu" not in limits or "memory" not in limits:
        return False
    return all(quantity.parse(requests.get(name, limits[name])) == quantity.parse(limits[name])
               for name in ("cpu", "memory"))


def _pod(pod: core.Pod, settings: Settings) -> core.Pod:
    """Add the service account and the default tolerations; a new pod is Pending."""
    # A mirror pod shows what its node runs, which acts as nobody.
    account = pod.spec.service_account_name or ("" if mirror_pods.is_mirror(pod) else "default")
    spec = msgspec.structs.replace(pod.spec, service_account_name=account, service_account=account,
                                   tolerations=_tolerations(pod.spec, settings.toleration_seconds))
    status = msgspec.structs.replace(pod.status, phase="Pending")
    return msgspec.structs.replace(pod, spec=spec, status=status)


def _tolerations(spec: core.PodSpec, seconds: int) -> tuple[core.Toleration, ...]:
    added = []
    for taint in _AWAY_TAINTS:
        tolerated = any(t.key in ("", taint) and t.effect in ("", "NoExecute")
                        and (t.key or t.operator == "Exists") for t in spec.tolerations)
        if not tolerated:
            added.append(core.Toleration(key=taint, operator="Exists", effect="NoExecute",
                                         toleration_seconds=seconds))
    return (*spec.tolerations, *added)


def _namespace(namespace: core.Namespace) -> core.Namespace:
    labels = {**namespace.metadata.labels, NAMESPACE_LABEL: namespace.metadata.name}
    finalizers = namespace.spec.finalizers
    if NAMESPACE_FINALIZER not in finalizers:
        finalizers = (*finalizers, NAMESPACE_FINALIZER)
    return msgspec.structs.replace(
        namespace, metadata=msgspec.structs.replace(namespace.metadata, labels=labels),
        spec=msgspec.structs.replace(namespace.spec, finalizers=finalizers),
        status=msgspec.structs.replace(namespace.status, phase="Active"))


_OPEN_TYPES = ("NodePort", "LoadBalancer")
_BALANCED = ("allocate_load_balancer_node_ports", "load_balancer_class", "health_check_node_port")


def _keep_allocated(new: core.Service, old: core.Service) -> core.Service:
    """Keep the cluster IP and node ports of a service whose new manifest does not name them."""
    spec = _of_its_type(new.spec, old.spec)
    if spec.type != "ExternalName" and old.spec.type != "ExternalName" and not spec.cluster_ip:
        spec = msgspec.structs.replace(spec, cluster_ip=old.spec.cluster_ip, cluster_ips=old.spec.cluster_ips)
    if spec.type in ("NodePort", "LoadBalancer") and old.spec.type in ("NodePort", "LoadBalancer"):
        known = {(port.protocol, port.port): port.node_port for port in old.spec.ports}
        ports = tuple(port if port.node_port else msgspec.structs.replace(
            port, node_port=known.get((port.protocol, port.port), port.node_port)) for port in spec.ports)
        taken = [port.node_port for port in spec.ports if port.node_port]
        if not any(port.node_port in taken for port, was in zip(ports, spec.ports, strict=True)
                   if not was.node_port):
            spec = msgspec.structs.replace(spec, ports=ports)
    return msgspec.structs.replace(new, spec=spec)


def _of_its_type(new: core.ServiceSpec, old: core.ServiceSpec) -> core.ServiceSpec:
    """Drop what only the type before had and what came back as it was: a patch of the type alone has to work.

    https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/#ServiceSpec
    """
    changes: dict[str, Any] = {}
    if new.type == "ExternalName" and old.type != "ExternalName" and new.cluster_ip == old.cluster_ip:
        changes |= {"cluster_ip": "", "cluster_ips": ()}
    if new.type not in _OPEN_TYPES and old.type in _OPEN_TYPES:
        before = {port.node_port for port in old.ports}
        changes["ports"] = tuple(msgspec.structs.replace(port, node_port=0) if port.node_port in before else port
                                 for port in new.ports)
        if not new.external_ips and new.external_traffic_policy == old.external_traffic_policy:
            changes["external_traffic_policy"] = ""
    if new.type != "LoadBalancer" and old.type == "LoadBalancer":
        blank = core.ServiceSpec()
        changes |= {name: getattr(blank, name) for name in _BALANCED if getattr(new, name) == getattr(old, name)}
    return msgspec.structs.replace(new, **changes)
