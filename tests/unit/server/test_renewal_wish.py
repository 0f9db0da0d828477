from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from edge.pki import authority, directory, names
from edge.server import renewal_wish
from tests.fakes.clock import START, FakeClock, settle


def test_edge_rack_would_renew_before_it_is_wished_for() -> None:
    assert renewal_wish.WISH_BEFORE < directory.RENEW_BEFORE


def test_only_what_ends_soon_is_wished_for() -> None:
    ca = authority.create_ca(START)
    early, late = (authority.issue(ca, names.admin(), START, days=days).certificate.decode() for days in (100, 800))
    assert renewal_wish.wish([late], START) == ""
    assert renewal_wish.wish([late, early], START) == (START + timedelta(days=100)).isoformat()
    assert renewal_wish.wish([], START) == renewal_wish.wish(["broken"], START) == ""


async def test_a_master_that_learns_the_time_after_it_has_started_wishes_once(tmp_path: Path) -> None:
    pki, wishes, clock = tmp_path / "pki", tmp_path / "wishes", FakeClock()
    directory.ensure(pki, now=START)
    task = asyncio.ensure_future(renewal_wish.loop(pki, wishes, clock)())
    await settle()
    assert not wishes.exists()
    clock.jump(3 * 365 * 86400)
    await clock.run(2 * renewal_wish.LOOK_SECONDS, step=renewal_wish.LOOK_SECONDS)
    left = wishes / renewal_wish.FILE
    before = left.stat().st_mtime_ns
    await clock.run(3 * renewal_wish.LOOK_SECONDS, step=renewal_wish.LOOK_SECONDS)
    assert left.stat().st_mtime_ns == before
    # What edge-rack does then, it does once too.
    assert "server.crt" in directory.ensure(pki, now=clock.now())
    await clock.run(2 * renewal_wish.LOOK_SECONDS, step=renewal_wish.LOOK_SECONDS)
    assert left.stat().st_mtime_ns == before
    task.cancel()
