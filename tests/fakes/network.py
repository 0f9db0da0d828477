"""A node's network in memory, which fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable

from edge.network.interface import Links, NetworkFailure, Sandbox


class FakeNetwork:
    """Holds what was attached and applied."""

    def __init__(self) -> None:
        self.attached: dict[str, Sandbox] = {}
        self.sysctls: dict[str, dict[str, str]] = {}
        """By pod uid, what was asked for."""
        self.links: Links | None = None
        self.ruleset = ""
        self.fail: Callable[[str], NetworkFailure | None] = lambda call: None
        """Asked before each change, with such as `attach`; what it returns is raised."""

    def _check(self, call: str) -> None:
        if (error := self.fail(call)) is not None:
            raise error

    def reboot(self) -> None:
        """Lose everything, as a power cut does."""
        self.attached.clear()
        self.links, self.ruleset = None, ""

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        return tuple(self.attached.values())

    async def attach(self, pod_uid: str, address: str, prefix_length: int, gateway: str,
                     sysctls: tuple[tuple[str, str], ...] = ()) -> Sandbox:
        self._check("attach")
        self.sysctls[pod_uid] = dict(sysctls)
        if any(other.address == address and other.pod_uid != pod_uid for other in self.attached.values()):
            raise NetworkFailure(f"{address} is taken")
        self.attached[pod_uid] = Sandbox(pod_uid, f"/run/netns/edge-{pod_uid}", address)
        return self.attached[pod_uid]

    async def detach(self, pod_uid: str) -> None:
        self._check("detach")
        self.attached.pop(pod_uid, None)

    async def apply_links(self, links: Links) -> None:
        self._check("links")
        self.links = links

    async def apply_ruleset(self, ruleset: str) -> None:
        self._check("ruleset")
        self.ruleset = ruleset
