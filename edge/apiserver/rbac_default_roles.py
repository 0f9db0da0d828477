"""What the default roles allow.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from __future__ import annotations

from edge.api import rbac, rbac_rules

Rules = tuple[rbac.PolicyRule, ...]
READ = "get list watch"
WRITE = "create delete deletecollection patch update"


def label(to: str) -> str:
    """Return the label of a ClusterRole whose rules `to` (view, edit, admin) collects."""
    return f"rbac.authorization.k8s.io/aggregate-to-{to}"


def _rule(verbs: str, group: str, resources: str, names: str = "") -> rbac.PolicyRule:
    """Return a rule; words are separated by spaces, and `core` stands for the core group."""
    return rbac.PolicyRule(verbs=tuple(verbs.split()), resources=tuple(resources.split()),
                           api_groups=tuple("" if each == "core" else each for each in group.split()),
                           resource_names=tuple(names.split()))


def _paths(paths: str) -> rbac.PolicyRule:
    return rbac.PolicyRule(verbs=("get",), non_resource_urls=tuple(paths.split()))


_EVENTS = _rule("create patch update", "core events.k8s.io", "events")
_REVIEWS = (_rule("create", "authentication.k8s.io", "tokenreviews"),
            _rule("create", "authorization.k8s.io", "subjectaccessreviews"))
_SIGN = "certificates.k8s.io"


def _leases(name: str) -> Rules:
    return (_rule("create", "coordination.k8s.io", "leases"),
            _rule("get update", "coordination.k8s.io", "leases", name))


def _approver(signer: str) -> Rules:
    return (_rule("approve", _SIGN, "signers", signer),)


CLUSTER_ROLES: dict[str, Rules] = {
    "cluster-admin": rbac_rules.EVERYTHING,
    "system:auth-delegator": _REVIEWS,
    "system:basic-user": (_rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
                          _rule("create", "authentication.k8s.io", "selfsubjectreviews")),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        _rule("create", _SIGN, "certificatesigningrequests/nodeclient"),),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        _rule("create", _SIGN, "certificatesigningrequests/selfnodeclient"),),
    "system:certificates.k8s.io:kube-apiserver-client-approver": _approver("kubernetes.io/kube-apiserver-client"),
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": _approver(
        "kubernetes.io/kube-apiserver-client-kubelet"),
    "system:certificates.k8s.io:kubelet-serving-approver": _approver("kubernetes.io/kubelet-serving"),
    "system:certificates.k8s.io:legacy-unknown-approver": _approver("kubernetes.io/legacy-unknown"),
    "system:discovery": (_paths("/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version "
                                "/version/"),),
    "system:kube-controller-manager": (
        _EVENTS, *_leases("kube-controller-manager"),
        _rule("create", "core", "secrets serviceaccounts"), _rule("delete", "core", "secrets"),
        _rule("get", "core", "configmaps namespaces secrets serviceaccounts"),
        _rule("update", "core", "secrets serviceaccounts"), *_REVIEWS, _rule("list watch", "*", "*"),
        _rule("create", "core", "serviceaccounts/token")),
    "system:kube-dns": (_rule("list watch", "core", "endpoints services"),),
    "system:kube-scheduler": (
        _EVENTS, *_leases("kube-scheduler"), _rule(READ, "core", "nodes"),
        _rule(f"delete {READ}", "core", "pods"), _rule("create", "core", "bindings pods/binding"),
        _rule("patch update", "core", "pods/status"), _rule(READ, "core", "replicationcontrollers services"),
        _rule(READ, "apps extensions", "replicasets"), _rule(READ, "apps", "statefulsets"),
        _rule(READ, "policy", "poddisruptionbudgets"),
        _rule(READ, "core", "persistentvolumeclaims persistentvolumes"), *_REVIEWS,
        _rule(READ, "storage.k8s.io", "csinodes"), _rule(READ, "core", "namespaces"),
        _rule(READ, "storage.k8s.io", "csidrivers"), _rule(READ, "storage.k8s.io", "csistoragecapacities")),
    "system:kubelet-api-admin": (
        _rule(READ, "core", "nodes"), _rule("proxy", "core", "nodes"),
        _rule("*", "core", "nodes/log nodes/metrics nodes/proxy nodes/stats")),
    "system:monitoring": (_paths("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),),
    "system:node-bootstrapper": (_rule(f"create {READ}", _SIGN, "certificatesigningrequests"),),
    "system:node-problem-detector": (_rule("get", "core", "nodes"), _rule("patch", "core", "nodes/status"), _EVENTS),
    "system:node-proxier": (
        _rule("list watch", "core", "endpoints services"), _rule(READ, "core", "nodes"), _EVENTS,
        _rule("list watch", "discovery.k8s.io", "endpointslices")),
    "system:persistent-volume-provisioner": (
        _rule(f"create delete {READ}", "core", "persistentvolumes"),
        _rule(f"{READ} update", "core", "persistentvolumeclaims"), _rule(READ, "storage.k8s.io", "storageclasses"),
        _rule("watch", "core", "events"), _EVENTS),
    "system:public-info-viewer": (_paths("/healthz /livez /readyz /version /version/"),),
    "system:service-account-issuer-discovery": (_paths("/.well-known/openid-configuration /openid/v1/jwks"),),
    "system:volume-scheduler": (
        _rule(f"{READ} patch update", "core", "persistentvolumes"),
        _rule(READ, "storage.k8s.io", "storageclasses"),
        _rule(f"{READ} patch update", "core", "persistentvolumeclaims")),
}

AGGREGATED = {"view": "edit", "edit": "admin", "admin": ""}
"""ClusterRoles that collect the rules of others, and which of them collects theirs, first ones first."""

_WORKLOADS = ("daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
              "statefulsets statefulsets/scale")
_OLD_WORKLOADS = ("daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets "
                  "replicasets/scale replicationcontrollers/scale")

PARTS: dict[tuple[str, str], Rules] = {
    ("system:aggregate-to-admin", "admin"): (
        _rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
        _rule(f"create delete deletecollection {READ} patch update", rbac.GROUP, "rolebindings roles")),
    ("system:aggregate-to-edit", "edit"): (
        _rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
        _rule("impersonate", "core", "serviceaccounts"),
        _rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
        _rule("create", "core", "pods/eviction"),
        _rule(WRITE, "core", "configmaps events persistentvolumeclaims replicationcontrollers "
                             "replicationcontrollers/scale secrets serviceaccounts services services/proxy"),
        _rule("create", "core", "serviceaccounts/token"),
        _rule(WRITE, "apps", _WORKLOADS), _rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
        _rule(WRITE, "batch", "cronjobs jobs"), _rule(WRITE, "extensions", _OLD_WORKLOADS),
        _rule(WRITE, "policy", "poddisruptionbudgets"),
        _rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
        _rule(f"create delete deletecollection {READ} patch update", "coordination.k8s.io", "leases")),
    ("system:aggregate-to-view", "view"): (
        _rule(READ, "core", "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
                            "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
                            "services/status"),
        _rule(READ, "core", "bindings events limitranges namespaces/status pods/log pods/status "
                            "replicationcontrollers/status resourcequotas resourcequotas/status"),
        _rule(READ, "core", "namespaces"), _rule(READ, "discovery.k8s.io", "endpointslices"),
        _rule(READ, "apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale "
                            "deployments/status replicasets replicasets/scale replicasets/status statefulsets "
                            "statefulsets/scale statefulsets/status"),
        _rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        _rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
        _rule(READ, "extensions", "daemonsets daemonsets/status deployments deployments/scale deployments/status "
                                  "ingresses ingresses/status networkpolicies replicasets replicasets/scale "
                                  "replicasets/status replicationcontrollers/scale"),
        _rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        _rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies")),
    # In Kubernetes this one comes with what answers metrics.k8s.io.
    ("system:aggregated-metrics-reader", "view"): (_rule(READ, "metrics.k8s.io", "nodes pods"),),
}
"""ClusterRoles whose rules another one collects, by their name and the other's."""

AUTHENTICATION_READER: Rules = (_rule(READ, "core", "configmaps", "extension-apiserver-authentication"),)
