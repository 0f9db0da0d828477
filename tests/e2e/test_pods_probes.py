"""Probes: what is unready gets no traffic, what is dead is started again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within, container, pod


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


WEB = "mkdir -p /www/cgi-bin; echo fine > /www/ok; exec httpd -f -p 8080 -h /www"
FAST = {"periodSeconds": 1, "failureThreshold": 1}


def restarts(here: Within, name: str) -> int:
    return int(here.path(f"pod/{name}", ".status.containerStatuses[0].restartCount"))


@pytest.mark.parametrize("probe", [
    {"httpGet": {"path": "/ok", "port": "http"}},
    {"exec": {"command": ["cat", "/www/ok"]}},
], ids=["http", "exec"])
def test_readiness_opens_and_shuts_the_service(here: Within, probe: dict[str, Any]) -> None:
    here.apply(pod("web", container(WEB, readinessProbe={**probe, **FAST},
                                    ports=[{"name": "http", "containerPort": 8080}])),
               {"kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}})
    here.until_ready("web")
    address = here.path("pod/web", ".status.podIP")
    until(lambda: here.path("endpoints/web", ".subsets[*].addresses[*].ip") == address, 5, "no endpoint")
    here.sh("web", "rm /www/ok")
    until(lambda: here.path("endpoints/web", ".subsets[*].notReadyAddresses[*].ip") == address, 10, "still ready")
    assert here.path("endpoints/web", ".subsets[*].addresses[*].ip") == ""
    assert here.kubectl("get", "pod", "web", "--no-headers").split()[1:4] == ["0/1", "Running", "0"]
    until(lambda: "Readiness probe failed: " in here.kubectl("describe", "pod", "web"), 5, "no event Unhealthy")
    here.sh("web", "echo fine > /www/ok")
    here.until_ready("web")
    until(lambda: here.path("endpoints/web", ".subsets[*].addresses[*].ip") == address, 5, "no endpoint again")


def test_liveness_restarts(here: Within) -> None:
    """Each kind of probe finds its container dead, and it is started again."""
    http = container(WEB, livenessProbe={"httpGet": {"path": "/ok", "port": 8080}, **FAST, "initialDelaySeconds": 1})
    tcp = container("nc -l -p 9000 -e true; exec sleep 1000", livenessProbe={"tcpSocket": {"port": 9000}, **FAST})
    run = container("touch /alive; exec sleep 1000", livenessProbe={
        "exec": {"command": ["cat", "/alive"]}, **FAST, "initialDelaySeconds": 1})
    here.apply(pod("http", http), pod("tcp", tcp), pod("exec", run))
    here.until_ready("http", "exec")
    here.sh("http", "rm /www/ok")
    here.sh("exec", "rm /alive")
    until(lambda: restarts(here, "http") and restarts(here, "tcp") and restarts(here, "exec"), 20, "no restart")
    text = here.kubectl("describe", "pod", "http")
    assert "Liveness probe failed: HTTP probe failed with statuscode: 404" in text
    assert "Container main failed liveness probe, will be restarted" in text
    assert "Liveness probe failed: cat: can't open '/alive'" in here.kubectl("describe", "pod", "exec")
    here.until_ready("http", "exec")


def test_startup_holds_the_others_back(here: Within) -> None:
    here.apply(pod("slow", container("until test -e /go; do sleep 0.1; done; touch /up; exec sleep 1000",
                                     startupProbe={"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 1,
                                                   "failureThreshold": 60},
                                     livenessProbe={"exec": {"command": ["test", "-e", "/up"]}, **FAST})))
    here.until_shown("slow", "Running")
    until(lambda: "Unhealthy" in here.reasons("slow"), 10, "the startup probe did not run")
    assert here.path("pod/slow", ".status.containerStatuses[0].started") == "false"
    here.sh("slow", "touch /go")
    here.until_ready("slow")
    assert here.path("pod/slow", ".status.containerStatuses[0].started") == "true"
    assert restarts(here, "slow") == 0
