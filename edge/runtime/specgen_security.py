"""What to tell Podman about users, rights and confinement of a container: part of `specgen`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.runtime.confinement import IDS
from edge.runtime.containers import ContainerSpec

ALL = "ALL"
_ORDERS = ("run.oci.", "org.systemd.property.")
"""What annotations begin with that crun and runc obey: another seccomp filter, a device, a path of the host."""


def document(spec: ContainerSpec) -> dict[str, Any]:
    """Return the part of the SpecGenerator about security; what is not said is the engine's default."""
    confined = spec.confinement
    add, drop = capabilities(spec.capabilities_add, spec.capabilities_drop)
    optional: dict[str, Any] = {
        "privileged": spec.privileged,
        "read_only_filesystem": spec.read_only_root,
        "no_new_privileges": spec.no_new_privileges,
        "user": spec.user,
        "groups": [str(group) for group in spec.supplemental_groups],
        "cap_add": add,
        "cap_drop": drop,
        "seccomp_profile_path": confined.seccomp_profile,
        "apparmor_profile": confined.app_armor_profile,
        "selinux_opts": list(confined.se_linux),
        "unmask": ["ALL"] if confined.unmasked else None,
    }
    return {key: value for key, value in optional.items() if value} | _user_namespace(confined.first_id)


def orders(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return which annotations of a container would undo what it is confined to.

    Podman hands on what an image has of them as if whoever runs it had asked for it; we never do.
    """
    return tuple(sorted(name for name in annotations if name.startswith(_ORDERS)))


def capabilities(add: tuple[str, ...], drop: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return what Podman is to add and to drop; it refuses what contradicts itself, where Kubernetes has an order.

    First ALL is added, then ALL is dropped, then single ones are added, then single ones are dropped.
    """
    added, dropped = (list(dict.fromkeys(map(capability, names))) for names in (add, drop))
    single = [name for name in added if name != ALL and name not in dropped]
    if ALL in dropped:
        return single, [ALL]
    if ALL in added:
        return [ALL], dropped
    return single, dropped


def capability(name: str) -> str:
    """Return a capability's name as Podman has it: `net_admin` is CAP_NET_ADMIN."""
    upper = name.upper()
    return upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"


def _user_namespace(first_id: int) -> dict[str, Any]:
    if not first_id:
        return {}
    ids = [{"container_id": 0, "host_id": first_id, "size": IDS}]
    return {"userns": {"nsmode": "private"}, "idmappings": {"HostUIDMapping": False, "HostGIDMapping": False,
                                                             "UIDMap": ids, "GIDMap": ids}}
