"""Pods: containers that share a network address and a place, how they are placed, and how they are."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.containers import (
    AppArmorProfile,
    Container,
    ContainerStatus,
    EphemeralContainer,
    ResourceRequirements,
    SeccompProfile,
    SELinuxOptions,
    WindowsSecurityContextOptions,
)
from edge.api.meta import doc
from edge.api.resource import Resource
from edge.api.volumes import Volume


class NodeSelectorRequirement(meta.Struct):
    """One condition on a node's label or field."""

    key: Annotated[str, doc("Name of the label or field.", required=True)] = ""
    operator: Annotated[str, doc("In, NotIn, Exists, DoesNotExist, Gt or Lt.", required=True)] = ""
    values: Annotated[tuple[str, ...], doc(
        "Values to compare with; one whole number for Gt and Lt.", list_type="atomic")] = ()


class NodeSelectorTerm(meta.Struct):
    """Conditions that hold together; a term without any matches nothing."""

    match_expressions: Annotated[tuple[NodeSelectorRequirement, ...], doc(
        "Conditions on labels.", list_type="atomic")] = ()
    match_fields: Annotated[tuple[NodeSelectorRequirement, ...], doc(
        "Conditions on fields; only metadata.name.", list_type="atomic")] = ()


class NodeSelector(meta.Struct):
    """Terms of which one must match."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], doc(
        "The terms.", list_type="atomic", required=True)] = ()


class PreferredSchedulingTerm(meta.Struct):
    """A wish about the node, with its weight."""

    weight: Annotated[int, doc("How much the wish counts, 1 to 100.", required=True)] = meta.written(int)
    preference: Annotated[NodeSelectorTerm, doc("Nodes that fulfil the wish.", required=True)] = NodeSelectorTerm()


class NodeAffinity(meta.Struct):
    """Which nodes the pod must or should run on."""

    required_during_scheduling_ignored_during_execution: Annotated[NodeSelector | None, doc(
        "Nodes the pod may be placed on; checked only when it is placed.")] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[PreferredSchedulingTerm, ...], doc(
        "Wishes; the node with the highest sum of weights wins.", list_type="atomic")] = ()


class PodAffinityTerm(meta.Struct):
    """A group of pods, and what counts as the same place."""

    label_selector: Annotated[meta.LabelSelector | None, doc("Labels of the pods; none when absent.")] = None
    namespaces: Annotated[tuple[str, ...], doc(
        "Namespaces of the pods; the pod's own when this and namespaceSelector are empty.", list_type="atomic")] = ()
    topology_key: Annotated[str, doc("Node label whose equal values mean the same place.", required=True)] = ""
    namespace_selector: Annotated[meta.LabelSelector | None, doc(
        "Namespaces of the pods by label; {} means all.")] = None
    match_label_keys: Annotated[tuple[str, ...], doc(
        "Labels whose value the other pods must share with this one.", list_type="atomic")] = ()
    mismatch_label_keys: Annotated[tuple[str, ...], doc(
        "Labels whose value the other pods must not share with this one.", list_type="atomic")] = ()


class WeightedPodAffinityTerm(meta.Struct):
    """A wish about nearby pods, with its weight."""

    weight: Annotated[int, doc("How much the wish counts, 1 to 100.", required=True)] = meta.written(int)
    pod_affinity_term: Annotated[PodAffinityTerm, doc("The pods and the place.", required=True)] = PodAffinityTerm()


class PodAffinity(meta.Struct):
    """Which pods this one must or should be near."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodAffinityTerm, ...], doc(
        "Groups of which a pod must run in the same place.", list_type="atomic")] = ()
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[WeightedPodAffinityTerm, ...], doc(
        "Wishes, with their weights.", list_type="atomic")] = ()


