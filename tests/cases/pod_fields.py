"""What becomes of each field of a pod: by type, then by field; the table of docs/pods.md is made of it.

A field that is refused or without effect speaks for all that is below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["works", "refused", "without effect"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a field, and what a person should know of it."""

    kind: Kind
    note: str = ""


Fields = dict[str, Verdict]


def works(note: str = "") -> Verdict:
    return Verdict("works", note)


def refused(note: str) -> Verdict:
    return Verdict("refused", note)


def ignored(note: str) -> Verdict:
    return Verdict("without effect", note)


def all_work(*names: str, **notes: str) -> Fields:
    """Return fields that work, with notes by name."""
    return {name: works() for name in names} | {name: works(note) for name, note in notes.items()}


NO_VOLUME = refused("the pod waits, with a FailedMount event that names the kind")
TERMS = all_work("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution")

POD: dict[str, Fields] = {
    "PodSpec": {
        **all_work(
            "initContainers", "containers", "terminationGracePeriodSeconds", "activeDeadlineSeconds", "nodeSelector",
            "serviceAccountName", "automountServiceAccountToken", "hostNetwork", "hostPID", "hostIPC",
            "securityContext", "imagePullSecrets", "hostname", "affinity", "tolerations", "hostAliases", "dnsConfig",
            "readinessGates", "enableServiceLinks", "schedulingGates"),
        "volumes": works("by kind: see Volume"),
        "ephemeralContainers": works("`kubectl debug`; not restarted"),
        "restartPolicy": works("back-off from 10 s to 5 min"),
        "dnsPolicy": works("the node answers for the cluster's names, also without the master"),
        "serviceAccount": works("old name of serviceAccountName"),
        "nodeName": works("passes by the scheduler; the node refuses what does not fit (OutOfcpu, OutOfmemory, "
                          "OutOfpods, NodePorts), and does not look at node affinity"),
        "shareProcessNamespace": works(),
        "subdomain": works("with a headless service of that name"),
        "schedulerName": works("pods of another name wait for that scheduler"),
        "priorityClassName": works("becomes priority"),
        "priority": works("order of scheduling, and of eviction when the node runs short; nobody is preempted"),
        "runtimeClassName": works("handlers `crun` and `runc` (a setting) stand for the engine's own runtime; for any "
                                  "other the pod waits, with a FailedCreatePodSandBox event"),
        "preemptionPolicy": ignored("there is no preemption"),
        "overhead": works("counted by the scheduler and by the node"),
        "topologySpreadConstraints": works(),
        "setHostnameAsFQDN": works(),
        "os": works("other systems than linux are refused: PodOSNotSupported"),
        "hostUsers": works("false, from Linux 6.3 on: 65536 ids of the pod's own, root in it is nobody on the node; "
                           "volumes are mapped, so their file systems must allow that (ext4, tmpfs; not NFS); no "
                           "rights over the pod's network; the shm settings of several containers cannot be changed"),
        "resourceClaims": refused("UnexpectedAdmissionError"),
        "resources": ignored("as in Kubernetes 1.32, where this is switched off; say it for each container"),
    },
    "PodSecurityContext": {
        **all_work("runAsUser", "runAsGroup", "runAsNonRoot", "supplementalGroups", "sysctls", "fsGroupChangePolicy"),
        "seLinuxOptions": works("where SELinux is on; else without effect"),
        "windowsOptions": ignored("hostProcess: true is refused: PodOSNotSupported"),
        "supplementalGroupsPolicy": works("Strict needs runAsGroup, else SupplementalGroupsPolicyNotSupported; "
                                          "with runAsGroup the groups of the image's user are never added"),
        "fsGroup": works("also owns the files of emptyDir and of volumes made of data"),
        "seccompProfile": works("the engine's default profile where nothing is said (a setting); Localhost: below "
                                "`seccomp_dir`, /var/lib/edge/agent/seccomp by default"),
        "appArmorProfile": works("Localhost is refused where AppArmor is off: reason AppArmor; RuntimeDefault has no "
                                 "effect there"),
        "seLinuxChangePolicy": ignored("volumes are not labeled"),
    },
    "Sysctl": all_work(name="safe ones, and those of the setting `allowed_unsafe_sysctls`; others are refused: "
                            "SysctlForbidden", value=""),
}

