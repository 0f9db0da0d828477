"""Lets only those decide about a certificate request, or sign it, whom a role gives its signer.

Without this, whoever may approve one kind of certificate could approve all of them.
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
"""

from __future__ import annotations

from edge.api import certificates, errors, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.authenticate import User
from edge.apiserver.authorize import Authorizer
from edge.apiserver.paths import ResourceRequest

_GROUP = "certificates.k8s.io"


class SignerRights(Plugin):
    """Judges approvals and signatures: CertificateApproval and CertificateSigning in one."""

    name = "CertificateApproval"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Return whether this decides about a request, or signs it."""
        return resource.type is certificates.CertificateSigningRequest and operation == "UPDATE" \
            and subresource in ("approval", "status")

    async def validate(self, request: Attributes) -> None:
        """Raise errors.Forbidden when the user has nothing to do with the signer."""
        new, old = request.obj, request.old
        if not isinstance(new, certificates.CertificateSigningRequest) \
                or not isinstance(old, certificates.CertificateSigningRequest):
            return
        verb = "approve" if request.write.subresource == "approval" else "sign"
        if verb == "sign" and new.status == old.status:
            return
        signer = old.spec.signer_name
        if not self._may(request.write.user, verb, signer):
            raise errors.Forbidden(
                f'{request.resource.group_resource} "{request.name}" is forbidden: user not permitted to {verb} '
                f'requests with signerName "{signer}"',
                details={"name": request.name, "group": _GROUP, "kind": request.resource.plural})

    def _may(self, user: User, verb: str, signer: str) -> bool:
        names = (signer, f"{signer.partition('/')[0]}/*")
        return any(self._authorizer.allowed(user, ResourceRequest(
            verb=verb, group=_GROUP, version="v1", resource="signers", name=name)).allowed for name in names)
