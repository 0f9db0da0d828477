from datetime import UTC, datetime

from edge.agent import podview
from edge.agent.surroundings import Surroundings
from edge.api import core, meta
from edge.bus import messages
from edge.network.interface import HostPort, Sandbox
from edge.runtime.containers import Container, State

NOW = datetime(2030, 1, 1, tzinfo=UTC)
AROUND = Surroundings(node_name="node-1", log_dir="/var/log/pods")


def pod(*ports: core.ContainerPort) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="u"),
                    spec=core.PodSpec(containers=(core.Container(name="main", ports=ports),
                                                  core.Container(name="new"))))


def ran(attempt: int, state: State) -> Container:
    return Container(id=f"c{attempt}", pod_uid="u", name="main", attempt=attempt, spec_hash="h", state=state,
                     image="i", image_id="i")


def waiting(reason: str) -> core.PodStatus:
    state = core.ContainerState(waiting=core.ContainerStateWaiting(reason=reason))
    return core.PodStatus(container_statuses=(core.ContainerStatus(name="main", state=state),))


def test_streams_see_the_newest_container_of_each_name() -> None:
    seen = podview.pod_view(messages.DesiredPod(revision="1", pod=pod()), core.PodStatus(),
                            (ran(1, State.RUNNING), ran(0, State.EXITED)), AROUND, "10.244.1.2", NOW)
    assert (seen.uid, seen.address, seen.log_dir) == ("u", "10.244.1.2", "/var/log/pods/default_web_u")
    assert (seen.containers["main"].id, seen.containers["main"].attempt, seen.containers["main"].running) == (
        "c1", 1, True)
    assert seen.containers["new"].id == ""


def test_a_container_between_two_attempts_is_backing_off_and_says_why() -> None:
    seen = podview.pod_view(messages.DesiredPod(revision="1", pod=pod()), waiting("CrashLoopBackOff"),
                            (ran(2, State.EXITED),), AROUND, "", NOW)
    assert seen.containers["main"].backing_off
    assert seen.containers["main"].waiting == "CrashLoopBackOff"


def test_host_ports_are_those_of_pods_that_have_a_network() -> None:
    ports = (core.ContainerPort(container_port=8080, host_port=80), core.ContainerPort(container_port=9090))
    sandboxes = (Sandbox("u", "/run/netns/edge-u", "10.244.1.2"), Sandbox("gone", "/run/netns/edge-gone", "10.244.1.3"))
    assert podview.host_ports({"u": pod(*ports), "late": pod(*ports)}, sandboxes) == (
        HostPort(80, "TCP", "10.244.1.2", 8080),)


def test_a_host_port_may_be_bound_to_one_address() -> None:
    ports = tuple(core.ContainerPort(container_port=80, host_port=8000 + number, host_ip=address)
                  for number, address in enumerate(("", "0.0.0.0", "::", "10.0.0.2", "nonsense", "fd00::1")))
    found = podview.host_ports({"u": pod(*ports)}, (Sandbox("u", "/run/netns/u", "10.244.1.2"),))
    assert [port.host_ip for port in found] == ["", "", "", "10.0.0.2", podview.NOWHERE, podview.NOWHERE]
