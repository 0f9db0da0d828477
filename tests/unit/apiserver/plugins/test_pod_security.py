"""The Pod Security Standards: levels, versions, and Kubernetes' words for what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import batch, codec, core, replication
from edge.apiserver.plugins import pod_security
from edge.apiserver.plugins.pod_security_evaluation import sentence, violations, warnings_of_namespace
from edge.apiserver.plugins.pod_security_policy import (
    EVERYTHING_GOES,
    PREFIX,
    Policy,
    Standard,
    of_labels,
)
from tests import builders

GOOD = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED, BASELINE = Standard("restricted"), Standard("baseline")


def spec(context: dict[str, Any] | None = None, **more: Any) -> core.PodSpec:
    """Return a pod spec of one container with that security context."""
    made = {"name": "a", "image": "web:1", "securityContext": GOOD if context is None else context}
    return codec.decode_struct(core.PodSpec, {"containers": [made | more.pop("container", {})], **more})


def said(standard: Standard, of: core.PodSpec, annotations: dict[str, str] | None = None) -> str:
    """Return what a standard finds, without its name."""
    found = violations(standard, annotations or {}, of)
    return sentence(standard, found).partition(": ")[2]


def test_a_careful_pod_is_restricted_and_a_plain_one_is_baseline() -> None:
    assert violations(RESTRICTED, {}, spec()) == ()
    assert violations(BASELINE, {}, spec({})) == ()


def test_a_plain_pod_is_told_all_it_misses() -> None:
    found = violations(RESTRICTED, {}, spec({}))
    assert sentence(RESTRICTED, found) == (
        'PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")')


@pytest.mark.parametrize(("of", "words"), [
    (spec(hostNetwork=True, hostPID=True, hostIPC=True),
     "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"),
    (spec(GOOD | {"privileged": True}), 'privileged (container "a" must not set securityContext.privileged=true)'),
    (spec(GOOD | {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN", "CHOWN", "NET_ADMIN"]}}),
     'non-default capabilities (container "a" must not include "NET_ADMIN", "SYS_ADMIN" in '
     "securityContext.capabilities.add)"),
    (spec(volumes=[{"name": "h", "hostPath": {"path": "/"}}, {"name": "i", "hostPath": {"path": "/"}}]),
     'hostPath volumes (volumes "h", "i")'),
    (spec(container={"ports": [{"containerPort": 1, "hostPort": 9090}, {"containerPort": 2, "hostPort": 80}]}),
     'hostPort (container "a" uses hostPorts 80, 9090)'),
    (spec(GOOD | {"procMount": "Unmasked"}),
     'procMount (container "a" must not set securityContext.procMount to "Unmasked")'),
    (spec(GOOD | {"seLinuxOptions": {"type": "spc_t", "user": "u", "role": "r"}}),
     'seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; '
     "role may not be set)"),
    (spec(GOOD | {"seLinuxOptions": {"user": "u"}}, securityContext={"seLinuxOptions": {"type": "foo"}}),
     'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "foo"; user may not be '
     "set)"),
    (spec(GOOD | {"seccompProfile": {"type": "Unconfined"}}),
     'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")'),
    (spec(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"},
                                       {"name": "net.ipv4.tcp_rmem", "value": "1"}]}),
     "forbidden sysctls (kernel.msgmax)"),
    (spec(GOOD | {"appArmorProfile": {"type": "Unconfined"}}, securityContext={"appArmorProfile": {"type": "Bad"}}),
     'forbidden AppArmor profiles (pod and container "a" must not set AppArmor profile type to "Bad", "Unconfined")'),
    (spec(GOOD | {"windowsOptions": {"hostProcess": True}}),
     'hostProcess (container "a" must not set securityContext.windowsOptions.hostProcess=true)'),
])
def test_what_baseline_forbids(of: core.PodSpec, words: str) -> None:
    assert said(BASELINE, of) == words


def test_old_annotations_are_judged_too() -> None:
    kept = {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}
    assert said(BASELINE, spec(), kept) == (
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
        '"container.apparmor.security.beta.kubernetes.io/a="unconfined"")')
    old = {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}
    assert violations(BASELINE, old, spec()) == ()
    assert said(Standard("baseline", "v1.18"), spec(), old) == (
        'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")')


@pytest.mark.parametrize(("of", "words"), [
    (spec(volumes=[{"name": "h", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {"server": "s", "path": "/"}},
                   {"name": "fine", "emptyDir": {}}]),
     'restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs")'),
    (spec(volumes=[{"name": "h", "hostPath": {"path": "/"}}]),
     'restricted volume types (volume "h" uses restricted volume type "hostPath")'),
    (spec(GOOD | {"runAsNonRoot": False}),
     'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)'),
    (spec(GOOD | {"runAsUser": 0}, securityContext={"runAsUser": 0}),
     'runAsUser=0 (pod and container "a" must not set runAsUser=0)'),
    (spec(GOOD | {"capabilities": {"add": ["NET_BIND_SERVICE", "CHOWN"]}}),
     'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]; container "a" must '
     'not include "CHOWN" in securityContext.capabilities.add)'),
])
def test_what_restricted_forbids_beyond(of: core.PodSpec, words: str) -> None:
    assert said(RESTRICTED, of) == words


def test_the_pod_may_say_it_for_its_containers() -> None:
    own = {key: GOOD[key] for key in ("allowPrivilegeEscalation", "capabilities")}
    pod_wide = {"runAsNonRoot": True, "seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}
    assert violations(RESTRICTED, {}, spec(own, securityContext=pod_wide)) == ()


def test_every_container_of_a_pod_counts() -> None:
    made = spec(initContainers=[{"name": "i", "securityContext": {"privileged": True}}],
                ephemeralContainers=[{"name": "e", "securityContext": {"privileged": True}}])
    assert said(BASELINE, made) == 'privileged (containers "i", "e" must not set securityContext.privileged=true)'


def test_windows_cannot_say_what_only_linux_knows() -> None:
    made = spec({"runAsNonRoot": True}, os={"name": "windows"})
    assert violations(RESTRICTED, {}, made) == ()
    assert violations(Standard("restricted", "v1.24"), {}, made) != ()


@pytest.mark.parametrize(("version", "name"), [("v1.26", "net.ipv4.ip_local_reserved_ports"),
                                               ("v1.28", "net.ipv4.tcp_keepalive_time"),
                                               ("v1.31", "net.ipv4.tcp_wmem")])
def test_a_namespace_may_keep_to_an_older_version(version: str, name: str) -> None:
    made = spec(securityContext={"sysctls": [{"name": name, "value": "1"}]})
    assert said(Standard("baseline", version), made) == f"forbidden sysctls ({name})"
    assert violations(BASELINE, {}, made) == ()
    assert violations(Standard("baseline", "v1.999999"), {}, made) == ()


def test_labels_name_level_and_version() -> None:
    policy, causes = of_labels({f"{PREFIX}enforce": "baseline", f"{PREFIX}warn": "restricted",
                                f"{PREFIX}warn-version": "v1.30"})
    assert causes == ()
    assert policy == Policy(enforce=BASELINE, warn=Standard("restricted", "v1.30"))
    assert of_labels({"kubernetes.io/metadata.name": "x"}) == (EVERYTHING_GOES, ())


def test_labels_nobody_can_read_are_told_and_taken_strictly() -> None:
    policy, causes = of_labels({f"{PREFIX}enforce": "high", f"{PREFIX}warn": "low", f"{PREFIX}audit-version": "1.2"})
    assert policy == Policy(enforce=RESTRICTED)
    assert [(cause.field, cause.message) for cause in causes] == [
        (f"metadata.labels[{PREFIX}enforce]",
         'Invalid value: "high": must be one of privileged, baseline, restricted'),
        (f"metadata.labels[{PREFIX}audit-version]", 'Invalid value: "1.2": must be "latest" or "v1.x"'),
        (f"metadata.labels[{PREFIX}warn]", 'Invalid value: "low": must be one of privileged, baseline, restricted')]


def test_pods_of_a_namespace_are_told_together() -> None:
    pods = [builders.pod(name, spec=spec({})) for name in ("c", "a", "b")]
    pods.append(builders.pod("d", spec=spec(hostNetwork=True)))
    reasons = "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
    assert warnings_of_namespace("x", RESTRICTED, pods) == (
        'existing pods in namespace "x" violate the new PodSecurity enforce level "restricted:latest"',
        f"a (and 2 other pods): {reasons}", "d: host namespaces")
    assert warnings_of_namespace("x", BASELINE, pods[:3]) == ()


def test_a_change_matters_only_where_a_standard_looks() -> None:
    old = builders.pod("web", spec=spec())
    assert not pod_security.significant(builders.pod("web", spec=spec(), labels={"a": "b"}), old)
    assert pod_security.significant(builders.pod("web", spec=spec(container={"image": "web:2"})), old)


def test_every_workload_has_a_template() -> None:
    template = builders.template()
    cron = batch.CronJob(spec=batch.CronJobSpec(job_template=batch.JobTemplateSpec(
        spec=batch.JobSpec(template=template))))
    for obj in (builders.deployment(), builders.replica_set(), builders.daemon_set(), cron,
                replication.PodTemplate(template=template)):
        found = pod_security.template_of(obj)
        assert found is not None
        assert found.spec.containers
    assert pod_security.template_of(replication.ReplicationController()) is None
    assert pod_security.template_of(core.ConfigMap()) is None
