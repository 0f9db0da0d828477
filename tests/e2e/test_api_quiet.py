"""What nobody should notice: an idle rack writes nothing, the audit log tells all but secrets, edgectl is as before."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.objects import on
from tests.e2e.within import IMAGE, Within

AUDIT = "/run/edge-server/audit.log"
SECRET = "nobody-may-read-this"


@pytest.fixture
def here(rack: Rack, namespace: str) -> Iterator[Within]:
    yield Within(rack, namespace)
    rack.kubectl("delete", "clusterrole", "audited", "--ignore-not-found")


def revision(rack: Rack) -> int:
    return int(json.loads(rack.kubectl("get", "--raw", "/api/v1/namespaces?limit=1"))["metadata"]["resourceVersion"])


def test_a_rack_with_services_and_budgets_comes_to_rest(here: Within) -> None:
    """Only leases go on: a controller that finds its own work wanting would write for ever."""
    here.kubectl("create", "deployment", "web", f"--image={IMAGE}", "--replicas=2")
    here.kubectl("expose", "deployment", "web", "--port=8099", "--target-port=8080", "--type=LoadBalancer")
    here.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=1")
    here.kubectl("create", "quota", "roomy", "--hard=pods=10,services.loadbalancers=3")
    here.kubectl("autoscale", "deployment", "web", "--max=3")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    def quiet() -> bool:
        before, began = revision(here.rack), time.monotonic()
        until(lambda: time.monotonic() - began > 2, 5, "time does not pass")
        written = revision(here.rack) - before
        assert written <= 8, f"{written} writes in 2 seconds"
        return True

    until(quiet, 20, "the rack does not come to rest")


def events() -> list[dict[str, Any]]:
    lines = on("master", "sh", "-c", f"cat {AUDIT}.1 {AUDIT} 2>/dev/null").splitlines()
    return [json.loads(line) for line in lines if line]


def test_the_audit_log_has_who_did_what(here: Within) -> None:
    here.kubectl("create", "secret", "generic", "keys", f"--from-literal=key={SECRET}")
    here.kubectl("create", "serviceaccount", "robot")
    token = here.kubectl("create", "token", "robot").strip()
    here.kubectl("patch", "secret", "keys", "-p", json.dumps({"stringData": {"other": SECRET}}))
    here.rack.kubectl("create", "clusterrole", "audited", "--verb=get", "--resource=pods")
    here.fails("get", "secrets", "--as=jane")
    here.kubectl("delete", "secret", "keys")

    def about(resource: str, verb: str) -> list[dict[str, Any]]:
        return [each for each in events() if each["verb"] == verb
                and each.get("objectRef", {}).get("resource") == resource
                and each["objectRef"].get("namespace", here.namespace) == here.namespace]

    until(lambda: about("secrets", "delete"), 5, "not written down")
    (created,) = about("secrets", "create")
    assert created["user"]["username"] == "kubernetes-admin"
    assert created["responseStatus"]["code"] == 201
    assert created["userAgent"].startswith("kubectl/")
    assert about("secrets", "patch")
    assert [each["objectRef"]["subresource"] for each in about("serviceaccounts", "create")
            if "subresource" in each["objectRef"]] == ["token"]
    assert about("clusterroles", "create")[-1]["responseStatus"]["code"] == 201
    (refused,) = about("secrets", "list")
    assert refused["user"]["username"] == "kubernetes-admin"
    assert refused["impersonatedUser"]["username"] == "jane"
    assert refused["responseStatus"]["code"] == 403
    assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert not about("pods", "get")
    # Neither log holds a secret.
    logs = on("master", "sh", "-c", f"cat {AUDIT}*") + here.rack.log("master", "edge-server")
    for secret in (SECRET, base64.b64encode(SECRET.encode()).decode(), token, token.rpartition(".")[2]):
        assert secret not in logs


def test_the_audit_log_is_for_root_and_in_memory_and_bounded() -> None:
    found = on("master", "sh", "-c", f"stat -c '%a %s' {AUDIT}*; stat -f -c %T /run/edge").split()
    assert found.pop() == "tmpfs"
    assert set(found[::2]) == {"600"}
    assert len(found) <= 4
    assert all(int(size) <= 4 * 1024 * 1024 for size in found[1::2])


def test_edgectl_is_as_before(rack: Rack) -> None:
    told = rack.edgectl("--help").stdout
    for word in ("image", "token", "lab", "version", "certificate", "autoscale", "proxy", "events"):
        assert word in told, word
    assert "rack:    v1.32" in rack.edgectl("version").stdout
    assert rack.edgectl("get", "nodes", "-o", "name").stdout == rack.kubectl("get", "nodes", "-o", "name")
    assert rack.edgectl("auth", "can-i", "*", "*").stdout == "yes\n"
    assert "apps/v1" in rack.edgectl("api-versions").stdout.split()
    assert "EXPIRES" in rack.edgectl("token", "list").stdout
    assert "localhost/hello:1.0" in rack.edgectl("image", "ls").stdout
    assert "PROGRAMS" in rack.lab("status").stdout
    wrong = rack.edgectl("no-such-verb", check=False)
    assert wrong.returncode != 0
    assert "No such command 'no-such-verb'" in wrong.stderr
