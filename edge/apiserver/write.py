"""Who writes, through which version and subresource: what every write needs beside the object itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.apiserver.authenticate import MASTERS_GROUP, User

SERVER = User("system:edge-server", (MASTERS_GROUP, "system:authenticated"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write, apart from what it writes."""

    user: User = field(default=SERVER)
    manager: str = ""
    """The field manager; only objects that somebody applied keep track of it."""
    api_version: str = ""
    """The version the client speaks; empty means the stored one."""
    subresource: str = ""
    dry_run: bool = False
    applied: bool = False
    """Server-side apply has worked out the managed fields; they are stored as they are."""
    through: str = ""
    """The subresource that a write came through which goes on as one of the main resource: scale."""
    warnings: list[str] | None = None
    """Collects what the client should be told beside the answer; None drops it."""

    def warn(self, text: str) -> None:
        """Tell the client something it should know, once; the write goes on."""
        if self.warnings is not None and text not in self.warnings:
            self.warnings.append(text)


BY_SERVER = Write(manager="edge-server")
"""A write of this process."""
