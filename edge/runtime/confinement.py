"""What keeps a container from its node: a plain value, in no engine's spelling."""

from __future__ import annotations

from dataclasses import dataclass

UNCONFINED = "unconfined"
IDS = 65_536
"""How many user and group ids a user namespace has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """How a container is confined beyond user, capabilities and the like; each field's default is the engine's."""

    seccomp_profile: str = ""
    """`unconfined`, or the path of a profile; of no effect for a privileged container, which has no filter."""
    app_armor_profile: str = ""
    """`unconfined`, or the name of a profile that is loaded."""
    se_linux: tuple[str, ...] = ()
    """Parts of the label, such as `type:spc_t`."""
    unmasked: bool = False
    """Whether /proc is shown as it is, nothing hidden or read-only."""
    first_id: int = 0
    """The node's user and group id that 0 is in the container, which has a user namespace of its own; 0 for none."""
