"""The list of all controllers. A further one is a module with a `controller` function, and one line here."""

from __future__ import annotations

from edge.controllers import (
    clusterrole_aggregation,
    daemonset,
    definition_cleanup,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    ephemeral_volume,
    event_expiry,
    garbage_collector,
    interface,
    local_path,
    namespace,
    namespace_defaults,
    node_lifecycle,
    persistent_volume,
    pod_gc,
    replicaset,
    resource_quota,
    service_account_tokens,
    service_load_balancer,
    taint_eviction,
    volume_protection,
)
from edge.controllers.settings import Settings

_ALL = (
    deployment.controller,
    replicaset.controller,
    daemonset.controller,
    endpoints.controller,
    endpointslice.controller,
    service_load_balancer.controller,
    namespace.controller,
    namespace_defaults.controller,
    node_lifecycle.controller,
    taint_eviction.controller,
    pod_gc.controller,
    resource_quota.controller,
    persistent_volume.controller,
    local_path.controller,
    volume_protection.controller,
    ephemeral_volume.controller,
    disruption.controller,
    garbage_collector.controller,
    definition_cleanup.controller,
    clusterrole_aggregation.controller,
    service_account_tokens.controller,
    event_expiry.controller,
)


def controllers(settings: Settings) -> tuple[interface.Controller, ...]:
    """Return every controller."""
    return tuple(make(settings) for make in _ALL)
