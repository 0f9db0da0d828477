"""Logs, exec, cp, attach and port-forward of pods, as of a kubelet: long logs, large files, many connections."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import NAME, Rack, until
from tests.e2e.within import Within, container, pod

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
WIRES = pytest.mark.parametrize("wire", [{}, SPDY], ids=["websocket", "spdy"])
# A server on the pod's loopback alone, and something small and large to get from it.
SERVERS = ("mkdir -p /www; echo inside > /www/index.html; head -c 300000 /dev/urandom > /www/small; "
           "head -c 50000000 /dev/zero > /www/large; httpd -p 127.0.0.1:8081 -h /www; exec sleep 1000")
GET = "GET /{} HTTP/1.0\r\n\r\n"


@pytest.fixture(scope="module")
def here(rack: Rack) -> Iterator[Within]:
    """A namespace with a pod for all the tests of this module."""
    rack.kubectl("create", "namespace", "pod-streams")
    made = Within(rack, "pod-streams")
    made.apply(pod("tool", container(f"mkdir -p /tmp; {SERVERS}"), nodeName="node-1"))
    made.until_ready("tool")
    yield made
    rack.kubectl("delete", "namespace", "pod-streams", "--wait=false")


def over(here: Within, wire: dict[str, str]) -> Within:
    rack = here.rack
    return Within(Rack(rack.kubectl_program, rack.kubeconfig, {**rack.environment, **wire}), here.namespace)


class TestLogs:
    def test_of_init_containers_and_of_one_that_has_ended(self, here: Within) -> None:
        here.apply(pod("steps", container("echo from main"), restartPolicy="Never",
                       initContainers=[container("echo from init", name="prepare")]))
        here.until_shown("steps", "Completed")
        assert here.kubectl("logs", "steps", "-c", "prepare") == "from init\n"
        assert here.kubectl("logs", "steps") == "from main\n"
        assert here.kubectl("logs", "-f", "steps") == "from main\n"
        # kubectl asks for them in no order.
        assert sorted(here.kubectl("logs", "steps", "--all-containers").splitlines()) == ["from init", "from main"]

    def test_of_the_attempt_before(self, here: Within) -> None:
        script = "test -e /keep/second && echo second && exec sleep 1000; touch /keep/second; echo first; exit 3"
        here.apply(pod("again", container(script, volumeMounts=[{"name": "keep", "mountPath": "/keep"}]),
                       volumes=[{"name": "keep", "emptyDir": {}}]))
        until(lambda: here.try_kubectl("logs", "again").stdout == "second\n", 30, "it does not start again")
        assert here.kubectl("logs", "again", "--previous") == "first\n"

    def test_that_cannot_be_there_yet(self, here: Within) -> None:
        here.apply(pod("stuck", {"name": "main", "image": "localhost/nowhere:1", "imagePullPolicy": "Never"}),
                   pod("later", initContainers=[container("exec sleep 1000", name="prepare")]))
        until(lambda: here.path("pod/stuck", ".status.containerStatuses[0].state.waiting.reason"), 20, "no status")
        assert 'container "main" in pod "stuck" is waiting to start: ' in here.fails("logs", "stuck")
        until(lambda: here.path("pod/later", ".status.initContainerStatuses[0].state.running.startedAt"), 20, "")
        assert 'container "main" in pod "later" is waiting to start: PodInitializing' in here.fails("logs", "later")
        complaint = 'previous terminated container "prepare" in pod "later" not found'
        assert complaint in here.fails("logs", "later", "-c", "prepare", "--previous")

    def test_of_a_pod_that_is_ending_are_followed_to_its_last_line(self, here: Within) -> None:
        script = "trap 'echo bye; sleep 1; echo last; exit 0' TERM; echo up; while true; do sleep 0.1; done"
        here.apply(pod("ending", container(script), terminationGracePeriodSeconds=20))
        here.until_ready("ending")
        following = subprocess.Popen([here.rack.kubectl_program, "-n", here.namespace, "logs", "-f", "ending"],
                                     stdout=subprocess.PIPE, text=True, env=here.rack.environment)
        here.kubectl("delete", "pod", "ending", "--wait=false")
        until(lambda: "bye" in here.try_kubectl("logs", "ending").stdout, 10, "the log of an ending pod is not read")
        assert following.communicate(timeout=20)[0] == "up\nbye\nlast\n"

    def test_a_long_log_is_read_and_followed_over_its_rotations(self, here: Within) -> None:
        """Twenty-seven megabytes, at one and a half a second: three files of ten."""
        some = "busybox awk -v i=$i 'BEGIN { for (n = 0; n < 8000; n++) printf \"%d %06d %080d\\n\", i, n, n }'"
        script = ("echo begin; until test -e /go; do sleep 0.1; done; i=0; "
                  f"while test $i -lt 25; do {some}; sleep 0.7; i=$((i+1)); done; echo end; exec sleep 1000")
        here.apply(pod("long", container(script), nodeName="node-1"))
        here.until_ready("long")
        following = subprocess.Popen([here.rack.kubectl_program, "-n", here.namespace, "logs", "-f", "long"],
                                     stdout=subprocess.PIPE, text=True, env=here.rack.environment)
        assert following.stdout is not None
        lines = [following.stdout.readline()]
        assert lines == ["begin\n"]
        here.sh("long", "touch /go")
        for line in following.stdout:
            lines.append(line)
            if line == "end\n":
                break
        following.terminate()
        following.communicate(timeout=10)
        assert len(lines) == 200_002
        assert [tuple(map(int, line.split()[:2])) for line in lines[1:-1]] == [
            (some, n) for some in range(25) for n in range(8000)]
        read = here.kubectl("logs", "long").splitlines(keepends=True)
        assert len(read) > 120_001, "the files before are read as well"
        assert read == lines[-len(read):]
        assert here.kubectl("logs", "long", "--tail=120000").splitlines(keepends=True) == lines[-120_000:]

    def test_a_flood_spares_the_card_and_stalls_nobody(self, here: Within) -> None:
        here.apply(pod("flood", container("yes flooooooooooooooooooooooooooooooooooooooooooood"), nodeName="node-1"))
        here.until_ready("flood")
        uid = here.path("pod/flood", ".metadata.uid")
        card = Path(f"/var/lib/{NAME}-lab/machines/node-1/log/pods/{here.namespace}_flood_{uid}/main")

        def turned() -> bool:
            said = here.rack.shell("node-1", "readlink", f"/run/edge/logs/{uid}/main", check=False)
            return said.strip().endswith(".memory")

        until(turned, 30, "the flood still goes to the card")
        before = written(uid)
        until(lambda: written(uid).all_bytes - before.all_bytes > 200 * 2**20, 60, "the flood has stopped")
        assert written(uid).card_bytes - before.card_bytes < 11 * 2**20, "the card is still written"
        assert sum(path.stat().st_size for path in card.iterdir()) <= 4 * 10 * 2**20
        for _ in range(5):
            assert here.kubectl("exec", "tool", "--", "echo", "there") == "there\n"
        tail = here.kubectl("logs", "flood", "--tail=2").splitlines()
        assert tail[:2] == ["flooooooooooooooooooooooooooooooooooooooooooood"] * 2
        assert len(tail) <= 3, "and the beginning of one more"
        here.kubectl("delete", "pod", "flood", "--grace-period=0", "--force")


@dataclass(frozen=True)
class Written:
    """What the monitor of a container has written: in all, and of that to disks."""

    all_bytes: int
    card_bytes: int


def written(uid: str) -> Written:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if b"conmon" in words[:30] and f"/logs/{uid}/".encode() in words:
                fields = {key: int(value) for key, value in (line.split(": ") for line in (
                    process / "io").read_text().splitlines())}
                return Written(fields["wchar"], fields["write_bytes"] - fields["cancelled_write_bytes"])
    raise AssertionError(f"no monitor of {uid}")


class TestCommands:
    @WIRES
    def test_one_that_is_not_there(self, here: Within, wire: dict[str, str]) -> None:
        result = over(here, wire).try_kubectl("exec", "tool", "--", "no-such-program")
        assert result.returncode == 127
        assert ('OCI runtime exec failed: exec failed: unable to start container process: exec: "no-such-program": '
                "executable file not found in $PATH: unknown") in result.stderr
        assert "command terminated with exit code 127" in result.stderr
        assert over(here, wire).try_kubectl("exec", "tool", "--", "/etc/hosts").returncode == 126

    @WIRES
    def test_one_whose_container_ends_meanwhile(self, here: Within, wire: dict[str, str]) -> None:
        name = f"short-{len(wire)}"
        here.apply(pod(name, restartPolicy="Never"))
        here.until_ready(name)
        argv = [here.rack.kubectl_program, "-n", here.namespace, "exec", name, "--", "sleep", "900"]
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True,
                                   env={**here.rack.environment, **wire})
        until(lambda: "sleep 900" in here.sh(name, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), 10, "not started")
        here.kubectl("delete", "pod", name, "--wait=false")
        complaint = process.communicate(timeout=20)[1]
        assert process.returncode == 137, complaint

    def test_into_a_pod_that_has_ended(self, here: Within) -> None:
        here.apply(pod("over", container("true"), restartPolicy="Never"))
        here.until_shown("over", "Completed")
        assert "cannot exec into a container in a completed pod; current phase is Succeeded" in here.fails(
            "exec", "over", "--", "true")

    def test_it_outlives_the_kubectl_that_asked_for_it(self, here: Within) -> None:
        process = subprocess.Popen([here.rack.kubectl_program, "-n", here.namespace, "exec", "tool", "--",
                                    "sh", "-c", "sleep 4; echo done > /tmp/outlived"], env=here.rack.environment)
        until(lambda: "sleep 4" in here.sh("tool", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), 10, "not started")
        process.kill()
        process.wait(timeout=10)
        until(lambda: here.try_kubectl("exec", "tool", "--", "cat", "/tmp/outlived").stdout == "done\n", 15, "it died")

    def test_twenty_at_a_time(self, here: Within) -> None:
        argv = [here.rack.kubectl_program, "-n", here.namespace, "exec", "tool", "--", "sh", "-c", "sleep 1; echo $$"]
        processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, env=here.rack.environment) for _ in range(20)]
        answers = [process.communicate(timeout=60)[0] for process in processes]
        assert len(set(answers)) == 20

    @WIRES
    def test_large_files_are_copied_both_ways(self, here: Within, tmp_path: Path, wire: dict[str, str]) -> None:
        one, source = over(here, wire), tmp_path / "large"
        block = os.urandom(2**20)
        source.write_bytes(b"".join(block[n:] + block[:n] for n in range(100)))
        began = time.monotonic()
        one.kubectl("cp", str(source), "tool:/tmp/large", timeout=120)
        there = time.monotonic() - began
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        assert one.sh("tool", "sha256sum /tmp/large").split()[0] == digest
        began = time.monotonic()
        one.kubectl("cp", "tool:/tmp/large", str(tmp_path / "back"), timeout=120)
        back = time.monotonic() - began
        assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest
        print(f"100 MiB there in {there:.1f} s, back in {back:.1f} s")
        one.sh("tool", "rm /tmp/large")

    @WIRES
    def test_attach_to_one_that_reads_its_input_once(self, here: Within, wire: dict[str, str]) -> None:
        name = f"once-{len(wire)}"
        result = over(here, wire).try_kubectl("run", name, "-i", "--rm", "--quiet", "--restart=Never",
                                              "--image=localhost/hello:1.0", "--command", "--", "sh", "-c",
                                              "wc -c; exit 5", text="x" * 200_000)
        assert result.stdout.split()[0] == "200000", result
        assert result.returncode == 5


@contextlib.contextmanager
def forwarded(here: Within, target: str, *ports: int) -> Iterator[tuple[list[int], list[str]]]:
    """Forward some ports; give the local ones, and the lines kubectl prints as they come."""
    process = subprocess.Popen([here.rack.kubectl_program, "-n", here.namespace, "port-forward", target,
                                *(f":{port}" for port in ports), "--address=127.0.0.1"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=here.rack.environment)
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
        process.stdout.close()

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    try:
        until(lambda: sum("Forwarding from" in line for line in lines) == len(ports), 15, "no forwarding")
        yield [int(line.split("127.0.0.1:")[1].split()[0]) for line in lines if "Forwarding" in line], lines
    finally:
        process.terminate()
        process.wait(timeout=10)
        reading.join(timeout=5)


def ask(port: int, data: bytes, length: int) -> bytes:
    """Send and read that much."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        sending = threading.Thread(target=link.sendall, args=(data,))
        sending.start()
        parts, got = [], 0
        while got < length and (part := link.recv(1 << 16)):
            parts.append(part)
            got += len(part)
        sending.join()
    return b"".join(parts)


