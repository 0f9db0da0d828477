"""Effects: looks whether the card still takes writes. A worn or failing card is mounted read-only by the kernel: what
runs goes on, and nothing new is sent to the node."""

from __future__ import annotations

import os

from edge.agent.facts import Facts
from edge.api import meta


class Card:
    """The file system the agent keeps its pods on."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def facts(self) -> Facts:
        """Return the conditions that follow from whether it can be written."""
        return Facts(conditions=conditions(self._directory, read_only=_is_read_only(self._directory)))


def conditions(directory: str, *, read_only: bool) -> tuple[meta.Condition, ...]:
    """Return ReadonlyFilesystem, as the node problem detector names it, and DiskPressure while it holds: the scheduler
    knows that one, and sends nothing more."""
    if not read_only:
        return (meta.Condition(type="ReadonlyFilesystem", status="False", reason="FilesystemIsNotReadOnly",
                               message="Filesystem is not read-only"),)
    text = f"Filesystem of {directory} is read-only: the card is worn out or damaged, replace it"
    return (meta.Condition(type="ReadonlyFilesystem", status="True", reason="FilesystemIsReadOnly", message=text),
            meta.Condition(type="DiskPressure", status="True", reason="KubeletHasDiskPressure", message=text))


def _is_read_only(directory: str) -> bool:
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return True
