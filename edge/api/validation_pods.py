"""What is wrong with pods: containers, volumes, policies and placement; and what of a pod may change."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from edge.api import labels, mirror_pods, pods, validation_containers, validation_pod_policies, validation_volumes
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MAY_CHANGE = ("pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
               "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
               "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)")


def create(obj: pods.Pod) -> Causes:
    """Yield what is wrong with a pod."""
    if mirror_pods.is_mirror(obj) and not obj.spec.node_name:
        yield words.invalid(f"metadata.annotations[{mirror_pods.MIRROR}]", obj.metadata.annotations[mirror_pods.MIRROR],
                            "must set spec.nodeName if mirror pod annotation is set")
    yield from pod_spec("spec", obj.spec)


def only_new(obj: pods.Pod) -> Causes:
    """Yield what only a pod that runs may have."""
    if obj.spec.ephemeral_containers:
        yield words.forbidden("spec.ephemeralContainers", "cannot be set on create")


def pod_spec(here: str, spec: pods.PodSpec) -> Causes:
    """Yield what is wrong with the spec of a pod or of a template."""
    yield from validation_volumes.volumes(f"{here}.volumes", spec.volumes)
    yield from _containers(here, spec)
    yield from words.one_of(f"{here}.restartPolicy", spec.restart_policy, _RESTART)
    yield from words.one_of(f"{here}.dnsPolicy", spec.dns_policy, _DNS)
    yield from _dns_config(f"{here}.dnsConfig", spec)
    if spec.active_deadline_seconds is not None and not 1 <= spec.active_deadline_seconds <= words.MAX_INT32:
        yield words.invalid(f"{here}.activeDeadlineSeconds", spec.active_deadline_seconds,
                            "must be between 1 and 2147483647, inclusive")
    yield from words.at_least(f"{here}.terminationGracePeriodSeconds", spec.termination_grace_period_seconds,
                              most=2**63 - 1)
    yield from words.label_map(f"{here}.nodeSelector", spec.node_selector)
    for field, name, rule in (("serviceAccountName", spec.service_account_name, words.dns_subdomain),
                              ("nodeName", spec.node_name, words.dns_subdomain),
                              ("hostname", spec.hostname, words.dns_label),
                              ("subdomain", spec.subdomain, words.dns_label),
                              ("priorityClassName", spec.priority_class_name, words.dns_subdomain),
                              ("runtimeClassName", spec.runtime_class_name, words.dns_subdomain)):
        if name:
            yield from words.check(f"{here}.{field}", name, rule)
    for index, secret in enumerate(spec.image_pull_secrets):
        if not secret.name:
            yield words.required(f"{here}.imagePullSecrets[{index}].name")
    yield from tolerations(f"{here}.tolerations", spec.tolerations)
    yield from _placement(here, spec)
    for index, alias in enumerate(spec.host_aliases):
        yield from words.check(f"{here}.hostAliases[{index}].ip", alias.ip, words.ip_address)
        for number, name in enumerate(alias.hostnames):
            yield from words.check(f"{here}.hostAliases[{index}].hostnames[{number}]", name, words.dns_subdomain)
    yield from _security(f"{here}.securityContext", spec)
    yield from validation_pod_policies.pod_spec(here, spec)


def _containers(here: str, spec: pods.PodSpec) -> Causes:
    if not spec.containers:
        yield words.required(f"{here}.containers")
    volumes = {volume.name for volume in spec.volumes}
    names: set[str] = set()
    host_ports: set[tuple[str, str, int]] = set()
    for index, one in enumerate(spec.containers):
        at = f"{here}.containers[{index}]"
        yield from validation_containers.container(at, one, volumes, host_network=spec.host_network)
        yield from validation_containers.regular(at, one)
        if one.restart_policy:
            yield words.forbidden(f"{at}.restartPolicy", "may not be set for non-init containers")
        if one.name in names:
            yield words.duplicate(f"{at}.name", one.name)
        names.add(one.name)
        for number, port in enumerate(one.ports):
            key = (port.protocol, port.host_ip, port.host_port)
            if port.host_port and key in host_ports:
                yield words.duplicate(f"{at}.ports[{number}].hostPort", "/".join(map(str, key)))
            host_ports.add(key)
    for field, group in (("initContainers", spec.init_containers), ("ephemeralContainers", spec.ephemeral_containers)):
        for index, one in enumerate(group):
            at = f"{here}.{field}[{index}]"
            yield from validation_containers.container(at, one, volumes, host_network=spec.host_network)
            if field == "initContainers":
                yield from validation_containers.initial(at, one)
            if one.name in names:
                yield words.duplicate(f"{at}.name", one.name)
            names.add(one.name)


def _dns_config(here: str, spec: pods.PodSpec) -> Causes:
    config = spec.dns_config
    if spec.dns_policy == "None" and (config is None or not config.nameservers):
        yield words.required(f"{here}.nameservers" if config else here,
                             "must provide at least one DNS nameserver when `dnsPolicy` is None")
    if config is None:
        return
    if len(config.nameservers) > 3:
        yield words.invalid(f"{here}.nameservers", list(config.nameservers),
                            "must not have more than 3 nameservers")
    for index, server in enumerate(config.nameservers):
        yield from words.check(f"{here}.nameservers[{index}]", server, words.ip_address)
    if len(config.searches) > 32:
        yield words.invalid(f"{here}.searches", list(config.searches), "must not have more than 32 search paths")
    for index, domain in enumerate(config.searches):
        yield from words.check(f"{here}.searches[{index}]", domain.removesuffix(".") or "a", words.dns_subdomain)
    for index, option in enumerate(config.options):
        if not option.name:
            yield words.required(f"{here}.options[{index}]", "must not be empty")


def tolerations(here: str, given: tuple[pods.Toleration, ...]) -> Causes:
    """Yield what is wrong with tolerations."""
    for index, one in enumerate(given):
        at = f"{here}[{index}]"
        if one.key:
            yield from words.check(f"{at}.key", one.key, labels.key_problem)
        elif one.operator != "Exists":
            yield words.invalid(f"{at}.operator", one.operator, "operator must be Exists when `key` is empty, which "
                                                                'means "match all values and all keys"')
        if one.operator in ("", "Equal"):
            yield from words.check(f"{at}.operator", one.value, labels.value_problem)
        elif one.operator != "Exists":
            yield words.unsupported(f"{at}.operator", one.operator, ("Equal", "Exists"))
        elif one.value:
            yield words.invalid(f"{at}.operator", one, "value must be empty when `operator` is 'Exists'")
        if one.toleration_seconds is not None and one.effect != "NoExecute":
            yield words.invalid(f"{at}.effect", one.effect,
                                "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from words.one_of(f"{at}.effect", one.effect, _EFFECTS, optional=True)


def _placement(here: str, spec: pods.PodSpec) -> Causes:
    for index, spread in enumerate(spec.topology_spread_constraints):
        at = f"{here}.topologySpreadConstraints[{index}]"
        if spread.max_skew <= 0:
            yield words.invalid(f"{at}.maxSkew", spread.max_skew, "must be greater than zero")
        if not spread.topology_key:
            yield words.required(f"{at}.topologyKey", "can not be empty")
        yield from words.one_of(f"{at}.whenUnsatisfiable", spread.when_unsatisfiable,
                                ("DoNotSchedule", "ScheduleAnyway"))
        yield from words.label_selector(f"{at}.labelSelector", spread.label_selector)
    affinity = spec.affinity
    if affinity is None:
        return
    if affinity.node_affinity is not None:
        yield from _node_affinity(f"{here}.affinity.nodeAffinity", affinity.node_affinity)
    for field, near in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if near is not None:
            yield from _pod_affinity(f"{here}.affinity.{field}", near)


def _node_affinity(here: str, affinity: pods.NodeAffinity) -> Causes:
    needed = affinity.required_during_scheduling_ignored_during_execution
    if needed is not None:
        yield from node_selector(f"{here}.requiredDuringSchedulingIgnoredDuringExecution", needed)
    for index, wish in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = f"{here}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        if not 1 <= wish.weight <= 100:
            yield words.invalid(f"{at}.weight", wish.weight, "must be in the range 1-100")
        yield from _node_term(f"{at}.preference", wish.preference)


def node_selector(here: str, selector: pods.NodeSelector) -> Causes:
    """Yield what is wrong with terms of which a node must match one."""
    if not selector.node_selector_terms:
        yield words.required(f"{here}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(selector.node_selector_terms):
        yield from _node_term(f"{here}.nodeSelectorTerms[{index}]", term)


def _node_term(here: str, term: pods.NodeSelectorTerm) -> Causes:
    for index, condition in enumerate(term.match_expressions):
        at = f"{here}.matchExpressions[{index}]"
        yield from words.check(f"{at}.key", condition.key, labels.key_problem)
        if condition.operator in ("In", "NotIn"):
            if not condition.values:
                yield words.required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif condition.operator in ("Exists", "DoesNotExist"):
            if condition.values:
                yield words.forbidden(f"{at}.values", "may not be specified when `operator` is 'Exists' or "
                                                      "'DoesNotExist'")
        elif condition.operator in ("Gt", "Lt"):
            if len(condition.values) != 1:
                yield words.required(f"{at}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
        else:
            yield words.invalid(f"{at}.operator", condition.operator, "not a valid selector operator")


def _pod_affinity(here: str, affinity: pods.PodAffinity | pods.PodAntiAffinity) -> Causes:
    terms = [(f"{here}.requiredDuringSchedulingIgnoredDuringExecution[{index}]", term)
             for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution)]
    for index, wish in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = f"{here}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        if not 1 <= wish.weight <= 100:
            yield words.invalid(f"{at}.weight", wish.weight, "must be in the range 1-100")
        terms.append((f"{at}.podAffinityTerm", wish.pod_affinity_term))
    for at, term in terms:
        if not term.topology_key:
            yield words.required(f"{at}.topologyKey", "can not be empty")
        yield from words.label_selector(f"{at}.labelSelector", term.label_selector)
        yield from words.label_selector(f"{at}.namespaceSelector", term.namespace_selector)


def _security(here: str, spec: pods.PodSpec) -> Causes:
    context = spec.security_context
    if context is None:
        return
    yield from validation_containers.user_ids(here, (("runAsUser", context.run_as_user),
                                                     ("runAsGroup", context.run_as_group),
                                                     ("fsGroup", context.fs_group)))
    for index, group in enumerate(context.supplemental_groups):
        yield from validation_containers.user_ids(here, ((f"supplementalGroups[{index}]", group),))
    if spec.share_process_namespace and spec.host_pid:
        yield words.invalid(f"{here}.shareProcessNamespace", True,
                            "ShareProcessNamespace and HostPID cannot both be enabled")


def update(new: pods.Pod, old: pods.Pod) -> Causes:
    """Yield what of a change to a pod is not allowed."""
    yield from _mirror_update(new, old)
    for field, ours, theirs in (("containers", new.spec.containers, old.spec.containers),
                                ("initContainers", new.spec.init_containers, old.spec.init_containers)):
        if len(ours) != len(theirs):
            yield words.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return
    deadline, before = new.spec.active_deadline_seconds, old.spec.active_deadline_seconds
    if before is not None and (deadline is None or deadline > before):
        yield words.invalid("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value"
                            if deadline is not None else "must not update from a positive integer to nil value")
    kept = [replace(one, toleration_seconds=None) for one in new.spec.tolerations]
    if any(replace(one, toleration_seconds=None) not in kept for one in old.spec.tolerations):
        yield words.forbidden("spec.tolerations", "existing toleration can not be modified except its "
                                                  "tolerationSeconds")
    for gate in new.spec.scheduling_gates:
        if gate not in old.spec.scheduling_gates:
            yield words.forbidden("spec.schedulingGates",
                                  f"only deletion is allowed, but found new scheduling gate '{gate.name}'")
    mutated = _with_allowed_changes(new.spec, old.spec)
    if mutated != old.spec:
        changed = ", ".join(field.encode_name for field in msgspec.structs.fields(pods.PodSpec)
                            if getattr(mutated, field.name) != getattr(old.spec, field.name))
        yield words.forbidden("spec", f"{_MAY_CHANGE}\nchanged: {changed}")


def _mirror_update(new: pods.Pod, old: pods.Pod) -> Causes:
    at = f"metadata.annotations[{mirror_pods.MIRROR}]"
    before, after = (pod.metadata.annotations.get(mirror_pods.MIRROR) for pod in (old, new))
    if before is None and after is not None:
        yield words.forbidden(at, "may not add mirror pod annotation")
    elif before != after:
        yield words.forbidden(at, "may not remove or modify mirror pod annotation")


def update_ephemeral(new: pods.Pod, old: pods.Pod) -> Causes:
    """Yield what of a change through the `ephemeralcontainers` subresource is not allowed: others may only be added."""
    if replace(new.spec, ephemeral_containers=()) != replace(old.spec, ephemeral_containers=()):
        yield words.forbidden("spec", "only ephemeral containers may be changed through this subresource")
    by_name = {one.name: one for one in new.spec.ephemeral_containers}
    for one in old.spec.ephemeral_containers:
        if one.name not in by_name:
            yield words.forbidden("spec.ephemeralContainers",
                                  f'existing ephemeral containers "{one.name}" may not be removed')
        elif by_name[one.name] != one:
            yield words.forbidden("spec.ephemeralContainers",
                                  f'existing ephemeral containers "{one.name}" may not be changed')


def _with_allowed_changes(new: pods.PodSpec, old: pods.PodSpec) -> pods.PodSpec:
    """Return the new spec with the old values wherever a change is allowed."""
    gates = old.scheduling_gates if set(new.scheduling_gates) <= set(old.scheduling_gates) else new.scheduling_gates
    if old.scheduling_gates:  # until it may be placed, its places may be narrowed
        if old.node_selector.items() <= new.node_selector.items():
            new = replace(new, node_selector=old.node_selector)
        if old.affinity is None or old.affinity.node_affinity is None:
            affinity = new.affinity and replace(new.affinity, node_affinity=None)
            new = replace(new, affinity=None if affinity == pods.Affinity() and old.affinity is None else affinity)
    return replace(
        new,
        containers=tuple(replace(one, image=before.image)
                         for one, before in zip(new.containers, old.containers, strict=True)),
        init_containers=tuple(replace(one, image=before.image)
                              for one, before in zip(new.init_containers, old.init_containers, strict=True)),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=gates,
        termination_grace_period_seconds=old.termination_grace_period_seconds
        if (old.termination_grace_period_seconds or 0) < 0 and new.termination_grace_period_seconds == 1
        else new.termination_grace_period_seconds,
    )