class TestPortForward:
    @WIRES
    def test_reaches_what_listens_on_the_pods_loopback(self, here: Within, wire: dict[str, str]) -> None:
        with forwarded(over(here, wire), "pod/tool", 8081, 9) as ((port, closed), lines):
            assert b"inside" in ask(port, b"GET / HTTP/1.0\r\n\r\n", 10_000)
            assert ask(closed, b"x", 1) == b""
            until(lambda: "connect: connection refused" in "".join(lines), 10, "nothing is said of it")
            said = "".join(lines)
            assert "error forwarding port 9 to pod tool, uid " in said
            assert 'failed to connect to localhost:9 inside namespace "edge-' in said.replace("\\", "")

    @WIRES
    def test_many_connections_and_large_transfers(self, here: Within, wire: dict[str, str]) -> None:
        with forwarded(over(here, wire), "pod/tool", 8081) as ((port,), _):
            answers: list[bytes] = []
            asking = [threading.Thread(target=lambda: answers.append(ask(port, GET.format("small").encode(), 400_000)))
                      for _ in range(20)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            digest = here.sh("tool", "sha256sum /www/small").split()[0]
            assert {hashlib.sha256(answer.partition(b"\r\n\r\n")[2]).hexdigest() for answer in answers} == {digest}
            assert len(answers) == 20
            began = time.monotonic()
            large = ask(port, GET.format("large").encode(), 60_000_000)
            assert len(large.partition(b"\r\n\r\n")[2]) == 50_000_000
            print(f"50 MB in {time.monotonic() - began:.1f} s")

    def test_to_a_pod_in_the_hosts_network(self, here: Within) -> None:
        here.apply(pod("hosted", container("mkdir /w; echo host > /w/index.html; exec httpd -f -p 8099 -h /w"),
                       hostNetwork=True))
        here.until_ready("hosted")
        with forwarded(here, "pod/hosted", 8099) as ((port,), _):
            assert b"host" in ask(port, b"GET / HTTP/1.0\r\n\r\n", 10_000)


class TestTheNodesOwnPaths:
    def test_through_the_api_server(self, here: Within) -> None:
        node = "/api/v1/nodes/node-1/proxy"
        assert here.kubectl("get", "--raw", f"{node}/healthz") == "ok"
        pods = json.loads(here.kubectl("get", "--raw", f"{node}/pods"))["items"]
        tool = next(each for each in pods if each["metadata"]["name"] == "tool")
        assert tool["status"]["phase"] == "Running"
        metrics = here.kubectl("get", "--raw", f"{node}/metrics")
        assert "kubelet_running_pods " in metrics
        assert "process_resident_memory_bytes " in metrics

    def test_of_nobody_else(self, here: Within) -> None:
        """A node's certificate opens no other node's door."""
        answer = here.rack.shell("node-2", "sh", "-c", (
            f"cd /var/lib/{NAME}-lab/machines/node-2/data/agent && python3 -c \"import ssl,socket,glob;"
            "c=ssl.create_default_context(cafile=glob.glob('**/ca.crt',recursive=True)[0]);c.check_hostname=False;"
            "c.load_cert_chain(glob.glob('**/*node*.crt',recursive=True)[0],glob.glob('**/*node*.key',recursive=True)[0]);"
            "s=c.wrap_socket(socket.create_connection(('node-1',10250),5));"
            "s.sendall(b'GET /pods HTTP/1.0\\r\\n\\r\\n');print(s.recv(20))\""), check=False)
        assert "200" not in answer
