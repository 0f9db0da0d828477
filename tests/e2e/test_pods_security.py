"""What containers may do, seen from inside; and pods that a node refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within, container, pod

NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN = 1 << 10, 1 << 12, 1 << 21


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def secured(script: str = "exec sleep 1000", name: str = "main", /, **context: Any) -> dict[str, Any]:
    return container(script, name, securityContext=context)


def process(here: Within, name: str, which: str = "main") -> dict[str, str]:
    """Return what /proc says of the first process of a container."""
    text = here.sh(name, "cat /proc/1/status", which)
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def refused(here: Within, name: str, reason: str) -> str:
    """Wait until the pod was refused for that reason, and return the message."""
    until(lambda: here.path(f"pod/{name}", ".status.phase") == "Failed", 20, f"{name} was not refused")
    assert here.shown(name) == reason
    assert reason in here.reasons(name)
    assert here.path(f"pod/{name}", ".status.containerStatuses") == ""
    message = here.path(f"pod/{name}", ".status.message")
    assert message.startswith("Pod was rejected: ")
    return message.removeprefix("Pod was rejected: ")


def test_users_and_groups(here: Within) -> None:
    here.apply(pod("users", secured(), secured("exec sleep 1000", "own", runAsUser=2000, runAsGroup=3000),
                   securityContext={"runAsUser": 1000, "runAsGroup": 1500, "fsGroup": 77, "supplementalGroups": [5, 6],
                                    "runAsNonRoot": True}))
    here.until_ready("users")
    main, own = process(here, "users"), process(here, "users", "own")
    assert (main["Uid"].split()[0], main["Gid"].split()[0]) == ("1000", "1500")
    assert {"5", "6", "77"} <= set(main["Groups"].split())
    assert (own["Uid"].split()[0], own["Gid"].split()[0]) == ("2000", "3000")
    assert {"5", "6", "77"} <= set(own["Groups"].split())
    assert int(main["CapEff"], 16) == 0


def test_capabilities_and_privileges(here: Within) -> None:
    here.apply(pod(
        "caps", secured(),
        secured("exec sleep 1000", "least", capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                allowPrivilegeEscalation=False),
        secured("exec sleep 1000", "more", capabilities={"add": ["NET_ADMIN"]}),
        secured("exec sleep 1000", "most", privileged=True)))
    here.until_ready("caps")
    rights = {name: int(process(here, "caps", name)["CapEff"], 16) for name in ("main", "least", "more", "most")}
    assert not rights["main"] & (SYS_ADMIN | NET_ADMIN)
    assert rights["least"] == NET_BIND_SERVICE
    assert rights["more"] == rights["main"] | NET_ADMIN
    assert rights["most"] & SYS_ADMIN
    assert process(here, "caps", "least")["NoNewPrivs"] == "1"
    assert process(here, "caps")["NoNewPrivs"] == "0"
    mounts = {name: here.sh("caps", "cat /proc/mounts", name) for name in ("main", "most")}
    assert " /sys sysfs ro" in mounts["main"]
    assert " /sys sysfs rw" in mounts["most"]
    assert " /proc/keys " in mounts["main"]
    assert " /proc/keys " not in mounts["most"]
    assert "kmsg" in here.sh("caps", "ls /dev", "most")
    assert "kmsg" not in here.sh("caps", "ls /dev")


def test_a_read_only_root(here: Within) -> None:
    script = "touch /x; echo bye >/dev/termination-log; echo shm >/dev/shm/x; cat /dev/shm/x; cat /etc/hosts; exit 3"
    here.apply(pod("fixed", secured(script, readOnlyRootFilesystem=True), restartPolicy="Never"))
    until(lambda: here.path("pod/fixed", ".status.phase") == "Failed", 20, "it did not end")
    log = here.kubectl("logs", "fixed")
    assert "Read-only file system" in log
    assert "shm\n" in log
    assert "localhost" in log
    assert here.path("pod/fixed", ".status.containerStatuses[0].state.terminated.message") == "bye\n"


def test_system_calls(here: Within, rack: Rack) -> None:
    localhost = {"type": "Localhost", "localhostProfile": "deny/mkdir.json"}
    here.apply(pod(
        "calls", secured(), secured("exec sleep 1000", "free", seccompProfile={"type": "Unconfined"}),
        secured("exec sleep 1000", "default", seccompProfile={"type": "RuntimeDefault"}),
        secured("mkdir /tmp/x || echo denied; exec sleep 1000", "own", seccompProfile=localhost)))

    def states() -> dict[str, dict[str, Any]]:
        return {each["name"]: each["state"] for each in here.get("pod", "calls")["status"].get("containerStatuses", ())}

    found = until(lambda: (each := states()) and each["own"].get("waiting", {}).get("reason") == "CreateContainerError"
                  and all("running" in each[name] for name in ("main", "free", "default")) and each, 30, "no error")
    assert [process(here, "calls", name)["Seccomp"] for name in ("main", "default", "free")] == ["2", "2", "0"]
    path = found["own"]["waiting"]["message"].partition('cannot load seccomp profile "')[2].partition('"')[0]
    assert path.endswith("/seccomp/deny/mkdir.json")
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]})
    node = here.path("pod/calls", ".spec.nodeName")
    rack.shell(node, "sh", "-c", f"mkdir -p {path.rpartition('/')[0]}; echo '{profile}' > {path}")
    here.until_ready("calls", seconds=50)
    assert "denied\n" in here.kubectl("logs", "calls", "-c", "own")


def test_images_that_run_as_root_where_that_is_forbidden(here: Within) -> None:
    here.apply(pod("careful", secured(runAsNonRoot=True)))
    here.until_shown("careful", "CreateContainerConfigError")
    uid = here.path("pod/careful", ".metadata.uid")
    assert here.path("pod/careful", ".status.containerStatuses[0].state.waiting.message") == (
        "container has runAsNonRoot and image will run as root "
        f'(pod: "careful_{here.namespace}({uid})", container: main)')
    here.apply(pod("safe", secured(runAsNonRoot=True, runAsUser=1000)))
    here.until_ready("safe")


def test_kernel_settings(here: Within) -> None:
    safe = [{"name": "net.ipv4.ip_local_port_range", "value": "40000 41000"},
            {"name": "kernel.shm_rmid_forced", "value": "1"}]
    here.apply(pod("set", securityContext={"sysctls": safe}), pod("plain", container("nc -l -p 80; exec sleep 1000")))
    here.until_ready("set", "plain")
    assert here.sh("set", "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced").split() == [
        "40000", "41000", "1"]
    assert here.sh("plain", "cat /proc/sys/net/ipv4/ip_local_port_range").split() != ["40000", "41000"]
    assert here.sh("plain", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "0\n"


def test_a_user_namespace(here: Within, rack: Rack) -> None:
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}},
               {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o400}}]
    mounted = [{"name": each["name"], "mountPath": f"/v/{each['name']}"} for each in volumes]
    here.apply({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "s3cret"}},
               pod("apart", container("httpd -p 80 -h /v; exec sleep 1000", volumeMounts=mounted),
                   container(name="other", volumeMounts=mounted), volumes=volumes, hostUsers=False))
    here.until_ready("apart")
    first = [int(word) for word in here.sh("apart", "cat /proc/self/uid_map").split()]
    assert first[0] == 0
    assert first[1] >= 65536
    assert first[2] == 65536
    assert here.sh("apart", "cat /v/secret/key; echo; echo a >/v/disk/a; echo b >/v/memory/b; stat -c %u:%g /v/disk/a "
                            "/v/memory/b").split() == ["s3cret", "0:0", "0:0"]
    assert here.sh("apart", "cat /v/disk/a /v/memory/b", "other") == "a\nb\n"
    assert "localhost" in here.sh("apart", "cat /etc/hosts")
    assert ":0050 " in here.sh("apart", "cat /proc/net/tcp /proc/net/tcp6")
    here.kubectl("delete", "pod", "apart", "--wait=true")


def test_a_user_namespace_with_shared_processes(here: Within) -> None:
    here.apply(pod("together", container(), container("exec sleep 1001", "other"), hostUsers=False,
                   shareProcessNamespace=True))
    here.until_ready("together")
    assert "1001" in here.sh("together", "cat /proc/[0-9]*/cmdline")


@pytest.mark.parametrize(("name", "fields", "reason", "words"), [
    ("sysctl", {"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}, "SysctlForbidden",
     'forbidden sysctl: "net.core.somaxconn" not allowlisted'),
    ("apparmor", {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}}, "AppArmor",
     "Cannot enforce AppArmor: AppArmor is not enabled on the host"),
    ("strict", {"securityContext": {"supplementalGroupsPolicy": "Strict"}}, "SupplementalGroupsPolicyNotSupported", ""),
])
def test_pods_that_a_node_refuses(here: Within, name: str, fields: dict[str, Any], reason: str, words: str) -> None:
    here.apply(pod(name, **fields))
    assert refused(here, name, reason).startswith(words)
    here.kubectl("delete", "pod", name, "--timeout=20s")


def test_a_pod_that_names_a_node_it_does_not_fit_on(here: Within) -> None:
    large = container(resources={"requests": {"cpu": "900"}})
    here.apply(pod("large", large, nodeName="node-1"), pod("small", nodeName="node-1"))
    assert refused(here, "large", "OutOfcpu").startswith(
        "Node didn't have enough resource: cpu, requested: 900000, used: ")
    here.until_ready("small")


def test_runtime_classes(here: Within, rack: Rack) -> None:
    classes = [{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler}
               for name, handler in (("e2e-plain", "crun"), ("e2e-micro-vm", "kata"))]
    try:
        here.apply(*classes)
        here.apply(pod("known", runtimeClassName="e2e-plain"), pod("unknown", runtimeClassName="e2e-micro-vm"))
        here.until_ready("known")
        until(lambda: "FailedCreatePodSandBox" in here.reasons("unknown"), 20, "no event")
        assert 'no runtime for "kata" is configured' in here.kubectl("describe", "pod", "unknown")
        assert here.shown("unknown") == "ContainerCreating"
    finally:
        rack.kubectl("delete", "runtimeclass", "e2e-plain", "e2e-micro-vm", "--ignore-not-found")

