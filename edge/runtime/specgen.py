"""What to send Podman to create one container: ContainerSpec in, the JSON of its SpecGenerator out.

Podman is told to leave alone what the agent does itself: the network, /etc/hosts and /etc/resolv.conf, restarts,
health checks.
"""

from __future__ import annotations

from typing import Any

from edge.runtime import specgen_security, states
from edge.runtime.containers import ContainerSpec, Mount

LOG_SIZE_BYTES = 10 * 1024 * 1024
CPU_PERIOD_MICROSECONDS = 100_000
SMALLEST_QUOTA_MICROSECONDS = 1_000
SMALLEST_SHARES = 2
LARGEST_SHARES = 262_144


def container_name(spec: ContainerSpec) -> str:
    """Return a name no other attempt of any other pod has, readable in `podman ps`."""
    return f"{spec.name}_{spec.pod_name}_{spec.namespace}_{spec.pod_uid}_{spec.attempt}"


def labels(spec: ContainerSpec) -> dict[str, str]:
    """Return the labels by which the container is found again."""
    return {
        **spec.labels,
        states.POD_UID: spec.pod_uid,
        states.POD_NAME: spec.pod_name,
        states.POD_NAMESPACE: spec.namespace,
        states.CONTAINER_NAME: spec.name,
        states.ATTEMPT: str(spec.attempt),
        states.SPEC_HASH: spec.spec_hash,
    }


def document(spec: ContainerSpec, ulimits: tuple[tuple[str, int], ...] = (),
             log_max_bytes: int = LOG_SIZE_BYTES) -> dict[str, Any]:
    """Return the body of `POST /libpod/containers/create`.

    `ulimits` are sent with equal soft and hard values: Podman 4.3.1 swaps the two of `default_ulimits`.
    """
    destinations = {mount.destination for mount in spec.mounts}
    result: dict[str, Any] = {
        "name": container_name(spec),
        **({"rootfs": spec.rootfs} if spec.rootfs else {
            "image": spec.image_id or spec.image, "raw_image_name": spec.image}),
        "labels": labels(spec),
        "annotations": spec.annotations,
        "env": dict(spec.env),
        "terminal": spec.tty,
        "stdin": spec.stdin,
        "restart_policy": "no",
        # Images with systemd inside get no special mounts, and an image's HEALTHCHECK makes no timers.
        "systemd": "false",
        "healthconfig": {"Test": ["NONE"]},
        "netns": {"nsmode": "path", "value": spec.netns_path} if spec.netns_path else {"nsmode": "host"},
        "use_image_hosts": "/etc/hosts" in destinations,
        "use_image_resolve_conf": "/etc/resolv.conf" in destinations,
        "mounts": [_mount(mount, mapped=spec.confinement.first_id > 0) for mount in spec.mounts],
        "resource_limits": _resources(spec),
        # The engine's monitor of a container stays out of the pod's group: its memory is not the pod's.
        "cgroups_mode": "no-conmon",
        **specgen_security.document(spec),
    }
    optional: dict[str, Any] = {
        # As in Kubernetes, a `command` alone leaves out the image's own arguments; Podman does that by itself.
        "entrypoint": list(spec.command),
        "command": list(spec.args),
        "work_dir": spec.working_dir,
        # Kubernetes' runtimes make it where the image has none.
        "create_working_dir": bool(spec.working_dir),
        "hostname": spec.hostname,
        "cgroup_parent": spec.cgroup_parent,
        "oom_score_adj": spec.oom_score,
        "unified": {"memory.oom.group": "1"} if spec.oom_group else None,
        "sysctl": dict(spec.sysctls),
        "devices": [{"path": f"{device.source}:{device.path}:rwm"} for device in spec.devices],
        "pidns": _namespace(spec.pid_namespace, host=spec.host_pid),
        "ipcns": _namespace(spec.ipc_namespace, host=spec.host_ipc),
        "r_limits": [{"type": name, "soft": value, "hard": value} for name, value in ulimits],
        "log_configuration": _log(spec.log_path, log_max_bytes),
    }
    return result | {key: value for key, value in optional.items() if value}


def _namespace(path: str, *, host: bool) -> dict[str, str] | None:
    if host:
        return {"nsmode": "host"}
    return {"nsmode": "path", "value": path} if path else None


def _log(path: str, max_bytes: int) -> dict[str, Any]:
    # Never journald: it would write every line to the card twice.
    return {"driver": "k8s-file", "path": path, "size": max_bytes} if path else {"driver": "none"}


def _mount(mount: Mount, *, mapped: bool) -> dict[str, Any]:
    access = "ro" if mount.read_only else "rw"
    return {
        "type": "bind",
        "source": mount.source,
        "destination": mount.destination,
        # In a user namespace, the files of a volume belong to whom they belong to outside, as Kubernetes has it.
        "options": ["rbind", access, mount.propagation, *(("idmap",) if mapped else ())],
    }


def _resources(spec: ContainerSpec) -> dict[str, Any]:
    """Translate requests and limits as the kubelet does: shares from the request, quota from the limit."""
    cpu: dict[str, int] = {"shares": _shares(spec.cpu_request_milli or spec.cpu_limit_milli)}
    if spec.cpu_limit_milli:
        quota = spec.cpu_limit_milli * CPU_PERIOD_MICROSECONDS // 1000
        cpu |= {"period": CPU_PERIOD_MICROSECONDS, "quota": max(quota, SMALLEST_QUOTA_MICROSECONDS)}
    memory = spec.memory_limit_bytes
    # Memory and swap together get the memory's limit: a pod never swaps, which on a Pi would wear out the card.
    return {"cpu": cpu} | ({"memory": {"limit": memory, "swap": memory}} if memory else {}) | (
        {"pids": {"limit": spec.pids_limit}} if spec.pids_limit else {})


def _shares(milli: int) -> int:
    return min(max(milli * 1024 // 1000, SMALLEST_SHARES), LARGEST_SHARES)
