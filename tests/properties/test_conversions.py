"""Whoever reads one version of an object and writes another loses nothing, and nothing anybody sends breaks the way."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import codec, defaults, errors, meta, scheme
from edge.api.resource import Resource
from edge.apiserver import bodies
from tests.properties import objects, old_shapes
from tests.properties.effort import examples
from tests.properties.objects import Json

OLD = [(resource, version) for resource in scheme.resources() for version in resource.old_versions]
every_old_version = pytest.mark.parametrize(("resource", "version"), OLD,
                                            ids=lambda part: getattr(part, "plural", part))
AUTOSCALING = ("autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/current-metrics",
               "autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/behavior")


def there(resource: Resource, version: str, stored: Json) -> Json:
    """Return a stored object as a version shows it; the input must stay as it is."""
    before = copy.deepcopy(stored)
    shown = scheme.to_version(resource, version, stored)
    assert stored == before
    assert shown["apiVersion"] == version
    return shown


def back(resource: Resource, version: str, sent: Json) -> Json:
    """Return an object sent as a version as it would be stored."""
    before = copy.deepcopy(sent)
    typed = bodies.decode(resource, version, sent, "Strict").obj
    assert sent == before
    return codec.to_dict(typed)


def complete(resource: Resource, obj: Json) -> Json:
    """Return an object with its defaults, and with what no stored one of its kind is without."""
    made = codec.to_dict(defaults.apply(codec.decode(resource, obj)))
    mend = MENDED.get(resource.kind)
    if mend is not None:
        mend(made)
    return made


def workload(obj: Json) -> None:
    """Every one selects by labels and says how it is updated; the oldest versions take both for granted."""
    spec, labels = obj["spec"], {"app": "web"}
    spec["selector"] = spec["selector"] if spec.get("selector") else {"matchLabels": labels}
    obj["metadata"]["labels"] = obj["metadata"].get("labels") or labels
    if obj["kind"] != "ReplicaSet":
        strategy = spec.setdefault("strategy" if obj["kind"] == "Deployment" else "updateStrategy", {})
        strategy["type"] = strategy.get("type") or "OnDelete"


def signing_request(obj: Json) -> None:
    spec = obj["spec"]
    spec["signerName"] = spec.get("signerName") or "example.com/signer"
    for condition in obj.get("status", {}).get("conditions", []):
        condition["status"] = condition.get("status") or "True"


def ingress(obj: Json) -> None:
    """A path has a type, and a backend names its service, and the port by a name or a number."""
    for place in list(objects.places(obj.get("spec", {}))):
        if place and place[-1] == "service":
            service = objects.at(obj["spec"], place)
            service["name"] = service.get("name") or "web"
            if "name" in service.get("port", {}):
                service["port"] = {"name": service["port"]["name"] or "http"}
        if place and place[-1] == "paths":
            for path in objects.at(obj["spec"], place):
                path["pathType"] = path.get("pathType") or "Prefix"


def autoscaler(obj: Json) -> None:
    """A metric has the one value that its type tells, and a conversion's own notes are nobody else's."""
    for part, key in (("spec", "metrics"), ("status", "currentMetrics")):
        for metric in obj.get(part, {}).get(key, []):
            for kind in VALUES:
                for which in ("target", "current"):
                    values = metric.get(kind, {}).get(which)
                    if values is not None:
                        kept = next((name for name in VALUES[kind] if name in values), VALUES[kind][0])
                        metric[kind][which] = {kept: values.get(kept, 1)} | (
                            {"type": TYPES[kept]} if which == "target" else {})
    for note in AUTOSCALING:
        obj["metadata"].get("annotations", {}).pop(note, None)


VALUES = {"object": ("value", "averageValue"), "external": ("value", "averageValue"), "pods": ("averageValue",),
          "resource": ("averageUtilization", "averageValue"),
          "containerResource": ("averageUtilization", "averageValue")}
TYPES = {"value": "Value", "averageValue": "AverageValue", "averageUtilization": "Utilization"}


def definition(obj: Json) -> None:
    """A definition has a scope and versions, and a webhook has an address and versions, too."""
    spec = obj["spec"]
    spec["scope"] = spec.get("scope") or "Namespaced"
    spec["versions"] = spec.get("versions") or [{"name": "v1", "served": True, "storage": True}]
    conversion = spec.get("conversion")
    if conversion and "webhook" in conversion:
        webhook = {"clientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v1"], **conversion["webhook"]}
        spec["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    elif conversion:
        conversion["strategy"] = "None"


def endpoint_slice(obj: Json) -> None:
    """The zone and the node have fields of their own."""
    for endpoint in obj["endpoints"]:
        topology = endpoint.get("deprecatedTopology", {})
        topology.pop("topology.kubernetes.io/zone", None)
        if topology.get("kubernetes.io/hostname") == endpoint.get("nodeName"):
            topology.pop("kubernetes.io/hostname", None)


MENDED: dict[str, Callable[[Json], None]] = {
    "Deployment": workload, "ReplicaSet": workload, "DaemonSet": workload, "StatefulSet": workload,
    "CertificateSigningRequest": signing_request, "Ingress": ingress, "HorizontalPodAutoscaler": autoscaler,
    "CustomResourceDefinition": definition, "EndpointSlice": endpoint_slice}


@every_old_version
def test_an_object_with_every_field_survives_the_way_there_and_back(resource: Resource, version: str) -> None:
    stored = complete(resource, objects.whole(resource))
    assert objects.missing(stored, back(resource, version, there(resource, version, stored))) == []


@every_old_version
def test_a_stored_object_survives_the_way_there_and_back(resource: Resource, version: str) -> None:
    @examples(25)
    @given(objects.raw(resource) | objects.dense(resource) | objects.grown(resource))
    def check(raw: Json) -> None:
        stored = complete(resource, raw)
        returned = back(resource, version, there(resource, version, stored))
        assert codec.decode(resource, returned) == codec.decode(resource, stored), objects.missing(stored, returned)

    check()


ALWAYS = {"servicePort": 80, "pathType": "Exact"}
"""What an old Ingress may not leave empty once it says it."""


def old_object(resource: Resource, version: str, raw: Json) -> Json:
    """Return an object as that version's own server would have kept it: typed once, absent fields absent."""
    kind: type[meta.Object] = old_shapes.shape(resource, version)
    typed: Json = msgspec.json.decode(codec.encode(msgspec.convert(raw, type=kind)))
    if version in ("networking.k8s.io/v1beta1", "extensions/v1beta1") and resource.kind == "Ingress":
        for place in objects.places(typed["spec"]):
            if place and place[-1] in ALWAYS and not objects.at(typed["spec"], place):
                typed["spec"] = objects.put(typed["spec"], place, ALWAYS[str(place[-1])])
    if resource.kind == "HorizontalPodAutoscaler":
        kept = {key: text for key, text in typed["metadata"].pop("annotations", {}).items() if key not in AUTOSCALING}
        typed["metadata"] |= {"annotations": kept} if kept else {}
    if version == "apiextensions.k8s.io/v1beta1":
        typed["spec"] = old_definition(typed["spec"])
    return {**typed, "apiVersion": version}