class PodAntiAffinity(meta.Struct):
    """Which pods this one must or should be away from."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodAffinityTerm, ...], doc(
        "Groups of which no pod may run in the same place.", list_type="atomic")] = ()
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[WeightedPodAffinityTerm, ...], doc(
        "Wishes, with their weights.", list_type="atomic")] = ()


class Affinity(meta.Struct):
    """Where the pod must or should be placed."""

    node_affinity: Annotated[NodeAffinity | None, doc("By the labels of nodes.")] = None
    pod_affinity: Annotated[PodAffinity | None, doc("Near other pods.")] = None
    pod_anti_affinity: Annotated[PodAntiAffinity | None, doc("Away from other pods.")] = None


class Toleration(meta.Struct):
    """A taint the pod puts up with."""

    key: Annotated[str, doc("Key of the taint; empty with operator Exists means every taint.")] = ""
    operator: Annotated[str, doc("Equal (default) or Exists, which ignores the value.")] = ""
    value: Annotated[str, doc("Value of the taint.")] = ""
    effect: Annotated[str, doc("NoSchedule, PreferNoSchedule or NoExecute; empty means every effect.")] = ""
    toleration_seconds: Annotated[int | None, doc(
        "Seconds a NoExecute taint is put up with before the pod is evicted; for ever when absent, at once when 0 or "
        "less.")] = None


class TopologySpreadConstraint(meta.Struct):
    """Spreads pods evenly over places."""

    max_skew: Annotated[int, doc(
        "Most by which the numbers of pods in two places may differ, at least 1.", required=True)] = meta.written(int)
    topology_key: Annotated[str, doc("Node label whose values are the places.", required=True)] = ""
    when_unsatisfiable: Annotated[str, doc(
        "DoNotSchedule, or ScheduleAnyway to treat it as a wish.", required=True)] = ""
    label_selector: Annotated[meta.LabelSelector | None, doc("Pods that are counted.")] = None
    min_domains: Annotated[int | None, doc("Least number of places that must exist; 1 when absent.")] = None
    node_affinity_policy: Annotated[str, doc(
        "Whether nodes the pod cannot run on by affinity are left out: Honor (default) or Ignore.")] = ""
    node_taints_policy: Annotated[str, doc(
        "Whether nodes with taints the pod does not tolerate are left out: Honor or Ignore (default).")] = ""
    match_label_keys: Annotated[tuple[str, ...], doc(
        "Labels whose value is taken from the pod and added to the selector.", list_type="atomic")] = ()


class HostAlias(meta.Struct):
    """A line in the pod's /etc/hosts."""

    ip: Annotated[str, doc("Address.", required=True)] = ""
    hostnames: Annotated[tuple[str, ...], doc("Names for the address.", list_type="atomic")] = ()


class PodDNSConfigOption(meta.Struct):
    """One option of the resolver."""

    name: Annotated[str, doc("Name of the option, such as ndots.")] = ""
    value: Annotated[str, doc("Value of the option; options without one leave it out.")] = ""


class PodDNSConfig(meta.Struct):
    """Additions to the pod's /etc/resolv.conf."""

    nameservers: Annotated[tuple[str, ...], doc(
        "Addresses of name servers, at most 3 in all.", list_type="atomic")] = ()
    searches: Annotated[tuple[str, ...], doc("Domains to search in, at most 32 in all.", list_type="atomic")] = ()
    options: Annotated[tuple[PodDNSConfigOption, ...], doc(
        "Options of the resolver; these win over those of the DNS policy.", list_type="atomic")] = ()


class PodReadinessGate(meta.Struct):
    """A condition that must be True before the pod counts as ready."""

    condition_type: Annotated[str, doc("Type of the condition in the pod's status.", required=True)] = ""


class PodSchedulingGate(meta.Struct):
    """Keeps the pod from being placed until it is removed."""

    name: Annotated[str, doc("Name of the gate, unique in the pod.", required=True)] = ""


class PodResourceClaim(meta.Struct):
    """A claim for devices that containers of the pod may use."""

    name: Annotated[str, doc("Name containers use for the claim.", required=True)] = ""
    resource_claim_name: Annotated[str, doc("Existing claim in the pod's namespace.")] = ""
    resource_claim_template_name: Annotated[str, doc("Template to make a claim from, instead.")] = ""


class PodOS(meta.Struct):
    """Operating system the pod is made for."""

    name: Annotated[str, doc("linux or windows.", required=True)] = ""


class Sysctl(meta.Struct):
    """A kernel setting of the pod's namespaces."""

    name: Annotated[str, doc("Name, such as net.core.somaxconn.", required=True)] = ""
    value: Annotated[str, doc("Value to set.", required=True)] = meta.written(str)


class PodSecurityContext(meta.Struct):
    """Rights shared by all containers of the pod; a container's own settings win."""

    se_linux_options: Annotated[SELinuxOptions | None, doc("SELinux labels.")] = None
    windows_options: Annotated[WindowsSecurityContextOptions | None, doc(
        "Settings for Windows; kept as sent and without effect.")] = None
    run_as_user: Annotated[int | None, doc("User id of the first processes; the image's user when absent.")] = None
    run_as_group: Annotated[int | None, doc(
        "Group id of the first processes; the runtime's default when absent.")] = None
    run_as_non_root: Annotated[bool | None, doc("True refuses to start containers that would run as user 0.")] = None
    supplemental_groups: Annotated[tuple[int, ...], doc(
        "Further group ids of the first processes.", list_type="atomic")] = ()
    supplemental_groups_policy: Annotated[str, doc(
        "Merge (default) adds the groups the image gives the user; Strict does not.")] = ""
    fs_group: Annotated[int | None, doc(
        "Group that owns the files of the pod's volumes, and is added to every process.")] = None
    sysctls: Annotated[tuple[Sysctl, ...], doc("Kernel settings of the pod.", list_type="atomic")] = ()
    fs_group_change_policy: Annotated[str, doc(
        "When the owner of files is changed: Always (default) or OnRootMismatch.")] = ""
    seccomp_profile: Annotated[SeccompProfile | None, doc("System call filter.")] = None
    app_armor_profile: Annotated[AppArmorProfile | None, doc("AppArmor profile.")] = None
    se_linux_change_policy: Annotated[str, doc("How volumes get their SELinux label: MountOption or Recursive.")] = ""


