"""The field numbers of pods and their templates, written as in `protobuf_fields`."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    # `kubectl debug` sends whole pods.
    "Pod": "metadata=1:ObjectMeta spec=2:PodSpec status=3:PodStatus",
    "PodStatus": "phase=1:s conditions=2:*PodCondition message=3:s reason=4:s hostIP=5:s podIP=6:s startTime=7:t "
                 "qosClass=9:s nominatedNodeName=11:s podIPs=12:*PodIP resize=14:s hostIPs=16:*PodIP "
                 "-=17:i",
    "PodCondition": "type=1:s status=2:s lastProbeTime=3:t lastTransitionTime=4:t reason=5:s message=6:s "
                    "-=7:i",
    "PodIP": "ip=1:s",
    "PodTemplateSpec": "metadata=1:ObjectMeta spec=2:PodSpec",
    "PodSpec": "volumes=1:*Volume containers=2:*Container restartPolicy=3:s terminationGracePeriodSeconds=4:i "
               "activeDeadlineSeconds=5:i dnsPolicy=6:s nodeSelector=7:ss serviceAccountName=8:s serviceAccount=9:s "
               "nodeName=10:s hostNetwork=11:b hostPID=12:b hostIPC=13:b securityContext=14:PodSecurityContext "
               "imagePullSecrets=15:*LocalObjectReference hostname=16:s subdomain=17:s affinity=18:Affinity "
               "schedulerName=19:s initContainers=20:*Container automountServiceAccountToken=21:b "
               "tolerations=22:*Toleration hostAliases=23:*HostAlias priorityClassName=24:s priority=25:i "
               "dnsConfig=26:PodDNSConfig shareProcessNamespace=27:b readinessGates=28:*PodReadinessGate "
               "runtimeClassName=29:s enableServiceLinks=30:b preemptionPolicy=31:s overhead=32:sq "
               "topologySpreadConstraints=33:*TopologySpreadConstraint ephemeralContainers=34:*EphemeralContainer "
               "setHostnameAsFQDN=35:b os=36:PodOS "
               "hostUsers=37:b schedulingGates=38:*PodSchedulingGate resources=40:ResourceRequirements",
    "PodSecurityContext": "seLinuxOptions=1:SELinuxOptions runAsUser=2:i runAsNonRoot=3:b supplementalGroups=4:*i "
                          "fsGroup=5:i runAsGroup=6:i sysctls=7:*Sysctl fsGroupChangePolicy=9:s "
                          "seccompProfile=10:SeccompProfile appArmorProfile=11:AppArmorProfile "
                          "supplementalGroupsPolicy=12:s seLinuxChangePolicy=13:s",
    "Sysctl": "name=1:s value=2:s",
    "SELinuxOptions": "user=1:s role=2:s type=3:s level=4:s",
    "SeccompProfile": "type=1:s localhostProfile=2:s",
    "AppArmorProfile": "type=1:s localhostProfile=2:s",
    "Toleration": "key=1:s operator=2:s value=3:s effect=4:s tolerationSeconds=5:i",
    "HostAlias": "ip=1:s hostnames=2:*s",
    "PodDNSConfig": "nameservers=1:*s searches=2:*s options=3:*PodDNSConfigOption",
    "PodDNSConfigOption": "name=1:s value=2:s",
    "PodReadinessGate": "conditionType=1:s",
    "TopologySpreadConstraint": "maxSkew=1:i topologyKey=2:s whenUnsatisfiable=3:s labelSelector=4:LabelSelector "
                                "minDomains=5:i nodeAffinityPolicy=6:s nodeTaintsPolicy=7:s matchLabelKeys=8:*s",
    "PodOS": "name=1:s",
    "PodSchedulingGate": "name=1:s",
    # placement
    "Affinity": "nodeAffinity=1:NodeAffinity podAffinity=2:PodAffinity podAntiAffinity=3:PodAffinity",
    "NodeAffinity": "requiredDuringSchedulingIgnoredDuringExecution=1:NodeSelector "
                    "preferredDuringSchedulingIgnoredDuringExecution=2:*PreferredSchedulingTerm",
    "NodeSelector": "nodeSelectorTerms=1:*NodeSelectorTerm",
    "NodeSelectorTerm": "matchExpressions=1:*NodeSelectorRequirement matchFields=2:*NodeSelectorRequirement",
    "NodeSelectorRequirement": "key=1:s operator=2:s values=3:*s",
    "PreferredSchedulingTerm": "weight=1:i preference=2:NodeSelectorTerm",
    "PodAffinity": "requiredDuringSchedulingIgnoredDuringExecution=1:*PodAffinityTerm "
                   "preferredDuringSchedulingIgnoredDuringExecution=2:*WeightedPodAffinityTerm",
    "PodAffinityTerm": "labelSelector=1:LabelSelector namespaces=2:*s topologyKey=3:s "
                       "namespaceSelector=4:LabelSelector matchLabelKeys=5:*s mismatchLabelKeys=6:*s",
    "WeightedPodAffinityTerm": "weight=1:i podAffinityTerm=2:PodAffinityTerm",
    # containers
    "Container": "name=1:s image=2:s command=3:*s args=4:*s workingDir=5:s ports=6:*ContainerPort env=7:*EnvVar "
                 "resources=8:ResourceRequirements volumeMounts=9:*VolumeMount livenessProbe=10:Probe "
                 "readinessProbe=11:Probe lifecycle=12:Lifecycle terminationMessagePath=13:s imagePullPolicy=14:s "
                 "securityContext=15:SecurityContext stdin=16:b stdinOnce=17:b tty=18:b envFrom=19:*EnvFromSource "
                 "terminationMessagePolicy=20:s volumeDevices=21:*VolumeDevice startupProbe=22:Probe "
                 "resizePolicy=23:*ContainerResizePolicy restartPolicy=24:s",
    "EphemeralContainer": "=1:Container targetContainerName=2:s",
    "ContainerPort": "name=1:s hostPort=2:i containerPort=3:i protocol=4:s hostIP=5:s",
    "ContainerResizePolicy": "resourceName=1:s restartPolicy=2:s",
    "EnvVar": "name=1:s value=2:s valueFrom=3:EnvVarSource",
    "EnvVarSource": "fieldRef=1:ObjectFieldSelector resourceFieldRef=2:ResourceFieldSelector "
                    "configMapKeyRef=3:KeySelector secretKeyRef=4:KeySelector",
    "ObjectFieldSelector": "apiVersion=1:s fieldPath=2:s",
    "ResourceFieldSelector": "containerName=1:s resource=2:s divisor=3:q",
    "KeySelector": "=1:LocalObjectReference key=2:s optional=3:b",
    "EnvFromSource": "prefix=1:s configMapRef=2:EnvSource secretRef=3:EnvSource",
    "EnvSource": "=1:LocalObjectReference optional=2:b",
    "ResourceRequirements": "limits=1:sq requests=2:sq claims=3:*ResourceClaim",
    "ResourceClaim": "name=1:s request=2:s",
    "VolumeMount": "name=1:s readOnly=2:b mountPath=3:s subPath=4:s mountPropagation=5:s subPathExpr=6:s "
                   "recursiveReadOnly=7:s",
    "VolumeDevice": "name=1:s devicePath=2:s",
    "Probe": "=1:Action initialDelaySeconds=2:i timeoutSeconds=3:i periodSeconds=4:i successThreshold=5:i "
             "failureThreshold=6:i terminationGracePeriodSeconds=7:i",
    "Action": "exec=1:ExecAction httpGet=2:HTTPGetAction tcpSocket=3:TCPSocketAction grpc=4:GRPCAction",
    "Lifecycle": "postStart=1:LifecycleHandler preStop=2:LifecycleHandler",
    "LifecycleHandler": "exec=1:ExecAction httpGet=2:HTTPGetAction tcpSocket=3:TCPSocketAction sleep=4:SleepAction",
    "ExecAction": "command=1:*s",
    "HTTPGetAction": "path=1:s port=2:x host=3:s scheme=4:s httpHeaders=5:*HTTPHeader",
    "HTTPHeader": "name=1:s value=2:s",
    "TCPSocketAction": "port=1:x host=2:s",
    "GRPCAction": "port=1:i service=2:s",
    "SleepAction": "seconds=1:i",
    "SecurityContext": "capabilities=1:Capabilities privileged=2:b seLinuxOptions=3:SELinuxOptions runAsUser=4:i "
                       "runAsNonRoot=5:b readOnlyRootFilesystem=6:b allowPrivilegeEscalation=7:b runAsGroup=8:i "
                       "procMount=9:s seccompProfile=11:SeccompProfile appArmorProfile=12:AppArmorProfile",
    "Capabilities": "add=1:*s drop=2:*s",
    # volumes
    "Volume": "name=1:s =2:VolumeSource",
    "VolumeSource": "hostPath=1:HostPathVolumeSource emptyDir=2:EmptyDirVolumeSource secret=6:SecretVolumeSource "
                    "nfs=7:NFSVolumeSource persistentVolumeClaim=10:PersistentVolumeClaimVolumeSource "
                    "downwardAPI=16:DownwardAPIVolumeSource configMap=19:ConfigMapVolumeSource "
                    "projected=26:ProjectedVolumeSource csi=28:CSIVolumeSource ephemeral=29:EphemeralVolumeSource "
                    "image=30:ImageVolumeSource",
    "HostPathVolumeSource": "path=1:s type=2:s",
    "EmptyDirVolumeSource": "medium=1:s sizeLimit=2:q",
    "SecretVolumeSource": "secretName=1:s items=2:*KeyToPath defaultMode=3:i optional=4:b",
    "NFSVolumeSource": "server=1:s path=2:s readOnly=3:b",
    "PersistentVolumeClaimVolumeSource": "claimName=1:s readOnly=2:b",
    "DownwardAPIVolumeSource": "items=1:*DownwardAPIVolumeFile defaultMode=2:i",
    "DownwardAPIVolumeFile": "path=1:s fieldRef=2:ObjectFieldSelector resourceFieldRef=3:ResourceFieldSelector "
                             "mode=4:i",
    "ConfigMapVolumeSource": "=1:LocalObjectReference items=2:*KeyToPath defaultMode=3:i optional=4:b",
    "KeyToPath": "key=1:s path=2:s mode=3:i",
    "ProjectedVolumeSource": "sources=1:*VolumeProjection defaultMode=2:i",
    "VolumeProjection": "secret=1:KeyProjection downwardAPI=2:DownwardAPIProjection configMap=3:KeyProjection "
                        "serviceAccountToken=4:ServiceAccountTokenProjection",
    "KeyProjection": "=1:LocalObjectReference items=2:*KeyToPath optional=4:b",
    "DownwardAPIProjection": "items=1:*DownwardAPIVolumeFile",
    "ServiceAccountTokenProjection": "audience=1:s expirationSeconds=2:i path=3:s",
    "CSIVolumeSource": "driver=1:s readOnly=2:b fsType=3:s volumeAttributes=4:ss "
                       "nodePublishSecretRef=5:LocalObjectReference",
    "EphemeralVolumeSource": "volumeClaimTemplate=1:PersistentVolumeClaimTemplate",
    "ImageVolumeSource": "reference=1:s pullPolicy=2:s",
    # claims
    "PersistentVolumeClaimTemplate": "metadata=1:ObjectMeta spec=2:PersistentVolumeClaimSpec",
    "PersistentVolumeClaim": "metadata=1:ObjectMeta spec=2:PersistentVolumeClaimSpec "
                             "status=3:PersistentVolumeClaimStatus",
    "PersistentVolumeClaimSpec": "accessModes=1:*s resources=2:ResourceRequirements volumeName=3:s "
                                 "selector=4:LabelSelector storageClassName=5:s volumeMode=6:s "
                                 "dataSource=7:TypedObjectReference dataSourceRef=8:TypedObjectReference "
                                 "volumeAttributesClassName=9:s",
    "PersistentVolumeClaimStatus": "phase=1:s accessModes=2:*s capacity=3:sq",
    "TypedObjectReference": "apiGroup=1:s kind=2:s name=3:s namespace=4:s",
}
