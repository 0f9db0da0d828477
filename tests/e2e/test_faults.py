"""What breaks in a rack: killed programs, pulled plugs and cables. Nothing acknowledged is lost, nothing runs twice."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge.api import times
from edge.clock import SystemClock
from edge.lab import topology
from tests.e2e import objects
from tests.e2e.conftest import WORKERS, Rack, is_ready, until
from tests.e2e.objects import ADMIN, LAB, fetch, on, request, running_containers, switch

SPACE = "faults"
PORT = 8070
REPLICAS = 4
COUNTING = "n=0; while true; do n=$((n+1)); echo $n > /count; sleep 1; done"


@pytest.fixture(scope="module")
def faults(rack: Rack) -> Iterator[Rack]:
    """Four servers behind an address of the home network, and on node-1 a pod that counts how long it runs."""
    rack.kubectl("create", "namespace", SPACE)
    try:
        objects.apply(
            rack, SPACE, objects.deployment("web", REPLICAS),
            objects.service("web", "web", type="LoadBalancer", port=PORT),
            objects.pod("counter", objects.container(COUNTING), nodeSelector={"kubernetes.io/hostname": "node-1"}))
        all_well(rack)
        yield rack
    finally:
        for machine in topology.RACK:
            switch(machine, on=True)
        rack.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.fixture(autouse=True)
def whole(faults: Rack) -> Iterator[None]:
    """Every test begins with a rack in which all is well, and leaves one."""
    yield
    faults.kubectl("delete", "pod", "-n", SPACE, "late", "meanwhile", "after", "--ignore-not-found", "--wait=false")
    all_well(faults)


def page() -> str:
    return fetch("laptop", topology.MASTER_UPLINK, PORT)


def nodes_ready(rack: Rack) -> bool:
    return {node["metadata"]["name"] for node in rack.get("nodes")["items"] if is_ready(node)} == set(topology.RACK)


def all_well(rack: Rack, seconds: float = 60) -> None:
    """Wait until nodes and pods are as they should be, for the API and for the nodes themselves."""
    def settled() -> bool:
        every = rack.get("pods", "-n", SPACE)["items"]
        return (nodes_ready(rack) and len(every) == REPLICAS + 1 and all(is_ready(pod) for pod in every)
                and running(rack) == Counter(pod["metadata"]["uid"] for pod in every))
    until(settled, seconds, "the rack does not settle")
    until(lambda: page().startswith("hello from web-"), 15, "the service does not answer the laptop")


def running(_rack: Rack, nodes: tuple[str, ...] = topology.RACK) -> Counter[str]:
    """Count the running containers of this file's pods by pod, over the nodes that are on."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(running_containers, nodes))
    return Counter(each["Labels"]["edge.pod.uid"] for containers in found for each in containers
                   if each["Labels"].get("edge.pod.namespace") == SPACE)


def containers(rack: Rack) -> dict[str, tuple[str, int]]:
    """Return id and restarts of every pod's container by the pod's name, as the API has them."""
    found = {}
    for pod in rack.get("pods", "-n", SPACE)["items"]:
        for status in pod["status"].get("containerStatuses", ()):
            found[pod["metadata"]["name"]] = (status["containerID"], status["restartCount"])
    return found


def count(rack: Rack) -> int:
    return int(objects.inside(rack, SPACE, "counter", "cat /count"))


def pid_of(machine: str, program: str) -> int:
    return int(json.loads((LAB.directory(machine) / "services.json").read_text())[program]["pid"])


def seconds_until(condition: Callable[[], Any], bound: float, what: str) -> float:
    began = time.monotonic()
    until(condition, bound, what)
    return time.monotonic() - began


def ready_status(rack: Rack, node: str) -> str:
    return str(next(each["status"] for each in rack.get("node", node)["status"]["conditions"]
                    if each["type"] == "Ready"))


