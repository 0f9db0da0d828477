"""One pod at one moment, as the agent's decisions see it; what a test does not say is as in an ordinary running pod."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from edge.agent.memory import Memory
from edge.agent.probes import Health
from edge.agent.surroundings import Surroundings
from edge.agent.view import View
from edge.api import core, meta
from edge.bus import messages
from edge.network.interface import Sandbox
from edge.runtime import spec
from edge.runtime.containers import Container, Image, State

NOW = datetime(2030, 1, 1, tzinfo=UTC)
IMAGE = Image(id="sha256:b1", names=("busybox:1",))
AROUND = Surroundings(node_name="node-1", node_address="10.0.0.2")


def container(name: str = "web", **more: object) -> core.Container:
    """Return a container of the pod spec."""
    return core.Container(**{"name": name, "image": "busybox:1", "image_pull_policy": "IfNotPresent", **more})  # type: ignore[arg-type]


def made(of: core.Container, state: State = State.RUNNING, *, attempt: int = 0, code: int = 0, id: str = "",
         oom_killed: bool = False, error: str = "", finished_at: str = "") -> Container:
    """Return what the engine shows of a container."""
    return Container(id=id or f"{of.name}-{attempt}", pod_uid="uid-1", name=of.name, attempt=attempt,
                     spec_hash=spec.spec_hash(of), state=state, image=of.image, image_id="b1", exit_code=code,
                     oom_killed=oom_killed, error=error, created_at="2029-12-31T23:58:00Z",
                     started_at="" if state is State.CREATED else "2029-12-31T23:59:00Z",
                     finished_at=finished_at or ("2029-12-31T23:59:30Z" if state is State.EXITED else ""))


def view(*containers: Container, spec: core.PodSpec | None = None, revision: str = "1", deleting: bool = False,
         unlisted: bool = False, memory: Memory | None = None, files: bool = True, sandbox: bool = True,
         network_ready: bool = True, deletion: tuple[str, int] | None = None, annotations: dict[str, str] | None = None,
         conditions: tuple[meta.Condition, ...] = (), known: bool = True, monotonic: float = 1000.0,
         around: Surroundings = AROUND, previous: core.PodStatus | None = None, health: dict[str, Health] | None = None,
         now: datetime = NOW, has_files: bool = True, shared_memory: bool = False) -> View:
    """Return a view of the pod `default/web`.

    Args:
        files: whether the pod's files were written for what is wanted now.
        deletion: when it was deleted, and its grace in seconds.
        known: whether its desired state is known; an orphan's is not.
    """
    stamp, grace = deletion or (None, None)
    pod = core.Pod(
        api_version="v1", kind="Pod", spec=spec or core.PodSpec(containers=(container(),), restart_policy="Always"),
        metadata=meta.ObjectMeta(name="web", namespace="default", uid="uid-1", annotations=annotations or {},
                                 deletion_timestamp=stamp, deletion_grace_period_seconds=grace),
        status=core.PodStatus(conditions=conditions))
    found = View(
        uid="uid-1", desired=messages.DesiredPod(revision=revision, pod=pod) if known else None, deleting=deleting,
        unlisted=unlisted, containers=containers, network_ready=network_ready, has_files=has_files,
        has_shared_memory=shared_memory,
        sandbox=Sandbox("uid-1", "/run/netns/edge-uid-1", "10.244.1.2") if sandbox else None, around=around,
        previous=previous, now=now, monotonic=monotonic, health=health or {})
    remembered = memory or Memory(images={"busybox:1": IMAGE})
    return replace(found, memory=replace(remembered, files_key=found.files_key) if files else remembered)
