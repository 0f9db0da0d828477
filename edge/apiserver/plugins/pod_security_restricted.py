"""The further checks of the Pod Security Standard `restricted`: pods must say that they need no rights.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.api import core
from edge.apiserver.plugins.pod_security_baseline import (
    PROFILE_TYPES,
    Run,
    Violation,
    containers_of,
    named,
    plural,
    quoted,
    seccomp,
    setters,
)

_VOLUMES = ("config_map", "csi", "downward_api", "empty_dir", "ephemeral", "persistent_volume_claim", "projected",
            "secret")
_FOREIGN_VOLUMES = {
    "host_path": "hostPath", "gce_persistent_disk": "gcePersistentDisk",
    "aws_elastic_block_store": "awsElasticBlockStore", "git_repo": "gitRepo", "nfs": "nfs", "iscsi": "iscsi",
    "glusterfs": "glusterfs", "rbd": "rbd", "flex_volume": "flexVolume", "cinder": "cinder", "cephfs": "cephfs",
    "flocker": "flocker", "fc": "fc", "azure_file": "azureFile", "vsphere_volume": "vsphereVolume",
    "quobyte": "quobyte", "azure_disk": "azureDisk", "portworx_volume": "portworxVolume",
    "photon_persistent_disk": "photonPersistentDisk", "scale_io": "scaleIO", "storageos": "storageos"}


def not_on_windows(check: Run) -> Run:
    """Return the check for pods of Linux; those of Windows cannot say what it asks for."""
    def run(annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
        return None if spec.os is not None and spec.os.name == "windows" else check(annotations, spec)
    return run


def privilege_escalation(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Ask for allowPrivilegeEscalation=false."""
    bad = [container.name for container in containers_of(spec) if container.security_context is None
           or container.security_context.allow_privilege_escalation is not False]
    return Violation("allowPrivilegeEscalation != false", f"{named('container', bad)} must set "
                                                          "securityContext.allowPrivilegeEscalation=false") \
        if bad else None


def capabilities(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Ask that all capabilities are dropped; binding low ports may come back."""
    keeping, adding, values = [], [], set()
    for container in containers_of(spec):
        own = (container.security_context or core.SecurityContext()).capabilities or core.Capabilities()
        if "ALL" not in own.drop:
            keeping.append(container.name)
        if bad := [each for each in own.add if each != "NET_BIND_SERVICE"]:
            adding.append(container.name)
            values.update(bad)
    said = [f'{named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if adding:
        said.append(f"{named('container', adding)} must not include {quoted(sorted(values))} in "
                    "securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(said)) if said else None


def volumes(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse volumes that reach beyond what the cluster manages."""
    bad = {volume.name: _foreign(volume) for volume in spec.volumes
           if all(getattr(volume, field) is None for field in _VOLUMES)}
    if not bad:
        return None
    types = sorted(set(bad.values()))
    return Violation("restricted volume types", f"{named('volume', tuple(bad))} {'uses' if len(bad) == 1 else 'use'} "
                                                f"{plural('restricted volume type', types)} {quoted(types)}")


def _foreign(volume: core.Volume) -> str:
    return next((name for field, name in _FOREIGN_VOLUMES.items() if getattr(volume, field) is not None), "unknown")


def non_root(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Ask for runAsNonRoot=true, of the pod or of each container."""
    own = spec.security_context.run_as_non_root if spec.security_context else None
    choices = {container.name: container.security_context.run_as_non_root if container.security_context else None
               for container in containers_of(spec)}
    refusing = [name for name, choice in choices.items() if choice is False]
    if refusing or own is False:
        return Violation("runAsNonRoot != true", f"{setters(own is False, refusing)} must not set "
                                                 "securityContext.runAsNonRoot=false")
    silent = [name for name, choice in choices.items() if choice is None]
    return Violation("runAsNonRoot != true", f"pod or {named('container', silent)} must set "
                                             "securityContext.runAsNonRoot=true") if silent and not own else None


def run_as_user(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse user 0."""
    own = spec.security_context is not None and spec.security_context.run_as_user == 0
    bad = [container.name for container in containers_of(spec)
           if container.security_context is not None and container.security_context.run_as_user == 0]
    return Violation("runAsUser=0", f"{setters(own, bad)} must not set runAsUser=0") if own or bad else None


def seccomp_profile(annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Ask for a system call filter, of the pod or of each container."""
    if (refused := seccomp(annotations, spec)) is not None:
        return refused
    own = spec.security_context.seccomp_profile if spec.security_context else None
    silent = [container.name for container in containers_of(spec)
              if container.security_context is None or container.security_context.seccomp_profile is None]
    if not silent or (own is not None and own.type in PROFILE_TYPES):
        return None
    return Violation("seccompProfile", f"pod or {named('container', silent)} must set "
                                       'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"')