def test_a_killed_container_is_started_again(faults: Rack) -> None:
    pod = faults.ready_pods("app=web", SPACE)[0]
    name, node, uid = pod["metadata"]["name"], pod["spec"]["nodeName"], pod["metadata"]["uid"]
    before = containers(faults)
    pid = next(each["Pid"] for each in running_containers(node) if each["Labels"]["edge.pod.uid"] == uid)
    on(node, "kill", "-9", str(pid))
    took = seconds_until(lambda: containers(faults).get(name, ("", 0))[1] == 1, 20, "the container is not restarted")
    until(lambda: is_ready(faults.get("pod", "-n", SPACE, name)), 20, "the pod is not ready again")
    print(f"killed container: restarted after {took:.1f} s")
    status = faults.get("pod", "-n", SPACE, name)["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert {each: ids for each, ids in containers(faults).items() if each != name} == \
        {each: ids for each, ids in before.items() if each != name}
    assert faults.get("pod", "-n", SPACE, name)["status"]["podIP"] == pod["status"]["podIP"]


def test_a_killed_agent_comes_back_and_adopts_its_pods(faults: Rack) -> None:
    before, counted, pid = containers(faults), count(faults), pid_of("node-1", "edge-agent")
    faults.kill("node-1", "edge-agent")
    # Asked for while nobody is there to hear it.
    objects.apply(faults, SPACE, objects.pod("late", nodeName="node-1"))
    took = seconds_until(lambda: faults.ready_pods("app=late", SPACE), 30, "the new pod does not run")
    print(f"killed agent: a new pod runs {took:.1f} s later")
    assert pid_of("node-1", "edge-agent") != pid
    until(lambda: nodes_ready(faults), 20, "the node is not Ready")
    faults.kubectl("delete", "pod", "-n", SPACE, "late")
    assert containers(faults) == before
    assert count(faults) > counted
    assert sum(running(faults, ("node-1",)).values()) == sum(
        pod["spec"]["nodeName"] == "node-1" for pod in faults.get("pods", "-n", SPACE)["items"])


def test_a_killed_server_keeps_what_it_acknowledged_and_leaves_pods_alone(faults: Rack) -> None:
    before, counted = containers(faults), count(faults)
    acknowledged: list[str] = []
    answers = Counter[str]()
    killed = 0.0
    away = 0.0
    deadline = time.monotonic() + 30
    number = 0
    while len(acknowledged) < 50:
        assert time.monotonic() < deadline, answers
        name, number = f"written-{number}", number + 1
        body = {"metadata": {"name": name, "labels": {"written": "yes"}}, "data": {"number": str(number)}}
        try:
            status, _ = request("POST", f"/api/v1/namespaces/{SPACE}/configmaps", body, identity=ADMIN)
        except OSError as error:
            answers[type(error).__name__] += 1
            continue
        answers[str(status)] += 1
        if status == 201:
            acknowledged.append(name)
            away = away or (time.monotonic() - killed if killed and answers.total() > len(acknowledged) else 0.0)
        if len(acknowledged) == 15 and not killed:
            faults.kill("master", "edge-server")
            killed = time.monotonic()
    print(f"killed server: writes are taken again after {away:.2f} s; {dict(answers)}")
    there = {each["metadata"]["name"] for each in faults.get("configmaps", "-n", SPACE)["items"]}
    assert set(acknowledged) <= there
    assert away < 5
    until(lambda: nodes_ready(faults), 20, "the nodes are not Ready")
    assert containers(faults) == before
    assert count(faults) >= counted
    status, _ = request("DELETE", f"/api/v1/namespaces/{SPACE}/configmaps?labelSelector=written", identity=ADMIN)
    assert status == 200


def silence(rack: Rack) -> list[float]:
    """Return for how many seconds the server has not heard of each node."""
    now = SystemClock().now()
    return [(now - times.parse(lease["spec"]["renewTime"])).total_seconds()
            for lease in rack.get("leases", "-n", "kube-node-lease")["items"]]


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_a_broker_that_is_away_brings_what_changed_when_it_is_back(faults: Rack, signal: str) -> None:
    """The broker stays away for longer than a node may be silent; that is no reason to take any pod away. One that is
    stopped, as for an upgrade, says every node's last will before it goes."""
    before, config = containers(faults), LAB.directory("master") / "etc/rack/mosquitto.conf"
    hidden = config.with_suffix(".hidden")
    until(lambda: len(silence(faults)) == len(topology.RACK), 15, "a restarted server has not heard of every node")
    # At once: whoever watches the file would end it in his own way.
    on("master", "sh", "-c", f"mv {config} {hidden}; kill -{signal} {pid_of('master', 'mosquitto')}")
    try:
        objects.apply(faults, SPACE, objects.pod("meanwhile", nodeName="node-2"))
        until(lambda: min(silence(faults)) > 14, 30, "the nodes are still heard")
        assert faults.get("pod", "-n", SPACE, "meanwhile")["status"]["phase"] == "Pending"
        # Nobody can be heard, so nobody is blamed.
        assert nodes_ready(faults)
        assert page().startswith("hello from web-")
    finally:
        hidden.rename(config)
    took = seconds_until(lambda: faults.ready_pods("app=meanwhile", SPACE), 30, "the change did not arrive")
    print(f"broker back: the pod asked for meanwhile runs {took:.1f} s later")
    faults.kubectl("delete", "pod", "-n", SPACE, "meanwhile")
    until(lambda: nodes_ready(faults), 20, "the nodes are not Ready again")
    assert containers(faults) == before


def test_a_killed_container_engine_loses_no_container(faults: Rack) -> None:
    before, counted = containers(faults), count(faults)
    faults.kill("node-1", "podman")
    objects.apply(faults, SPACE, objects.pod("after", nodeName="node-1"))
    took = seconds_until(lambda: faults.ready_pods("app=after", SPACE), 30, "the new pod does not run")
    print(f"killed engine: a new pod runs {took:.1f} s later")
    faults.kubectl("delete", "pod", "-n", SPACE, "after")
    assert containers(faults) == before
    assert count(faults) > counted


def test_pods_of_a_worker_without_power_run_elsewhere_and_nothing_runs_twice_when_it_returns(faults: Rack) -> None:
    faults.kubectl("delete", "pod", "-n", SPACE, "counter")
    objects.apply(faults, SPACE, objects.deployment("single", 1, affinity={"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-2"]}]}}]}}))
    until(lambda: faults.ready_pods("app=single", SPACE), 20, "the single pod is not ready")
    assert faults.pods("app=single", SPACE)[0]["spec"]["nodeName"] == "node-2"
    lost = {pod["metadata"]["uid"] for pod in faults.get("pods", "-n", SPACE)["items"]
            if pod["spec"]["nodeName"] == "node-2"}
    passing = objects.service("passing", "web", type="NodePort")
    passing["spec"]["ports"][0]["nodePort"] = 30999
    objects.apply(faults, SPACE, passing)
    until(lambda: "passing" in packet_rules("node-2"), 10, "the service is not on node-2")
    began = time.monotonic()
    switch("node-2", on=False)
    until(lambda: ready_status(faults, "node-2") == "Unknown", 30, "node-2 still counts as Ready")
    noticed = time.monotonic() - began
    # Its address leaves the service with it, so that no visitor is sent to a dead pod from here on.
    until(lambda: all(page().startswith("hello from web-") for _ in range(6)), 10, "the service lost visitors")
    elsewhere = ("master", "node-1", "node-3")
    until(lambda: len(faults.ready_pods("app=web", SPACE)) == REPLICAS and faults.ready_pods("app=single", SPACE), 45,
          "the pods do not run elsewhere")
    moved = time.monotonic() - began
    print(f"worker without power: noticed after {noticed:.1f} s, its pods elsewhere after {moved:.1f} s")
    assert noticed < 20
    assert moved < 40
    assert "NotReady" in faults.kubectl("get", "node", "node-2")
    # Another service gets the port of one that goes while node-2 cannot hear of it.
    faults.kubectl("delete", "service", "-n", SPACE, "passing")
    objects.apply(faults, SPACE, {**passing, "metadata": {"name": "second"}})
    answers = [page() for _ in range(8)]
    assert all(answer.startswith("hello from web-") for answer in answers), answers
    began = time.monotonic()
    switch("node-2", on=True)
    twice: list[str] = []

    def back() -> bool:
        twice.extend(lost & set(running(faults, ("node-2",))))
        here = {pod["metadata"]["uid"] for pod in faults.get("pods", "-n", SPACE)["items"]}
        return is_ready(faults.get("node", "node-2")) and not here & lost

    until(back, 45, "node-2 is not back, or its old pods still are")
    print(f"worker back: Ready and its old pods gone after {time.monotonic() - began:.1f} s")
    assert not twice
    until(lambda: "passing" not in packet_rules("node-2") and "second" in packet_rules("node-2"), 10,
          "node-2 still has the service that has gone")
    faults.kubectl("delete", "service", "-n", SPACE, "second")
    now = {pod["metadata"]["uid"] for pod in faults.get("pods", "-n", SPACE)["items"]}
    until(lambda: running(faults) == Counter(now), 10, "what runs is not what the API says")
    assert not lost & set(on("node-2", *podman("node-2"), "ps", "--all", "--format",
                             '{{index .Labels "edge.pod.uid"}}').split())
    assert sum(running(faults, elsewhere).values()) == REPLICAS + 1
    faults.kubectl("delete", "deployment", "-n", SPACE, "single")
    objects.apply(faults, SPACE, objects.pod("counter", objects.container(COUNTING), nodeName="node-1"))