CONTAINER: dict[str, Fields] = {
    "Container": {
        **all_work("name", "command", "args", "workingDir", "envFrom", "env", "livenessProbe", "readinessProbe",
                   "startupProbe", "lifecycle", "terminationMessagePath", "terminationMessagePolicy",
                   "imagePullPolicy", "securityContext", "stdin", "tty", "volumeMounts"),
        "image": works("a change restarts the container"),
        "ports": works("containerPort opens nothing: pods reach all ports of each other"),
        "resources": works("cpu: shares and quota; memory: the kernel kills what takes more, and nothing is swapped; "
                           "devices: see the node's allocatable; ephemeral-storage: eviction"),
        "resizePolicy": ignored("nothing is resized in place, as in Kubernetes 1.32 by default"),
        "restartPolicy": works("of init containers: Always makes a sidecar"),
        "volumeDevices": refused("UnexpectedAdmissionError"),
        "stdinOnce": ignored("standard input stays open for the next who attaches"),
    },
    "EphemeralContainer": all_work(targetContainerName="the process namespace of that container"),
    "ContainerPort": {
        **all_work("name", "containerPort"),
        "hostPort": works("on every address of the node"),
        "protocol": works("host ports: TCP and UDP"),
        "hostIP": works("an address of the node; 127.0.0.1 opens the port for nobody"),
    },
    "EnvVar": all_work("name", "value", "valueFrom"),
    "EnvVarSource": all_work("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"),
    "EnvFromSource": all_work("prefix", "configMapRef", "secretRef"),
    "ConfigMapEnvSource": all_work("name", "optional"),
    "SecretEnvSource": all_work("name", "optional"),
    "ConfigMapKeySelector": all_work("name", "key", "optional"),
    "SecretKeySelector": all_work("name", "key", "optional"),
    "ObjectFieldSelector": {**all_work("fieldPath"), "apiVersion": ignored("v1 in any case")},
    "ResourceFieldSelector": all_work("containerName", "resource", "divisor"),
    "ResourceRequirements": {**all_work("limits", "requests"),
                             "claims": refused("UnexpectedAdmissionError, as there are no claims to name")},
    "VolumeMount": {
        **all_work("name", "readOnly", "mountPath", "subPath", "mountPropagation", "subPathExpr"),
        "recursiveReadOnly": works("Disabled and IfPossible; Enabled is refused: CreateContainerConfigError"),
    },
    "Probe": {
        **all_work("exec", "httpGet", "tcpSocket", "initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                   "successThreshold", "failureThreshold", "terminationGracePeriodSeconds"),
        "grpc": works("asked without TLS, as in Kubernetes"),
    },
    "ExecAction": all_work("command"),
    "HTTPGetAction": {**all_work("path", "port", "host", "httpHeaders"),
                      "scheme": works("HTTPS certificates are not checked, as in Kubernetes")},
    "HTTPHeader": all_work("name", "value"),
    "TCPSocketAction": all_work("port", "host"),
    "GRPCAction": all_work("port", "service"),
    "Lifecycle": all_work("postStart", "preStop"),
    "LifecycleHandler": {**all_work("exec", "httpGet", "sleep"),
                         "tcpSocket": refused("as in Kubernetes: the hook fails")},
    "SleepAction": all_work("seconds"),
    "SecurityContext": {
        **all_work("runAsUser", "runAsGroup", "readOnlyRootFilesystem", "allowPrivilegeEscalation"),
        "capabilities": works("on top of the engine's default set; names with and without CAP_"),
        "privileged": works("all capabilities and devices, no filter of system calls, nothing masked"),
        "seLinuxOptions": works("where SELinux is on; else without effect"),
        "windowsOptions": ignored("hostProcess: true is refused: PodOSNotSupported"),
        "runAsNonRoot": works("the image's user is looked at: one that is a name is refused"),
        "procMount": works("Unmasked needs hostUsers: false"),
        "seccompProfile": works("a privileged container has none; a file that is missing: CreateContainerError"),
        "appArmorProfile": works("as for the pod"),
    },
    "Capabilities": all_work(add="to a user that is not root they are given as ambient capabilities, which Kubernetes "
                                 "does not do", drop="what is both added and dropped is dropped"),
    "SELinuxOptions": all_work("user", "role", "type", "level"),
    "SeccompProfile": all_work("type", "localhostProfile"),
    "AppArmorProfile": all_work("type", "localhostProfile"),
}

VOLUMES: dict[str, Fields] = {
    "Volume": {
        **all_work("name", "hostPath", "secret", "downwardAPI", "configMap", "projected"),
        "emptyDir": works("on the card, or in memory"),
        "nfs": works("the node needs nfs-common"),
        "persistentVolumeClaim": works("volumes of kind hostPath, local and nfs"),
        "ephemeral": works("a claim that comes and goes with the pod"),
        "gitRepo": refused("use an init container"),
        **dict.fromkeys((
            "iscsi", "csi", "image", "flexVolume", "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs",
            "cinder", "fc", "flocker", "gcePersistentDisk", "glusterfs", "photonPersistentDisk", "portworxVolume",
            "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"), NO_VOLUME),
    },
    "HostPathVolumeSource": all_work("path", "type"),
    "EmptyDirVolumeSource": {
        "medium": works("Memory; huge pages are refused with a FailedMount event"),
        "sizeLimit": works("in memory a fixed bound; on the card the pod is evicted over it"),
    },
    "SecretVolumeSource": all_work("items", "defaultMode", "optional",
                                   secretName="kept in memory, never on the card; changes are seen within seconds"),
    "ConfigMapVolumeSource": all_work("items", "defaultMode", "optional", name="changes are seen within seconds"),
    "KeyToPath": all_work("key", "path", "mode"),
    "NFSVolumeSource": all_work("server", "path", "readOnly"),
    "PersistentVolumeClaimVolumeSource": all_work("claimName", "readOnly"),
    "DownwardAPIVolumeSource": all_work("items", "defaultMode"),
    "DownwardAPIVolumeFile": all_work("path", "fieldRef", "resourceFieldRef", "mode"),
    "ProjectedVolumeSource": all_work("sources", "defaultMode"),
    "VolumeProjection": {
        **all_work("secret", "downwardAPI", "configMap", "serviceAccountToken"),
        "clusterTrustBundle": refused("FailedMount; with optional: true an empty file"),
    },
    "SecretProjection": all_work("name", "items", "optional"),
    "ConfigMapProjection": all_work("name", "items", "optional"),
    "DownwardAPIProjection": all_work("items"),
    "ServiceAccountTokenProjection": all_work("audience", "path", expirationSeconds="renewed in time"),
    "EphemeralVolumeSource": all_work("volumeClaimTemplate"),
    "PersistentVolumeClaimTemplate": {"metadata": works("labels and annotations are copied to the claim"),
                                      "spec": works("as of any claim")},
}

PLACEMENT: dict[str, Fields] = {
    "Affinity": all_work("nodeAffinity", "podAffinity", "podAntiAffinity"),
    "NodeAffinity": TERMS, "PodAffinity": TERMS, "PodAntiAffinity": TERMS,
    "NodeSelector": all_work("nodeSelectorTerms"),
    "NodeSelectorTerm": all_work("matchExpressions", "matchFields"),
    "NodeSelectorRequirement": all_work("key", "operator", "values"),
    "PreferredSchedulingTerm": all_work("weight", "preference"),
    "WeightedPodAffinityTerm": all_work("weight", "podAffinityTerm"),
    "PodAffinityTerm": {
        **all_work("labelSelector", "namespaces", "topologyKey"),
        "namespaceSelector": works("any selector stands for all namespaces"),
        "matchLabelKeys": ignored("the label selector alone counts"),
        "mismatchLabelKeys": ignored("the label selector alone counts"),
    },
    "LabelSelector": all_work("matchLabels", "matchExpressions"),
    "LabelSelectorRequirement": all_work("key", "operator", "values"),
    "Toleration": all_work("key", "operator", "value", "effect", "tolerationSeconds"),
    "TopologySpreadConstraint": {
        **all_work("maxSkew", "topologyKey", "whenUnsatisfiable", "labelSelector"),
        **dict.fromkeys(("minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy", "matchLabelKeys"),
                        ignored("all nodes with the topology key count")),
    },
}

OTHERS: dict[str, Fields] = {
    "LocalObjectReference": all_work("name"),
    "HostAlias": all_work("ip", "hostnames"),
    "PodDNSConfig": all_work("searches", "options", nameservers="at most three in all"),
    "PodDNSConfigOption": all_work("name", "value"),
    "PodReadinessGate": all_work("conditionType"),
    "PodOS": all_work("name"),
    "PodSchedulingGate": all_work("name"),
}

SECTIONS: dict[str, dict[str, Fields]] = {
    "The pod": POD, "Containers": CONTAINER, "Volumes": VOLUMES, "Where it runs": PLACEMENT, "Other parts": OTHERS}

ELSEWHERE = ("ObjectMeta", "PersistentVolumeClaimSpec")
"""Types that are not the pod's own: they belong to objects that are made from it."""


def _source(name: str, **fields: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", name: fields}]}


REFUSED: dict[str, dict[str, Any]] = {
    "PodSpec.resourceClaims": {"resourceClaims": [{"name": "c", "resourceClaimName": "x"}]},
    "ResourceRequirements.claims": {"resourceClaims": [{"name": "c", "resourceClaimName": "x"}],
                                    "containers": [{"name": "main", "resources": {"claims": [{"name": "c"}]}}]},
    "Container.volumeDevices": {"containers": [
        {"name": "main", "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}]},
    "VolumeProjection.clusterTrustBundle": _source(
        "projected", sources=[{"clusterTrustBundle": {"name": "b", "path": "ca.pem"}}]),
    "Volume.gitRepo": _source("gitRepo", repository="https://example.org/x.git"),
    "Volume.iscsi": _source("iscsi", targetPortal="10.0.0.9", iqn="iqn.2001-04.com.example:x", lun=0),
    "Volume.csi": _source("csi", driver="x.example.org"),
    "Volume.image": _source("image", reference="busybox:1"),
    "Volume.flexVolume": _source("flexVolume", driver="x/y"),
    "Volume.awsElasticBlockStore": _source("awsElasticBlockStore", volumeID="v"),
    "Volume.azureDisk": _source("azureDisk", diskName="d", diskURI="u"),
    "Volume.azureFile": _source("azureFile", secretName="s", shareName="s"),
    "Volume.cephfs": _source("cephfs", monitors=["10.0.0.9"]),
    "Volume.cinder": _source("cinder", volumeID="v"),
    "Volume.fc": _source("fc", wwids=["x"]),
    "Volume.flocker": _source("flocker", datasetName="x"),
    "Volume.gcePersistentDisk": _source("gcePersistentDisk", pdName="x"),
    "Volume.glusterfs": _source("glusterfs", endpoints="x", path="y"),
    "Volume.photonPersistentDisk": _source("photonPersistentDisk", pdID="x"),
    "Volume.portworxVolume": _source("portworxVolume", volumeID="x"),
    "Volume.quobyte": _source("quobyte", registry="x:1", volume="y"),
    "Volume.rbd": _source("rbd", monitors=["10.0.0.9"], image="x"),
    "Volume.scaleIO": _source("scaleIO", gateway="x", system="y", secretRef={"name": "s"}),
    "Volume.storageos": _source("storageos", volumeName="x"),
    "Volume.vsphereVolume": _source("vsphereVolume", volumePath="x"),
    "LifecycleHandler.tcpSocket": {"containers": [
        {"name": "main", "lifecycle": {"postStart": {"tcpSocket": {"port": 80}}}}]},
}
"""For each field that is refused a pod with it: its spec, beyond what every pod has."""

REFUSED_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "os: windows": ({"os": {"name": "windows"}}, "PodOSNotSupported"),
    "hostProcess": ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, "PodOSNotSupported"),
    "hostProcess of a container": (
        {"containers": [{"name": "main", "securityContext": {"windowsOptions": {"hostProcess": True}}}]},
        "PodOSNotSupported"),
    "Strict without a group": ({"securityContext": {"supplementalGroupsPolicy": "Strict"}},
                               "SupplementalGroupsPolicyNotSupported"),
    "a profile without AppArmor": (
        {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}}, "AppArmor"),
    "an unsafe sysctl": ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
                         "SysctlForbidden"),
    "recursively read-only": (
        {"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "main", "volumeMounts": [
            {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}]}]},
        "requested recursive read-only mode"),
    "huge pages": (_source("emptyDir", medium="HugePages"), 'the medium "HugePages" is not supported'),
    "a runtime that is not there": ({"runtimeClassName": "kata"}, 'no runtime for "kata" is configured'),
}
"""Values that are refused of fields that work: what the notes say."""
