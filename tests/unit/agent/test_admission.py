"""Which pods a node does not take, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.agent import actions, admission, plan, status
from edge.agent.actions import Emit
from edge.agent.admission import NodeFacts
from edge.agent.memory import rejected
from edge.agent.policy import Policy, maps_volumes
from edge.api import amounts, containers, core, meta
from edge.bus import messages
from tests.fakes.view import container, view

WEB = container()
FACTS = NodeFacts(allocatable=amounts.read({"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "3"}))


def pod(*given: core.Container, labels: dict[str, str] | None = None, **spec: Any) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name="p", namespace="default", uid="u", labels=labels or {}),
                    spec=core.PodSpec(containers=given or (WEB,), **spec))


def asking(**requests: str) -> core.Container:
    named: dict[str, meta.Quantity] = {name.replace("_", "-"): amount for name, amount in requests.items()}
    return container(resources=core.ResourceRequirements(requests=named))


def context(**fields: Any) -> core.PodSecurityContext:
    return core.PodSecurityContext(**fields)


def sysctl(name: str, **spec: Any) -> core.Pod:
    return pod(security_context=context(sysctls=(core.Sysctl(name=name, value="1"),)), **spec)


def test_a_plain_pod_is_taken() -> None:
    assert admission.refusal(pod(), FACTS) is None
    assert admission.refusal(pod(asking(cpu="2", memory="1Gi")), NodeFacts()) is None


def publishing(*found: core.ContainerPort, **spec: Any) -> core.Pod:
    return pod(container(ports=found), **spec)


def test_a_port_of_the_node_has_one_pod() -> None:
    web = core.ContainerPort(container_port=80, host_port=8080)
    taken = replace(FACTS, ports=admission.ports((publishing(web), pod())))
    refused = ("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")
    host_network = publishing(core.ContainerPort(container_port=8080), host_network=True)
    local = core.ContainerPort(container_port=1, host_port=8080, host_ip="10.0.0.2")
    for found in (publishing(web), host_network, publishing(local)):
        assert admission.refusal(found, taken) == refused
    for port in (core.ContainerPort(container_port=8080), core.ContainerPort(container_port=80, host_port=8081),
                 core.ContainerPort(container_port=80, host_port=8080, protocol="UDP")):
        assert admission.refusal(publishing(port), taken) is None
    other = core.ContainerPort(container_port=2, host_port=8080, host_ip="10.0.0.3")
    here = replace(FACTS, ports=admission.ports((publishing(local),)))
    assert admission.refusal(publishing(other), here) is None
    assert admission.refusal(publishing(web), here) == refused


@pytest.mark.parametrize("name", ["kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net/ipv4/ping_group_range"])
def test_safe_sysctls_are_taken(name: str) -> None:
    assert admission.refusal(sysctl(name), FACTS) is None


@pytest.mark.parametrize("name", ["net.core.somaxconn", "kernel.msgmax", "vm.swappiness", "kernel.shm_rmid_forced.x",
                                  "net", "", "net.ipv4/../../vm/swappiness"])
def test_other_sysctls_are_refused(name: str) -> None:
    refused = admission.refusal(sysctl(name), FACTS)
    assert refused is not None
    assert refused[0] == "SysctlForbidden"
    assert refused[1].startswith("forbidden sysctl: ")
    assert refused[1].endswith("not allowlisted")


def test_a_node_may_allow_more_sysctls_but_never_those_of_all() -> None:
    policy = Policy(allowed_unsafe_sysctls=("net.core.*", "kernel.msgmax", "vm.*", "net/ipv4/tcp_*"))
    facts = replace(FACTS, policy=policy)
    for name in ("net.core.somaxconn", "kernel.msgmax", "net.ipv4.tcp_mem"):
        assert admission.refusal(sysctl(name), facts) is None
    for name in ("vm.swappiness", "kernel.msgmaxx", "net.corex", "net.core./../../vm"):
        assert admission.refusal(sysctl(name), facts) is not None


def test_sysctls_of_a_namespace_that_is_the_nodes_are_refused() -> None:
    assert admission.refusal(sysctl("net.ipv4.tcp_syncookies", host_network=True), FACTS) == (
        "SysctlForbidden", 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled')
    assert admission.refusal(sysctl("kernel.shm_rmid_forced", host_ipc=True), FACTS) == (
        "SysctlForbidden", 'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host IPC enabled')


def test_pods_for_another_system_are_refused() -> None:
    assert admission.refusal(pod(os=core.PodOS(name="windows")), FACTS) == (
        "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    assert admission.refusal(pod(os=core.PodOS(name="linux")), FACTS) is None
    assert admission.refusal(pod(labels={"kubernetes.io/os": "windows"}), FACTS) == (
        "PodOSSelectorNodeLabelDoesNotMatch",
        "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label")
    process = containers.WindowsSecurityContextOptions(host_process=True)
    hosted = container(security_context=core.SecurityContext(windows_options=process))
    for found in (pod(security_context=context(windows_options=process)), pod(hosted), pod(init_containers=(hosted,))):
        assert (admission.refusal(found, FACTS) or ("",))[0] == "PodOSNotSupported"


def test_user_namespaces_need_a_kernel_that_has_them() -> None:
    old = replace(FACTS, policy=Policy(user_namespaces=False))
    assert admission.refusal(pod(host_users=False), old) == (
        "UnexpectedAdmissionError", "User namespaces need Linux 6.3 or later on this node")
    assert admission.refusal(pod(host_users=True), old) is None
    assert admission.refusal(pod(host_users=False), FACTS) is None
    kernels = ("6.12.25+rpt-rpi-v8", "6.3.0", "7.0", "unknown", "6.1.0-21-arm64", "5.15.1", "6.2")
    assert [maps_volumes(each) for each in kernels] == [True] * 4 + [False] * 3


def test_strict_groups_need_a_group() -> None:
    refused = admission.refusal(pod(security_context=context(supplemental_groups_policy="Strict")), FACTS)
    assert refused is not None
    assert refused[0] == "SupplementalGroupsPolicyNotSupported"
    for given in (context(supplemental_groups_policy="Strict", run_as_group=5),
                  context(supplemental_groups_policy="Merge")):
        assert admission.refusal(pod(security_context=given), FACTS) is None
    own = container(security_context=core.SecurityContext(run_as_group=5))
    strict = context(supplemental_groups_policy="Strict")
    assert admission.refusal(pod(own, security_context=strict), FACTS) is None
    assert admission.refusal(pod(own, container("other"), security_context=strict), FACTS) is not None


def test_app_armor_profiles_of_the_node_need_app_armor() -> None:
    own = core.AppArmorProfile(type="Localhost", localhost_profile="mine")
    confined = container(security_context=core.SecurityContext(app_armor_profile=own))
    for found in (pod(confined), pod(security_context=context(app_armor_profile=own))):
        assert admission.refusal(found, FACTS) == (
            "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
        assert admission.refusal(found, replace(FACTS, policy=Policy(app_armor=True))) is None
    default = core.AppArmorProfile(type="RuntimeDefault")
    assert admission.refusal(pod(security_context=context(app_armor_profile=default)), FACTS) is None


@pytest.mark.parametrize(("asked", "reason", "numbers"), [
    ({"cpu": "1500m"}, "OutOfcpu", "cpu, requested: 1500, used: 1000, capacity: 2000"),
    ({"memory": "1Gi"}, "OutOfmemory", "memory, requested: 1073741824, used: 1048576, capacity: 1073741824"),
    ({"ephemeral_storage": "11Gi"}, "OutOfephemeral-storage",
     "ephemeral-storage, requested: 11811160064, used: 0, capacity: 10737418240")])
def test_pods_that_do_not_fit_are_refused(asked: dict[str, str], reason: str, numbers: str) -> None:
    facts = replace(FACTS, used=admission.requests([pod(asking(cpu="1", memory="1Mi"))]))
    assert admission.refusal(pod(asking(**asked)), facts) == (
        reason, f"Node didn't have enough resource: {numbers}")


def test_the_last_place_is_given_and_no_more() -> None:
    two, three = (replace(FACTS, used=admission.requests([pod()] * number)) for number in (2, 3))
    assert admission.refusal(pod(), two) is None
    assert admission.refusal(pod(), three) == (
        "OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")


def test_exactly_what_is_left_fits() -> None:
    assert admission.refusal(pod(asking(cpu="2", memory="1Gi")), FACTS) is None
    assert admission.refusal(pod(asking(cpu="2001m")), FACTS) is not None


def test_resources_that_come_and_go_are_waited_for() -> None:
    facts = replace(FACTS, allocatable={**FACTS.allocatable, **amounts.read({"edge.pi/camera": "0"})})
    camera = container(resources=core.ResourceRequirements(requests={"edge.pi/camera": "1", "other.io/thing": "2"}))
    assert admission.refusal(pod(camera), facts) is None


class TestPlan:
    BAD = core.PodSpec(containers=(WEB,), os=core.PodOS(name="windows"))

    def test_a_new_pod_is_judged_before_anything_is_made(self) -> None:
        fresh = view(sandbox=False, files=False)
        assert plan.plan(replace(fresh, facts=FACTS)).actions == (actions.AdmitPod(),)
        bad = replace(view(spec=self.BAD, sandbox=False, files=False), facts=FACTS)
        assert plan.plan(bad).actions == (actions.RejectPod(
            "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),)

    def test_one_that_is_to_go_is_not_judged(self) -> None:
        bad = replace(view(spec=self.BAD, sandbox=False, files=False, deleting=True), facts=FACTS)
        assert not any(isinstance(each, actions.RejectPod) for each in plan.plan(bad).actions)

    def test_a_rejected_pod_has_failed_and_shows_no_containers(self) -> None:
        bad = view(spec=self.BAD, sandbox=False, files=False, has_files=False)
        bad = replace(bad, memory=rejected(bad.memory, "PodOSNotSupported", "why"))
        assert plan.plan(bad) == actions.Plan()
        found = status.pod_status(bad)
        assert (found.phase, found.reason, found.message) == ("Failed", "PodOSNotSupported", "Pod was rejected: why")
        assert (found.container_statuses, found.init_container_statuses) == ((), ())

    def test_an_agent_that_was_started_since_says_the_same(self) -> None:
        bad = view(spec=self.BAD, sandbox=False, files=False, has_files=False)
        said = status.pod_status(replace(bad, memory=rejected(bad.memory, "PodOSNotSupported", "why")))
        again = replace(bad, previous=said)
        assert status.pod_status(again) == said
        assert plan.plan(again) == actions.Plan()

    def test_settings_of_the_network_go_with_the_network(self) -> None:
        asked = core.PodSecurityContext(sysctls=(core.Sysctl(name="net.ipv4.tcp_syncookies", value="0"),
                                                 core.Sysctl(name="kernel.shm_rmid_forced", value="1")))
        spec = core.PodSpec(containers=(WEB,), security_context=asked)
        assert plan.plan(view(spec=spec, sandbox=False, files=False)).actions == (
            actions.AttachNetwork((("net.ipv4.tcp_syncookies", "0"),)),)

    def test_a_runtime_that_the_node_does_not_have_is_named_once(self) -> None:
        fresh = view(sandbox=False, files=False)
        assert fresh.desired is not None
        told = replace(fresh, desired=_handled(fresh.desired, "kata"))
        (said,) = plan.plan(told).actions
        assert isinstance(said, Emit)
        assert (said.reason, said.message) == (
            "FailedCreatePodSandBox", "Failed to create pod sandbox: failed to get sandbox runtime: "
            'no runtime for "kata" is configured')
        assert plan.plan(replace(told, desired=_handled(fresh.desired, "crun"))).actions == (actions.AttachNetwork(),)


def _handled(desired: messages.DesiredPod, handler: str) -> messages.DesiredPod:
    return msgspec.structs.replace(desired, runtime_handler=handler)