def packet_rules(machine: str) -> str:
    return on(machine, "nft", "list", "table", "ip", "edge")


def podman(machine: str) -> list[str]:
    return ["env", *objects.settings(machine), "podman"]


def leases(rack: Rack) -> dict[str, str]:
    return {node["metadata"]["name"]: next(each["address"] for each in node["status"]["addresses"]
                                           if each["type"] == "InternalIP") for node in rack.get("nodes")["items"]}


def state(rack: Rack) -> dict[str, Any]:
    """Return what people asked for: it may not change by any outage."""
    kinds = "configmaps,secrets,services,deployments,replicasets,namespaces,serviceaccounts"
    return {f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}":
            (each["metadata"]["uid"], {key: value for key, value in each.items() if key not in ("metadata", "status")})
            for each in rack.get(kinds, "--all-namespaces")["items"]}


def test_a_master_without_power_leaves_the_workers_working_and_comes_back_complete(faults: Rack) -> None:
    before, asked, addresses, counted = containers(faults), state(faults), leases(faults), count(faults)
    on_workers = running(faults, WORKERS)
    switch("master", on=False)
    assert running(faults, WORKERS) == on_workers
    # Pods still reach each other and their services by name: nothing of that goes over the master.
    web = objects.running_containers("node-3")
    web_id = next(each["Id"] for each in web if each["Labels"].get("edge.pod.namespace") == SPACE)
    ask = "printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 3 web 8070 | tail -n 1"
    assert on("node-3", *podman("node-3"), "exec", web_id, "sh", "-c", ask).startswith("hello from web-")
    began = time.monotonic()
    switch("master", on=True)
    until(lambda: faults.try_kubectl("get", "--raw", "/readyz").stdout == "ok", 30, "the API is not back")
    print(f"master back: the API is ready after {time.monotonic() - began:.1f} s")
    until(lambda: nodes_ready(faults), 30, "the nodes are not Ready")
    print(f"master back: all nodes are Ready after {time.monotonic() - began:.1f} s")
    assert state(faults) == asked
    assert leases(faults) == addresses == {
        "master": "10.0.0.1", "node-1": "10.0.0.2", "node-2": "10.0.0.3", "node-3": "10.0.0.4"}
    assert containers(faults) == before
    assert count(faults) > counted


