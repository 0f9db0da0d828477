"""Small decisions: selections, transitions, content negotiation, protobuf, stream targets, scales."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import codec, core, discovery, errors, meta, scheme
from edge.apiserver import bodies, content, protobuf, scale, selection, stream_targets, watching
from edge.store.interface import Event, Record

PODS = scheme.of_type(core.Pod)


def stored(labels: dict[str, str], node: str = "") -> bytes:
    return codec.encode(core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", labels=labels),
                                 spec=core.PodSpec(node_name=node)))


@pytest.mark.parametrize(("labels", "fields", "want"), [
    ("", "", True), ("app=web", "", True), ("app!=web", "", False), ("", "spec.nodeName=n", True),
    ("", "spec.nodeName!=n", False), ("app=web", "metadata.name=web,metadata.namespace=other", False),
    ("", "spec.hostNetwork=false", True), ("app=web", "spec.nodeName=n,status.phase=", True)])
def test_selections(labels: str, fields: str, want: bool) -> None:
    assert selection.parse(PODS, labels, fields).matches(stored({"app": "web"}, "n")) is want


@pytest.mark.parametrize(("kind", "before", "after", "want"), [
    ("ADDED", None, "a", "ADDED"), ("ADDED", None, "b", None), ("MODIFIED", "a", "a", "MODIFIED"),
    ("MODIFIED", "b", "a", "ADDED"), ("MODIFIED", "a", "b", "DELETED"), ("MODIFIED", "b", "b", None),
    ("DELETED", "a", "a", "DELETED"), ("DELETED", "b", "b", None)])
def test_transitions(kind: str, before: str | None, after: str, want: str | None) -> None:
    record = Record("//pods/default/web", stored({"l": after}), 7, 1)
    event = Event(kind, record, None if before is None else stored({"l": before}))
    notice = watching.transition(PODS, selection.parse(PODS, "l=a", ""), event)
    assert (notice.type if notice else None) == want
    if notice and want == "DELETED" and kind == "MODIFIED":
        last = msgspec.json.decode(notice.value, type=core.Pod)
        assert (last.metadata.labels, last.metadata.resource_version) == ({"l": "a"}, "7")


@given(st.integers(1, 2**62), st.text())
def test_continue_tokens_come_back(revision: int, name: str) -> None:
    place = selection.Continue(revision, f"//pods/{name}")
    assert selection.read_continue(selection.write_continue(place), "//pods/") == place


@given(st.text())
def test_any_other_token_is_refused(text: str) -> None:
    with pytest.raises(errors.BadRequest):
        selection.read_continue(text, "//pods/")


@pytest.mark.parametrize(("accept", "form"), [
    ("", ""), ("*/*", ""), ("application/json", ""),
    ("application/vnd.kubernetes.protobuf, application/json", ""),
    ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"),
    ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", ""),
    ("application/json;q=0.5, application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9", "Table"),
    ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "PartialObjectMetadataList")])
def test_content_negotiation(accept: str, form: str) -> None:
    assert content.negotiate(accept).form == form


@pytest.mark.parametrize(("accept", "wanted"), [
    ("application/yaml", True), ("application/yaml;q=0.4,application/json;q=0.5", False), ("text/yaml", False),
    ("application/json, application/yaml", False), ("application/yaml;q=0, */*", False), ("text/html,*/*;q=0.8", False),
    ("application/yaml;q=many", True)])
def test_who_wants_yaml(accept: str, wanted: bool) -> None:
    assert content.wants_yaml(accept) == wanted


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "text/html",
                                    "application/json;as=Nonsense;g=meta.k8s.io;v=v1"])
def test_what_cannot_be_given(accept: str) -> None:
    with pytest.raises(errors.NotAcceptable):
        content.negotiate(accept)


def part(number: int, data: bytes) -> bytes:
    """Return a length-delimited field (shorter than 128 bytes)."""
    return bytes([number << 3 | 2, len(data)]) + data


PORT = part(1, b"80-80") + part(2, b"TCP") + b"\x18\x50" + part(4, b"\x08\x00\x10\x50\x1a\x00") + b"\x28\x00"
LABEL = part(1, b"a") + part(2, b"bc")
SPEC = part(1, PORT) + part(2, LABEL) + part(3, b"") + part(4, b"ClusterIP")
OBJECT = part(1, part(1, b"web") + part(2, b"") + part(8, b"") + part(11, LABEL))
OBJECT += part(2, SPEC) + part(3, part(1, b""))
SERVICE = b"k8s\x00" + part(1, part(1, b"v1") + part(2, b"Service")) + part(2, OBJECT)


def test_protobuf_reads_as_json_would() -> None:
    assert protobuf.decode(SERVICE) == {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "generateName": "", "labels": {"a": "bc"}},
        "spec": {"ports": [{"name": "80-80", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 0}],
                 "selector": {"a": "bc"}, "clusterIP": "", "type": "ClusterIP"},
        "status": {"loadBalancer": {}}}


@given(st.binary(max_size=80), st.integers(0, len(SERVICE)))
def test_broken_protobuf_is_refused_and_never_worse(noise: bytes, cut: int) -> None:
    for body in (b"k8s\x00" + noise, SERVICE[:cut] + noise):
        try:
            assert isinstance(protobuf.decode(body), dict)
        except (errors.BadRequest, errors.UnsupportedMediaType):
            continue


def test_protobuf_times_keep_their_microseconds_and_events_their_group() -> None:
    spec = part(1, b"me") + part(4, b"\x08\x80\x9e\xdb\xdd\x07\x10\xc0\x84\x3d")
    found = protobuf.decode(b"k8s\x00" + part(1, part(1, b"coordination.k8s.io/v1") + part(2, b"Lease"))
                            + part(2, part(2, spec)))
    assert found["spec"] == {"holderIdentity": "me", "renewTime": "2035-10-09T21:28:32.001000Z"}
    with pytest.raises(errors.UnsupportedMediaType):
        protobuf.decode(b"k8s\x00" + part(1, part(1, b"events.k8s.io/v1") + part(2, b"Event")) + part(2, b""))


def test_protobuf_fields_of_an_inlined_message_stand_beside_the_others() -> None:
    path = part(1, b"/") + part(3, b"Exact") + part(2, part(4, part(1, b"web") + part(2, part(1, b"http"))))
    rule = part(1, b"a.io") + part(2, part(1, part(1, path)))
    found = protobuf.decode(b"k8s\x00" + part(1, part(1, b"networking.k8s.io/v1") + part(2, b"Ingress"))
                            + part(2, part(2, part(3, rule))))
    assert found["spec"]["rules"] == [{"host": "a.io", "http": {"paths": [
        {"path": "/", "pathType": "Exact", "backend": {"service": {"name": "web", "port": {"name": "http"}}}}]}}]


def test_yaml_keeps_times_as_text() -> None:
    found = bodies.read(b"a: 2030-01-01T00:00:00Z\nb: [1, true, null]\n", "application/yaml; charset=utf-8")
    assert found == {"a": "2030-01-01T00:00:00Z", "b": [1, True, None]}


def make_pod(node: str = "n", *names: str) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name="web", namespace="team"), spec=core.PodSpec(
        node_name=node, init_containers=(core.Container(name="setup"),),
        containers=tuple(core.Container(name=name, ports=(core.ContainerPort(name="http", container_port=8080),))
                         for name in names or ("main",))))


def test_stream_targets() -> None:
    found = stream_targets.of_pod(make_pod(), "exec", {"command": ["sh", "-c", "a b"], "stdin": ["true"],
                                                       "stdout": ["1"], "stderr": ["false"], "container": ["main"]})
    assert found == stream_targets.Target("n", "/exec/team/web/main?command=sh&command=-c&command=a+b&input=1&output=1")
    assert stream_targets.of_pod(make_pod(), "log", {"container": ["setup"], "follow": ["true"]}).path \
        == "/containerLogs/team/web/setup?follow=true"
    assert stream_targets.of_pod(make_pod(), "portforward", {}).path == "/portForward/team/web"
    assert stream_targets.of_pod_proxy(make_pod(), "http", "a/b", "q=1").path == "/proxy/team/web/8080/a/b?q=1"
    with pytest.raises(errors.BadRequest, match=r"choose one of: \[a b\] or one of the init containers: \[setup\]"):
        stream_targets.of_pod(make_pod("n", "a", "b"), "log", {})
    with pytest.raises(errors.BadRequest, match="pod web does not have a host assigned"):
        stream_targets.of_pod(make_pod(""), "log", {})


def test_a_service_leads_to_a_ready_pod() -> None:
    service = core.Service(metadata=meta.ObjectMeta(name="web"), spec=core.ServiceSpec(
        ports=(core.ServicePort(name="http", port=80),)))
    away = discovery.Endpoint(conditions=discovery.EndpointConditions(ready=False),
                              target_ref=meta.ObjectReference(kind="Pod", name="away"))
    here = discovery.Endpoint(target_ref=meta.ObjectReference(kind="Pod", name="here"))
    piece = discovery.EndpointSlice(ports=(discovery.EndpointPort(name="http", port=8080),), endpoints=(away, here))
    for port in ("", "80", "http"):
        assert stream_targets.service_endpoint(service, port, [piece]) == ("here", "8080")
    with pytest.raises(errors.Unavailable, match='no endpoints available for service "web"'):
        stream_targets.service_endpoint(service, "", [])


def test_scales_tell_their_selector_as_text() -> None:
    term = meta.LabelSelectorRequirement(key="tier", operator="In", values=("b", "a"))
    assert scale.selector_text(meta.LabelSelector(match_labels={"app": "web"}, match_expressions=(term,))) \
        == "app=web,tier in (a,b)"
