"""The real kubectl with StatefulSets, Jobs, CronJobs, autoscalers and disruption budgets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.conftest import Cluster

STATEFUL_SET = """
apiVersion: apps/v1beta1
kind: StatefulSet
metadata: {name: mongo}
spec:
  serviceName: mongo
  replicas: 3
  template:
    metadata: {labels: {app: mongo}}
    spec:
      containers:
      - {name: mongodb, image: "mongo:3.4.1", volumeMounts: [{name: database, mountPath: /data/db}]}
  volumeClaimTemplates:
  - metadata: {name: database}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Gi}}}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: oneshot, labels: {chapter: jobs}}
spec:
  template:
    metadata: {labels: {chapter: jobs}}
    spec: {restartPolicy: OnFailure, containers: [{name: kuard, image: "kuard:1"}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: nginx}]}}
"""


async def read(cluster: Cluster, *what: str) -> Any:
    return json.loads((await cluster.kubectl("get", *what, "-o", "json")).out)


async def test_a_stateful_set_of_2017_lives_on(cluster: Cluster) -> None:
    path = "/apis/apps/v1beta1/namespaces/default/statefulsets"
    await cluster.request("POST", path, STATEFUL_SET.encode(), code=201, headers={"Content-Type": "application/yaml"})
    stored = await read(cluster, "sts", "mongo")
    assert stored["apiVersion"] == "apps/v1"
    assert stored["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert stored["spec"]["selector"] == {"matchLabels": {"app": "mongo"}}
    assert stored["spec"]["volumeClaimTemplates"][0]["kind"] == "PersistentVolumeClaim"
    assert stored["spec"]["volumeClaimTemplates"][0]["status"]["phase"] == "Pending"

    await cluster.kubectl("scale", "sts", "mongo", "--replicas=5")
    scale = await cluster.request("GET", "/apis/apps/v1/namespaces/default/statefulsets/mongo/scale", code=200)
    assert (scale["spec"]["replicas"], scale["status"]["selector"]) == (5, "app=mongo")
    table = (await cluster.kubectl("get", "sts", "-o", "wide")).out.splitlines()
    assert table[0].split() == ["NAME", "READY", "AGE", "CONTAINERS", "IMAGES"]
    assert table[1].split()[:2] == ["mongo", "0/5"]

    refused = await cluster.kubectl("patch", "sts", "mongo", "-p", '{"spec":{"serviceName":"db"}}', code=1)
    assert "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'" in refused.err
    await cluster.kubectl("patch", "sts", "mongo", "-p", '{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}')
    updated = await read(cluster, "sts", "mongo")
    assert updated["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert updated["metadata"]["generation"] == 3


async def test_a_job_gets_its_selector(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=JOB)
    job = await read(cluster, "job", "oneshot")
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "chapter": "jobs", "controller-uid": uid, "batch.kubernetes.io/controller-uid": uid, "job-name": "oneshot",
        "batch.kubernetes.io/job-name": "oneshot"}
    assert (await cluster.kubectl("apply", "-f", "-", stdin=JOB)).out == "job.batch/oneshot unchanged\n"

    changed = await cluster.kubectl("apply", "-f", "-", stdin=JOB.replace("kuard:1", "kuard:2"), code=1)
    assert "spec.template: Invalid value" in changed.err
    assert "field is immutable" in changed.err
    await cluster.kubectl("patch", "job", "oneshot", "-p", '{"spec":{"suspend":true}}')
    table = (await cluster.kubectl("get", "jobs", "-o", "wide")).out.splitlines()
    assert table[0].split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert table[1].split()[:3] == ["oneshot", "Running", "0/1"]
    assert (await cluster.kubectl("get", "jobs", "--field-selector=status.successful=0", "-o", "name")).out \
        == "job.batch/oneshot\n"
    wrong = await cluster.kubectl("apply", "-f", "-", stdin=JOB.replace("OnFailure", "Always").replace(
        "oneshot", "other"), code=1)
    assert 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"' in wrong.err


async def test_a_status_is_written_through_its_own_path(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=JOB)
    await cluster.kubectl("patch", "job", "oneshot", "--subresource=status", "--type=merge", "-p",
                          '{"status":{"active":1,"startTime":"2030-01-01T00:00:00Z"}}')
    assert (await read(cluster, "job", "oneshot"))["status"]["active"] == 1
    refused = await cluster.kubectl("patch", "job", "oneshot", "--subresource=status", "--type=merge", "-p",
                                    '{"status":{"succeeded":-1}}', code=1)
    assert "status.succeeded: Invalid value: -1: must be greater than or equal to 0" in refused.err


async def test_create_job_and_cron_job(cluster: Cluster) -> None:
    await cluster.kubectl("create", "cronjob", "nightly", "--image=busybox", "--schedule=*/5 * * * *", "--", "date")
    await cluster.kubectl("create", "job", "once", "--image=busybox", "--", "date")
    await cluster.kubectl("create", "job", "now", "--from=cronjob/nightly")
    made = await read(cluster, "job", "now")
    assert made["metadata"]["ownerReferences"][0]["name"] == "nightly"
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "now"
    table = (await cluster.kubectl("get", "cj")).out.splitlines()
    assert table[0].split() == ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST", "SCHEDULE", "AGE"]
    assert table[1].split()[:8] == ["nightly", "*/5", "*", "*", "*", "*", "<none>", "False"]
    old = await cluster.request("GET", "/apis/batch/v1beta1/namespaces/default/cronjobs/nightly", code=200)
    assert old["apiVersion"] == "batch/v1beta1"

    wrong = await cluster.kubectl("create", "cronjob", "never", "--image=busybox", "--schedule=61 * * * *", code=1)
    assert 'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61' in wrong.err


async def test_autoscale(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    await cluster.kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu-percent=80")
    hpa = await read(cluster, "hpa", "web")
    assert hpa["apiVersion"] == "autoscaling/v2"
    assert hpa["spec"]["metrics"] == [{"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]
    table = (await cluster.kubectl("get", "hpa")).out.splitlines()
    assert table[0].split() == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert table[1].split()[:7] == ["web", "Deployment/web", "cpu:", "<unknown>/80%", "2", "5", "0"]
    assert "80%" in (await cluster.kubectl("describe", "hpa", "web")).out


async def test_an_autoscaler_in_every_version(cluster: Cluster) -> None:
    at = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    v1 = {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "maxReplicas": 5,
                                               "targetCPUUtilizationPercentage": 50}}
    await cluster.request("POST", at.format("v1"), v1, code=201)
    await cluster.kubectl("patch", "hpa", "web", "--type=json", "-p", json.dumps([{
        "op": "add", "path": "/spec/metrics/-", "value": {"type": "Pods", "pods": {
            "metric": {"name": "packets"}, "target": {"type": "AverageValue", "averageValue": "1k"}}}}]))
    shown = await cluster.request("GET", at.format("v1") + "/web", code=200)
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "packets" in shown["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]

    shown["spec"]["targetCPUUtilizationPercentage"] = 60
    await cluster.request("PUT", at.format("v1") + "/web", shown, code=200)
    await cluster.request("PATCH", at.format("v1") + "/web", {"spec": {"maxReplicas": 7}}, code=200,
                          headers={"Content-Type": "application/merge-patch+json"})
    flat = await cluster.request("GET", at.format("v2beta1") + "/web", code=200)
    assert flat["spec"]["metrics"] == [
        {"type": "Pods", "pods": {"metricName": "packets", "targetAverageValue": "1k"}},
        {"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 60}}]
    assert flat["spec"]["maxReplicas"] == 7
    assert "annotations" not in flat["metadata"]
    wrong = await cluster.request("PUT", at.format("v1") + "/web", {**shown, "spec": {
        **shown["spec"], "maxReplicas": 0}}, code=409)  # it was read before the patch
    assert wrong["reason"] == "Conflict"


async def test_create_a_disruption_budget(cluster: Cluster) -> None:
    await cluster.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=50%")
    table = (await cluster.kubectl("get", "pdb", "-o", "wide")).out.splitlines()
    assert table[0].split() == ["NAME", "MIN", "AVAILABLE", "MAX", "UNAVAILABLE", "ALLOWED", "DISRUPTIONS", "AGE"]
    assert table[1].split()[:4] == ["web", "50%", "N/A", "0"]
    await cluster.kubectl("patch", "pdb", "web", "-p", '{"spec":{"minAvailable":2}}')
    wrong = await cluster.kubectl("patch", "pdb", "web", "-p", '{"spec":{"maxUnavailable":2}}', code=1)
    assert "minAvailable and maxUnavailable cannot be both set" in wrong.err
    old = await cluster.request("POST", "/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets", {
        "metadata": {"name": "none"}, "spec": {"minAvailable": 1, "selector": {}}}, code=201)
    assert old["spec"]["selector"] == {}
    assert (await read(cluster, "pdb", "none"))["spec"]["selector"]["matchExpressions"][0]["operator"] == "Exists"


@pytest.mark.parametrize(("what", "expected"), [
    (("statefulset.spec.updateStrategy.rollingUpdate",), "partition"), (("job.spec.podFailurePolicy.rules",), "action"),
    (("cronjob.spec",), "timeZone"), (("hpa.spec.metrics.resource",), "target"), (("pdb.spec",), "maxUnavailable")])
async def test_explain(cluster: Cluster, what: tuple[str, ...], expected: str) -> None:
    assert expected in (await cluster.kubectl("explain", *what)).out


async def test_get_all_shows_them(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=JOB)
    await cluster.kubectl("create", "cronjob", "nightly", "--image=busybox", "--schedule=@daily")
    names = (await cluster.kubectl("get", "all", "-o", "name")).out.split()
    assert names == ["cronjob.batch/nightly", "job.batch/oneshot"]


LABELED = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]}
NEAR = {"labelSelector": LABELED, "namespaces": ["n"], "topologyKey": "zone", "namespaceSelector": LABELED}
NODES = {"matchExpressions": [{"key": "cpu", "operator": "Gt", "values": ["4"]}], "matchFields": [
    {"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
CONTAINER = {
    "name": "main", "image": "busybox:1", "command": ["date"], "args": ["-u"], "workingDir": "/tmp", "stdin": True,
    "stdinOnce": True, "tty": True, "imagePullPolicy": "Never", "terminationMessagePolicy": "FallbackToLogsOnError",
    "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1", "protocol": "TCP"}],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
            {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            {"name": "E", "valueFrom": {"resourceFieldRef": {"containerName": "main", "resource": "limits.cpu",
                                                             "divisor": "1m"}}}],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c", "optional": True}}, {"secretRef": {"name": "s"}}],
    "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "64Mi"}},
    "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": True, "subPath": "x"},
                     {"name": "scratch", "mountPath": "/scratch", "mountPropagation": "HostToContainer"}],
    "livenessProbe": {"httpGet": {"path": "/", "port": "http", "host": "h", "scheme": "HTTPS", "httpHeaders": [
        {"name": "X", "value": "y"}]}, "initialDelaySeconds": 3, "timeoutSeconds": 4, "periodSeconds": 5,
        "failureThreshold": 6},
    "readinessProbe": {"tcpSocket": {"port": 80, "host": "h"}, "successThreshold": 2},
    "startupProbe": {"grpc": {"port": 9, "service": "s"}},
    "lifecycle": {"postStart": {"exec": {"command": ["true"]}}, "preStop": {"sleep": {"seconds": 3}}},
    "securityContext": {"privileged": False, "runAsUser": 7, "runAsGroup": 8, "runAsNonRoot": True,
                        "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                        "seLinuxOptions": {"user": "u", "role": "r", "type": "t", "level": "l"},
                        "seccompProfile": {"type": "Localhost", "localhostProfile": "p"},
                        "appArmorProfile": {"type": "RuntimeDefault"}, "procMount": "Default"},
}
FULL_POD = {
    "restartPolicy": "Never", "containers": [CONTAINER],
    "initContainers": [{"name": "first", "image": "busybox:1", "restartPolicy": "Always",
                        "resources": {"limits": {"cpu": "1"}}}],
    "terminationGracePeriodSeconds": 9, "activeDeadlineSeconds": 60, "dnsPolicy": "None",
    "nodeSelector": {"disk": "ssd"}, "serviceAccountName": "robot", "hostPID": True, "hostname": "h", "subdomain": "s",
    "securityContext": {"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4, 5],
                        "fsGroupChangePolicy": "OnRootMismatch", "sysctls": [{"name": "a.b", "value": "1"}]},
    "imagePullSecrets": [{"name": "pull"}], "schedulerName": "mine", "automountServiceAccountToken": False,
    "tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 5}],
    "hostAliases": [{"ip": "10.1.1.1", "hostnames": ["x", "y"]}], "priorityClassName": "",
    "dnsConfig": {"nameservers": ["10.0.0.53"], "searches": ["a.b"], "options": [{"name": "ndots", "value": "2"}]},
    "readinessGates": [{"conditionType": "example.com/ready"}], "enableServiceLinks": False,
    "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                   "labelSelector": LABELED, "minDomains": 1, "matchLabelKeys": ["m"]}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODES]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": NODES}]},
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [NEAR]},
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 9, "podAffinityTerm": NEAR}]}},
    "volumes": [
        {"name": "config", "configMap": {"name": "c", "items": [{"key": "k", "path": "p", "mode": 256}],
                                         "defaultMode": 292, "optional": True}},
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "secret", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}},
        {"name": "host", "hostPath": {"path": "/var", "type": "Directory"}},
        {"name": "nfs", "nfs": {"server": "n", "path": "/p", "readOnly": True}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        {"name": "down", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "all", "projected": {"sources": [
            {"secret": {"name": "s", "items": [{"key": "k", "path": "a"}]}}, {"configMap": {"name": "c"}},
            {"downwardAPI": {"items": [{"path": "u", "fieldRef": {"fieldPath": "metadata.uid"}}]}},
            {"serviceAccountToken": {"audience": "a", "expirationSeconds": 900, "path": "t"}}]}}],
}


async def test_a_job_from_a_cron_job_is_the_same_to_the_last_field(cluster: Cluster) -> None:
    """kubectl reads the template as JSON and sends it back as protobuf, so that every field number is tried."""
    spec = {"completionMode": "Indexed", "completions": 3, "parallelism": 2, "backoffLimitPerIndex": 1,
            "maxFailedIndexes": 2, "activeDeadlineSeconds": 99, "ttlSecondsAfterFinished": 5, "suspend": True,
            "podReplacementPolicy": "Failed", "managedBy": "example.com/queue", "backoffLimit": 4,
            "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
            "podFailurePolicy": {"rules": [
                {"action": "FailIndex", "onExitCodes": {"containerName": "main", "operator": "In", "values": [3, 42]}},
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]},
            "template": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": FULL_POD}}
    await cluster.request("POST", "/apis/batch/v1/namespaces/default/cronjobs", {
        "metadata": {"name": "full"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}}, code=201)
    wanted = (await read(cluster, "cronjob", "full"))["spec"]["jobTemplate"]["spec"]
    await cluster.kubectl("create", "job", "full", "--from=cronjob/full")
    made = (await read(cluster, "job", "full"))["spec"]

    assert made.pop("selector")
    assert made.pop("manualSelector") is False
    labels = made["template"]["metadata"]["labels"]
    made["template"]["metadata"]["labels"] = {key: value for key, value in labels.items()
                                              if not key.endswith(("job-name", "controller-uid"))}
    assert made == wanted