def test_a_worker_that_boots_alone_runs_its_pods_and_the_rack_comes_back_in_any_order(faults: Rack) -> None:
    """Power fails for the whole rack; a worker is first to have it again, the master comes last but one."""
    asked, addresses, pods = state(faults), leases(faults), faults.get("pods", "-n", SPACE)["items"]
    restarts = {name: number for name, (_, number) in containers(faults).items()}
    on_node_1 = {pod["metadata"]["uid"] for pod in pods if pod["spec"]["nodeName"] == "node-1"}
    assert on_node_1
    for machine in ("node-1", "master", "node-3", "node-2"):
        switch(machine, on=False)
    began = time.monotonic()
    switch("node-1", on=True)
    until(lambda: set(running(faults, ("node-1",))) >= on_node_1, 15, "the worker does not run its pods alone")
    print(f"worker alone: its pods run {time.monotonic() - began:.1f} s after power")
    switch("node-3", on=True)
    switch("master", on=True)
    switch("node-2", on=True)
    until(lambda: faults.try_kubectl("get", "--raw", "/readyz").stdout == "ok" and nodes_ready(faults), 45,
          "the rack is not back")
    print(f"rack back: all nodes Ready {time.monotonic() - began:.1f} s after the first power")
    all_well(faults, 30)
    assert state(faults) == asked
    assert leases(faults) == addresses
    # Every pod is the same pod, started anew once.
    after = faults.get("pods", "-n", SPACE)["items"]
    assert {pod["metadata"]["uid"] for pod in after} == {pod["metadata"]["uid"] for pod in pods}
    until(lambda: {name: (number - 1) for name, (_, number) in containers(faults).items()} == restarts, 15,
          "the API does not tell of every restart")
    all_well(faults, 30)


