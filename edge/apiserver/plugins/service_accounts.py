"""What a pod gets of its service account, and which secrets it may use as that account.

https://kubernetes.io/docs/concepts/security/service-accounts/
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from edge.api import core

DEFAULT = "default"
ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def with_account(pod: core.Pod, account: core.ServiceAccount) -> core.Pod:
    """Return the pod with the credentials for registries that it leaves to its account."""
    if pod.spec.image_pull_secrets or not account.image_pull_secrets:
        return pod
    return replace(pod, spec=replace(pod.spec, image_pull_secrets=account.image_pull_secrets))


def refusal(pod: core.Pod, account: core.ServiceAccount) -> str:
    """Return which secret of a pod its account does not allow; empty when it may have them all."""
    if account.metadata.annotations.get(ENFORCE, "") not in ("1", "t", "T", "true", "TRUE", "True"):
        return ""
    name = account.metadata.name
    mountable = {reference.name for reference in account.secrets}
    for secret, what in _uses(pod.spec):
        if secret not in mountable:
            return (f'{what} secret.secretName="{secret}" is not allowed because service account {name} does not '
                    "reference that secret")
    pulling = {reference.name for reference in account.image_pull_secrets}
    for index, reference in enumerate(pod.spec.image_pull_secrets):
        if reference.name not in pulling:
            return (f'imagePullSecrets[{index}].name="{reference.name}" is not allowed because service account {name} '
                    "does not reference that imagePullSecret")
    return ""


def _uses(spec: core.PodSpec) -> Iterator[tuple[str, str]]:
    """Yield each secret a pod uses, and how a refusal begins."""
    for volume in spec.volumes:
        if volume.secret is not None:
            yield volume.secret.secret_name, "volume with"
    for kind, containers in (("init container", spec.init_containers), ("container", spec.containers),
                             ("ephemeral container", spec.ephemeral_containers)):
        for container in containers:
            for env in container.env:
                if env.value_from is not None and env.value_from.secret_key_ref is not None:
                    yield (env.value_from.secret_key_ref.name,
                           f"{kind} {container.name} with envVar {env.name} referencing")
            for source in container.env_from:
                if source.secret_ref is not None:
                    yield source.secret_ref.name, f"{kind} {container.name} with envFrom referencing"
