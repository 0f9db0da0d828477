"""Defaults of a pod's spec: policies, probes, ports, resources and volume modes.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec.structs import replace

from edge.api import containers, meta, pods, quantity, volumes
from edge.api import defaults_vendors as of_vendors

_C = TypeVar("_C", bound=containers.Container)
FILE_MODE = 0o644
"""Permission bits of files made from ConfigMaps, Secrets and fields."""


def pod_spec(spec: pods.PodSpec) -> pods.PodSpec:
    """Return the spec with every default filled in."""
    account = spec.service_account_name or spec.service_account
    host_network = spec.host_network
    return replace(
        spec,
        volumes=tuple(_volume(volume) for volume in spec.volumes),
        init_containers=tuple(_container(one, host_network) for one in spec.init_containers),
        containers=tuple(_container(one, host_network) for one in spec.containers),
        ephemeral_containers=tuple(_container(one, host_network) for one in spec.ephemeral_containers),
        restart_policy=spec.restart_policy or "Always",
        dns_policy=spec.dns_policy or "ClusterFirst",
        scheduler_name=spec.scheduler_name or "default-scheduler",
        security_context=spec.security_context or pods.PodSecurityContext(),
        service_account_name=account,
        service_account=account,
        termination_grace_period_seconds=_grace(spec.termination_grace_period_seconds),
        enable_service_links=True if spec.enable_service_links is None else spec.enable_service_links,
        overhead=amounts(spec.overhead),
        topology_spread_constraints=tuple(
            replace(one, max_skew=one.max_skew or 1, when_unsatisfiable=one.when_unsatisfiable or "DoNotSchedule")
            for one in spec.topology_spread_constraints),
        resources=None if spec.resources is None else _resources(spec.resources),
    )


def pull_policy(image: str) -> str:
    """Return the default pull policy of an image: Always for the tag latest or none, else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def amounts(quantities: dict[str, meta.Quantity]) -> dict[str, meta.Quantity]:
    """Return quantities in Kubernetes' form; those that are none stay as they are, for validation to name."""
    return {name: _canonical(amount) for name, amount in quantities.items()}


def _grace(seconds: int | None) -> int:
    if seconds is None:
        return 30
    return 1 if seconds < 0 else seconds


def _container(container: _C, host_network: bool) -> _C:
    changes: dict[str, Any] = {
        "image_pull_policy": container.image_pull_policy or pull_policy(container.image),
        "termination_message_path": container.termination_message_path or "/dev/termination-log",
        "termination_message_policy": container.termination_message_policy or "File",
        "resources": _resources(container.resources),
    }
    if container.ports:
        changes["ports"] = tuple(_port(port, host_network) for port in container.ports)
    if container.env:
        changes["env"] = tuple(_env(variable) for variable in container.env)
    for name in ("liveness_probe", "readiness_probe", "startup_probe"):
        probe = getattr(container, name)
        if probe is not None:
            changes[name] = _probe(probe)
    if container.lifecycle is not None:
        changes["lifecycle"] = _lifecycle(container.lifecycle)
    return replace(container, **changes)


def _port(port: containers.ContainerPort, host_network: bool) -> containers.ContainerPort:
    host_port = port.container_port if host_network and not port.host_port else port.host_port
    return replace(port, protocol=port.protocol or "TCP", host_port=host_port)


def _env(variable: containers.EnvVar) -> containers.EnvVar:
    source = variable.value_from
    if source is None:
        return variable
    if source.field_ref is not None and not source.field_ref.api_version:
        source = replace(source, field_ref=replace(source.field_ref, api_version="v1"))
    if source.resource_field_ref is not None:
        source = replace(source, resource_field_ref=_resource_field(source.resource_field_ref))
    return replace(variable, value_from=source)


def _resource_field(selector: containers.ResourceFieldSelector) -> containers.ResourceFieldSelector:
    divisor = selector.divisor
    return replace(selector, divisor="0" if divisor is None else _canonical(divisor))


def _probe(probe: containers.Probe) -> containers.Probe:
    return replace(
        probe, timeout_seconds=probe.timeout_seconds or 1, period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1, failure_threshold=probe.failure_threshold or 3,
        http_get=_http(probe.http_get))


def _lifecycle(lifecycle: containers.Lifecycle) -> containers.Lifecycle:
    start, stop = lifecycle.post_start, lifecycle.pre_stop
    return replace(
        lifecycle,
        post_start=None if start is None else replace(start, http_get=_http(start.http_get)),
        pre_stop=None if stop is None else replace(stop, http_get=_http(stop.http_get)))


def _http(action: containers.HTTPGetAction | None) -> containers.HTTPGetAction | None:
    if action is None:
        return None
    return replace(action, path=action.path or "/", scheme=action.scheme or "HTTP")


def _resources(resources: containers.ResourceRequirements) -> containers.ResourceRequirements:
    """Requests that are missing equal the limits."""
    if not resources.limits and not resources.requests:
        return resources
    limits = amounts(resources.limits)
    return replace(resources, limits=limits, requests={**limits, **amounts(resources.requests)})


def _volume(volume: volumes.Volume) -> volumes.Volume:
    if volume.secret is not None:
        return replace(volume, secret=replace(volume.secret, default_mode=_mode(volume.secret.default_mode)))
    if volume.config_map is not None:
        return replace(volume, config_map=replace(volume.config_map,
                                                  default_mode=_mode(volume.config_map.default_mode)))
    if volume.downward_api is not None:
        source = volume.downward_api
        return replace(volume, downward_api=replace(source, default_mode=_mode(source.default_mode),
                                                    items=tuple(_file(item) for item in source.items)))
    if volume.projected is not None:
        return replace(volume, projected=replace(
            volume.projected, default_mode=_mode(volume.projected.default_mode),
            sources=tuple(_projection(source) for source in volume.projected.sources)))
    if volume.empty_dir is not None and volume.empty_dir.size_limit is not None:
        return replace(volume, empty_dir=replace(volume.empty_dir,
                                                 size_limit=_canonical(volume.empty_dir.size_limit)))
    if not _has_source(volume):
        return replace(volume, empty_dir=volumes.EmptyDirVolumeSource())
    return of_vendors.volume(volume)


def _has_source(volume: volumes.Volume) -> bool:
    return any(getattr(volume, name) is not None for name in volume.__struct_fields__ if name != "name")


def _file(item: volumes.DownwardAPIVolumeFile) -> volumes.DownwardAPIVolumeFile:
    if item.field_ref is not None and not item.field_ref.api_version:
        item = replace(item, field_ref=replace(item.field_ref, api_version="v1"))
    if item.resource_field_ref is not None:
        item = replace(item, resource_field_ref=_resource_field(item.resource_field_ref))
    return item


def _projection(source: volumes.VolumeProjection) -> volumes.VolumeProjection:
    token, fields = source.service_account_token, source.downward_api
    if token is not None and token.expiration_seconds is None:
        source = replace(source, service_account_token=replace(token, expiration_seconds=3600))
    if fields is not None:
        source = replace(source, downward_api=replace(fields, items=tuple(_file(item) for item in fields.items)))
    return source


def _mode(mode: int | None) -> int:
    return FILE_MODE if mode is None else mode


def _canonical(amount: meta.Quantity) -> meta.Quantity:
    try:
        return quantity.canonical(amount)
    except ValueError:
        return amount
