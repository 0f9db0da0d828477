"""The objects a cluster is never without: the service `kubernetes`, where it leads, the bootstrap token, and what
aggregated API servers trust. And one it begins with: the storage class of local directories, which people may change or
delete.
"""

from __future__ import annotations

import base64
import ipaddress
from typing import TypeVar

import msgspec

from edge.api import core, local_volumes, meta, storage, volume_binding
from edge.pki import names, tokens

CLASS_OFFERED = "edge.pi/storage-class-offered"
"""Annotation of the namespace kube-system: the storage class was made once, or was not needed."""

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses


def kubernetes_service(service_cidr: str, port: int) -> core.Service:
    """Return the service by which pods reach the API."""
    first = str(ipaddress.ip_network(service_cidr)[1])
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return core.Service(
        api_version="v1", kind="Service",
        metadata=meta.ObjectMeta(name="kubernetes", namespace="default", labels=labels),
        spec=core.ServiceSpec(
            type="ClusterIP", cluster_ip=first, cluster_ips=(first,), session_affinity="None",
            ports=(core.ServicePort(name="https", protocol="TCP", port=443, target_port=port),)))


def kubernetes_endpoints(address: str, port: int) -> core.Endpoints:
    """Return where that service leads."""
    subset = core.EndpointSubset(addresses=(core.EndpointAddress(ip=address),),
                                 ports=(core.EndpointPort(name="https", port=port, protocol="TCP"),))
    return core.Endpoints(api_version="v1", kind="Endpoints", subsets=(subset,),
                          metadata=meta.ObjectMeta(name="kubernetes", namespace="default"))


def bootstrap_secret(token: tokens.BootstrapToken) -> core.Secret:
    """Return the token as the API keeps it (kubeadm's layout)."""
    values = {"token-id": token.id, "token-secret": token.secret, "usage-bootstrap-authentication": "true",
              "usage-bootstrap-signing": "true", "description": "lets new nodes join; from the server's settings"}
    return core.Secret(
        api_version="v1", kind="Secret", type="bootstrap.kubernetes.io/token",
        metadata=meta.ObjectMeta(name=f"bootstrap-token-{token.id}", namespace="kube-system"),
        data={key: base64.b64encode(value.encode()).decode() for key, value in values.items()})


def extension_authentication(ca_pem: str, users_ca_pem: str = "") -> core.ConfigMap:
    """Return what aggregated API servers check their callers by: this server, and through it every user.

    https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
    """
    lists = {"requestheader-allowed-names": [names.SERVER_USER], "requestheader-username-headers": ["X-Remote-User"],
             "requestheader-uid-headers": ["X-Remote-Uid"], "requestheader-group-headers": ["X-Remote-Group"],
             "requestheader-extra-headers-prefix": ["X-Remote-Extra-"]}
    return core.ConfigMap(
        api_version="v1", kind="ConfigMap",
        metadata=meta.ObjectMeta(name="extension-apiserver-authentication", namespace="kube-system"),
        data={"client-ca-file": ca_pem + users_ca_pem, "requestheader-client-ca-file": ca_pem,
              **{key: msgspec.json.encode(value).decode() for key, value in lists.items()}})


def local_class() -> storage.StorageClass:
    """Return the storage class whose volumes are directories on the node of their pod."""
    return storage.StorageClass(
        api_version="storage.k8s.io/v1", kind="StorageClass", provisioner=local_volumes.PROVISIONER,
        metadata=meta.ObjectMeta(name=local_volumes.CLASS, annotations={volume_binding.DEFAULT_CLASS[0]: "true"}),
        volume_binding_mode=volume_binding.WAIT, reclaim_policy="Delete", allow_volume_expansion=True)


def repaired(found: O, wanted: O) -> O | None:
    """Return the object with the parts that matter put right, or None when nothing is wrong."""
    fixed: meta.Object
    match found, wanted:
        case core.Service(), core.Service():
            if found.spec.ports and found.spec.ports[0].target_port == wanted.spec.ports[0].target_port \
                    and found.spec.cluster_ip == wanted.spec.cluster_ip:
                return None
            fixed = msgspec.structs.replace(found, spec=wanted.spec)
        case core.Endpoints(), core.Endpoints():
            fixed = msgspec.structs.replace(found, subsets=wanted.subsets)
        case core.ConfigMap(), core.ConfigMap():
            fixed = msgspec.structs.replace(found, data=found.data | wanted.data)
        case core.Secret(), core.Secret():
            fixed = msgspec.structs.replace(found, data=found.data | wanted.data)
        case _:
            return None
    return None if fixed == found else fixed
