"""Effects: waits only so long for what may never come back, such as a look at a path of a dead file server.

Such a call cannot be ended, so it has a thread of its own that keeps nobody else waiting, not even the end of the
program. As long as it hangs, the same call is not tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from edge.agent.volumes import FilesError


class Patience:
    """Calls by name, some of which may hang."""

    def __init__(self) -> None:
        self._hanging: dict[str, threading.Thread] = {}

    async def call(self, name: str, work: Callable[[], None], seconds: float) -> None:
        """Carry out a blocking call.

        Raises:
            FilesError: of the call itself, or because it takes too long.
        """
        self._hanging = {each: thread for each, thread in self._hanging.items() if thread.is_alive()}
        if name in self._hanging:
            raise FilesError(f"{name}: an earlier attempt still hangs")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[None] = loop.create_future()

        def tell(error: FilesError | None) -> None:
            if outcome.done():
                return
            outcome.set_result(None) if error is None else outcome.set_exception(error)

        def run() -> None:
            problem: FilesError | None = None
            try:
                work()
            except FilesError as error:
                problem = error
            with contextlib.suppress(RuntimeError):  # The program has ended meanwhile.
                loop.call_soon_threadsafe(tell, problem)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(seconds):
                await outcome
        except TimeoutError:
            self._hanging[name] = thread
            raise FilesError(f"{name}: no answer within {seconds:.0f} s") from None
