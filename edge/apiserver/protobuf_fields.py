"""The field numbers of the messages that clients send as protobuf.

Go clients such as `kubectl create service` or `kubectl auth can-i` send protobuf whatever the server says it likes.
Only their numbers are needed: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
A field is written `name=number:type`; `*` repeats it. Types: s text, i integer, b boolean, y bytes (base64 in JSON),
t time, m time with microseconds, q quantity, x number or text, ss / sy / sq map from text to text, bytes or quantity,
else a message.
"""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    "Empty": "",
    "ObjectMeta": "name=1:s generateName=2:s namespace=3:s selfLink=4:s uid=5:s resourceVersion=6:s generation=7:i "
                  "creationTimestamp=8:t deletionTimestamp=9:t deletionGracePeriodSeconds=10:i labels=11:ss "
                  "annotations=12:ss ownerReferences=13:*OwnerReference finalizers=14:*s",
    "OwnerReference": "kind=1:s name=3:s uid=4:s apiVersion=5:s controller=6:b blockOwnerDeletion=7:b",
    "LabelSelector": "matchLabels=1:ss matchExpressions=2:*LabelSelectorRequirement",
    "LabelSelectorRequirement": "key=1:s operator=2:s values=3:*s",
    "ObjectReference": "kind=1:s namespace=2:s name=3:s uid=4:s apiVersion=5:s resourceVersion=6:s fieldPath=7:s",
    "LocalObjectReference": "name=1:s",
    "DeleteOptions": "gracePeriodSeconds=1:i preconditions=2:Preconditions orphanDependents=3:b "
                     "propagationPolicy=4:s dryRun=5:*s",
    "Preconditions": "uid=1:s resourceVersion=2:s",
    # core
    "Namespace": "metadata=1:ObjectMeta spec=2:NamespaceSpec status=3:NamespaceStatus",
    "NamespaceSpec": "finalizers=1:*s",
    "NamespaceStatus": "phase=1:s",
    "ConfigMap": "metadata=1:ObjectMeta data=2:ss binaryData=3:sy immutable=4:b",
    "Secret": "metadata=1:ObjectMeta data=2:sy type=3:s stringData=4:ss immutable=5:b",
    "ServiceAccount": "metadata=1:ObjectMeta secrets=2:*ObjectReference imagePullSecrets=3:*LocalObjectReference "
                      "automountServiceAccountToken=4:b",
    "Service": "metadata=1:ObjectMeta spec=2:ServiceSpec status=3:ServiceStatus",
    "ServiceSpec": "ports=1:*ServicePort selector=2:ss clusterIP=3:s type=4:s externalIPs=5:*s sessionAffinity=7:s "
                   "loadBalancerIP=8:s loadBalancerSourceRanges=9:*s externalName=10:s externalTrafficPolicy=11:s "
                   "healthCheckNodePort=12:i publishNotReadyAddresses=13:b ipFamilyPolicy=17:s clusterIPs=18:*s "
                   "ipFamilies=19:*s allocateLoadBalancerNodePorts=20:b loadBalancerClass=21:s "
                   "internalTrafficPolicy=22:s trafficDistribution=23:s",
    "ServicePort": "name=1:s protocol=2:s port=3:i targetPort=4:x nodePort=5:i appProtocol=6:s",
    "ServiceStatus": "loadBalancer=1:Empty",
    "Binding": "metadata=1:ObjectMeta target=2:ObjectReference",
    "Event": "metadata=1:ObjectMeta involvedObject=2:ObjectReference reason=3:s message=4:s source=5:EventSource "
             "firstTimestamp=6:t lastTimestamp=7:t count=8:i type=9:s eventTime=10:m action=12:s "
             "related=13:ObjectReference reportingComponent=14:s reportingInstance=15:s",
    "EventSource": "component=1:s host=2:s",
    "PodTemplateSpec": "metadata=1:ObjectMeta spec=2:PodSpec",
    "PodSpec": "containers=2:*Container restartPolicy=3:s terminationGracePeriodSeconds=4:i activeDeadlineSeconds=5:i "
               "dnsPolicy=6:s nodeSelector=7:ss serviceAccountName=8:s serviceAccount=9:s nodeName=10:s "
               "hostNetwork=11:b hostPID=12:b hostIPC=13:b securityContext=14:Empty "
               "imagePullSecrets=15:*LocalObjectReference hostname=16:s subdomain=17:s schedulerName=19:s "
               "automountServiceAccountToken=21:b priorityClassName=24:s priority=25:i",
    "Container": "name=1:s image=2:s command=3:*s args=4:*s workingDir=5:s ports=6:*ContainerPort env=7:*EnvVar "
                 "resources=8:ResourceRequirements terminationMessagePath=13:s imagePullPolicy=14:s stdin=16:b "
                 "stdinOnce=17:b tty=18:b terminationMessagePolicy=20:s",
    "ContainerPort": "name=1:s hostPort=2:i containerPort=3:i protocol=4:s hostIP=5:s",
    "EnvVar": "name=1:s value=2:s",
    "ResourceRequirements": "limits=1:sq requests=2:sq",
    # apps
    "Deployment": "metadata=1:ObjectMeta spec=2:DeploymentSpec status=3:DeploymentStatus",
    "DeploymentSpec": "replicas=1:i selector=2:LabelSelector template=3:PodTemplateSpec strategy=4:DeploymentStrategy "
                      "minReadySeconds=5:i revisionHistoryLimit=6:i paused=7:b progressDeadlineSeconds=9:i",
    "DeploymentStrategy": "type=1:s rollingUpdate=2:RollingUpdateDeployment",
    "RollingUpdateDeployment": "maxUnavailable=1:x maxSurge=2:x",
    "DeploymentStatus": "observedGeneration=1:i replicas=2:i updatedReplicas=3:i availableReplicas=4:i "
                        "unavailableReplicas=5:i readyReplicas=7:i",
    # certificates.k8s.io, coordination.k8s.io, policy
    "CertificateSigningRequest": "metadata=1:ObjectMeta spec=2:CertificateSigningRequestSpec "
                                 "status=3:CertificateSigningRequestStatus",
    "CertificateSigningRequestSpec": "request=1:y username=2:s uid=3:s groups=4:*s usages=5:*s extra=6:extra "
                                     "signerName=7:s expirationSeconds=8:i",
    "CertificateSigningRequestStatus": "conditions=1:*CertificateSigningRequestCondition certificate=2:y",
    "CertificateSigningRequestCondition": "type=1:s reason=2:s message=3:s lastUpdateTime=4:t lastTransitionTime=5:t "
                                          "status=6:s",
    "Lease": "metadata=1:ObjectMeta spec=2:LeaseSpec",
    "LeaseSpec": "holderIdentity=1:s leaseDurationSeconds=2:i acquireTime=3:m renewTime=4:m leaseTransitions=5:i",
    "Eviction": "metadata=1:ObjectMeta deleteOptions=2:DeleteOptions",
    # authentication.k8s.io, authorization.k8s.io
    "TokenRequest": "metadata=1:ObjectMeta spec=2:TokenRequestSpec status=3:TokenRequestStatus",
    "TokenRequestSpec": "audiences=1:*s boundObjectRef=3:BoundObjectReference expirationSeconds=4:i",
    "TokenRequestStatus": "token=1:s expirationTimestamp=2:t",
    "BoundObjectReference": "kind=1:s apiVersion=2:s name=3:s uid=4:s",
    "SelfSubjectReview": "metadata=1:ObjectMeta status=2:SelfSubjectReviewStatus",
    "SelfSubjectReviewStatus": "userInfo=1:UserInfo",
    "UserInfo": "username=1:s uid=2:s groups=3:*s",
    "SelfSubjectAccessReview": "metadata=1:ObjectMeta spec=2:SelfSubjectAccessReviewSpec "
                               "status=3:SubjectAccessReviewStatus",
    "SelfSubjectAccessReviewSpec": "resourceAttributes=1:ResourceAttributes "
                                   "nonResourceAttributes=2:NonResourceAttributes",
    "SubjectAccessReview": "metadata=1:ObjectMeta spec=2:SubjectAccessReviewSpec status=3:SubjectAccessReviewStatus",
    "SubjectAccessReviewSpec": "resourceAttributes=1:ResourceAttributes nonResourceAttributes=2:NonResourceAttributes "
                               "user=3:s groups=4:*s uid=6:s",
    "SubjectAccessReviewStatus": "allowed=1:b reason=2:s evaluationError=3:s denied=4:b",
    "ResourceAttributes": "namespace=1:s verb=2:s group=3:s version=4:s resource=5:s subresource=6:s name=7:s",
    "NonResourceAttributes": "path=1:s verb=2:s",
    "SelfSubjectRulesReview": "metadata=1:ObjectMeta spec=2:SelfSubjectRulesReviewSpec "
                              "status=3:SubjectRulesReviewStatus",
    "SelfSubjectRulesReviewSpec": "namespace=1:s",
    "SubjectRulesReviewStatus": "incomplete=3:b evaluationError=4:s",
}
