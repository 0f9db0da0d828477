"""Effects: carries out what a plan says of volumes, without letting a dead file server keep other pods waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from edge.agent import files, mounting, subpaths
from edge.agent.patience import Patience
from edge.agent.volumes import Layout, SubPath

SUB_PATH_SECONDS = 30.0
"""How long a path inside a volume may take to be bound or looked at; it hangs where its file server is dead."""


async def write(layout: Layout) -> None:
    """Make a pod's volumes so.

    Raises:
        FilesError: it does not work; try again later.
    """
    for network in layout.mounts:
        await mounting.mount_network(network)
    await asyncio.to_thread(files.write, layout)


async def bind(paths: Iterable[SubPath], patience: Patience) -> None:
    """Bind the paths inside volumes that a container mounts.

    Raises:
        FilesError: it does not work; try again later.
    """
    for path in paths:
        await patience.call(f"subPath {path.path} of volume {path.volume}", partial(subpaths.bind, path),
                            SUB_PATH_SECONDS)


async def check(container: str, directories: tuple[str, ...], sources: tuple[str, ...], patience: Patience) -> None:
    """Look at what a container is about to mount: that it answers, and lies in the pod's directories where it should.

    The threads all pods share are few: who waits for a dead file server does so in one of its own.

    Raises:
        FilesError: something does not; try again later.
    """
    await patience.call(f"volumes of container {container}", partial(files.check_sources, directories, sources),
                        SUB_PATH_SECONDS)
