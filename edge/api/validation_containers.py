"""What is wrong with containers: names, images, ports, environment, mounts, resources and rights."""

from __future__ import annotations

import re
from fractions import Fraction

from edge.api import containers, labels, meta, quantity, validation_amounts, validation_probes
from edge.api import validation_words as words
from edge.api.validation_words import Causes

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_ENV_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
               "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs")
_VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_RESOURCE_FIELDS = ("limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                    "requests.ephemeral-storage", "requests.memory")
_STANDARD = {"cpu", "memory", "ephemeral-storage"}
_SIDECAR_ONLY = "may not be set for init containers without restartPolicy=Always"


def container(here: str, one: containers.Container, volumes: set[str], *, host_network: bool = False) -> Causes:
    """Yield what is wrong with any container; `volumes` are the names the pod has."""
    yield from words.name_of(f"{here}.name", one.name, words.dns_label)
    if not one.image:
        yield words.required(f"{here}.image")
    elif one.image != one.image.strip():
        yield words.invalid(f"{here}.image", one.image, "must not have leading or trailing whitespace")
    yield from words.one_of(f"{here}.imagePullPolicy", one.image_pull_policy, PULL_POLICIES)
    yield from words.one_of(f"{here}.terminationMessagePolicy", one.termination_message_policy, _MESSAGE_POLICIES)
    yield from _ports(f"{here}.ports", one.ports, host_network=host_network)
    yield from _env(f"{here}.env", one.env)
    yield from _env_from(f"{here}.envFrom", one.env_from)
    yield from _mounts(f"{here}.volumeMounts", one.volume_mounts, volumes)
    yield from _propagations(f"{here}.volumeMounts", one)
    yield from resources(f"{here}.resources", one.resources)
    yield from _security(f"{here}.securityContext", one.security_context)


def regular(here: str, one: containers.Container) -> Causes:
    """Yield what is wrong with the probes and hooks of a container that runs as long as the pod."""
    yield from validation_probes.lifecycle(f"{here}.lifecycle", one.lifecycle)
    yield from validation_probes.probe(f"{here}.livenessProbe", one.liveness_probe, once=True)
    yield from validation_probes.probe(f"{here}.readinessProbe", one.readiness_probe)
    yield from validation_probes.probe(f"{here}.startupProbe", one.startup_probe, once=True)
    if one.readiness_probe is not None and one.readiness_probe.termination_grace_period_seconds is not None:
        yield words.invalid(f"{here}.readinessProbe.terminationGracePeriodSeconds",
                            one.readiness_probe.termination_grace_period_seconds,
                            "must not be set for readinessProbes")


def initial(here: str, one: containers.Container) -> Causes:
    """Yield what is wrong with an init container: only a sidecar may have probes and hooks."""
    if one.restart_policy == "Always":
        yield from regular(here, one)
        return
    if one.restart_policy:
        yield words.unsupported(f"{here}.restartPolicy", one.restart_policy, ("Always",))
    for field, value in (("lifecycle", one.lifecycle), ("livenessProbe", one.liveness_probe),
                         ("readinessProbe", one.readiness_probe), ("startupProbe", one.startup_probe)):
        if value is not None:
            yield words.forbidden(f"{here}.{field}", _SIDECAR_ONLY)


def _ports(here: str, ports: tuple[containers.ContainerPort, ...], *, host_network: bool) -> Causes:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{here}[{index}]"
        if port.name:
            yield from words.check(f"{at}.name", port.name, words.port_name)
            if port.name in names:
                yield words.duplicate(f"{at}.name", port.name)
            names.add(port.name)
        if not port.container_port:
            yield words.required(f"{at}.containerPort")
        else:
            yield from words.check(f"{at}.containerPort", port.container_port, words.port_number)
        if port.host_port:
            yield from words.check(f"{at}.hostPort", port.host_port, words.port_number)
            if host_network and port.host_port != port.container_port:
                yield words.invalid(f"{at}.containerPort", port.container_port,
                                    "must match `hostPort` when `hostNetwork` is true")
        if port.host_ip:
            yield from words.check(f"{at}.hostIP", port.host_ip, words.ip_address)
        yield from words.one_of(f"{at}.protocol", port.protocol, PROTOCOLS)


def _env(here: str, variables: tuple[containers.EnvVar, ...]) -> Causes:
    for index, variable in enumerate(variables):
        at = f"{here}[{index}]"
        yield from words.name_of(f"{at}.name", variable.name, _variable_name)
        source = variable.value_from
        if source is None:
            continue
        if variable.value:
            yield words.invalid(f"{at}.valueFrom", "", "may not be specified when `value` is not empty")
        given = [one for one in (source.field_ref, source.resource_field_ref, source.config_map_key_ref,
                                 source.secret_key_ref) if one is not None]
        if not given:
            yield words.invalid(f"{at}.valueFrom", "", "must specify one of: `fieldRef`, `resourceFieldRef`, "
                                                       "`configMapKeyRef` or `secretKeyRef`")
        elif len(given) > 1:
            yield words.invalid(f"{at}.valueFrom", "", "may not have more than one field specified at a time")
        yield from _env_source(f"{at}.valueFrom", source)


def _env_source(here: str, source: containers.EnvVarSource) -> Causes:
    if source.field_ref is not None:
        yield from field_ref(f"{here}.fieldRef", source.field_ref, _ENV_FIELDS)
    if source.resource_field_ref is not None:
        yield from resource_field(f"{here}.resourceFieldRef", source.resource_field_ref, in_volume=False)
    for field, key_ref in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if key_ref is not None:
            yield from words.name_of(f"{here}.{field}.name", key_ref.name)
            yield from words.name_of(f"{here}.{field}.key", key_ref.key, words.config_key)


def field_ref(here: str, selector: containers.ObjectFieldSelector,
              supported: tuple[str, ...] = _VOLUME_FIELDS) -> Causes:
    """Yield what is wrong with a reference to a field of the pod."""
    path = selector.field_path
    if not path:
        yield words.required(f"{here}.fieldPath")
        return
    subscript = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
    if subscript:
        key = subscript[2].lower() if subscript[1] == "annotations" else subscript[2]
        yield from words.check(f"{here}.fieldPath", key, labels.key_problem)
    elif path not in supported:
        yield words.unsupported(f"{here}.fieldPath", path, supported)


def resource_field(here: str, selector: containers.ResourceFieldSelector, *, in_volume: bool = True) -> Causes:
    """Yield what is wrong with a reference to a resource amount."""
    if in_volume and not selector.container_name:
        yield words.required(f"{here}.containerName")
    if not selector.resource:
        yield words.required(f"{here}.resource")
    elif selector.resource not in _RESOURCE_FIELDS and "hugepages-" not in selector.resource:
        yield words.unsupported(f"{here}.resource", selector.resource, _RESOURCE_FIELDS)


def _env_from(here: str, sources: tuple[containers.EnvFromSource, ...]) -> Causes:
    for index, source in enumerate(sources):
        at = f"{here}[{index}]"
        if source.prefix:
            yield from words.check(f"{at}.prefix", source.prefix, _variable_name)
        if source.config_map_ref is None and source.secret_ref is None:
            yield words.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
        elif source.config_map_ref is not None and source.secret_ref is not None:
            yield words.invalid(at, "", "may not have more than one field specified at a time")
        if source.config_map_ref is not None:
            yield from words.name_of(f"{at}.configMapRef.name", source.config_map_ref.name)
        if source.secret_ref is not None:
            yield from words.name_of(f"{at}.secretRef.name", source.secret_ref.name)


def _mounts(here: str, mounts: tuple[containers.VolumeMount, ...], volumes: set[str]) -> Causes:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{here}[{index}]"
        if not mount.name:
            yield words.required(f"{at}.name")
        elif mount.name not in volumes:
            yield words.not_found(f"{at}.name", mount.name)
        if not mount.mount_path:
            yield words.required(f"{at}.mountPath")
        elif mount.mount_path in paths:
            yield words.invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
        for field, path in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
            yield from words.check(f"{at}.{field}", path, relative_path)
        if mount.sub_path and mount.sub_path_expr:
            yield words.invalid(f"{at}.subPathExpr", mount.sub_path_expr,
                                "subPathExpr and subPath are mutually exclusive")
        yield from words.one_of(f"{at}.mountPropagation", mount.mount_propagation, _PROPAGATIONS, optional=True)


def _propagations(here: str, one: containers.Container) -> Causes:
    privileged = one.security_context is not None and bool(one.security_context.privileged)
    for index, mount in enumerate(one.volume_mounts):
        if mount.mount_propagation == "Bidirectional" and not privileged:
            yield words.forbidden(f"{here}[{index}].mountPropagation",
                                  "Bidirectional mount propagation is available only to privileged containers")


def relative_path(path: str) -> str:
    """Return what is wrong with a path that must stay below its volume; empty when nothing is."""
    if path.startswith("/"):
        return "must be a relative path"
    return "must not contain '..'" if ".." in path.split("/") else ""


def resources(here: str, needs: containers.ResourceRequirements) -> Causes:
    """Yield what is wrong with requests and limits."""
    limits: dict[str, Fraction] = {}
    for name, amount in needs.limits.items():
        at = f"{here}.limits[{name}]"
        yield from _resource_name(at, name)
        value = _amount(amount)
        if value is None:
            yield words.invalid(at, amount, _not_an_amount(amount))
        else:
            limits[name] = value
            yield from _not_negative(at, amount, value)
            yield from validation_amounts.whole(at, name, amount, value)
    for name, amount in needs.requests.items():
        at = f"{here}.requests[{name}]"
        yield from _resource_name(at, name)
        value = _amount(amount)
        if value is None:
            yield words.invalid(at, amount, _not_an_amount(amount))
            continue
        yield from _not_negative(at, amount, value)
        yield from validation_amounts.whole(at, name, amount, value)
        shared = validation_amounts.overcommits(name)
        if not shared and name not in needs.limits:
            yield words.required(f"{here}.limits", "Limit must be set for non overcommitable resources")
        elif not shared and name in limits and value != limits[name]:
            yield words.invalid(f"{here}.requests", str(amount),
                                f"must be equal to {name} limit of {needs.limits[name]}")
        elif name in limits and value > limits[name]:
            yield words.invalid(f"{here}.requests", str(amount),
                                f"must be less than or equal to {name} limit of {needs.limits[name]}")


def _resource_name(at: str, name: str) -> Causes:
    if problem := labels.key_problem(name):
        yield words.invalid(at, name, problem)
    elif "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
        yield words.invalid(at, name, "must be a standard resource type or fully qualified")
        yield words.invalid(at, name, "must be a standard resource for containers")


def _amount(amount: meta.Quantity) -> Fraction | None:
    try:
        return quantity.parse(amount)
    except ValueError:
        return None


def _not_an_amount(amount: meta.Quantity) -> str:
    try:
        quantity.parse(amount)
    except ValueError as error:
        return str(error)
    return ""


def _not_negative(at: str, amount: meta.Quantity, value: Fraction) -> Causes:
    if value < 0:
        yield words.invalid(at, str(amount), words.AT_LEAST_0)


def _security(here: str, context: containers.SecurityContext | None) -> Causes:
    if context is None:
        return
    yield from user_ids(here, (("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)))
    if context.privileged and context.allow_privilege_escalation is False:
        yield words.invalid(here, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    yield from words.one_of(f"{here}.procMount", context.proc_mount, ("Default", "Unmasked"), optional=True)


def user_ids(here: str, ids: tuple[tuple[str, int | None], ...]) -> Causes:
    """Yield what is wrong with user and group ids."""
    for field, number in ids:
        if number is not None and not 0 <= number <= words.MAX_INT32:
            yield words.invalid(f"{here}.{field}", number, "must be between 0 and 2147483647, inclusive")


def _variable_name(name: str) -> str:
    if re.fullmatch(r"[ -<>-~]+", name):
        return ""
    return "a valid environment variable name must consist only of printable ASCII characters other than '='"
