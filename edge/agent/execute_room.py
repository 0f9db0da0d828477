"""Effects: carries out what concerns the room a pod has on its node: its control group, and what it has written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from edge.agent import actions, files
from edge.agent.cgroups import Groups
from edge.agent.memory import Memory
from edge.agent.surroundings import Surroundings

Room = actions.MakeGroup | actions.RemoveGroup | actions.EmptyVolumes


async def perform(action: Room, groups: Groups | None, around: Surroundings, uid: str, memory: Memory,
                  say: Callable[[str, str], None]) -> Memory:
    """Carry out the action and return the pod's memory after it; `say` sends a warning with a reason and a text.

    Raises:
        RuntimeFailure, FilesError: it did not work; try again later.
    """
    match action:
        case actions.MakeGroup():
            try:
                if groups is not None:
                    await groups.make(action.group)
            except files.FilesError as error:
                say("FailedCreatePodContainer", f"unable to ensure pod container exists: {error}")
                raise
            return replace(memory, group_made=True)
        case actions.RemoveGroup():
            if groups is not None:
                await groups.remove(uid)
            return replace(memory, group_made=False)
        case actions.EmptyVolumes():
            await asyncio.to_thread(files.remove, written(around, uid))
            return replace(memory, emptied=True)


def written(around: Surroundings, uid: str) -> tuple[str, ...]:
    """Return what of a pod's directories its containers could write into, and its secrets."""
    return f"{around.pod_dir(uid)}/volumes", around.secret_dir(uid)
