"""Says that a version of a kind is deprecated, in Kubernetes' words.

They name the release of Kubernetes that stopped to serve a version. Here the old versions stay available; other
clusters will not accept a manifest that uses one, and that is what the warning is for.
https://kubernetes.io/docs/reference/using-api/deprecation-guide/
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Lifecycle:
    """Minor releases of Kubernetes 1, and what to use instead."""

    deprecated: int
    removed: int = 0
    instead: str = ""
    """Its API version; empty when the words name none."""
    kind: str = ""
    """Its kind, where that is another one."""


def warning(api_version: str, kind: str) -> str:
    """Return what a client that uses this version of a kind is told; empty when it is up to date."""
    life = _LIVES.get((api_version, kind))
    if life is None:
        return ""
    text = f"{api_version} {kind} is deprecated in v1.{life.deprecated}+"
    if life.removed:
        text += f", unavailable in v1.{life.removed}+"
    return f"{text}; use {life.instead} {life.kind or kind}" if life.instead else text


def _same(api_version: str, kinds: tuple[str, ...], life: _Lifecycle) -> dict[tuple[str, str], _Lifecycle]:
    return {(api_version, kind): life for kind in kinds}


_WORKLOADS = ("ControllerRevision", "Deployment", "StatefulSet")
_LIVES: dict[tuple[str, str], _Lifecycle] = {
    ("v1", "ComponentStatus"): _Lifecycle(19),
    **_same("admissionregistration.k8s.io/v1beta1", ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
            _Lifecycle(16, 22, "admissionregistration.k8s.io/v1")),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): _Lifecycle(16, 22, "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", "APIService"): _Lifecycle(19, 22, "apiregistration.k8s.io/v1"),
    **_same("apps/v1beta1", (*_WORKLOADS, "DeploymentRollback"), _Lifecycle(8, 16, "apps/v1")),
    ("apps/v1beta1", "Scale"): _Lifecycle(8, 16, "autoscaling/v1"),
    **_same("apps/v1beta2", (*_WORKLOADS, "DaemonSet", "ReplicaSet"), _Lifecycle(9, 16, "apps/v1")),
    ("apps/v1beta2", "Scale"): _Lifecycle(9, 16, "autoscaling/v1"),
    ("authentication.k8s.io/v1beta1", "TokenReview"): _Lifecycle(19, 22, "authentication.k8s.io/v1"),
    **_same("authorization.k8s.io/v1beta1",
            ("LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"),
            _Lifecycle(19, 22, "authorization.k8s.io/v1")),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): _Lifecycle(22, 25, "autoscaling/v2"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): _Lifecycle(23, 26, "autoscaling/v2"),
    ("batch/v1beta1", "CronJob"): _Lifecycle(21, 25, "batch/v1"),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest"): _Lifecycle(19, 22, "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", "Lease"): _Lifecycle(19, 22, "coordination.k8s.io/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): _Lifecycle(21, 25, "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "Event"): _Lifecycle(22, 25),
    **_same("extensions/v1beta1", ("DaemonSet", "Deployment", "ReplicaSet"), _Lifecycle(8, 16, "apps/v1")),
    ("extensions/v1beta1", "DeploymentRollback"): _Lifecycle(8, 16),
    ("extensions/v1beta1", "Ingress"): _Lifecycle(14, 22, "networking.k8s.io/v1"),
    ("extensions/v1beta1", "NetworkPolicy"): _Lifecycle(9, 16, "networking.k8s.io/v1"),
    ("extensions/v1beta1", "PodSecurityPolicy"): _Lifecycle(11, 16, "policy/v1beta1"),
    ("extensions/v1beta1", "Scale"): _Lifecycle(2, 16, "autoscaling/v1"),
    ("networking.k8s.io/v1beta1", "Ingress"): _Lifecycle(19, 22, "networking.k8s.io/v1"),
    # The list is Kubernetes' own slip; its words are kept.
    ("networking.k8s.io/v1beta1", "IngressClass"): _Lifecycle(19, 22, "networking.k8s.io/v1", "IngressClassList"),
    ("node.k8s.io/v1beta1", "RuntimeClass"): _Lifecycle(22, 25),
    ("policy/v1beta1", "Eviction"): _Lifecycle(22, 25),
    ("policy/v1beta1", "PodDisruptionBudget"): _Lifecycle(21, 25, "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy"): _Lifecycle(21, 25),
    **_same("rbac.authorization.k8s.io/v1beta1", ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
            _Lifecycle(17, 22, "rbac.authorization.k8s.io/v1")),
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): _Lifecycle(14, 22, "scheduling.k8s.io/v1"),
    **_same("storage.k8s.io/v1beta1", ("CSIDriver", "StorageClass", "VolumeAttachment"),
            _Lifecycle(19, 22, "storage.k8s.io/v1")),
    ("storage.k8s.io/v1beta1", "CSINode"): _Lifecycle(17, 22, "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity"): _Lifecycle(24, 27, "storage.k8s.io/v1"),
}
