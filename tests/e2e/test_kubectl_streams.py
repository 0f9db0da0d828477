"""kubectl logs, exec, attach, cp and port-forward, with every kubectl there is."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.lab import host
from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within, container, pod

KUBECTLS = tuple(dict.fromkeys((host.find_kubectl(), str(Path(sys.executable).with_name("kubectl")))))
ALL = pytest.mark.parametrize("kubectl", KUBECTLS, ids=[f"kubectl{number}" for number in range(len(KUBECTLS))])
WEB = "mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"
TALK = "for n in 1 2 3 4 5; do echo line $n; done; echo warning >&2; exec sleep 1000"


@pytest.fixture(scope="module")
def here(rack: Rack) -> Iterator[Within]:
    """A namespace with pods for all the tests of this module."""
    rack.kubectl("create", "namespace", "streams")
    made = Within(rack, "streams")
    made.apply(pod("tool", container("mkdir -p /tmp; " + TALK), container(WEB, name="web"),
                   labels={"app": "tool", "kind": "stream"}),
               pod("other", container("echo from other; exec sleep 1000"), labels={"kind": "stream"}),
               {"kind": "Service", "metadata": {"name": "tool"},
                "spec": {"selector": {"app": "tool"}, "ports": [{"port": 80, "targetPort": 8080}]}})
    made.until_ready("tool", "other")
    yield made
    rack.kubectl("delete", "namespace", "streams", "--wait=false")


def with_program(here: Within, program: str, **environment: str) -> Within:
    return Within(Rack(program, here.rack.kubeconfig, {**here.rack.environment, **environment}), here.namespace)


@ALL
def test_exec(here: Within, kubectl: str) -> None:
    one = with_program(here, kubectl)
    result = one.try_kubectl("exec", "tool", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result.stdout, result.returncode) == ("out\n", 7)
    assert "err\n" in result.stderr
    assert "command terminated with exit code 7" in result.stderr
    assert one.kubectl("exec", "-i", "tool", "-c", "main", "--", "cat", text="through and back\n" * 5000) \
        == "through and back\n" * 5000
    assert "Defaulted container \"main\" out of: main, web" in one.try_kubectl("exec", "tool", "--", "true").stderr


def test_exec_over_spdy(here: Within) -> None:
    """Older clients speak SPDY/3.1."""
    old = with_program(here, here.rack.kubectl_program, KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")
    result = old.try_kubectl("exec", "-i", "tool", "-c", "main", "--", "sh", "-c", "cat; echo e >&2; exit 3",
                             text="x" * 100_000)
    assert (len(result.stdout), result.returncode) == (100_000, 3)
    assert result.stderr.startswith("e\n")


def test_exec_that_cannot_be(here: Within) -> None:
    assert 'pods "none" not found' in here.fails("exec", "none", "--", "true")
    assert "container none is not valid for pod tool" in here.fails("exec", "tool", "-c", "none", "--", "true")
    result = here.try_kubectl("exec", "tool", "-c", "main", "--", "no-such-program")
    assert result.returncode != 0
    assert "no-such-program" in result.stderr


def converse(here: Within, argv: list[str], talk: list[tuple[str, str]]) -> tuple[str, int]:
    """Run kubectl on a terminal: send each text once the pattern before it was seen; return all it said."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(here.rack.kubectl_program, [here.rack.kubectl_program, "-n", here.namespace, *argv],
                  here.rack.environment)
    said, deadline = "", time.monotonic() + 20
    remaining = list(talk)
    while time.monotonic() < deadline:
        if remaining and re.search(remaining[0][0], said):
            os.write(terminal, remaining.pop(0)[1].encode())
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # a terminal's other end that is closed
                break
            if not chunk:
                break
            said += chunk.decode()
    else:
        os.kill(pid, 9)
    os.close(terminal)
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_exec_on_a_terminal(here: Within) -> None:
    said, code = converse(here, ["exec", "-it", "tool", "-c", "main", "--", "sh"],
                          [(r"# ", "stty size; tty\n"), (r"/dev/pts/\d+\s", "exit 9\n")])
    assert code == 9, said
    assert re.search(r"/dev/pts/\d+", said)


@ALL
def test_logs(here: Within, kubectl: str) -> None:
    one = with_program(here, kubectl)
    everything = one.kubectl("logs", "tool", "-c", "main")
    assert sorted(everything.splitlines()) == sorted([f"line {n}" for n in range(1, 6)] + ["warning"])
    assert len(one.kubectl("logs", "tool", "--tail=2").splitlines()) == 2
    stamped = one.kubectl("logs", "tool", "--timestamps", "--tail=1")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z|\d{4}-\d\d-\d\dT\S+ ", stamped)
    assert one.kubectl("logs", "tool", "--since=1h") == everything
    assert one.kubectl("logs", "tool", "--since-time=2099-01-01T00:00:00Z") == ""
    assert one.kubectl("logs", "tool", "--limit-bytes=4") == everything[:4]
    labelled = one.kubectl("logs", "-l", "kind=stream", "--prefix", "--tail=1", "--all-containers")
    assert "[pod/other/main] from other" in labelled
    assert len(one.kubectl("logs", "tool", "--all-containers").splitlines()) >= 6
    complaint = 'previous terminated container "main" in pod "tool" not found'
    assert complaint in one.fails("logs", "tool", "-p")
    assert "container none is not valid for pod tool" in one.fails("logs", "tool", "-c", "none")


