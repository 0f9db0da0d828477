"""The apiregistration.k8s.io group: APIServices, by which a program in the cluster adds its own API to this one."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class ServiceReference(meta.Struct):
    """The service that answers for the API."""

    namespace: Annotated[str, doc("Namespace of the service.")] = ""
    name: Annotated[str, doc("Name of the service.")] = ""
    port: Annotated[int | None, doc("Port of the service; 443 by default.")] = None


class APIServiceSpec(meta.Struct):
    """Which version of which group, and who answers for it."""

    service: Annotated[ServiceReference | None, doc(
        "The service that answers; this API server itself when absent.")] = None
    group: Annotated[str, doc("API group.")] = ""
    version: Annotated[str, doc("Version, such as v1.")] = ""
    insecure_skip_tls_verify: Annotated[bool, doc(
        "True does not look at the service's certificate; not together with caBundle.")] = msgspec.field(
            default=False, name="insecureSkipTLSVerify")
    ca_bundle: Annotated[str, doc(
        "Certificates in PEM, in base64, that the service's certificate must be signed by.")] = ""
    group_priority_minimum: Annotated[int, doc(
        "Rank of the group among all, 1 to 20000; higher comes first.", required=True)] = meta.written(int)
    version_priority: Annotated[int, doc(
        "Rank of the version in its group, 1 to 1000; higher comes first.", required=True)] = meta.written(int)


class APIServiceStatus(meta.Struct):
    """Whether the API can be used."""

    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Available, and why it is not.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class APIService(meta.Object):
    """Says who answers for one version of one API group."""

    spec: Annotated[APIServiceSpec, doc("Which version of which group, and who answers for it.")] = APIServiceSpec()
    status: Annotated[APIServiceStatus, doc("Whether the API can be used.")] = APIServiceStatus()


RESOURCES = (
    Resource(group="apiregistration.k8s.io", version="v1", kind="APIService", plural="apiservices", type=APIService,
             namespaced=False, categories=("api-extensions",), subresources=("status",),
             old_versions=("apiregistration.k8s.io/v1beta1",)),
)