def old_definition(spec: Json) -> Json:
    """Return what the old server would have kept: what all versions share stands beside them, and only there."""
    versions = [dict(version) for version in spec.get("versions", ())] or [{"name": "v1"}]
    kept = {**spec, "versions": versions, "version": versions[0].get("name", "")}
    for beside, inside in (("validation", "schema"), ("subresources", "subresources"),
                           ("additionalPrinterColumns", "additionalPrinterColumns")):
        values = [kept[beside] if beside in kept else version.get(inside) for version in versions]
        if values[0] is not None and all(objects.same(value, values[0]) for value in values):
            kept[beside] = values[0]
            for version in versions:
                version.pop(inside, None)
    return kept


@every_old_version
def test_everything_an_old_client_writes_can_be_read_by_it(resource: Resource, version: str) -> None:
    kind = old_shapes.shape(resource, version)

    @examples(25)
    @given(objects.raw(resource, kind=kind) | objects.dense(resource, kind=kind)
           | st.just(objects.whole(resource, kind=kind)))
    def check(raw: Json) -> None:
        sent = old_object(resource, version, raw)
        shown = there(resource, version, back(resource, version, sent))
        assert objects.missing(sent, shown) == []
        assert objects.missing(shown, there(resource, version, back(resource, version, shown))) == []

    check()


@every_old_version
def test_whatever_is_sent_as_an_old_version_is_refused_in_words_or_converted(resource: Resource, version: str) -> None:
    kind = old_shapes.shape(resource, version)
    made = objects.raw(resource, kind=kind) | objects.dense(resource, kind=kind) | objects.raw(resource)

    @examples(25)
    @given(objects.spoiled(made), st.sampled_from(("Strict", "Warn", "Ignore")))
    def check(raw: Json, validation: str) -> None:
        with contextlib.suppress(errors.BadRequest):
            obj = bodies.decode(resource, version, {**raw, "apiVersion": version}, validation).obj
            stored: Any = codec.to_dict(obj)
            there(resource, version, stored)

    check()