@contextlib.contextmanager
def running(here: Within, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run a kubectl that does not end by itself."""
    process = subprocess.Popen([here.rack.kubectl_program, "-n", here.namespace, *argv], text=True, bufsize=1,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               env=here.rack.environment)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def lines(process: subprocess.Popen[str], pattern: str, seconds: float = 15) -> str:
    """Read the output until a line matches."""
    assert process.stdout is not None
    deadline, seen = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.2)[0]:
            line = process.stdout.readline()
            seen += line
            if re.search(pattern, line):
                return seen
            if not line:
                break
    raise AssertionError(f"no line with {pattern} in: {seen}")


def test_logs_are_followed(here: Within) -> None:
    script = "echo begun; until test -e /go; do sleep 0.1; done; echo done"
    here.apply(pod("follow", container(script), restartPolicy="Never"))
    here.until_ready("follow")
    with running(here, "logs", "-f", "follow") as process:
        lines(process, "begun")
        here.sh("follow", "touch /go")
        lines(process, "done")
        assert process.wait(timeout=10) == 0


def test_attach(here: Within) -> None:
    here.apply(pod("attach", container("while read line; do echo heard $line; done", stdin=True)))
    here.until_ready("attach")
    until(lambda: "heard hello" in here.try_kubectl("attach", "-i", "attach", text="hello\n", timeout=15).stdout
          or "heard hello" in here.kubectl("logs", "attach"), 15, "what is sent does not arrive")


@ALL
def test_cp(here: Within, kubectl: str, tmp_path: Path) -> None:
    one = with_program(here, kubectl)
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/a").write_text("a")
    (tmp_path / "tree/deep/b").write_bytes(os.urandom(300_000))
    one.kubectl("cp", str(tmp_path / "tree/a"), "tool:/tmp/single", "-c", "main")
    assert one.sh("tool", "cat /tmp/single") == "a"
    one.kubectl("cp", str(tmp_path / "tree"), "tool:/tmp/tree", "-c", "main")
    one.kubectl("cp", "tool:/tmp/tree", str(tmp_path / "back"))
    assert (tmp_path / "back/deep/b").read_bytes() == (tmp_path / "tree/deep/b").read_bytes()
    one.kubectl("cp", f"{here.namespace}/tool:/tmp/single", str(tmp_path / "single"), "-c", "main")
    assert (tmp_path / "single").read_text() == "a"
    one.sh("tool", "rm -r /tmp/tree /tmp/single")


@ALL
@pytest.mark.parametrize("target", ["pod/tool", "service/tool"])
def test_port_forward(here: Within, kubectl: str, target: str) -> None:
    one = with_program(here, kubectl)
    port = "8080" if target.startswith("pod") else "80"
    with running(one, "port-forward", target, f":{port}") as process:
        found = re.search(r"127\.0\.0\.1:(\d+) -> 8080", lines(process, "Forwarding from 127"))
        assert found
        for _ in range(30):
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"tool\n")
            connection.close()


def test_port_forward_to_a_closed_port(here: Within) -> None:
    with running(here, "port-forward", "pod/tool", ":9") as process:
        found = re.search(r"127\.0\.0\.1:(\d+) -> 9", lines(process, "Forwarding from 127"))
        assert found
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            lines(process, "refused|error")


def test_proxy(here: Within) -> None:
    with running(here, "proxy", "--port=0") as process:
        found = re.search(r"127\.0\.0\.1:(\d+)", lines(process, "Starting to serve"))
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        connection.request("GET", "/api/v1/namespaces/streams/pods/tool")
        assert json.loads(connection.getresponse().read())["metadata"]["name"] == "tool"
        connection.close()


def test_run_with_a_terminal_and_removal(here: Within) -> None:
    """`kubectl run --rm -it` is how people look around from inside the cluster."""
    said, code = converse(here, ["run", "look", "--rm", "-it", "--restart=Never", "--image=localhost/hello:1.0",
                                 "--command", "--", "sh"],
                          [(r"# |enter", "echo seen-$((40+2))\n"), (r"seen-42", "exit\n")])
    assert "seen-42" in said, said
    assert code == 0, said
    until(lambda: "look" not in here.kubectl("get", "pods", "-o", "name"), 10, "the pod is still there")
