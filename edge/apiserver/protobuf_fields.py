"""The field numbers of the messages that clients send as protobuf.

Go clients such as `kubectl create service` or `kubectl auth can-i` send protobuf whatever the server says it likes.
Only their numbers are needed: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
A field is written `name=number:type`; `*` repeats it. Types: s text, i integer, b boolean, y bytes (base64 in JSON),
t time, m time with microseconds, q quantity, x number or text, ss / sy / sq map from text to text, bytes or quantity,
else a message. `~` as name: the message's fields stand beside the others in JSON; `-`: a field of later versions,
which is left out.
"""

from __future__ import annotations

from edge.apiserver import protobuf_pods, protobuf_workloads

INLINE = "~"
LATER = "-"
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
             "series=11:EventSeries related=13:ObjectReference reportingComponent=14:s reportingInstance=15:s",
    "EventSource": "component=1:s host=2:s",
    "EventSeries": "count=1:i lastObservedTime=2:m",
    "ResourceQuota": "metadata=1:ObjectMeta spec=2:ResourceQuotaSpec status=3:ResourceQuotaStatus",
    "ResourceQuotaSpec": "hard=1:sq scopes=2:*s scopeSelector=3:ScopeSelector",
    "ResourceQuotaStatus": "hard=1:sq used=2:sq",
    "ScopeSelector": "matchExpressions=1:*ScopedResourceSelectorRequirement",
    "ScopedResourceSelectorRequirement": "scopeName=1:s operator=2:s values=3:*s",
    # apps
    "Deployment": "metadata=1:ObjectMeta spec=2:DeploymentSpec status=3:DeploymentStatus",
    "DeploymentSpec": "replicas=1:i selector=2:LabelSelector template=3:PodTemplateSpec strategy=4:DeploymentStrategy "
                      "minReadySeconds=5:i revisionHistoryLimit=6:i paused=7:b progressDeadlineSeconds=9:i",
    "DeploymentStrategy": "type=1:s rollingUpdate=2:RollingUpdateDeployment",
    "RollingUpdateDeployment": "maxUnavailable=1:x maxSurge=2:x",
    "DeploymentStatus": "observedGeneration=1:i replicas=2:i updatedReplicas=3:i availableReplicas=4:i "
                        "unavailableReplicas=5:i readyReplicas=7:i",
    # networking.k8s.io, scheduling.k8s.io
    "Ingress": "metadata=1:ObjectMeta spec=2:IngressSpec status=3:IngressStatus",
    "IngressSpec": "defaultBackend=1:IngressBackend tls=2:*IngressTLS rules=3:*IngressRule ingressClassName=4:s",
    "IngressBackend": "resource=3:TypedLocalObjectReference service=4:IngressServiceBackend",
    "IngressServiceBackend": "name=1:s port=2:ServiceBackendPort",
    "ServiceBackendPort": "name=1:s number=2:i",
    "TypedLocalObjectReference": "apiGroup=1:s kind=2:s name=3:s",
    "IngressTLS": "hosts=1:*s secretName=2:s",
    "IngressRule": "host=1:s ~=2:IngressRuleValue",
    "IngressRuleValue": "http=1:HTTPIngressRuleValue",
    "HTTPIngressRuleValue": "paths=1:*HTTPIngressPath",
    "HTTPIngressPath": "path=1:s backend=2:IngressBackend pathType=3:s",
    "IngressStatus": "loadBalancer=1:Empty",
    "PriorityClass": "metadata=1:ObjectMeta value=2:i globalDefault=3:b description=4:s preemptionPolicy=5:s",
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
    "UserInfo": "username=1:s uid=2:s groups=3:*s extra=4:extra",
    "TokenReview": "metadata=1:ObjectMeta spec=2:TokenReviewSpec status=3:TokenReviewStatus",
    "TokenReviewSpec": "token=1:s audiences=2:*s",
    "TokenReviewStatus": "authenticated=1:b user=2:UserInfo error=3:s audiences=4:*s",
    "SelfSubjectAccessReview": "metadata=1:ObjectMeta spec=2:SelfSubjectAccessReviewSpec "
                               "status=3:SubjectAccessReviewStatus",
    "SelfSubjectAccessReviewSpec": "resourceAttributes=1:ResourceAttributes "
                                   "nonResourceAttributes=2:NonResourceAttributes",
    "SubjectAccessReview": "metadata=1:ObjectMeta spec=2:SubjectAccessReviewSpec status=3:SubjectAccessReviewStatus",
    "SubjectAccessReviewSpec": "resourceAttributes=1:ResourceAttributes nonResourceAttributes=2:NonResourceAttributes "
                               "user=3:s groups=4:*s extra=5:extra uid=6:s",
    "LocalSubjectAccessReview": "metadata=1:ObjectMeta spec=2:SubjectAccessReviewSpec "
                                "status=3:SubjectAccessReviewStatus",
    "SubjectAccessReviewStatus": "allowed=1:b reason=2:s evaluationError=3:s denied=4:b",
    "ResourceAttributes": "namespace=1:s verb=2:s group=3:s version=4:s resource=5:s subresource=6:s name=7:s "
                          "fieldSelector=8:SelectorAttributes labelSelector=9:SelectorAttributes",
    "SelectorAttributes": "rawSelector=1:s requirements=2:*LabelSelectorRequirement",
    "NonResourceAttributes": "path=1:s verb=2:s",
    "SelfSubjectRulesReview": "metadata=1:ObjectMeta spec=2:SelfSubjectRulesReviewSpec "
                              "status=3:SubjectRulesReviewStatus",
    "SelfSubjectRulesReviewSpec": "namespace=1:s",
    "SubjectRulesReviewStatus": "resourceRules=1:*PolicyRule nonResourceRules=2:*NonResourceRule incomplete=3:b "
                                "evaluationError=4:s",
    "NonResourceRule": "verbs=1:*s nonResourceURLs=2:*s",
    # rbac.authorization.k8s.io
    "Role": "metadata=1:ObjectMeta rules=2:*PolicyRule",
    "ClusterRole": "metadata=1:ObjectMeta rules=2:*PolicyRule aggregationRule=3:AggregationRule",
    "PolicyRule": "verbs=1:*s apiGroups=2:*s resources=3:*s resourceNames=4:*s nonResourceURLs=5:*s",
    "AggregationRule": "clusterRoleSelectors=1:*LabelSelector",
    "RoleBinding": "metadata=1:ObjectMeta subjects=2:*RoleSubject roleRef=3:RoleRef",
    "ClusterRoleBinding": "metadata=1:ObjectMeta subjects=2:*RoleSubject roleRef=3:RoleRef",
    "RoleSubject": "kind=1:s apiGroup=2:s name=3:s namespace=4:s",
    "RoleRef": "apiGroup=1:s kind=2:s name=3:s",
    **protobuf_pods.MESSAGES, **protobuf_workloads.MESSAGES,
}
