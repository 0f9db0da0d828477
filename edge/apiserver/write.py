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


BY_SERVER = Write(manager="edge-server")
"""A write of this process."""
