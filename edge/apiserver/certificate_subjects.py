"""Refuses requests for a user's certificate with the group of masters: whoever approves them could not see it.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificatesubjectrestriction
"""

from __future__ import annotations

import base64
import binascii

from edge.api import certificates, errors, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.pki import names


class CertificateSubjectRestriction(Plugin):
    """Looks into requests for the signer of users' certificates."""

    name = "CertificateSubjectRestriction"

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Return whether this makes a certificate request."""
        return resource.type is certificates.CertificateSigningRequest and operation == "CREATE" and not subresource

    async def validate(self, request: Attributes) -> None:
        """Raise errors.Forbidden when a user asks to be a master, or the request cannot be read."""
        obj = request.obj
        if not isinstance(obj, certificates.CertificateSigningRequest) or obj.spec.signer_name != names.USER_SIGNER:
            return
        # The cryptography package is loaded with the first such request and not before.
        from edge.pki import authority, users

        try:
            csr = users.read(base64.b64decode(obj.spec.request, validate=True))
            problem = users.restriction() if names.MASTERS_GROUP in users.groups(csr) else ""
        except (authority.PkiError, binascii.Error, ValueError) as error:
            problem = f"failed to parse CSR: {error}"
        if problem:
            raise errors.Forbidden(
                f'{request.resource.group_resource} "{request.name}" is forbidden: {problem}',
                details={"name": request.name, "group": "certificates.k8s.io", "kind": request.resource.plural})
