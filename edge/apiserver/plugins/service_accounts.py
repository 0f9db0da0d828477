"""What a pod gets of its service account, and which secrets it may use as that account.

https://kubernetes.io/docs/concepts/security/service-accounts/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from edge.api import core

DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ROOT_CA = "kube-root-ca.crt"
TOKEN_SECONDS = 3607
"""An hour and seven seconds: whoever asks for this asks for the token every pod gets."""
ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def with_account(pod: core.Pod, account: core.ServiceAccount) -> core.Pod:
    """Return the pod with the credentials for registries that it leaves to its account."""
    if pod.spec.image_pull_secrets or not account.image_pull_secrets:
        return pod
    return replace(pod, spec=replace(pod.spec, image_pull_secrets=account.image_pull_secrets))


def wants_token(pod: core.Pod, account: core.ServiceAccount) -> bool:
    """Return whether a pod's containers get the account's token; the pod's word goes before the account's."""
    for choice in (pod.spec.automount_service_account_token, account.automount_service_account_token):
        if choice is not None:
            return choice
    return True


def with_token(pod: core.Pod, suffix: Callable[[], str]) -> core.Pod:
    """Return the pod with the account's token mounted in each container that mounts nothing there itself.

    `suffix` gives letters for the volume's name.
    """
    spec = pod.spec
    name = next((volume.name for volume in spec.volumes if volume.name.startswith(VOLUME_PREFIX)), "")
    if all(_mounts_it(container) for container in (*spec.init_containers, *spec.containers)):
        return pod
    volumes = spec.volumes
    if not name:
        name = VOLUME_PREFIX + suffix()
        volumes = (*volumes, _volume(name))
    mount = core.VolumeMount(name=name, read_only=True, mount_path=MOUNT_PATH)

    def mounted(containers: tuple[core.Container, ...]) -> tuple[core.Container, ...]:
        return tuple(container if _mounts_it(container)
                     else replace(container, volume_mounts=(*container.volume_mounts, mount))
                     for container in containers)
    return replace(pod, spec=replace(spec, volumes=volumes, containers=mounted(spec.containers),
                                     init_containers=mounted(spec.init_containers)))


def _mounts_it(container: core.Container) -> bool:
    return any(mount.mount_path == MOUNT_PATH for mount in container.volume_mounts)


def _volume(name: str) -> core.Volume:
    """Return the volume as it is after defaults, which have been set by now."""
    namespace = core.DownwardAPIVolumeFile(
        path="namespace", field_ref=core.ObjectFieldSelector(api_version="v1", field_path="metadata.namespace"))
    return core.Volume(name=name, projected=core.ProjectedVolumeSource(default_mode=0o644, sources=(
        core.VolumeProjection(service_account_token=core.ServiceAccountTokenProjection(
            path="token", expiration_seconds=TOKEN_SECONDS)),
        core.VolumeProjection(config_map=core.ConfigMapProjection(
            name=ROOT_CA, items=(core.KeyToPath(key="ca.crt", path="ca.crt"),))),
        core.VolumeProjection(downward_api=core.DownwardAPIProjection(items=(namespace,))))))


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