class PodSpec(meta.Struct):
    """What to run, and where."""

    volumes: Annotated[tuple[Volume, ...], doc(
        "Volumes the containers may mount.",
        merge_key="name", patch_strategy="merge,retainKeys", list_type="map", list_map_keys=("name",))] = ()
    init_containers: Annotated[tuple[Container, ...], doc(
        "Run one after the other before the containers; each must succeed.",
        merge_key="name", list_type="map", list_map_keys=("name",))] = ()
    containers: Annotated[tuple[Container, ...], doc(
        "The containers; at least one.",
        merge_key="name", list_type="map", list_map_keys=("name",), required=True)] = ()
    ephemeral_containers: Annotated[tuple[EphemeralContainer, ...], doc(
        "Containers added to look into the running pod; only through that subresource.",
        merge_key="name", list_type="map", list_map_keys=("name",))] = ()
    restart_policy: Annotated[str, doc(
        "When ended containers are started again: Always (default), OnFailure or Never.")] = ""
    termination_grace_period_seconds: Annotated[int | None, doc(
        "Seconds between the request to stop and the kill; 30 by default.")] = None
    active_deadline_seconds: Annotated[int | None, doc(
        "Seconds after its start when the pod is failed and its containers are killed.")] = None
    dns_policy: Annotated[str, doc(
        "ClusterFirst (default), ClusterFirstWithHostNet, Default (the node's) or None.")] = ""
    node_selector: Annotated[dict[str, str], doc("Labels the node must have.")] = {}
    service_account_name: Annotated[str, doc("Service account the pod acts as; default when empty.")] = ""
    service_account: Annotated[str, doc("Old name of serviceAccountName.")] = ""
    automount_service_account_token: Annotated[bool | None, doc(
        "False keeps the account's token out of the containers.")] = None
    node_name: Annotated[str, doc("Node the pod is bound to; set by the scheduler.")] = ""
    host_network: Annotated[bool, doc("True uses the node's network instead of an address of its own.")] = False
    host_pid: Annotated[bool, doc("True shows the node's processes.")] = False
    host_ipc: Annotated[bool, doc("True uses the node's IPC namespace.")] = False
    share_process_namespace: Annotated[bool | None, doc(
        "True lets the containers of the pod see each other's processes.")] = None
    security_context: Annotated[PodSecurityContext | None, doc("Rights of all containers; empty by default.")] = None
    image_pull_secrets: Annotated[tuple[meta.LocalObjectReference, ...], doc(
        "Secrets with credentials for the images' registries.",
        merge_key="name", list_type="map", list_map_keys=("name",))] = ()
    hostname: Annotated[str, doc("Host name of the pod; the pod's name when empty.")] = ""
    subdomain: Annotated[str, doc("Gives the pod the full name hostname.subdomain.namespace.svc.cluster.local.")] = ""
    affinity: Annotated[Affinity | None, doc("Where the pod must or should be placed.")] = None
    scheduler_name: Annotated[str, doc("Scheduler that places the pod; default-scheduler by default.")] = ""
    tolerations: Annotated[tuple[Toleration, ...], doc("Taints the pod puts up with.", list_type="atomic")] = ()
    host_aliases: Annotated[tuple[HostAlias, ...], doc(
        "Lines added to /etc/hosts.", merge_key="ip", list_type="map", list_map_keys=("ip",))] = ()
    priority_class_name: Annotated[str, doc("Name of the class that gives the pod its priority.")] = ""
    priority: Annotated[int | None, doc(
        "Importance; a pod with a higher value may push out others. 0 when absent.")] = None
    dns_config: Annotated[PodDNSConfig | None, doc("Additions to the resolver settings of the DNS policy.")] = None
    readiness_gates: Annotated[tuple[PodReadinessGate, ...], doc(
        "Further conditions of readiness.", list_type="atomic")] = ()
    runtime_class_name: Annotated[str, doc("Class of the runtime; the node's default when empty.")] = ""
    enable_service_links: Annotated[bool | None, doc(
        "False leaves out the environment variables about services; true by default.")] = None
    preemption_policy: Annotated[str, doc("PreemptLowerPriority (default) or Never.")] = ""
    overhead: Annotated[dict[str, meta.Quantity], doc("What the runtime itself needs for the pod.")] = {}
    topology_spread_constraints: Annotated[tuple[TopologySpreadConstraint, ...], doc(
        "How pods are spread over places; all must hold.",
        merge_key="topologyKey", list_type="map", list_map_keys=("topologyKey", "whenUnsatisfiable"))] = ()
    set_hostname_as_fqdn: Annotated[bool | None, doc("True makes the full name the host name the kernel shows.")] = None
    os: Annotated[PodOS | None, doc("Operating system the pod is made for.")] = None
    host_users: Annotated[bool | None, doc("False gives the pod a user namespace of its own; true by default.")] = None
    scheduling_gates: Annotated[tuple[PodSchedulingGate, ...], doc(
        "The pod is not placed while there is one.", merge_key="name", list_type="map", list_map_keys=("name",))] = ()
    resource_claims: Annotated[tuple[PodResourceClaim, ...], doc(
        "Claims that must be set aside before the pod starts.",
        merge_key="name", patch_strategy="merge,retainKeys", list_type="map", list_map_keys=("name",))] = ()
    resources: Annotated[ResourceRequirements | None, doc(
        "Requests and limits of the pod as a whole.")] = None