def cable(machine: str, state: str) -> None:
    """Pull a machine's cable out of the switch (`down`), or put it back (`up`)."""
    on_switch = ("ip", "-n", LAB.namespace("switch"), "link", "set", machine, state)
    objects.here(*on_switch)


def test_a_pulled_cable_is_noticed_and_mends_itself(faults: Rack) -> None:
    before = containers(faults)
    mine = set(running(faults, ("node-3",)))
    assert mine
    cable("node-3", "down")
    try:
        until(lambda: ready_status(faults, "node-3") == "Unknown", 30, "node-3 still counts as Ready")
        assert set(running(faults, ("node-3",))) == mine
        until(lambda: all(page().startswith("hello from web-") for _ in range(4)), 10, "the service lost visitors")
    finally:
        cable("node-3", "up")
    took = seconds_until(lambda: nodes_ready(faults), 30, "node-3 is not back")
    print(f"cable back: Ready after {took:.1f} s")
    # Shorter than the pods' toleration: nothing was moved, nothing was restarted.
    assert containers(faults) == before


def test_pods_behind_a_pulled_cable_are_replaced_and_end_when_it_is_back(faults: Rack) -> None:
    """The node itself is well and goes on alone; what has been replaced meanwhile ends as soon as it hears of that."""
    lost = {pod["metadata"]["uid"] for pod in faults.pods("app=web", SPACE) if pod["spec"]["nodeName"] == "node-3"}
    assert lost
    cable("node-3", "down")
    try:
        # They are going, and count as there until the node itself says otherwise.
        until(lambda: {pod["metadata"]["uid"] for pod in faults.get("pods", "-n", SPACE)["items"]
                       if "deletionTimestamp" in pod["metadata"]} == lost, 40, "the pods are not evicted")
        until(lambda: len(faults.ready_pods("app=web", SPACE)) == REPLICAS, 15, "the pods do not run elsewhere")
        assert lost <= set(running(faults, ("node-3",)))
    finally:
        cable("node-3", "up")
    took = seconds_until(lambda: not lost & set(running(faults, ("node-3",))), 30, "the old pods go on")
    print(f"cable back: what was replaced has ended after {took:.1f} s")


def test_the_log_of_the_server_holds_no_surprise(faults: Rack) -> None:
    """No fault above may end in a traceback."""
    for path in sorted(Path(LAB.state).glob("machines/*/log/edge-*.log")):
        assert "Traceback" not in path.read_text(errors="replace"), path
