"""Tokens end: expired ones are removed, and only good ones stand behind a request."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import pytest

from edge.api import core, errors, meta, times
from edge.server.bootstrap_tokens import CLEAN_SECONDS, NAMESPACE, PREFIX, TYPE, Tokens
from tests.fakes.client import FakeClient
from tests.fakes.clock import START, FakeClock, settle

HOUR = timedelta(hours=1)


async def make(api: FakeClient, token_id: str, expiration: str = "", *, kind: str = TYPE) -> None:
    data = {"expiration": base64.b64encode(expiration.encode()).decode()} if expiration else {}
    await api.create(core.Secret(metadata=meta.ObjectMeta(name=PREFIX + token_id, namespace=NAMESPACE), type=kind,
                                 data=data))


async def names_of(api: FakeClient) -> list[str]:
    return [each.metadata.name.removeprefix(PREFIX) for each in (await api.list(core.Secret, NAMESPACE)).items]


async def test_expired_tokens_are_removed_and_nothing_else() -> None:
    api, clock = FakeClient(), FakeClock()
    await make(api, "always")
    await make(api, "hour01", times.render(START + HOUR))
    await make(api, "ended1", times.render(START - HOUR))
    await make(api, "broken", "soon")
    await make(api, "other1", times.render(START - HOUR), kind="Opaque")
    task = asyncio.create_task(Tokens(api, clock).clean())
    await settle()
    assert await names_of(api) == ["always", "broken", "hour01", "other1"]
    api.down = True
    await clock.run(2 * CLEAN_SECONDS, step=CLEAN_SECONDS)
    api.down = False
    await clock.run(HOUR.total_seconds(), step=CLEAN_SECONDS)
    assert await names_of(api) == ["always", "broken", "other1"]
    task.cancel()


@pytest.mark.parametrize(("user", "good"), [
    ("system:bootstrap:always", True), ("system:bootstrap:hour01", True), ("system:bootstrap:ended1", False),
    ("system:bootstrap:gone00", False), ("system:node:node-1", True), ("kubernetes-admin", True)])
async def test_a_token_is_good_as_long_as_it_is_there_and_has_not_ended(user: str, good: bool) -> None:
    api = FakeClient()
    await make(api, "always")
    await make(api, "hour01", times.render(START + HOUR))
    await make(api, "ended1", times.render(START))
    assert await Tokens(api, FakeClock()).is_good(user) is good


async def test_when_nobody_can_say_nothing_is_approved() -> None:
    api = FakeClient()
    api.down = True
    with pytest.raises(errors.ApiError):
        await Tokens(api, FakeClock()).is_good("system:bootstrap:always")