class HostIP(meta.Struct):
    """An address of the node."""

    ip: Annotated[str, doc("The address.", required=True)] = ""


class PodIP(meta.Struct):
    """An address of the pod."""

    ip: Annotated[str, doc("The address.", required=True)] = ""


class PodResourceClaimStatus(meta.Struct):
    """The claim that was made for an entry of resourceClaims."""

    name: Annotated[str, doc("Name of the entry.", required=True)] = ""
    resource_claim_name: Annotated[str, doc("Name of the claim.")] = ""


class PodStatus(meta.Struct):
    """How the pod is; reported by the node."""

    phase: Annotated[str, doc("Pending, Running, Succeeded, Failed or Unknown.")] = ""
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "PodScheduled, Initialized, ContainersReady, Ready and others.",
        merge_key="type", list_type="map", list_map_keys=("type",))] = ()
    message: Annotated[str, doc("A sentence for people about why the pod is as it is.")] = ""
    reason: Annotated[str, doc("One word for the same, such as Evicted.")] = ""
    nominated_node_name: Annotated[str, doc("Node that is being cleared for the pod.")] = ""
    host_ip: Annotated[str, doc("Address of the node the pod is bound to.")] = ""
    host_ips: Annotated[tuple[HostIP, ...], doc("All addresses of the node.", merge_key="ip", list_type="atomic")] = ()
    pod_ip: Annotated[str, doc("Address of the pod; empty until it has one.")] = ""
    pod_ips: Annotated[tuple[PodIP, ...], doc(
        "All addresses of the pod, at most one of each family.",
        merge_key="ip", list_type="map", list_map_keys=("ip",))] = ()
    start_time: Annotated[meta.Time | None, doc("When the node accepted the pod.")] = None
    init_container_statuses: Annotated[tuple[ContainerStatus, ...], doc(
        "Status of each init container.", list_type="atomic")] = ()
    container_statuses: Annotated[tuple[ContainerStatus, ...], doc(
        "Status of each container.", list_type="atomic")] = ()
    qos_class: Annotated[str, doc(
        "Guaranteed, Burstable or BestEffort; decides who goes first when memory is short.")] = ""
    ephemeral_container_statuses: Annotated[tuple[ContainerStatus, ...], doc(
        "Status of each ephemeral container.", list_type="atomic")] = ()
    resize: Annotated[str, doc("State of a change of resources: Proposed, InProgress, Deferred or Infeasible.")] = ""
    resource_claim_statuses: Annotated[tuple[PodResourceClaimStatus, ...], doc(
        "Claims made for the pod.",
        merge_key="name", patch_strategy="merge,retainKeys", list_type="map", list_map_keys=("name",))] = ()


class Pod(meta.Object):
    """Containers that are placed together and share an address."""

    spec: Annotated[PodSpec, doc("What to run, and where.")] = PodSpec()
    status: Annotated[PodStatus, doc("How the pod is.")] = PodStatus()


class PodTemplateSpec(meta.Struct):
    """What the pods a controller makes look like."""

    metadata: Annotated[meta.ObjectMeta, doc("Labels and annotations of the pods.")] = meta.ObjectMeta()
    spec: Annotated[PodSpec, doc("The pods' spec.")] = PodSpec()


class Binding(meta.Object):
    """Places a pod on a node."""

    target: Annotated[meta.ObjectReference, doc("The node.", required=True)] = meta.ObjectReference()


RESOURCES = (
    Resource(group="", version="v1", kind="Pod", plural="pods", type=Pod, short_names=("po",), categories=("all",),
             subresources=("attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward",
                           "proxy", "status"), returns_deleted=True),
    Resource(group="", version="v1", kind="Binding", plural="bindings", type=Binding, virtual=True, verbs=("create",)),
)
