"""The networking.k8s.io group: Ingresses lead requests to services, NetworkPolicies say who may talk to whom.

https://kubernetes.io/docs/concepts/services-networking/ingress/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource
from edge.api.volumes import TypedLocalObjectReference

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
"""How manifests name the class of an Ingress when they are older than spec.ingressClassName."""
DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
"""Marks the IngressClass of Ingresses that name none."""


class ServiceBackendPort(meta.Struct):
    """A port of a service; a name or a number."""

    name: Annotated[str, doc("Name of the port.")] = ""
    number: Annotated[int, doc("Number of the port, 1 to 65535.")] = 0


class IngressServiceBackend(meta.Struct):
    """A service requests are sent to."""

    name: Annotated[str, doc("Name of the service in the Ingress's namespace.", required=True)] = ""
    port: Annotated[ServiceBackendPort, doc("Port of the service.")] = ServiceBackendPort()


class IngressBackend(meta.Struct):
    """Where requests are sent: a service, or an object the Ingress controller understands."""

    service: Annotated[IngressServiceBackend | None, doc("The service; not together with resource.")] = None
    resource: Annotated[TypedLocalObjectReference | None, doc(
        "The object in the same namespace; not together with service.")] = None


class HTTPIngressPath(meta.Struct):
    """Requests for a path, and where they are sent."""

    path: Annotated[str, doc("Path of the request, starting with /.")] = ""
    path_type: Annotated[str, doc(
        "Exact, Prefix (whole elements of the path), or ImplementationSpecific.", required=True)] = ""
    backend: Annotated[IngressBackend, doc("Where they are sent.", required=True)] = meta.written(IngressBackend)


class HTTPIngressRuleValue(meta.Struct):
    """The paths of one host."""

    paths: Annotated[tuple[HTTPIngressPath, ...], doc(
        "The paths; the longest that matches wins.", list_type="atomic", required=True)] = meta.written(tuple)


class IngressRule(meta.Struct):
    """What becomes of requests for one host."""

    host: Annotated[str, doc("Name of the host, or *.domain for one more label; every host when empty.")] = ""
    http: Annotated[HTTPIngressRuleValue | None, doc("The paths; everything goes to the default backend when absent.")
                    ] = None


class IngressTLS(meta.Struct):
    """A certificate, and the hosts it is for."""

    hosts: Annotated[tuple[str, ...], doc("Hosts of the certificate.", list_type="atomic")] = ()
    secret_name: Annotated[str, doc("Secret of type kubernetes.io/tls with the certificate and its key.")] = ""


class IngressSpec(meta.Struct):
    """Which requests are sent where."""

    ingress_class_name: Annotated[str | None, doc("Class of the Ingress; names the controller that serves it.")] = None
    default_backend: Annotated[IngressBackend | None, doc("Where requests go that match no rule.")] = None
    tls: Annotated[tuple[IngressTLS, ...], doc("Certificates; without any only port 80.", list_type="atomic")] = ()
    rules: Annotated[tuple[IngressRule, ...], doc("The hosts and their paths.", list_type="atomic")] = ()


class IngressPortStatus(meta.Struct):
    """State of one port of the load balancer."""

    port: Annotated[int, doc("Port number.", required=True)] = meta.written(int)
    protocol: Annotated[str, doc("TCP, UDP or SCTP.", required=True)] = ""
    error: Annotated[str, doc("Why it could not be set up; empty when it was.")] = ""


class IngressLoadBalancerIngress(meta.Struct):
    """Where the Ingress is reached."""

    ip: Annotated[str, doc("Address.")] = ""
    hostname: Annotated[str, doc("Name, where there is no address.")] = ""
    ports: Annotated[tuple[IngressPortStatus, ...], doc("State of its ports.", list_type="atomic")] = ()


class IngressLoadBalancerStatus(meta.Struct):
    """State of the load balancer."""

    ingress: Annotated[tuple[IngressLoadBalancerIngress, ...], doc(
        "Where it is reached; empty until it is set up.", list_type="atomic")] = ()


class IngressStatus(meta.Struct):
    """State of the Ingress."""

    load_balancer: Annotated[IngressLoadBalancerStatus, doc("State of the load balancer.")] = (
        IngressLoadBalancerStatus())


class Ingress(meta.Object):
    """Leads HTTP requests from outside to services."""

    spec: Annotated[IngressSpec, doc("Which requests are sent where.")] = IngressSpec()
    status: Annotated[IngressStatus, doc("State of the Ingress.")] = IngressStatus()


class IngressClassParametersReference(meta.Struct):
    """An object with settings of the controller."""

    api_group: Annotated[str | None, doc("API group of the object; the core group when absent.")] = None
    kind: Annotated[str, doc("Kind of the object.", required=True)] = ""
    name: Annotated[str, doc("Name of the object.", required=True)] = ""
    scope: Annotated[str, doc("Cluster (default) or Namespace.")] = ""
    namespace: Annotated[str | None, doc("Namespace of the object, for scope Namespace.")] = None


class IngressClassSpec(meta.Struct):
    """Who serves the class."""

    controller: Annotated[str, doc("Name of the controller, such as example.com/ingress; cannot change.")] = ""
    parameters: Annotated[IngressClassParametersReference | None, doc("Settings of the controller.")] = None


class IngressClass(meta.Object):
    """Says which controller serves the Ingresses that name this class."""

    spec: Annotated[IngressClassSpec, doc("Who serves the class.")] = IngressClassSpec()


class IPBlock(meta.Struct):
    """A range of addresses with holes."""

    cidr: Annotated[str, doc("The range, such as 192.168.1.0/24.", required=True)] = ""
    except_: Annotated[tuple[str, ...], doc("Ranges inside it that are left out.", list_type="atomic")] = ()


class NetworkPolicyPort(meta.Struct):
    """A port or a range of ports."""

    protocol: Annotated[str, doc("TCP (default), UDP or SCTP.")] = ""
    port: Annotated[meta.IntOrString | None, doc("Number, or name of a container port; every port when absent.")] = None
    end_port: Annotated[int | None, doc("Last port of a range that starts with port.")] = None


class NetworkPolicyPeer(meta.Struct):
    """Whom a rule is about: pods, or a range of addresses."""

    pod_selector: Annotated[meta.LabelSelector | None, doc(
        "Pods by label, in the policy's namespace unless namespaceSelector is given; {} is all of them.")] = None
    namespace_selector: Annotated[meta.LabelSelector | None, doc("Namespaces by label; {} is all of them.")] = None
    ip_block: Annotated[IPBlock | None, doc("Addresses; not together with the others.")] = None


class NetworkPolicyIngressRule(meta.Struct):
    """What may reach the pods; it holds when both a port and a peer match."""

    ports: Annotated[tuple[NetworkPolicyPort, ...], doc("Ports of the pods; every port when empty.",
                                                        list_type="atomic")] = ()
    from_: Annotated[tuple[NetworkPolicyPeer, ...], doc("Who may reach them; everybody when empty.",
                                                        list_type="atomic")] = ()


class NetworkPolicyEgressRule(meta.Struct):
    """What the pods may reach; it holds when both a port and a peer match."""

    ports: Annotated[tuple[NetworkPolicyPort, ...], doc("Ports they may reach; every port when empty.",
                                                        list_type="atomic")] = ()
    to: Annotated[tuple[NetworkPolicyPeer, ...], doc("Whom they may reach; everybody when empty.",
                                                     list_type="atomic")] = ()


class NetworkPolicySpec(meta.Struct):
    """Which pods, and what is allowed to them."""

    pod_selector: Annotated[meta.LabelSelector, doc(
        "Pods the policy is about; {} is all of the namespace.", required=True)] = meta.written(meta.LabelSelector)
    ingress: Annotated[tuple[NetworkPolicyIngressRule, ...], doc(
        "What may reach the pods; nothing when empty and policyTypes has Ingress.", list_type="atomic")] = ()
    egress: Annotated[tuple[NetworkPolicyEgressRule, ...], doc(
        "What the pods may reach; nothing when empty and policyTypes has Egress.", list_type="atomic")] = ()
    policy_types: Annotated[tuple[str, ...], doc(
        "Directions the policy is about: Ingress, and Egress too by default when there are egress rules.",
        list_type="atomic")] = ()


class NetworkPolicy(meta.Object):
    """Says which traffic to and from pods is allowed."""

    spec: Annotated[NetworkPolicySpec, doc("Which pods, and what is allowed to them.")] = NetworkPolicySpec()


RESOURCES = (
    Resource(group="networking.k8s.io", version="v1", kind="Ingress", plural="ingresses", type=Ingress,
             short_names=("ing",), subresources=("status",),
             old_versions=("networking.k8s.io/v1beta1", "extensions/v1beta1")),
    Resource(group="networking.k8s.io", version="v1", kind="IngressClass", plural="ingressclasses", type=IngressClass,
             namespaced=False, old_versions=("networking.k8s.io/v1beta1",)),
    Resource(group="networking.k8s.io", version="v1", kind="NetworkPolicy", plural="networkpolicies",
             type=NetworkPolicy, short_names=("netpol",), old_versions=("extensions/v1beta1",)),
)
