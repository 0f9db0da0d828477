"""What is wrong with the less common parts of a pod: gates, claims, kernel settings, profiles, ephemeral containers."""

from __future__ import annotations

import re

from edge.api import containers, labels, pods, validation_containers
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_NOT_EPHEMERAL = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy")


def pod_spec(here: str, spec: pods.PodSpec) -> Causes:
    """Yield what is wrong with these parts of the spec of a pod or of a template."""
    yield from words.one_of(f"{here}.preemptionPolicy", spec.preemption_policy, ("Never", "PreemptLowerPriority"),
                            optional=True)
    if spec.os is not None:
        yield from words.one_of(f"{here}.os.name", spec.os.name, ("linux", "windows"))
    if spec.overhead:
        yield from validation_containers.resources(
            f"{here}.overhead", containers.ResourceRequirements(limits=spec.overhead))
    if spec.resources is not None:
        yield from validation_containers.resources(f"{here}.resources", spec.resources)
    yield from _gates(here, spec)
    yield from _claims(here, spec)
    yield from _namespaces(here, spec)
    yield from _spread(f"{here}.topologySpreadConstraints", spec.topology_spread_constraints)
    yield from _context(f"{here}.securityContext", spec)
    if spec.ephemeral_containers and here != "spec":
        yield words.forbidden(f"{here}.ephemeralContainers", "ephemeral containers not allowed in pod template")
    for index, one in enumerate(spec.ephemeral_containers):
        yield from _ephemeral(f"{here}.ephemeralContainers[{index}]", one, spec)
    for field, group in (("containers", spec.containers), ("initContainers", spec.init_containers),
                         ("ephemeralContainers", spec.ephemeral_containers)):
        for index, container in enumerate(group):
            yield from _container(f"{here}.{field}[{index}]", container, spec)


def _gates(here: str, spec: pods.PodSpec) -> Causes:
    for index, ready in enumerate(spec.readiness_gates):
        yield from words.check(f"{here}.readinessGates[{index}].conditionType", ready.condition_type,
                               labels.key_problem)
    again = words.repeated(spec.scheduling_gates)
    for index, gate in enumerate(spec.scheduling_gates):
        yield from words.check(f"{here}.schedulingGates[{index}]", gate.name, labels.key_problem)
        if index in again:
            yield words.duplicate(f"{here}.schedulingGates[{index}].name", gate.name)
    if spec.scheduling_gates and spec.node_name:
        yield words.forbidden(f"{here}.nodeName", "cannot be set until all schedulingGates have been cleared")


def _claims(here: str, spec: pods.PodSpec) -> Causes:
    names: set[str] = set()
    for index, claim in enumerate(spec.resource_claims):
        at = f"{here}.resourceClaims[{index}]"
        yield from words.name_of(f"{at}.name", claim.name, words.dns_label)
        if claim.name in names:
            yield words.duplicate(f"{at}.name", claim.name)
        names.add(claim.name)
        given = [name for name in (claim.resource_claim_name, claim.resource_claim_template_name) if name]
        if len(given) > 1:
            yield words.invalid(at, claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                                           "specified")
        elif not given:
            yield words.invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for field, name in (("resourceClaimName", claim.resource_claim_name),
                            ("resourceClaimTemplateName", claim.resource_claim_template_name)):
            yield from words.check(f"{at}.{field}", name or "a", words.dns_subdomain)


def _namespaces(here: str, spec: pods.PodSpec) -> Causes:
    if spec.host_users is not False:
        return
    for field, shared in (("hostNetwork", spec.host_network), ("hostPID", spec.host_pid),
                          ("hostIPC", spec.host_ipc)):
        if shared:
            yield words.forbidden(f"{here}.{field}", "when `pod.Spec.HostUsers` is false")


def _spread(here: str, constraints: tuple[pods.TopologySpreadConstraint, ...]) -> Causes:
    seen: set[tuple[str, str]] = set()
    for index, one in enumerate(constraints):
        at = f"{here}[{index}]"
        key = (one.topology_key, one.when_unsatisfiable)
        if key in seen:
            yield words.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key[0]}, {key[1]}}}")
        seen.add(key)
        if one.min_domains is not None:
            if one.min_domains <= 0:
                yield words.invalid(f"{at}.minDomains", one.min_domains, "must be greater than zero")
            if one.when_unsatisfiable != "DoNotSchedule":
                yield words.invalid(f"{at}.minDomains", one.min_domains, "can only use minDomains if whenUnsatisfiable="
                                    f"DoNotSchedule, not {one.when_unsatisfiable}")
        for field, policy in (("nodeAffinityPolicy", one.node_affinity_policy),
                              ("nodeTaintsPolicy", one.node_taints_policy)):
            yield from words.one_of(f"{at}.{field}", policy, ("Honor", "Ignore"), optional=True)
        for number, name in enumerate(one.match_label_keys):
            yield from words.check(f"{at}.matchLabelKeys[{number}]", name, labels.key_problem)


def _context(here: str, spec: pods.PodSpec) -> Causes:
    context = spec.security_context
    if context is None:
        return
    for field, value, supported in (
            ("fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")),
            ("supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")),
            ("seLinuxChangePolicy", context.se_linux_change_policy, ("MountOption", "Recursive"))):
        yield from words.one_of(f"{here}.{field}", value, supported, optional=True)
    yield from _sysctls(f"{here}.sysctls", spec, context.sysctls)
    yield from profile(f"{here}.seccompProfile", context.seccomp_profile, "seccomp")
    yield from profile(f"{here}.appArmorProfile", context.app_armor_profile, "AppArmor")


