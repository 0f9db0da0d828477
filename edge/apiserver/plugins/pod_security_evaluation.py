"""Judges a pod, or all pods of a namespace, by a Pod Security Standard as it was in some version."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.api import core
from edge.apiserver.plugins import pod_security_baseline as baseline
from edge.apiserver.plugins import pod_security_restricted as restricted
from edge.apiserver.plugins.pod_security_baseline import Run, Violation
from edge.apiserver.plugins.pod_security_policy import BASELINE, PRIVILEGED, RESTRICTED, Standard

MOST_PODS_CHECKED = 3000
"""Of a namespace whose level changes; more would keep everybody else waiting."""
_LAST_CHANGE = 32
"""The minor version since which every check is as it is now."""


@dataclass(frozen=True, slots=True)
class _Check:
    """A check through the versions: what it does from which minor version on."""

    name: str
    since: tuple[tuple[int, Run], ...]
    overrides: str = ""
    """The check of `baseline` that this one makes superfluous."""


# Both in the order in which Kubernetes names what it finds.
_BASELINE = (
    _Check("appArmorProfile", ((0, baseline.app_armor),)),
    _Check("capabilities_baseline", ((0, baseline.capabilities),)),
    _Check("hostNamespaces", ((0, baseline.host_namespaces),)),
    _Check("hostPathVolumes", ((0, baseline.host_paths),)),
    _Check("hostPorts", ((0, baseline.host_ports),)),
    _Check("privileged", ((0, baseline.privileged),)),
    _Check("procMount", ((0, baseline.proc_mount),)),
    _Check("seLinuxOptions", ((0, baseline.se_linux), (31, baseline.se_linux_31))),
    _Check("seccompProfile_baseline", ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    _Check("sysctls", ((0, baseline.sysctls), (27, baseline.sysctls_27), (29, baseline.sysctls_29),
                       (32, baseline.sysctls_32))),
    _Check("windowsHostProcess", ((0, baseline.windows_host_process),)),
)
_RESTRICTED = (
    _Check("allowPrivilegeEscalation", ((8, restricted.privilege_escalation),
                                        (25, restricted.not_on_windows(restricted.privilege_escalation)))),
    _Check("capabilities_restricted", ((22, restricted.capabilities),
                                       (25, restricted.not_on_windows(restricted.capabilities))),
           overrides="capabilities_baseline"),
    _Check("restrictedVolumes", ((0, restricted.volumes),), overrides="hostPathVolumes"),
    _Check("runAsNonRoot", ((0, restricted.non_root),)),
    _Check("runAsUser", ((23, restricted.run_as_user),)),
    _Check("seccompProfile_restricted", ((19, restricted.seccomp_profile),
                                         (25, restricted.not_on_windows(restricted.seccomp_profile))),
           overrides="seccompProfile_baseline"),
)


def violations(standard: Standard, annotations: Mapping[str, str], spec: core.PodSpec) -> tuple[Violation, ...]:
    """Return everything about a pod that the standard forbids."""
    if standard.level == PRIVILEGED:
        return ()
    found = (run(annotations, spec) for run in _runs(standard.level, min(standard.minor, _LAST_CHANGE)))
    return tuple(each for each in found if each is not None)


def sentence(standard: Standard, found: Iterable[Violation]) -> str:
    """Return what was found as Kubernetes says it after "violates" or "would violate"."""
    return f'PodSecurity "{standard}": {", ".join(f"{each.reason} ({each.detail})" for each in found)}'


def warnings_of_namespace(namespace: str, standard: Standard, pods: Iterable[core.Pod]) -> tuple[str, ...]:
    """Return what a person should know about the pods that are there when a namespace gets a stricter standard."""
    every = sorted(pods, key=lambda pod: pod.metadata.name)
    by_reasons: dict[str, list[str]] = {}
    for pod in every[:MOST_PODS_CHECKED]:
        if found := violations(standard, pod.metadata.annotations, pod.spec):
            by_reasons.setdefault(", ".join(each.reason for each in found), []).append(pod.metadata.name)
    said = []
    if len(every) > MOST_PODS_CHECKED:
        said.append(f"new PodSecurity enforce level only checked against the first {MOST_PODS_CHECKED} of "
                    f"{len(every)} existing pods")
    if by_reasons:
        said.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"')
    return (*said, *sorted(f"{_and_others(names)}: {reasons}" for reasons, names in by_reasons.items()))


def _and_others(names: list[str]) -> str:
    others = len(names) - 1
    return f"{names[0]} (and {others} other {'pod' if others == 1 else 'pods'})" if others else names[0]


@functools.cache
def _runs(level: str, minor: int) -> tuple[Run, ...]:
    strict = {check.name: run for check in _RESTRICTED if (run := _as_of(check, minor))} if level == RESTRICTED else {}
    replaced = {check.overrides for check in _RESTRICTED if check.name in strict}
    assert level in (BASELINE, RESTRICTED)
    plain = (run for check in _BASELINE if check.name not in replaced and (run := _as_of(check, minor)))
    return (*plain, *strict.values())


def _as_of(check: _Check, minor: int) -> Run | None:
    known = [run for since, run in check.since if since <= minor]
    return known[-1] if known else None
