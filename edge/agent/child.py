"""Effects: runs one of our modules in a process of its own, so that the memory it needs never stays in the agent's."""

from __future__ import annotations

import asyncio
import sys

from edge.agent.identity import JoinError

CHILD_SECONDS = 60.0


async def run(module: str, *arguments: str) -> tuple[int, str]:
    """Run a module to its end and return its exit code and output. Raises JoinError when it does not end."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments,
                                                 stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        async with asyncio.timeout(CHILD_SECONDS):
            output, _ = await child.communicate()
    except TimeoutError as error:
        raise JoinError(f"{module} did not end in {CHILD_SECONDS:.0f} s") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, output.decode(errors="replace")