def _sysctls(here: str, spec: pods.PodSpec, sysctls: tuple[pods.Sysctl, ...]) -> Causes:
    names: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        field, name = f"{here}[{index}].name", sysctl.name
        dotted = name.replace("/", ".")
        if not name:
            yield words.required(field)
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            yield words.invalid(field, name, "must have at most 253 characters and match regex "
                                             f"^{_SYSCTL.pattern}$")
        elif name in names:
            yield words.duplicate(field, name)
        names.add(name)
        if spec.host_network and dotted.startswith("net."):
            yield words.invalid(field, name, "may not be specified when 'hostNetwork' is true")
        if spec.host_ipc and dotted.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")):
            yield words.invalid(field, name, "may not be specified when 'hostIPC' is true")


def profile(here: str, given: containers.SeccompProfile | containers.AppArmorProfile | None, noun: str) -> Causes:
    """Yield what is wrong with a seccomp or AppArmor profile."""
    if given is None:
        return
    yield from words.one_of(f"{here}.type", given.type, _PROFILES)
    field, name = f"{here}.localhostProfile", given.localhost_profile
    if given.type != "Localhost":
        if name:
            yield words.invalid(field, name, f"can only be set when {noun} type is Localhost")
    elif not name:
        yield words.required(field, f"must be set when {noun} type is Localhost")
    elif noun == "seccomp":
        yield from words.check(field, name, validation_containers.relative_path)
    elif len(name) > 4095:
        yield words.too_long(field, 4095)


def _container(here: str, one: containers.Container, spec: pods.PodSpec) -> Causes:
    context = one.security_context
    if context is not None:
        yield from profile(f"{here}.securityContext.seccompProfile", context.seccomp_profile, "seccomp")
        yield from profile(f"{here}.securityContext.appArmorProfile", context.app_armor_profile, "AppArmor")
        if context.proc_mount == "Unmasked" and spec.host_users is not False:
            yield words.invalid(f"{here}.securityContext.procMount", context.proc_mount,
                                "`hostUsers` must be false to use `Unmasked`")
    claims = {claim.name for claim in spec.resource_claims}
    again = words.repeated(one.resources.claims)
    for index, claim in enumerate(one.resources.claims):
        at = f"{here}.resources.claims[{index}]"
        if not claim.name:
            yield words.required(at)
        elif claim.name not in claims:
            yield words.not_found(at, claim.name)
        if index in again:
            yield words.duplicate(at, claim.name)
    yield from _resizing(f"{here}.resizePolicy", one.resize_policy, spec.restart_policy)
    yield from _devices(f"{here}.volumeDevices", one, spec)
    for index, mount in enumerate(one.volume_mounts):
        at = f"{here}.volumeMounts[{index}].recursiveReadOnly"
        yield from words.one_of(at, mount.recursive_read_only, ("Disabled", "Enabled", "IfPossible"), optional=True)
        if mount.recursive_read_only in ("Enabled", "IfPossible") and not mount.read_only:
            yield words.forbidden(at, "may only be specified when readOnly is true")


def _devices(here: str, one: containers.Container, spec: pods.PodSpec) -> Causes:
    volumes = {volume.name: volume for volume in spec.volumes}
    paths = {mount.mount_path for mount in one.volume_mounts}
    for index, device in enumerate(one.volume_devices):
        at = f"{here}[{index}]"
        volume = volumes.get(device.name)
        if not device.name:
            yield words.required(f"{at}.name")
        elif volume is None:
            yield words.not_found(f"{at}.name", device.name)
        elif volume.persistent_volume_claim is None and volume.ephemeral is None:
            yield words.invalid(f"{at}.name", device.name, "can only use volume source type of PersistentVolumeClaim "
                                                           "or Ephemeral for block mode")
        if not device.device_path:
            yield words.required(f"{at}.devicePath")
        elif device.device_path in paths:
            yield words.invalid(f"{at}.devicePath", device.device_path, "must be unique")
        elif ".." in device.device_path.split("/"):
            yield words.invalid(f"{at}.devicePath", device.device_path, "can not contain backsteps ('..')")
        paths.add(device.device_path)


def _resizing(here: str, policies: tuple[containers.ContainerResizePolicy, ...], restart_policy: str) -> Causes:
    names: set[str] = set()
    for index, policy in enumerate(policies):
        at = f"{here}[{index}]"
        if policy.resource_name in names:
            yield words.duplicate(at, policy.resource_name)
        names.add(policy.resource_name)
        yield from words.one_of(f"{at}.resourceName", policy.resource_name, ("cpu", "memory"))
        yield from words.one_of(f"{at}.restartPolicy", policy.restart_policy, ("NotRequired", "RestartContainer"))
        if restart_policy == "Never" and policy.restart_policy == "RestartContainer":
            yield words.invalid(at, policy.restart_policy, "must be 'NotRequired' when `restartPolicy` is 'Never'")


def _ephemeral(here: str, one: containers.EphemeralContainer, spec: pods.PodSpec) -> Causes:
    blank = containers.EphemeralContainer()
    for wire, name in zip(one.__struct_encode_fields__, one.__struct_fields__, strict=True):
        if wire in _NOT_EPHEMERAL and getattr(one, name) != getattr(blank, name):
            yield words.forbidden(f"{here}.{wire}", "cannot be set for an Ephemeral Container")
    if one.restart_policy:
        yield words.forbidden(f"{here}.restartPolicy", "cannot be set for an Ephemeral Container")
    target = one.target_container_name
    if target and target not in {other.name for other in (*spec.containers, *spec.init_containers)}:
        yield words.not_found(f"{here}.targetContainerName", target)
    for index, mount in enumerate(one.volume_mounts):
        for field, path in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
            if path:
                yield words.forbidden(f"{here}.volumeMounts[{index}].{field}",
                                      "cannot be set for an Ephemeral Container")
