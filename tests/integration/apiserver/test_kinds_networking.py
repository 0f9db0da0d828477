"""The real kubectl with Ingresses, policies, classes, webhooks, APIServices, events and typed secrets."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import Cluster

OLD_INGRESS = """
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: nginx}}
spec:
  backend: {serviceName: fallback, servicePort: 80}
  rules:
  - host: shop.example.com
    http: {paths: [{path: "/", backend: {serviceName: web, servicePort: http}}]}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  tls: [{hosts: [a.example.com], secretName: certificate}]
  rules:
  - host: a.example.com
    http: {paths: [{path: "/", pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"""
CLASS = """
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: example.com/nginx, parameters: {apiGroup: example.com, kind: Settings, name: nginx}}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: guard}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 5432}]}]}
"""
RUNTIME = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: fast}\nhandler: crun\n"
WEBHOOK = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: check}
webhooks:
- name: check.example.com
  sideEffects: None
  failurePolicy: Ignore
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://check.example.com/"}
  rules: [{operations: [CREATE], apiGroups: [example.com], apiVersions: [v1], resources: [things]}]
"""
API_SERVICE = """
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.things.example.com}
spec:
  group: things.example.com
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 10
  insecureSkipTLSVerify: true
  service: {namespace: default, name: things}
"""
ABOUT = {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web", "uid": "1"}


async def row(cluster: Cluster, *arguments: str) -> tuple[list[str], list[str]]:
    """Return the header and the last row of a table."""
    lines = (await cluster.kubectl("get", *arguments)).out.splitlines()
    return lines[0].split(), lines[-1].split()


async def test_an_ingress_of_2017_is_todays_to_everybody_else(cluster: Cluster) -> None:
    made = await cluster.kubectl("apply", "-f", "-", "--validate=false", stdin=OLD_INGRESS)
    assert "ingress" in made.out

    stored = json.loads((await cluster.kubectl("get", "ingress", "shop", "-o", "json")).out)
    assert stored["apiVersion"] == "networking.k8s.io/v1"
    assert stored["spec"]["defaultBackend"] == {"service": {"name": "fallback", "port": {"number": 80}}}
    assert stored["spec"]["rules"][0]["http"]["paths"] == [{
        "path": "/", "pathType": "ImplementationSpecific",
        "backend": {"service": {"name": "web", "port": {"name": "http"}}}}]
    old = await cluster.request("GET", "/apis/extensions/v1beta1/namespaces/default/ingresses/shop", code=200)
    assert old["spec"]["backend"] == {"serviceName": "fallback", "servicePort": 80}
    assert old["spec"]["rules"][0]["http"]["paths"][0]["backend"] == {"serviceName": "web", "servicePort": "http"}
    assert "fallback:80" in (await cluster.kubectl("describe", "ingress", "shop")).out


async def test_ingresses_and_their_classes(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=CLASS)
    await cluster.kubectl("apply", "-f", "-", stdin=INGRESS)
    assert (await cluster.kubectl("apply", "-f", "-", stdin=INGRESS)).out == "ingress.networking.k8s.io/web unchanged\n"

    header, cells = await row(cluster, "ing")
    assert header == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    assert cells[:3] == ["web", "nginx", "a.example.com"]
    header, cells = await row(cluster, "ingressclass")
    assert header == ["NAME", "CONTROLLER", "PARAMETERS", "AGE"]
    assert cells[:3] == ["nginx", "example.com/nginx", "Settings.example.com/nginx"]
    made = await cluster.kubectl("create", "ingress", "simple", "--rule=b.example.com/*=web:80", "--class=nginx")
    assert made.out == "ingress.networking.k8s.io/simple created\n"
    refused = await cluster.kubectl("patch", "ingressclass", "nginx", "--type=merge", "-p",
                                    '{"spec": {"controller": "example.com/other"}}', code=1)
    assert 'spec.controller: Invalid value: "example.com/other": field is immutable' in refused.err


async def test_a_network_policy(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=POLICY)

    header, cells = await row(cluster, "netpol")
    assert header == ["NAME", "POD-SELECTOR", "AGE"]
    assert cells[:2] == ["guard", "app=db"]
    stored = json.loads((await cluster.kubectl("get", "netpol", "guard", "-o", "json")).out)
    assert stored["spec"]["policyTypes"] == ["Ingress"]
    assert stored["spec"]["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"port": 5432, "protocol": "TCP"}]}]
    old = await cluster.request("GET", "/apis/extensions/v1beta1/namespaces/default/networkpolicies/guard", code=200)
    assert old["spec"] == stored["spec"]
    described = (await cluster.kubectl("describe", "netpol", "guard")).out
    assert "PodSelector: <none>" in described
    assert "To Port: 5432/TCP" in described


async def test_priority_and_runtime_classes(cluster: Cluster) -> None:
    await cluster.kubectl("create", "priorityclass", "high", "--value=1000", "--description=important")
    await cluster.kubectl("apply", "-f", "-", stdin=RUNTIME)

    header, _ = await row(cluster, "pc")
    assert header == ["NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"]
    _, cells = await row(cluster, "pc", "high", "--no-headers")
    assert (cells[:3], cells[4]) == (["high", "1000", "false"], "PreemptLowerPriority")
    refused = await cluster.kubectl("create", "priorityclass", "system-mine", "--value=1000", code=1)
    assert "system-mine is not a known system priority class" in refused.err
    refused = await cluster.kubectl("patch", "pc", "high", "-p", '{"value": 5}', code=1)
    assert "value: Forbidden: may not be changed in an update." in refused.err
    header, cells = await row(cluster, "runtimeclass")
    assert header == ["NAME", "HANDLER", "AGE"]
    assert cells[:2] == ["fast", "crun"]


async def test_webhook_configurations_and_api_services(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEBHOOK)
    await cluster.kubectl("apply", "-f", "-", stdin=API_SERVICE)

    header, cells = await row(cluster, "validatingwebhookconfigurations")
    assert header == ["NAME", "WEBHOOKS", "AGE"]
    assert cells[:2] == ["check", "1"]
    header, _ = await row(cluster, "apiservices")
    assert header == ["NAME", "SERVICE", "AVAILABLE", "AGE"]
    _, cells = await row(cluster, "apiservices", "v1.things.example.com", "--no-headers")
    assert cells[:2] == ["v1.things.example.com", "default/things"]
    conditions = WEBHOOK.replace("sideEffects: None",
                                 "sideEffects: None\n  matchConditions: [{name: a, expression: b}]")
    refused = await cluster.kubectl("apply", "-f", "-", stdin=conditions, code=1)
    assert "webhooks[0].matchConditions: Forbidden: not supported: expressions are not evaluated" in refused.err


@pytest.mark.parametrize(("group", "body"), [
    ("/api/v1", {"apiVersion": "v1", "involvedObject": ABOUT, "message": "hello", "source": {"component": "test"},
                 "firstTimestamp": "2026-01-02T12:00:00Z", "lastTimestamp": "2026-01-02T12:00:00Z", "count": 1}),
    ("/apis/events.k8s.io/v1", {"apiVersion": "events.k8s.io/v1", "regarding": ABOUT, "note": "hello",
                                "eventTime": "2026-01-02T12:00:00.000000Z", "action": "Testing",
                                "reportingController": "example.com/test", "reportingInstance": "test-1"}),
])
async def test_events_are_written_and_read_in_both_groups(cluster: Cluster, group: str,
                                                          body: dict[str, object]) -> None:
    sent = {"kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "type": "Warning", "reason": "Tested",
            **body}
    await cluster.request("POST", f"{group}/namespaces/default/events", sent, code=201)

    header, cells = await row(cluster, "events")
    assert header == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert cells[1:] == ["Warning", "Tested", "pod/web", "hello"]
    listed = (await cluster.kubectl("events", "--for", "pod/web", "--types=Warning")).out.splitlines()
    assert listed[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert listed[1].split()[1:] == ["Warning", "Tested", "Pod/web", "hello"]
    for path, selector in (("/api/v1", "involvedObject.name"), ("/apis/events.k8s.io/v1", "regarding.name")):
        found = await cluster.request("GET", f"{path}/namespaces/default/events?fieldSelector={selector}%3Dweb",
                                      code=200)
        assert [item["metadata"]["name"] for item in found["items"]] == ["e"]
        none = await cluster.request("GET", f"{path}/namespaces/default/events?fieldSelector={selector}%3Dx", code=200)
        assert none["items"] == []
    shown = await cluster.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e", code=200)
    assert shown["regarding"] == ABOUT
    assert shown["note"] == "hello"


async def test_secrets_and_config_maps_may_be_sealed(cluster: Cluster) -> None:
    await cluster.kubectl("create", "secret", "docker-registry", "pull", "--docker-server=r.example.com",
                          "--docker-username=u", "--docker-password=p")
    await cluster.kubectl("create", "configmap", "settings", "--from-literal=color=blue")
    await cluster.kubectl("patch", "configmap", "settings", "-p", '{"immutable": true}')

    refused = await cluster.kubectl("patch", "configmap", "settings", "-p", '{"data": {"color": "red"}}', code=1)
    assert "data: Forbidden: field is immutable when `immutable` is set" in refused.err
    refused = await cluster.kubectl("create", "secret", "generic", "a", "--type=kubernetes.io/tls", code=1)
    assert "data[tls.crt]: Required value" in refused.err


async def test_services_of_one_address_family(cluster: Cluster) -> None:
    await cluster.kubectl("create", "service", "loadbalancer", "web", "--tcp=80")
    await cluster.kubectl("patch", "service", "web", "-p", '{"spec": {"trafficDistribution": "PreferClose"}}')
    quiet = {"kind": "Service", "metadata": {"name": "quiet"}, "spec": {
        "type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}}
    made = await cluster.request("POST", "/api/v1/namespaces/default/services", quiet, code=201)
    dual = {"kind": "Service", "metadata": {"name": "dual"}, "spec": {
        "ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 80}]}}
    refused = await cluster.request("POST", "/api/v1/namespaces/default/services", dual, code=422)

    assert "nodePort" not in made["spec"]["ports"][0]
    assert "this cluster is not configured for dual-stack services" in refused["message"]
    stored = json.loads((await cluster.kubectl("get", "service", "web", "-o", "json")).out)
    assert stored["spec"]["trafficDistribution"] == "PreferClose"
    assert stored["spec"]["ports"][0]["nodePort"] >= 30000


@pytest.mark.parametrize(("path", "words"), [
    ("ingress.spec.rules.http.paths.pathType", "ImplementationSpecific"),
    ("networkpolicy.spec.ingress.from.ipBlock", "except"),
    ("priorityclass", "preemptionPolicy"), ("runtimeclass.overhead", "podFixed"),
    ("validatingwebhookconfiguration.webhooks", "admissionReviewVersions"),
    ("apiservice.spec", "insecureSkipTLSVerify"), ("pod.spec.volumes.rbd", "monitors"),
])
async def test_kubectl_explains_them(cluster: Cluster, path: str, words: str) -> None:
    assert words in (await cluster.kubectl("explain", path)).out
