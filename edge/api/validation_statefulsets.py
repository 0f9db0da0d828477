"""What is wrong with StatefulSets, and what of them may change."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import labels, pods, statefulsets, validation_pods, volumes
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_MAY_CHANGE = ("updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
               "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")


def stateful_set(obj: statefulsets.StatefulSet) -> Causes:
    """Yield what is wrong with a StatefulSet."""
    spec = obj.spec
    if spec.pod_management_policy not in ("OrderedReady", "Parallel"):
        yield words.invalid("spec.podManagementPolicy", spec.pod_management_policy,
                            "must be 'OrderedReady' or 'Parallel'")
    yield from _strategy("spec.updateStrategy", spec.update_strategy)
    kept = spec.persistent_volume_claim_retention_policy
    if kept is not None:
        here = "spec.persistentVolumeClaimRetentionPolicy"
        yield from words.one_of(f"{here}.whenDeleted", kept.when_deleted, ("Retain", "Delete"))
        yield from words.one_of(f"{here}.whenScaled", kept.when_scaled, ("Retain", "Delete"))
    yield from words.at_least("spec.replicas", spec.replicas)
    yield from words.at_least("spec.minReadySeconds", spec.min_ready_seconds)
    yield from words.at_least("spec.revisionHistoryLimit", spec.revision_history_limit)
    if spec.ordinals is not None:
        yield from words.at_least("spec.ordinals.start", spec.ordinals.start)
    yield from _selector(spec)
    yield from _template(spec)


def update(new: statefulsets.StatefulSet, old: statefulsets.StatefulSet) -> Causes:
    """Yield what of a change is not allowed: identity and storage of the pods stay."""
    spec = new.spec
    changeable = replace(
        old.spec, replicas=spec.replicas, ordinals=spec.ordinals, template=spec.template,
        update_strategy=spec.update_strategy, min_ready_seconds=spec.min_ready_seconds,
        persistent_volume_claim_retention_policy=spec.persistent_volume_claim_retention_policy)
    if spec != changeable:
        yield words.forbidden("spec", _MAY_CHANGE)


def update_status(new: statefulsets.StatefulSet, old: statefulsets.StatefulSet) -> Causes:
    """Yield what is wrong with a new status."""
    status = new.status
    for field, number in (("replicas", status.replicas), ("readyReplicas", status.ready_replicas),
                          ("currentReplicas", status.current_replicas), ("updatedReplicas", status.updated_replicas),
                          ("availableReplicas", status.available_replicas),
                          ("collisionCount", status.collision_count)):
        yield from words.at_least(f"status.{field}", number)
    yield from words.at_least("status.observedGeneration", status.observed_generation, most=2**63 - 1)
    for field, number in (("readyReplicas", status.ready_replicas), ("currentReplicas", status.current_replicas),
                          ("updatedReplicas", status.updated_replicas),
                          ("availableReplicas", status.available_replicas)):
        if number > status.replicas:
            yield words.invalid(f"status.{field}", number, "cannot be greater than status.replicas")
    if status.available_replicas > status.ready_replicas:
        yield words.invalid("status.availableReplicas", status.available_replicas,
                            "cannot be greater than status.readyReplicas")
    if (status.collision_count or 0) < (old.status.collision_count or 0):
        yield words.invalid("status.collisionCount", status.collision_count or 0, "cannot be decremented")


def _strategy(here: str, strategy: statefulsets.StatefulSetUpdateStrategy) -> Causes:
    rolling = strategy.rolling_update
    if strategy.type not in ("RollingUpdate", "OnDelete"):
        yield words.invalid(here, strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy.type == "OnDelete" and rolling is not None:
        yield words.invalid(f"{here}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    elif rolling is not None:
        yield from words.at_least(f"{here}.rollingUpdate.partition", rolling.partition)
        most = rolling.max_unavailable
        yield from words.count_or_percent(f"{here}.rollingUpdate.maxUnavailable", most)
        if most in (0, "0%"):
            yield words.invalid(f"{here}.rollingUpdate.maxUnavailable", most, "cannot be 0")
        elif isinstance(most, str) and most.removesuffix("%").isdigit() and int(most.removesuffix("%")) > 100:
            yield words.invalid(f"{here}.rollingUpdate.maxUnavailable", most, "must not be greater than 100%")


def _selector(spec: statefulsets.StatefulSetSpec) -> Causes:
    selector, template = spec.selector, spec.template
    if selector is None:
        yield words.required("spec.selector")
        return
    broken = list(words.label_selector("spec.selector", selector))
    yield from broken
    if not selector.match_labels and not selector.match_expressions:
        yield words.invalid("spec.selector", selector, "empty selector is invalid for statefulset")
    elif not broken and not labels.from_label_selector(selector).matches(template.metadata.labels):
        yield words.invalid("spec.template.metadata.labels", template.metadata.labels,
                            "`selector` does not match template `labels`")


def _template(spec: statefulsets.StatefulSetSpec) -> Causes:
    yield from words.label_map("spec.template.labels", spec.template.metadata.labels)
    yield from validation_pods.pod_spec("spec.template.spec", _with_claims(spec))
    if spec.template.spec.restart_policy != "Always":
        yield words.unsupported("spec.template.spec.restartPolicy", spec.template.spec.restart_policy, ("Always",))
    if spec.template.spec.active_deadline_seconds is not None:
        yield words.forbidden("spec.template.spec.activeDeadlineSeconds",
                              "activeDeadlineSeconds in StatefulSet is not Supported")


def _with_claims(spec: statefulsets.StatefulSetSpec) -> pods.PodSpec:
    """Return the pods' spec with a volume for each claim template, as the pods will have; so mounts find them."""
    own = spec.template.spec.volumes
    names = {volume.name for volume in own}
    claimed = dict.fromkeys(claim.metadata.name for claim in spec.volume_claim_templates
                            if claim.metadata.name and claim.metadata.name not in names)
    return replace(spec.template.spec, volumes=(*own, *(
        volumes.Volume(name=name, empty_dir=volumes.EmptyDirVolumeSource()) for name in claimed)))
