"""Containers: image, command, environment, ports, probes, resources and what a container may do."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc


class ObjectFieldSelector(meta.Struct):
    """Names a field of the pod itself."""

    api_version: Annotated[str, doc("Version the path is written in; v1 when empty.")] = ""
    field_path: Annotated[str, doc(
        "Path such as metadata.name, status.podIP or metadata.labels['app'].", required=True)] = ""


class ResourceFieldSelector(meta.Struct):
    """Names a resource amount of a container of this pod."""

    container_name: Annotated[str, doc(
        "Container to look at; in an environment variable the container itself when empty.")] = ""
    resource: Annotated[str, doc(
        "Amount such as limits.cpu, requests.memory or limits.ephemeral-storage.", required=True)] = ""
    divisor: Annotated[meta.Quantity | None, doc(
        'Unit of the value; "1" when absent. The result is rounded up.')] = None


class ConfigMapKeySelector(meta.Struct):
    """Names one entry of a ConfigMap."""

    name: Annotated[str, doc("Name of the ConfigMap in the pod's namespace.")] = ""
    key: Annotated[str, doc("Key of the entry.", required=True)] = ""
    optional: Annotated[bool | None, doc(
        "True lets the container start although the ConfigMap or the key is missing.")] = None


class SecretKeySelector(meta.Struct):
    """Names one entry of a Secret."""

    name: Annotated[str, doc("Name of the Secret in the pod's namespace.")] = ""
    key: Annotated[str, doc("Key of the entry.", required=True)] = ""
    optional: Annotated[bool | None, doc(
        "True lets the container start although the Secret or the key is missing.")] = None


class EnvVarSource(meta.Struct):
    """Where the value of an environment variable comes from; exactly one is set."""

    field_ref: Annotated[ObjectFieldSelector | None, doc("A field of the pod, such as its name or address.")] = None
    resource_field_ref: Annotated[ResourceFieldSelector | None, doc(
        "A resource request or limit of a container.")] = None
    config_map_key_ref: Annotated[ConfigMapKeySelector | None, doc("An entry of a ConfigMap.")] = None
    secret_key_ref: Annotated[SecretKeySelector | None, doc("An entry of a Secret.")] = None


class EnvVar(meta.Struct):
    """One environment variable."""

    name: Annotated[str, doc("Name of the variable.", required=True)] = ""
    value: Annotated[str, doc("The value; $(NAME) is replaced by an earlier variable, $$(NAME) stays as $(NAME).")] = ""
    value_from: Annotated[EnvVarSource | None, doc("Where to take the value from instead.")] = None


class ConfigMapEnvSource(meta.Struct):
    """A ConfigMap whose entries become variables."""

    name: Annotated[str, doc("Name of the ConfigMap in the pod's namespace.")] = ""
    optional: Annotated[bool | None, doc("True lets the container start although the ConfigMap is missing.")] = None


class SecretEnvSource(meta.Struct):
    """A Secret whose entries become variables."""

    name: Annotated[str, doc("Name of the Secret in the pod's namespace.")] = ""
    optional: Annotated[bool | None, doc("True lets the container start although the Secret is missing.")] = None


class EnvFromSource(meta.Struct):
    """Turns every entry of a ConfigMap or Secret into a variable."""

    prefix: Annotated[str, doc("Text put before each key.")] = ""
    config_map_ref: Annotated[ConfigMapEnvSource | None, doc("The ConfigMap to read.")] = None
    secret_ref: Annotated[SecretEnvSource | None, doc("The Secret to read.")] = None


class ContainerPort(meta.Struct):
    """A port the container listens on. Leaving it out does not close the port."""

    name: Annotated[str, doc("Name that services and probes may use for the port; unique in the pod.")] = ""
    host_port: Annotated[int, doc(
        "Port of the node that leads here, 1 to 65535; 0 for none. Must equal containerPort on the host's network."
    )] = 0
    container_port: Annotated[int, doc("Port in the pod, 1 to 65535.", required=True)] = meta.written(int)
    protocol: Annotated[str, doc("TCP, UDP or SCTP; TCP by default.")] = ""
    host_ip: Annotated[str, doc("Address of the node the host port is bound to; all of them when empty.")] = ""


class VolumeMount(meta.Struct):
    """Where a volume appears in the container."""

    name: Annotated[str, doc("Name of one of the pod's volumes.", required=True)] = ""
    read_only: Annotated[bool, doc("True mounts the volume read-only.")] = False
    recursive_read_only: Annotated[str, doc(
        "Whether mounts below are read-only too: Disabled, IfPossible or Enabled.")] = ""
    mount_path: Annotated[str, doc("Path in the container; no colon in it.", required=True)] = ""
    sub_path: Annotated[str, doc("Path in the volume to mount instead of its root.")] = ""
    mount_propagation: Annotated[str, doc(
        "How mounts made later travel: None (default), HostToContainer or Bidirectional.")] = ""
    sub_path_expr: Annotated[str, doc("As subPath, with $(NAME) replaced from the container's environment.")] = ""


class VolumeDevice(meta.Struct):
    """A raw block device of a claim in the container."""

    name: Annotated[str, doc("Name of a volume that is a persistent volume claim.", required=True)] = ""
    device_path: Annotated[str, doc("Path of the device in the container.", required=True)] = ""


class ResourceClaim(meta.Struct):
    """A claim of the pod that this container uses."""

    name: Annotated[str, doc("Name of an entry in the pod's resourceClaims.", required=True)] = ""
    request: Annotated[str, doc("One request of the claim; all of them when empty.")] = ""


class ResourceRequirements(meta.Struct):
    """What a container needs at least and may use at most."""

    limits: Annotated[dict[str, meta.Quantity], doc(
        'Most the container may use, such as cpu "500m" (half a core) and memory "64Mi".')] = {}
    requests: Annotated[dict[str, meta.Quantity], doc(
        "What is set aside on the node; equal to the limits where only those are given.")] = {}
    claims: Annotated[tuple[ResourceClaim, ...], doc(
        "Claims of the pod that the container uses.", list_type="map", list_map_keys=("name",))] = ()


class ContainerResizePolicy(meta.Struct):
    """What happens to a container when a resource changes while it runs."""

    resource_name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    restart_policy: Annotated[str, doc("NotRequired (default) or RestartContainer.", required=True)] = ""


class HTTPHeader(meta.Struct):
    """A header sent with a probe or hook."""

    name: Annotated[str, doc("Name of the header.", required=True)] = ""
    value: Annotated[str, doc("Value of the header.", required=True)] = meta.written(str)


class ExecAction(meta.Struct):
    """Runs a command in the container; exit code 0 is success."""

    command: Annotated[tuple[str, ...], doc(
        "Program and arguments, run without a shell in the container's root directory.", list_type="atomic")] = ()


class HTTPGetAction(meta.Struct):
    """Sends a GET request; status 200 to 399 is success."""

    path: Annotated[str, doc("Path of the request; / by default.")] = ""
    port: Annotated[meta.IntOrString, doc(
        "Port number, or the name of a container port.", required=True)] = meta.written(int)
    host: Annotated[str, doc("Host to connect to; the pod's address when empty.")] = ""
    scheme: Annotated[str, doc("HTTP (default) or HTTPS, whose certificate is not checked.")] = ""
    http_headers: Annotated[tuple[HTTPHeader, ...], doc(
        "Headers to send; a name may be repeated.", list_type="atomic")] = ()


class TCPSocketAction(meta.Struct):
    """Opens a TCP connection; being accepted is success."""

    port: Annotated[meta.IntOrString, doc(
        "Port number, or the name of a container port.", required=True)] = meta.written(int)
    host: Annotated[str, doc("Host to connect to; the pod's address when empty.")] = ""


class GRPCAction(meta.Struct):
    """Asks the gRPC health service; SERVING is success."""

    port: Annotated[int, doc("Port of the gRPC server, 1 to 65535.", required=True)] = meta.written(int)
    service: Annotated[str, doc("Name of the service asked about; empty asks about the whole server.")] = ""


class SleepAction(meta.Struct):
    """Waits."""

    seconds: Annotated[int, doc("How long to wait, in seconds.", required=True)] = meta.written(int)


class Probe(meta.Struct):
    """A check that is repeated while the container runs."""

    exec: Annotated[ExecAction | None, doc("Command to run.")] = None
    http_get: Annotated[HTTPGetAction | None, doc("Request to send.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, doc("Connection to open.")] = None
    grpc: Annotated[GRPCAction | None, doc("Health service to ask.")] = None
    initial_delay_seconds: Annotated[int, doc(
        "Seconds between the container's start and the first check; 0 by default.")] = 0
    timeout_seconds: Annotated[int, doc("Seconds a check may take; 1 by default and at least.")] = 0
    period_seconds: Annotated[int, doc("Seconds between checks; 10 by default, at least 1.")] = 0
    success_threshold: Annotated[int, doc(
        "Successes in a row after a failure that count as success; 1 by default, and always 1 for liveness and "
        "startup.")] = 0
    failure_threshold: Annotated[int, doc("Failures in a row that count as failure; 3 by default, at least 1.")] = 0
    termination_grace_period_seconds: Annotated[int | None, doc(
        "Seconds the container gets to stop when this probe fails; the pod's own period when absent.")] = None


class LifecycleHandler(meta.Struct):
    """What to do at one point of a container's life; exactly one is set."""

    exec: Annotated[ExecAction | None, doc("Command to run.")] = None
    http_get: Annotated[HTTPGetAction | None, doc("Request to send.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, doc("No longer carried out; kept from old manifests.")] = None
    sleep: Annotated[SleepAction | None, doc("Time to wait.")] = None


class Lifecycle(meta.Struct):
    """Hooks of a container's life."""

    post_start: Annotated[LifecycleHandler | None, doc(
        "Done right after the start; a failure kills the container.")] = None
    pre_stop: Annotated[LifecycleHandler | None, doc(
        "Done before the container is told to stop, within the termination grace period.")] = None


class Capabilities(meta.Struct):
    """Linux capabilities, without the prefix CAP_."""

    add: Annotated[tuple[str, ...], doc(
        "Capabilities to add, such as NET_ADMIN; ALL adds every one.", list_type="atomic")] = ()
    drop: Annotated[tuple[str, ...], doc("Capabilities to take away; ALL takes every one.", list_type="atomic")] = ()


class SELinuxOptions(meta.Struct):
    """SELinux labels of a process."""

    user: Annotated[str, doc("User part of the label.")] = ""
    role: Annotated[str, doc("Role part of the label.")] = ""
    type: Annotated[str, doc("Type part of the label.")] = ""
    level: Annotated[str, doc("Level part of the label.")] = ""


class SeccompProfile(meta.Struct):
    """Which system calls are filtered."""

    type: Annotated[str, doc("RuntimeDefault, Unconfined or Localhost.", required=True)] = ""
    localhost_profile: Annotated[str, doc("File of the profile on the node, for type Localhost.")] = ""


class AppArmorProfile(meta.Struct):
    """Which AppArmor profile confines the processes."""

    type: Annotated[str, doc("RuntimeDefault, Unconfined or Localhost.", required=True)] = ""
    localhost_profile: Annotated[str, doc("Name of a profile loaded on the node, for type Localhost.")] = ""


class WindowsSecurityContextOptions(meta.Struct):
    """Settings for Windows; kept as sent and without effect."""

    gmsa_credential_spec_name: Annotated[str, doc("Name of the GMSA credential spec.")] = ""
    gmsa_credential_spec: Annotated[str, doc("Content of the GMSA credential spec.")] = ""
    run_as_user_name: Annotated[str, doc("User name of the first process.")] = ""
    host_process: Annotated[bool | None, doc("True runs the container as a process of the host.")] = None


class SecurityContext(meta.Struct):
    """What the processes of one container may do; wins over the pod's settings."""

    capabilities: Annotated[Capabilities | None, doc(
        "Capabilities added to and taken from the runtime's default set.")] = None
    privileged: Annotated[bool | None, doc(
        "True gives the container nearly all the rights of root on the node; false by default.")] = None
    se_linux_options: Annotated[SELinuxOptions | None, doc("SELinux labels of the container.")] = None
    windows_options: Annotated[WindowsSecurityContextOptions | None, doc(
        "Settings for Windows; kept as sent and without effect.")] = None
    run_as_user: Annotated[int | None, doc("User id of the first process; the image's user when absent.")] = None
    run_as_group: Annotated[int | None, doc("Group id of the first process; the runtime's default when absent.")] = None
    run_as_non_root: Annotated[bool | None, doc("True refuses to start a container that would run as user 0.")] = None
    read_only_root_filesystem: Annotated[bool | None, doc(
        "True makes the container's root read-only; false by default.")] = None
    allow_privilege_escalation: Annotated[bool | None, doc(
        "False keeps processes from gaining rights by setuid programs (no_new_privs).")] = None
    proc_mount: Annotated[str, doc("How /proc is shown: Default or Unmasked.")] = ""
    seccomp_profile: Annotated[SeccompProfile | None, doc("System call filter of the container.")] = None
    app_armor_profile: Annotated[AppArmorProfile | None, doc("AppArmor profile of the container.")] = None


class Container(meta.Struct):
    """One container of a pod."""

    name: Annotated[str, doc("Name, unique in the pod, a DNS label; cannot change.", required=True)] = ""
    image: Annotated[str, doc("Image to run, such as registry.example/name:tag or name@sha256:digest.")] = ""
    command: Annotated[tuple[str, ...], doc(
        "Replaces the image's entry point; $(NAME) is replaced from the environment. Not run in a shell.",
        list_type="atomic")] = ()
    args: Annotated[tuple[str, ...], doc(
        "Replaces the image's arguments; $(NAME) is replaced from the environment.", list_type="atomic")] = ()
    working_dir: Annotated[str, doc("Directory the process starts in; the image's when empty.")] = ""
    ports: Annotated[tuple[ContainerPort, ...], doc(
        "Ports the container listens on.",
        merge_key="containerPort", list_type="map", list_map_keys=("containerPort", "protocol"))] = ()
    env_from: Annotated[tuple[EnvFromSource, ...], doc(
        "ConfigMaps and Secrets whose entries become variables; later ones win, and env wins over all.",
        list_type="atomic")] = ()
    env: Annotated[tuple[EnvVar, ...], doc(
        "Environment variables.", merge_key="name", list_type="map", list_map_keys=("name",))] = ()
    resources: Annotated[ResourceRequirements, doc(
        "Least and most of processor, memory and storage.")] = ResourceRequirements()
    resize_policy: Annotated[tuple[ContainerResizePolicy, ...], doc(
        "What a change of resources does to the running container.", list_type="atomic")] = ()
    restart_policy: Annotated[str, doc(
        "Only for init containers: Always makes one a sidecar that runs as long as the pod.")] = ""
    volume_mounts: Annotated[tuple[VolumeMount, ...], doc(
        "Volumes to mount.", merge_key="mountPath", list_type="map", list_map_keys=("mountPath",))] = ()
    volume_devices: Annotated[tuple[VolumeDevice, ...], doc(
        "Block devices to map.", merge_key="devicePath", list_type="map", list_map_keys=("devicePath",))] = ()
    liveness_probe: Annotated[Probe | None, doc("The container is restarted when this fails.")] = None
    readiness_probe: Annotated[Probe | None, doc("The pod gets no traffic from services while this fails.")] = None
    startup_probe: Annotated[Probe | None, doc(
        "The other probes wait until this succeeds once; failing restarts the container.")] = None
    lifecycle: Annotated[Lifecycle | None, doc("Hooks after the start and before the stop.")] = None
    termination_message_path: Annotated[str, doc(
        "File in the container whose content becomes its last message; /dev/termination-log by default.")] = ""
    termination_message_policy: Annotated[str, doc(
        "File (default), or FallbackToLogsOnError to use the end of the log when the file is empty.")] = ""
    image_pull_policy: Annotated[str, doc(
        "Always, IfNotPresent or Never; Always for the tag latest or none, else IfNotPresent.")] = ""
    security_context: Annotated[SecurityContext | None, doc("Rights of the processes.")] = None
    stdin: Annotated[bool, doc("True keeps a standard input open for attach.")] = False
    stdin_once: Annotated[bool, doc("True closes standard input after the first client detaches.")] = False
    tty: Annotated[bool, doc("True gives the container a terminal; needs stdin.")] = False


class EphemeralContainer(Container):
    """A container added to a running pod to look into it."""

    target_container_name: Annotated[str, doc("Container whose process namespace is shared; none when empty.")] = ""


class ContainerStateWaiting(meta.Struct):
    """The container is not running yet."""

    reason: Annotated[str, doc("One word, such as ContainerCreating, ImagePullBackOff or CrashLoopBackOff.")] = ""
    message: Annotated[str, doc("A sentence for people.")] = ""


class ContainerStateRunning(meta.Struct):
    """The container runs."""

    started_at: Annotated[meta.Time | None, doc("When it was started.")] = None


class ContainerStateTerminated(meta.Struct):
    """The container has ended."""

    exit_code: Annotated[int, doc(
        "Exit code of the process; 128 + signal when it was killed.", required=True)] = meta.written(int)
    signal: Annotated[int, doc("Number of the signal that ended it; 0 for none.")] = 0
    reason: Annotated[str, doc("One word, such as Completed, Error or OOMKilled.")] = ""
    message: Annotated[str, doc("Content of the termination message file.")] = ""
    started_at: Annotated[meta.Time | None, doc("When it was started.")] = None
    finished_at: Annotated[meta.Time | None, doc("When it ended.")] = None
    container_id: Annotated[str, doc("Runtime and id, as podman://<id>.")] = ""


class ContainerState(meta.Struct):
    """Waiting, running or terminated; waiting when none is set."""

    waiting: Annotated[ContainerStateWaiting | None, doc("Set while the container waits.")] = None
    running: Annotated[ContainerStateRunning | None, doc("Set while the container runs.")] = None
    terminated: Annotated[ContainerStateTerminated | None, doc("Set after the container has ended.")] = None


class VolumeMountStatus(meta.Struct):
    """How a volume was mounted."""

    name: Annotated[str, doc("Name of the volume.", required=True)] = ""
    mount_path: Annotated[str, doc("Path in the container.", required=True)] = ""
    read_only: Annotated[bool, doc("True when it was mounted read-only.")] = False
    recursive_read_only: Annotated[str, doc("Whether mounts below are read-only: Disabled or Enabled.")] = ""


class ResourceHealth(meta.Struct):
    """Health of one device."""

    resource_id: Annotated[str, doc("Identity of the device.", required=True)] = ""
    health: Annotated[str, doc("Healthy, Unhealthy or Unknown.")] = ""


class ResourceStatus(meta.Struct):
    """Health of the devices a container uses."""

    name: Annotated[str, doc("Name of the resource.", required=True)] = ""
    resources: Annotated[tuple[ResourceHealth, ...], doc(
        "The devices of that resource.", list_type="map", list_map_keys=("resourceID",))] = ()


class LinuxContainerUser(meta.Struct):
    """User the first process runs as."""

    uid: Annotated[int, doc("User id.", required=True)] = meta.written(int)
    gid: Annotated[int, doc("First group id.", required=True)] = meta.written(int)
    supplemental_groups: Annotated[tuple[int, ...], doc("Further group ids.", list_type="atomic")] = ()


class ContainerUser(meta.Struct):
    """User a container runs as."""

    linux: Annotated[LinuxContainerUser | None, doc("User and groups on Linux.")] = None


class ContainerStatus(meta.Struct):
    """What is known of one container."""

    name: Annotated[str, doc("Name of the container in the spec.", required=True)] = ""
    state: Annotated[ContainerState, doc("What it does now.")] = ContainerState()
    last_state: Annotated[ContainerState, doc("How its last run ended.")] = ContainerState()
    ready: Annotated[bool, doc(
        "True while it passes its readiness probe, or runs and has none.", required=True)] = meta.written(bool)
    restart_count: Annotated[int, doc("How often it was restarted.", required=True)] = meta.written(int)
    image: Annotated[str, doc("Image it runs.", required=True)] = meta.written(str)
    image_id: Annotated[str, doc("Identity of the image, with its digest.", required=True)] = meta.written(str)
    container_id: Annotated[str, doc("Runtime and id, as podman://<id>.")] = ""
    started: Annotated[bool | None, doc("True once its startup probe has succeeded, or it has none and runs.")] = None
    allocated_resources: Annotated[dict[str, meta.Quantity], doc("Requests set aside for it on the node.")] = {}
    resources: Annotated[ResourceRequirements | None, doc("Requests and limits in force.")] = None
    volume_mounts: Annotated[tuple[VolumeMountStatus, ...], doc(
        "How its volumes were mounted.", merge_key="mountPath", list_type="map", list_map_keys=("mountPath",))] = ()
    user: Annotated[ContainerUser | None, doc("User it runs as.")] = None
    allocated_resources_status: Annotated[tuple[ResourceStatus, ...], doc(
        "Health of its devices.", merge_key="name", list_type="map", list_map_keys=("name",))] = ()
