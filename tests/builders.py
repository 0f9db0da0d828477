"""Small builders of API objects for tests. What the API server would refuse, they refuse too."""

from __future__ import annotations

from datetime import UTC, datetime

from edge.api import apps, core, meta, times

NOW = datetime(2030, 1, 1, tzinfo=UTC)
STAMP = times.render(NOW)


def object_meta(name: str, namespace: str = "default", *, uid: str = "", labels: dict[str, str] | None = None,
                owner: meta.Object | None = None, created: str = STAMP) -> meta.ObjectMeta:
    """Return metadata as the server completes it."""
    owners = () if owner is None else (meta.OwnerReference(
        api_version=owner.api_version, kind=owner.kind, name=owner.metadata.name, uid=owner.metadata.uid,
        controller=True, block_owner_deletion=True),)
    return meta.ObjectMeta(name=name, namespace=namespace, uid=uid or f"uid-{name}", labels=labels or {},
                           resource_version="1", generation=1, creation_timestamp=created, owner_references=owners)


def container(image: str = "web:1", *, cpu: str = "", memory: str = "", host_port: int = 0,
              port: int = 8080) -> core.Container:
    """Return a container with a port named http."""
    amounts: dict[str, meta.Quantity] = {}
    if cpu:
        amounts["cpu"] = cpu
    if memory:
        amounts["memory"] = memory
    return core.Container(name="c", image=image, resources=core.ResourceRequirements(requests=amounts),
                          ports=(core.ContainerPort(name="http", container_port=port, host_port=host_port or 0),))


def pod(name: str, namespace: str = "default", *, node: str = "", labels: dict[str, str] | None = None,
        ready: bool = False, phase: str = "", ip: str = "", owner: meta.Object | None = None,
        spec: core.PodSpec | None = None, created: str = STAMP, cpu: str = "", memory: str = "", host_port: int = 0,
        deleted: bool = False) -> core.Pod:
    """Return a pod; a ready one runs on a node and has an address."""
    assert not ready or node, "only a pod on a node can be ready"
    made = spec or core.PodSpec(containers=(container(cpu=cpu, memory=memory, host_port=host_port),))
    made = core.PodSpec(**{**{f: getattr(made, f) for f in made.__struct_fields__}, "node_name": node})
    conditions = (meta.Condition(type="ContainersReady", status="True", last_transition_time=STAMP),
                  meta.Condition(type="Ready", status="True", last_transition_time=STAMP)) if ready else ()
    status = core.PodStatus(phase=phase or ("Running" if ready else "Pending"), conditions=conditions,
                            pod_ip=ip or ("10.244.0.9" if ready else ""))
    m = object_meta(name, namespace, labels=labels, owner=owner, created=created)
    if deleted:
        m = meta.ObjectMeta(**{**{f: getattr(m, f) for f in m.__struct_fields__}, "deletion_timestamp": STAMP})
    return core.Pod(api_version="v1", kind="Pod", metadata=m, spec=made, status=status)


def node(name: str, *, cpu: str = "4", memory: str = "4Gi", pods: int = 110, labels: dict[str, str] | None = None,
         taints: tuple[core.Taint, ...] = (), unschedulable: bool = False, ready: str = "True",
         images: tuple[core.ContainerImage, ...] = ()) -> core.Node:
    """Return a node with a Ready condition."""
    status = core.NodeStatus(allocatable={"cpu": cpu, "memory": memory, "pods": str(pods)}, images=images, conditions=(
        meta.Condition(type="Ready", status=ready, reason="KubeletReady", last_transition_time=STAMP),))
    marks = {"kubernetes.io/hostname": name, **(labels or {})}
    return core.Node(api_version="v1", kind="Node", metadata=object_meta(name, "", labels=marks),
                     spec=core.NodeSpec(taints=taints, unschedulable=unschedulable), status=status)


def template(image: str = "web:1", app: str = "web") -> core.PodTemplateSpec:
    """Return a pod template with the label `app`."""
    return core.PodTemplateSpec(metadata=meta.ObjectMeta(labels={"app": app}),
                                spec=core.PodSpec(containers=(container(image),)))


def deployment(name: str = "web", replicas: int = 3, *, image: str = "web:1", surge: meta.IntOrString = "25%",
               unavailable: meta.IntOrString = "25%", strategy: str = "RollingUpdate",
               history: int = 10) -> apps.Deployment:
    """Return a deployment whose selector is `app: NAME`."""
    rolling = apps.RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    return apps.Deployment(
        api_version="apps/v1", kind="Deployment", metadata=object_meta(name),
        spec=apps.DeploymentSpec(
            replicas=replicas, selector=meta.LabelSelector(match_labels={"app": name}), template=template(image, name),
            revision_history_limit=history, progress_deadline_seconds=600, strategy=apps.DeploymentStrategy(
                type=strategy, rolling_update=rolling if strategy == "RollingUpdate" else None)))


def replica_set(name: str = "web", replicas: int = 3) -> apps.ReplicaSet:
    """Return a ReplicaSet whose selector is `app: NAME`."""
    return apps.ReplicaSet(
        api_version="apps/v1", kind="ReplicaSet", metadata=object_meta(name),
        spec=apps.ReplicaSetSpec(replicas=replicas, selector=meta.LabelSelector(match_labels={"app": name}),
                                 template=template(app=name)))


def daemon_set(name: str = "agent", *, image: str = "agent:1", unavailable: meta.IntOrString = 1) -> apps.DaemonSet:
    """Return a DaemonSet whose selector is `app: NAME`."""
    return apps.DaemonSet(
        api_version="apps/v1", kind="DaemonSet", metadata=object_meta(name), spec=apps.DaemonSetSpec(
            selector=meta.LabelSelector(match_labels={"app": name}), template=template(image, name),
            update_strategy=apps.DaemonSetUpdateStrategy(
                type="RollingUpdate", rolling_update=apps.RollingUpdateDaemonSet(max_unavailable=unavailable))))


def service(name: str = "web", *, port: int = 80, target: meta.IntOrString = "http", type: str = "ClusterIP",
            cluster_ip: str = "10.96.0.20", selector: dict[str, str] | None = None,
            created: str = STAMP) -> core.Service:
    """Return a service that selects `app: NAME`."""
    return core.Service(
        api_version="v1", kind="Service", metadata=object_meta(name, created=created),
        spec=core.ServiceSpec(type=type, cluster_ip=cluster_ip, ports=(core.ServicePort(port=port, protocol="TCP",
                                                                                       target_port=target),),
                              selector={"app": name} if selector is None else selector))
