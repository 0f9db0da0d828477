"""The certificates.k8s.io group: CertificateSigningRequests, by which nodes and people get an identity."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class CertificateSigningRequestSpec(meta.Struct):
    """What is asked for, and by whom."""

    request: Annotated[str, doc("The PKCS#10 request in PEM, in base64; cannot change.", required=True)] = ""
    signer_name: Annotated[str, doc("Who is to sign, such as edge.io/node; cannot change.", required=True)] = ""
    expiration_seconds: Annotated[int | None, doc(
        "Seconds the certificate should be valid, at least 600; the signer may give less.")] = None
    usages: Annotated[tuple[str, ...], doc(
        "What the key is for, such as digital signature and client auth.", list_type="atomic")] = ()
    username: Annotated[str, doc("Who asks; set by the server.")] = ""
    uid: Annotated[str, doc("Uid of who asks; set by the server.")] = ""
    groups: Annotated[tuple[str, ...], doc("Groups of who asks; set by the server.", list_type="atomic")] = ()
    extra: Annotated[dict[str, tuple[str, ...]], doc("Further attributes of who asks; set by the server.")] = {}


class CertificateSigningRequestStatus(meta.Struct):
    """The answer."""

    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Approved, Denied or Failed.", list_type="map", list_map_keys=("type",))] = ()
    certificate: Annotated[str, doc("The certificate chain in PEM, in base64; set once it is signed.")] = ""


class CertificateSigningRequest(meta.Object):
    """Asks for a certificate."""

    spec: Annotated[CertificateSigningRequestSpec, doc(
        "What is asked for, and by whom.", required=True)] = CertificateSigningRequestSpec()
    status: Annotated[CertificateSigningRequestStatus, doc("The answer.")] = CertificateSigningRequestStatus()


RESOURCES = (
    Resource(group="certificates.k8s.io", version="v1", kind="CertificateSigningRequest",
             plural="certificatesigningrequests", type=CertificateSigningRequest, namespaced=False,
             short_names=("csr",), subresources=("approval", "status"),
             old_versions=("certificates.k8s.io/v1beta1",)),
)
