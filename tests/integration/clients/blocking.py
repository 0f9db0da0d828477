"""Runs blocking tests: the clients wait for answers of a server that lives in the same process."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any


def in_thread(test: Callable[..., None]) -> Callable[..., Any]:
    """Run a blocking test in a thread while the server goes on in this one."""
    @functools.wraps(test)
    async def run(*arguments: Any, **named: Any) -> None:
        await asyncio.to_thread(test, *arguments, **named)
    return run
