"""PodDisruptionBudgets: how many pods of an application may be missing because somebody moves them away.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

DISRUPTION_ALLOWED = "DisruptionAllowed"
"""The condition of a budget that says whether a pod may be evicted now."""


class PodDisruptionBudgetSpec(meta.Struct):
    """Which pods, and how many of them must stay."""

    min_available: Annotated[meta.IntOrString | None, doc(
        "Healthy pods that must be left after an eviction, as a number or a share rounded up.")] = None
    selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the pods; an empty selector matches all pods of the namespace, none at all matches nothing.",
        patch_strategy="replace")] = None
    max_unavailable: Annotated[meta.IntOrString | None, doc(
        "Pods that may be missing after an eviction, as a number or a share rounded up; instead of minAvailable."
    )] = None
    unhealthy_pod_eviction_policy: Annotated[str | None, doc(
        "When pods that are not ready may be evicted: IfHealthyBudget (default), while enough others are healthy; "
        "AlwaysAllow, at any time.")] = None


class PodDisruptionBudgetStatus(meta.Struct):
    """How many pods there are, and how many may go."""

    observed_generation: Annotated[int, doc("Generation of the spec the status is about.")] = 0
    disrupted_pods: Annotated[dict[str, meta.Time], doc(
        "Pods whose eviction was allowed and has not been seen yet, and when that was.")] = {}
    disruptions_allowed: Annotated[int, doc("Pods that may be evicted now.", required=True)] = meta.written(int)
    current_healthy: Annotated[int, doc("Pods that are healthy.", required=True)] = meta.written(int)
    desired_healthy: Annotated[int, doc("Pods that must be healthy.", required=True)] = meta.written(int)
    expected_pods: Annotated[int, doc("Pods that the budget counts.", required=True)] = meta.written(int)
    conditions: Annotated[tuple[meta.WholeCondition, ...], doc(
        "DisruptionAllowed, with the reason SufficientPods, InsufficientPods or SyncFailed.",
        merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class PodDisruptionBudget(meta.Object):
    """Limits how many pods of an application may be missing because of evictions."""

    spec: Annotated[PodDisruptionBudgetSpec, doc(
        "Which pods, and how many of them must stay.")] = PodDisruptionBudgetSpec()
    status: Annotated[PodDisruptionBudgetStatus, doc(
        "How many pods there are, and how many may go.")] = PodDisruptionBudgetStatus()


RESOURCES = (
    Resource(group="policy", version="v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets",
             type=PodDisruptionBudget, short_names=("pdb",), subresources=("status",),
             old_versions=("policy/v1beta1",)),
)
