"""What goes through the server to a node must not carry who somebody says he is, nor one client's cookies to others."""

from __future__ import annotations

import pytest
from aiohttp import web

from tests.integration.apiserver.test_streams import POD, Agent, agent
from tests.integration.conftest import Cluster

__all__ = ["agent"]
SENT = {"Impersonate-User": "jane", "Impersonate-Uid": "1", "Impersonate-Group": "dev", "X-Kept": "yes",
        "Impersonate-Extra-Team": "secret", "X-Remote-User": "root", "X_Remote_Group": "system:masters",
        "X-Remote-Extra-A": "b"}


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Return the headers of what an agent is asked that starts after this."""
    found: list[dict[str, str]] = []
    answer = Agent.handle

    async def handle(self: Agent, request: web.BaseRequest) -> web.StreamResponse:
        found.append({name.lower(): value for name, value in request.headers.items()})
        if "cookie" in request.path:
            return web.Response(text="x", headers={"Set-Cookie": "session=of-jane; Path=/"})
        return await answer(self, request)

    monkeypatch.setattr(Agent, "handle", handle)
    return found


@pytest.mark.parametrize("upgrade", [False, True])
async def test_nobody_behind_is_told_who_somebody_pretends_to_be(cluster: Cluster, heads: list[dict[str, str]],
                                                                 agent: Agent, upgrade: bool) -> None:
    sent = {**SENT, **({"Upgrade": "raw", "Connection": "Upgrade"} if upgrade else {})}
    await cluster.kubectl("create", "clusterrolebinding", "jane", "--clusterrole=cluster-admin", "--user=jane")
    async with cluster.http.get(f"{cluster.url}{POD}/web/proxy/", headers=sent) as answer:
        assert answer.status == 200 or upgrade  # nobody switches to `raw`
    (head,) = heads
    assert head["x-kept"] == "yes"
    assert not [name for name in head if name.startswith(("impersonate", "x-remote", "x_remote", "authorization"))]


async def test_a_cookie_of_a_pod_stays_with_its_client(cluster: Cluster, heads: list[dict[str, str]],
                                                       agent: Agent) -> None:
    for path in ("cookie", "other"):
        async with cluster.http.get(f"{cluster.url}{POD}/web/proxy/{path}") as answer:
            assert answer.status == 200
    assert "cookie" not in heads[1]
