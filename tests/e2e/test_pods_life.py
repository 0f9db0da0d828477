"""How pods start, end and start again, and how kubectl tells it."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import IMAGE, Within, container, pod


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def test_a_pod_is_described_as_kubernetes_does(here: Within) -> None:
    here.apply(pod("web", container(ports=[{"containerPort": 8080}]), container(name="side")))
    here.until_ready("web")
    until(lambda: len(here.reasons("web")) == 7, 5, "events are missing")
    text = here.kubectl("describe", "pod", "web")
    for line in ("Name:             web", "Service Account:  default", "Status:           Running",
                 "    Port:          8080/TCP", "    Host Port:     0/TCP", "    Restart Count:  0",
                 "  Ready                       True ",
                 f"Successfully assigned {here.namespace}/web to node-",
                 f'Container image "{IMAGE}" already present on machine',
                 "Created container: main", "Started container main", "Started container side"):
        assert line in text, text
    assert re.search(r"QoS Class: +BestEffort", text)
    reasons = here.reasons("web")
    assert reasons[:3] == ["Scheduled", "Pulled", "Created"]
    assert sorted(reasons[3:]) == [
        "Created", "Pulled", "Started", "Started"]
    row = here.kubectl("get", "pod", "web", "-o", "wide", "--no-headers").split()
    assert row[:4] == ["web", "2/2", "Running", "0"]
    assert row[5].startswith("10.244.")
    assert row[6].startswith("node-")


def test_restart_policies(here: Within) -> None:
    here.apply(pod("done", container("exit 0"), restartPolicy="Never"),
               pod("failed", container("echo last words > /dev/termination-log; exit 5"), restartPolicy="Never"),
               pod("mixed", container("exit 0", name="a"), container("exit 1", name="b"), restartPolicy="Never"),
               pod("on-failure", container("test -e /d/f || { touch /d/f; exit 1; }",
                                           volumeMounts=[{"name": "d", "mountPath": "/d"}]),
                   restartPolicy="OnFailure", volumes=[{"name": "d", "emptyDir": {}}]))
    here.until_shown("done", "Completed")
    here.until_shown("failed", "Error")
    here.until_shown("on-failure", "Completed")
    assert here.path("pod/done", ".status.phase") == "Succeeded"
    assert here.path("pod/on-failure", ".status.containerStatuses[0].restartCount") == "1"
    ended = here.get("pod", "failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (5, "Error", "last words\n")
    until(lambda: here.path("pod/mixed", ".status.phase") == "Failed", 10, "mixed did not fail")
    here.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/done", "--timeout=5s")


def test_crash_loop(here: Within) -> None:
    here.apply(pod("crash", container("echo boom; exit 3")))
    here.until_shown("crash", "CrashLoopBackOff")
    status = here.get("pod", "crash")["status"]
    assert status["phase"] == "Running"
    found = status["containerStatuses"][0]
    assert found["restartCount"] == 1
    assert found["state"]["waiting"]["message"].startswith(
        f"back-off 10s restarting failed container=main pod=crash_{here.namespace}(")
    assert found["lastState"]["terminated"]["exitCode"] == 3
    assert here.kubectl("logs", "crash", "--previous") == "boom\n"
    until(lambda: "BackOff" in here.reasons("crash"), 5, "no event BackOff")
    until(lambda: found_restarts(here) == "2", 20, "not restarted after the back-off")


def found_restarts(here: Within) -> str:
    return here.path("pod/crash", ".status.containerStatuses[0].restartCount")


def test_images_that_cannot_be_had(here: Within) -> None:
    here.apply(pod("absent", {"name": "main", "image": "127.0.0.1:1/nothing:1"}),
               pod("never", {"name": "main", "image": "localhost/nothing:1", "imagePullPolicy": "Never"}),
               pod("wrong", {"name": "main", "image": "localhost/WRONG:1"}),
               pod("command", {"name": "main", "image": IMAGE, "command": ["/not/there"]}, restartPolicy="Never"))
    here.until_shown("never", "ErrImageNeverPull")
    here.until_shown("wrong", "InvalidImageName")
    here.until_shown("command", "StartError")
    until(lambda: here.shown("absent") in ("RegistryUnavailable", "ImagePullBackOff"), 10, here.shown("absent"))
    here.until_shown("absent", "ImagePullBackOff")
    text = here.kubectl("describe", "pod", "absent")
    for words in ('Pulling image "127.0.0.1:1/nothing:1"', 'Failed to pull image "127.0.0.1:1/nothing:1": ',
                  "Error: RegistryUnavailable", 'Back-off pulling image "127.0.0.1:1/nothing:1"',
                  "Error: ImagePullBackOff"):
        assert words in text
    assert 'Container image "localhost/nothing:1" is not present with pull policy of Never' in here.kubectl(
        "describe", "pod", "never")
    assert "InspectFailed" in here.reasons("wrong")
    ended = here.get("pod", "command")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 128
    assert ended["startedAt"] > "2020"
    assert ended["finishedAt"] > "2020"
    here.kubectl("delete", "pod", "--all", "--timeout=10s")


def test_init_containers(here: Within) -> None:
    mount: dict[str, Any] = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    here.apply(pod("init", container("cat /d/log; exec sleep 1000", **mount), volumes=[{"name": "d", "emptyDir": {}}],
                   initContainers=[container("until test -e /d/go; do sleep 0.1; done; echo one >> /d/log", "one",
                                             **mount),
                                   container("echo two >> /d/log", "two", **mount)]),
               pod("broken", initContainers=[container("exit 4", "first")], restartPolicy="Never"),
               pod("loop", initContainers=[container("exit 4", "first")]))
    here.until_shown("init", "Init:0/2")
    until(lambda: here.get("pod", "init")["status"]["initContainerStatuses"][0]["state"].get("running"), 10, "no start")
    assert here.path("pod/init", ".status.containerStatuses[0].state.waiting.reason") == "PodInitializing"
    assert 'container "main" in pod "init" is waiting to start: PodInitializing' in here.fails("logs", "init")
    here.sh("init", "touch /d/go", "one")
    here.until_ready("init")
    assert here.kubectl("logs", "init") == "one\ntwo\n"
    here.until_shown("broken", "Init:Error")
    assert here.path("pod/broken", ".status.phase") == "Failed"
    here.until_shown("loop", "Init:CrashLoopBackOff")


def test_a_pod_that_cannot_be_placed_waits(here: Within) -> None:
    here.apply(pod("lost", nodeSelector={"disk": "none"}))
    until(lambda: here.reasons("lost") == ["FailedScheduling"], 10, "no event FailedScheduling")
    assert here.shown("lost") == "Pending"
    assert "0/4 nodes are available: " in here.kubectl("describe", "pod", "lost")


def test_termination(here: Within) -> None:
    """SIGTERM comes after preStop; what ignores it is killed when its grace is over."""
    polite = "trap 'echo got SIGTERM; exit 0' TERM; echo up; while true; do sleep 0.1; done"
    here.apply(pod("polite", container(polite, lifecycle={
        "preStop": {"exec": {"command": ["sh", "-c", "echo preStop > /proc/1/fd/1; sleep 1"]}}}),
        terminationGracePeriodSeconds=20), pod("deaf", container("trap '' TERM; while true; do sleep 1; done"),
                                               terminationGracePeriodSeconds=3))
    here.until_ready("polite", "deaf")
    watching = until(lambda: here.kubectl("logs", "polite"), 5, "no log")
    assert watching == "up\n"
    began = time.monotonic()
    here.kubectl("delete", "pod", "polite", "deaf", "--wait=false")
    assert here.shown("polite") == "Terminating"
    assert here.shown("deaf") == "Terminating"
    until(lambda: "got SIGTERM" in here.try_kubectl("logs", "polite").stdout
          or here.try_kubectl("get", "pod", "polite").returncode != 0, 10, "preStop or SIGTERM did not come")
    here.kubectl("wait", "--for=delete", "pod/polite", "pod/deaf", "--timeout=15s")
    assert 2.5 < time.monotonic() - began < 12
    assert "Killing" in here.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}")


def test_deletion_by_force(here: Within) -> None:
    here.apply(pod("deaf", container("trap '' TERM; while true; do sleep 1; done"), terminationGracePeriodSeconds=60))
    here.until_ready("deaf")
    uid, node = here.path("pod/deaf", ".metadata.uid"), here.path("pod/deaf", ".spec.nodeName")
    result = here.try_kubectl("delete", "pod", "deaf", "--grace-period=0", "--force", timeout=10)
    assert "Immediate deletion does not wait" in result.stderr
    assert 'pod "deaf" force deleted' in result.stdout
    assert "not found" in here.fails("get", "pod", "deaf")
    until(lambda: uid not in here.rack.shell(node, "podman", "ps", "--all", "--no-trunc", "--format", "{{.Labels}}"),
          15, "the container runs on")


def test_hooks_and_sidecars(here: Within) -> None:
    mount: dict[str, Any] = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo hooked > /d/x"]}}}
    here.apply(pod("helped", container("until test -e /d/x; do sleep 0.1; done; cat /d/x; exec sleep 1000",
                                       lifecycle=hook, **mount), volumes=[{"name": "d", "emptyDir": {}}],
                   initContainers=[container(name="side", restartPolicy="Always")]))
    here.until_ready("helped")
    until(lambda: here.kubectl("logs", "helped", "-c", "main") == "hooked\n", 5, "the hook did not run")
    assert here.kubectl("get", "pod", "helped", "--no-headers").split()[1] == "2/2"
