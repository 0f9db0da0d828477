"""Old versions are named as such, in Kubernetes' words."""

from __future__ import annotations

import pytest

from edge.api import deprecations, scheme


@pytest.mark.parametrize(("api_version", "kind", "expected"), [
    ("extensions/v1beta1", "Ingress",
     "extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress"),
    ("extensions/v1beta1", "Deployment",
     "extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment"),
    ("apps/v1beta1", "StatefulSet",
     "apps/v1beta1 StatefulSet is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 StatefulSet"),
    ("apps/v1beta2", "DaemonSet",
     "apps/v1beta2 DaemonSet is deprecated in v1.9+, unavailable in v1.16+; use apps/v1 DaemonSet"),
    ("apps/v1beta1", "Scale",
     "apps/v1beta1 Scale is deprecated in v1.8+, unavailable in v1.16+; use autoscaling/v1 Scale"),
    ("policy/v1beta1", "PodDisruptionBudget",
     "policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+; use policy/v1 "
     "PodDisruptionBudget"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler",
     "autoscaling/v2beta2 HorizontalPodAutoscaler is deprecated in v1.23+, unavailable in v1.26+; use autoscaling/v2 "
     "HorizontalPodAutoscaler"),
    ("node.k8s.io/v1beta1", "RuntimeClass",
     "node.k8s.io/v1beta1 RuntimeClass is deprecated in v1.22+, unavailable in v1.25+"),
    ("networking.k8s.io/v1beta1", "IngressClass",
     "networking.k8s.io/v1beta1 IngressClass is deprecated in v1.19+, unavailable in v1.22+; use networking.k8s.io/v1 "
     "IngressClassList"),
    ("v1", "ComponentStatus", "v1 ComponentStatus is deprecated in v1.19+"),
    ("v1", "Endpoints", ""),
    ("apps/v1", "Deployment", ""),
    ("", "", ""),
])
def test_the_words(api_version: str, kind: str, expected: str) -> None:
    assert deprecations.warning(api_version, kind) == expected


def test_every_old_version_that_is_served_has_a_warning() -> None:
    silent = {(version, resource.kind) for resource in scheme.resources() for version in resource.old_versions
              if "beta" in version and not deprecations.warning(version, resource.kind)}

    assert silent == set()
