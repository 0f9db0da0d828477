"""The life of a pod in depth: sidecars, ephemeral containers, hooks, graces, what containers share, names."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import IMAGE, Within, container, pod

MOUNT: dict[str, Any] = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
VOLUME: dict[str, Any] = {"volumes": [{"name": "d", "emptyDir": {}}]}


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def polite(name: str) -> str:
    """Return a script that writes when it starts and stops into a file all containers see."""
    return (f"echo {name} up >> /d/log; trap 'echo {name} down >> /d/log; exit 0' TERM; "
            "while true; do sleep 0.1; done")


def follow(here: Within, name: str, of: str) -> subprocess.Popen[str]:
    """Follow the log of a container to its end."""
    return subprocess.Popen([here.rack.kubectl_program, "logs", "-n", here.namespace, "-f", name, "-c", of],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=here.rack.environment)


def test_sidecars_start_first_one_after_the_other_and_stop_last_in_reverse_order(here: Within) -> None:
    started = {"startupProbe": {"exec": {"command": ["test", "-e", "/d/go"]}, "periodSeconds": 1,
                                "failureThreshold": 100}}
    one = container(polite("one"), "one", restartPolicy="Always", **MOUNT, **started)
    two = container(polite("two"), "two", restartPolicy="Always", **MOUNT)
    # The first one to start is the last to stop: it keeps the log until all others have gone.
    keeper = container("trap 'cat /d/log; exit 0' TERM; while true; do sleep 0.1; done", "keeper",
                       restartPolicy="Always", **MOUNT)
    here.apply(pod("order", container(polite("main"), **MOUNT), initContainers=[keeper, one, two],
                   terminationGracePeriodSeconds=20, **VOLUME))
    here.until_shown("order", "Init:1/3")
    assert here.path("pod/order", ".status.phase") == "Pending"
    here.sh("order", "touch /d/go", "one")
    here.until_ready("order")
    assert here.sh("order", "cat /d/log") == "one up\ntwo up\nmain up\n"
    assert here.kubectl("get", "pod", "order", "--no-headers").split()[1] == "4/4"
    following = follow(here, "order", "keeper")
    here.kubectl("delete", "pod", "order", timeout=40)
    assert following.communicate(timeout=20)[0].splitlines() == [
        "one up", "two up", "main up", "main down", "two down", "one down"]


def test_a_sidecar_comes_back_and_ends_with_its_pod(here: Within) -> None:
    side = container("sleep 1; exit 7", "side", restartPolicy="Always")
    here.apply(pod("job", container("until test -e /d/done; do sleep 0.1; done", **MOUNT), restartPolicy="Never",
                   initContainers=[side], **VOLUME))
    until(lambda: here.path("pod/job", ".status.initContainerStatuses[0].restartCount") not in ("", "0"), 20,
          "the sidecar was not restarted")
    assert here.path("pod/job", ".status.phase") == "Running"
    here.sh("job", "touch /d/done", "main")
    until(lambda: here.path("pod/job", ".status.phase") == "Succeeded", 20, "the pod did not succeed")


def test_debug_a_running_pod(here: Within) -> None:
    here.apply(pod("app", container("exec sleep 12345")))
    here.until_ready("app")
    here.kubectl("debug", "app", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--target=main", "-c", "eye",
                 "--", "sh", "-c", "ps; echo seen; exec sleep 54321")
    until(lambda: here.path("pod/app", ".status.ephemeralContainerStatuses[0].state.running"), 20, "it does not run")
    until(lambda: "seen" in here.kubectl("logs", "app", "-c", "eye"), 10, "no log")
    assert "sleep 12345" in here.kubectl("logs", "app", "-c", "eye")
    assert "sleep 54321" in here.sh("app", "ps", "eye")
    text = here.kubectl("describe", "pod", "app")
    assert "Ephemeral Containers:" in text
    assert "Created container: eye" in text
    assert here.kubectl("get", "pod", "app", "--no-headers").split()[1:4] == ["1/1", "Running", "0"]
    here.sh("app", "kill -9 $(ps | grep '54321' | grep -v grep | head -n 1 | cut -c 1-5)", "eye")
    until(lambda: here.path("pod/app", ".status.ephemeralContainerStatuses[0].state.terminated.exitCode") == "137", 10,
          "its end was not told")
    assert here.path("pod/app", ".status.phase") == "Running"
    assert here.path("pod/app", ".status.containerStatuses[0].restartCount") == "0"
    fault = here.try_kubectl("debug", "app", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--target=nobody")
    assert fault.returncode != 0 or "Targeting container" in fault.stderr + fault.stdout


def test_debug_a_copy_of_a_pod_and_a_node(here: Within) -> None:
    here.apply(pod("app", container("exec sleep 12345")))
    here.until_ready("app")
    here.kubectl("debug", "app", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--copy-to=twin",
                 "--share-processes", "-c", "eye", "--", "sh", "-c", "ps; exec sleep 54321")
    here.until_ready("twin")
    until(lambda: "sleep 12345" in here.kubectl("logs", "twin", "-c", "eye"), 10, "it does not see the pod's processes")
    said = here.try_kubectl("debug", "node/node-2", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--", "sh",
                            "-c", "hostname; ls /host/var/lib")
    assert said.returncode == 0, said.stderr
    assert "Warning" not in said.stderr
    name = re.search(r"debugging pod (\S+) ", said.stdout + said.stderr)
    assert name is not None
    until(lambda: here.path(f"pod/{name[1]}", ".status.phase") == "Succeeded", 20, "it does not end")
    assert here.kubectl("logs", name[1]).split()[0] == "node-2"


def test_debug_with_a_terminal(here: Within) -> None:
    here.apply(pod("app"))
    here.until_ready("app")
    master, terminal = pty.openpty()
    shell = subprocess.Popen([here.rack.kubectl_program, "debug", "-n", here.namespace, "-it", "app",
                              f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--target=main", "--", "sh"],
                             stdin=terminal, stdout=terminal, stderr=terminal, env=here.rack.environment)
    os.close(terminal)
    try:
        written = b""
        end, typed = time.monotonic() + 40, False
        while time.monotonic() < end and b"answer 42" not in written:
            if select.select([master], [], [], 0.5)[0]:
                written += os.read(master, 4096)
            if not typed and (b"# " in written or b"$ " in written):
                os.write(master, b"echo answer $((6 * 7)); ps\r")
                typed = True
        assert b"answer 42" in written, written
        os.write(master, b"exit 3\r")
        shell.wait(20)
        until(lambda: here.path("pod/app", ".status.ephemeralContainerStatuses[0].state.terminated.exitCode") == "3",
              10, "its end was not told")
    finally:
        shell.kill()
        shell.wait(10)
        os.close(master)


def test_containers_of_a_pod_share_processes_and_memory(here: Within) -> None:
    here.apply(pod("shared", container("exec sleep 11111", "one"), container("exec sleep 22222", "two"),
                   shareProcessNamespace=True),
               pod("apart", container("exec sleep 33333", "one"), container("exec sleep 44444", "two")))
    here.until_ready("shared", "apart")
    shown = here.sh("shared", "ps", "one")
    for words in ("/pause -P", "sleep 11111", "sleep 22222"):
        assert words in shown
    assert "44444" not in here.sh("apart", "ps", "one")
    for name in ("shared", "apart"):
        here.sh(name, "echo hello > /dev/shm/note", "one")
        assert here.sh(name, "cat /dev/shm/note", "two") == "hello\n"
        assert here.sh(name, "readlink /proc/self/ns/ipc", "one") == here.sh(name, "readlink /proc/self/ns/ipc", "two")
    # One container may end another, which comes back among the same processes.
    here.sh("shared", "kill -9 $(ps | grep 'sleep 22222' | grep -v grep | head -n 1 | cut -c 1-5)", "one")
    until(lambda: "1" in here.path("pod/shared", ".status.containerStatuses[*].restartCount").split(), 20, "no restart")
    until(lambda: "sleep 22222" in here.sh("shared", "ps", "one"), 20, "it did not come back")
    assert here.kubectl("get", "pod", "shared", "--no-headers").split()[1] == "2/2"
    uid, node = here.path("pod/shared", ".metadata.uid"), here.path("pod/shared", ".spec.nodeName")
    here.kubectl("delete", "pod", "shared", "apart", "--timeout=30s")
    # Without a grace the API forgets a pod at once, and its node ends it a moment later.
    until(lambda: uid not in here.rack.shell(node, "podman", "ps", "--all", "--no-trunc", "--format", "{{.Labels}}"),
          20, "the containers are left")
    until(lambda: uid not in here.rack.shell(node, "cat", "/proc/self/mountinfo"), 10, "something is mounted still")


def test_containers_may_see_the_nodes_processes(here: Within) -> None:
    here.apply(pod("host", container("exec sleep 1000"), hostPID=True, hostIPC=True))
    here.until_ready("host")
    assert "edge-agent" in here.sh("host", "ps") or "edge.agent" in here.sh("host", "ps")


def test_a_post_start_hook_holds_what_follows_back(here: Within) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "until test -e /d/go; do sleep 0.1; done"]}}}
    here.apply(pod("held", container("touch /d/first; exec sleep 1000", "first", lifecycle=hook, **MOUNT),
                   container("test -e /d/go && touch /d/after; exec sleep 1000", "second", **MOUNT), **VOLUME))
    until(lambda: here.try_kubectl("exec", "held", "-c", "first", "--", "test", "-e", "/d/first").returncode == 0, 20,
          "the first container does not run")
    states = here.get("pod", "held")["status"]["containerStatuses"]
    assert [each["state"]["waiting"]["reason"] for each in states] == ["ContainerCreating", "ContainerCreating"]
    here.sh("held", "touch /d/go", "first")
    here.until_ready("held")
    here.sh("held", "test -e /d/after", "second")


def test_hooks_that_fail_and_hooks_over_http(here: Within) -> None:
    failing = {"postStart": {"exec": {"command": ["sh", "-c", "echo secret; exit 1"]}}}
    web = "mkdir -p /www; echo hi > /www/index.html; exec httpd -f -v -p 8080 -h /www"
    asked = {"preStop": {"httpGet": {"path": "/bye", "port": 8080}}}
    sleeping = {"preStop": {"sleep": {"seconds": 3}}}
    open_port = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    here.apply(pod("failing", container(lifecycle=failing)),
               pod("asked", container(web, lifecycle=asked, readinessProbe=open_port),
                   terminationGracePeriodSeconds=5),
               pod("sleeping", container("trap 'exit 0' TERM; while true; do sleep 0.1; done", lifecycle=sleeping),
                   terminationGracePeriodSeconds=20))
    here.until_ready("asked", "sleeping")
    until(lambda: "FailedPostStartHook" in here.reasons("failing"), 20, "no event of the failed hook")
    text = here.kubectl("describe", "pod", "failing")
    assert "PostStartHook failed" in text
    assert "secret" not in text.partition("\nEvents:")[2]
    following = follow(here, "asked", "main")
    began = time.monotonic()
    here.kubectl("delete", "pod", "asked", "sleeping", "--timeout=30s")
    assert 2.5 < time.monotonic() - began < 15
    # The server has no such page, and was asked for it.
    assert "response:404" in following.communicate(timeout=20)[0]


def test_a_second_deletion_makes_the_grace_shorter(here: Within) -> None:
    here.apply(pod("deaf", container("trap '' TERM; while true; do sleep 1; done"), terminationGracePeriodSeconds=300))
    here.until_ready("deaf")
    began = time.monotonic()
    here.kubectl("delete", "pod", "deaf", "--wait=false")
    here.kubectl("delete", "pod", "deaf", "--grace-period=3", "--wait=false")
    here.kubectl("wait", "--for=delete", "pod/deaf", "--timeout=20s")
    assert time.monotonic() - began < 18


def test_the_deadline_of_a_pod(here: Within) -> None:
    here.apply(pod("late", activeDeadlineSeconds=4, restartPolicy="Never"))
    until(lambda: here.path("pod/late", ".status.phase") == "Failed", 20, "the deadline passed unnoticed")
    assert here.path("pod/late", ".status.reason") == "DeadlineExceeded"
    assert here.path("pod/late", ".status.message") == "Pod was active on the node longer than the specified deadline"


def test_a_changed_image_restarts_only_that_container(here: Within) -> None:
    here.apply(pod("two", container(name="one"), container(name="two")))
    here.until_ready("two")
    before = {each["name"]: each["containerID"] for each in here.get("pod", "two")["status"]["containerStatuses"]}
    here.kubectl("patch", "pod", "two", "--type=merge", "-p", '{"spec":{"activeDeadlineSeconds":3600}}')
    here.kubectl("set", "image", "pod/two", f"one={IMAGE.removeprefix('localhost/')}")
    until(lambda: here.path("pod/two", ".status.containerStatuses[0].containerID") != before["one"], 20, "no new one")
    assert here.path("pod/two", ".status.containerStatuses[1].containerID") == before["two"]
    assert "Container one definition changed, will be restarted" in here.kubectl("describe", "pod", "two")


def test_names_and_whom_to_ask_for_them(here: Within) -> None:
    alias = [{"ip": "192.0.2.9", "hostnames": ["printer", "printer.lan"]}]
    config = {"nameservers": ["192.0.2.1"], "searches": ["own.example"], "options": [{"name": "ndots", "value": "2"}]}
    here.apply(pod("fqdn", hostname="box", subdomain="sub", setHostnameAsFQDN=True, hostAliases=alias),
               pod("none", dnsPolicy="None", dnsConfig=config), pod("default", dnsPolicy="Default"),
               pod("first", dnsConfig=config), pod("host", hostNetwork=True, hostAliases=alias),
               pod("hostnet", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"))
    here.until_ready("fqdn", "none", "default", "first", "host", "hostnet")
    whole = f"box.sub.{here.namespace}.svc.cluster.local"
    assert here.sh("fqdn", "hostname") == f"{whole}\n"
    hosts = here.sh("fqdn", "cat /etc/hosts")
    assert f"\t{whole}\tbox\n" in hosts
    assert "192.0.2.9\tprinter\tprinter.lan\n" in hosts
    assert here.sh("none", "cat /etc/resolv.conf").split("\n")[:3] == [
        "nameserver 192.0.2.1", "search own.example", "options ndots:2"]
    assert "10.96.0.10" not in here.sh("default", "cat /etc/resolv.conf")
    first = here.sh("first", "cat /etc/resolv.conf")
    assert first.startswith("nameserver 10.96.0.10\nnameserver 192.0.2.1\nsearch ")
    assert "options ndots:2" in first
    assert "printer.lan" in here.sh("host", "cat /etc/hosts")
    assert "host network" in here.sh("host", "cat /etc/hosts")
    assert "nameserver 10.96.0.10" in here.sh("hostnet", "cat /etc/resolv.conf")


def test_a_readiness_gate(here: Within) -> None:
    here.apply(pod("gated", readinessGates=[{"conditionType": "example.com/open"}]))
    until(lambda: here.path("pod/gated", ".status.containerStatuses[0].ready") == "true", 20, "it does not run")
    text = here.path("pod/gated", ".status.conditions[?(@.type=='Ready')].message")
    assert text == 'corresponding condition of pod readiness gate "example.com/open" does not exist.'
    condition = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}
    here.kubectl("patch", "pod", "gated", "--subresource=status", "--type=strategic", "-p", json.dumps(condition))
    here.until_ready("gated")


def test_last_words_from_the_log(here: Within) -> None:
    here.apply(pod("log", container("echo the end; exit 3", terminationMessagePolicy="FallbackToLogsOnError"),
                   restartPolicy="Never"),
               pod("file", container("echo own words > /last; exit 0", terminationMessagePath="/last"),
                   restartPolicy="Never"),
               pod("quiet", container("echo the end; exit 0", terminationMessagePolicy="FallbackToLogsOnError"),
                   restartPolicy="Never"))
    until(lambda: set(here.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.phase}").split())
          <= {"Failed", "Succeeded"}, 20, "they did not end")
    words = {name: here.path(f"pod/{name}", ".status.containerStatuses[0].state.terminated.message").strip()
             for name in ("log", "file", "quiet")}
    assert words == {"log": "the end", "file": "own words", "quiet": ""}
