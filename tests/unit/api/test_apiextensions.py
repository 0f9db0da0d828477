"""CustomResourceDefinitions: defaults, the old version, and what is wrong with them in Kubernetes' words."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import apiextensions, codec, defaults, errors, meta, scheme, validation, validation_apiextensions

RESOURCE = scheme.of_type(apiextensions.CustomResourceDefinition)
OLD = "apiextensions.k8s.io/v1beta1"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {
    "spec": {"type": "object", "properties": {"color": {"type": "string"}, "replicas": {"type": "integer"}}},
    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}


def manifest(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "gadgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
                     "versions": [version()], **spec}}


def version(name: str = "v1", **more: Any) -> dict[str, Any]:
    return {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": SCHEMA}, **more}


def definition(raw: dict[str, Any]) -> apiextensions.CustomResourceDefinition:
    decoded = codec.decode(RESOURCE, raw)
    assert isinstance(decoded, apiextensions.CustomResourceDefinition)
    return defaults.apply(decoded)


def problems(raw: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(definition(raw))]


def test_a_definition_is_completed() -> None:
    made = definition(manifest())

    assert validation.create(made) == ()
    assert made.spec.names.singular == "gadget"
    assert made.spec.names.list_kind == "GadgetList"
    assert made.spec.conversion == apiextensions.CustomResourceConversion(strategy="None")
    assert made.status.stored_versions == ("v1",)
    assert defaults.apply(made) == made


def test_a_new_storage_version_is_remembered_beside_the_old_one() -> None:
    made = definition(manifest())
    versions = (replace(made.spec.versions[0], storage=False), replace(made.spec.versions[0], name="v2"))

    assert defaults.apply(replace(made, spec=replace(made.spec, versions=versions))).status.stored_versions == ("v1",
        "v2")


def test_the_service_of_a_webhook_has_a_port() -> None:
    made = definition(manifest(conversion={"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"service": {"name": "a", "namespace": "b"}}}}))

    assert validation.create(made) == ()
    assert codec.to_dict(made)["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"] == 443


def test_schemas_come_back_as_they_were_sent() -> None:
    odd = {"type": "object", "$ref": "x", "$schema": "y", "not": {"enum": [None, 1, "a"]},
           "additionalProperties": False,
           "items": [{"type": "string"}], "x-kubernetes-int-or-string": True, "minimum": 0, "maximum": 1.5,
           "default": {"a": None, "b": False}, "dependencies": {"a": ["b"], "c": {"type": "string"}},
           "x-kubernetes-validations": [{"rule": "self > 0", "reason": "FieldValueInvalid"}]}
    raw = manifest(versions=[version(schema={"openAPIV3Schema": odd})])

    assert codec.to_dict(codec.decode(RESOURCE, raw))["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == odd


def test_unknown_and_wrong_fields_inside_schemas_are_told() -> None:
    inner = {"type": "object", "properties": {"a": {"items": {"typo": 1}}}, "additionalProperties": {"typo": 2},
             "typo": 3}
    raw = manifest(versions=[version(schema={"openAPIV3Schema": inner})])
    where = "spec.versions[0].schema.openAPIV3Schema"

    assert codec.unknown_fields(RESOURCE.type, raw) == (
        f"{where}.properties.a.items.typo", f"{where}.additionalProperties.typo", f"{where}.typo")
    with pytest.raises(errors.BadRequest, match="of type float64"):
        codec.decode(RESOURCE, manifest(versions=[version(schema={"openAPIV3Schema": {"maximum": "a"}})]))


def test_what_2018_wrote_becomes_what_is_stored() -> None:
    sent = {"apiVersion": OLD, "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.com"},
            "spec": {
        "group": "example.com", "version": "v1", "names": {"plural": "gadgets", "kind": "Gadget"},
        "subresources": {"status": {}}, "additionalPrinterColumns": [{"name": "C", "type": "string",
                                                                      "JSONPath": ".spec.c"}],
        "validation": {"openAPIV3Schema": {"properties": {"spec": {"properties": {"c": {"type": "string"}}}}}}}}
    before = copy.deepcopy(sent)

    made = definition(scheme.convert_in(OLD, sent))

    assert sent == before
    assert validation.create(made) == ()
    assert made.spec.scope == "Namespaced"
    assert made.spec.preserve_unknown_fields
    only = made.spec.versions[0]
    assert (only.name, only.served, only.storage) == ("v1", True, True)
    assert only.subresources is not None
    assert only.additional_printer_columns[0].json_path == ".spec.c"
    assert only.schema is not None
    shown = scheme.convert_out(OLD, codec.to_dict(made))["spec"]
    assert shown["version"] == "v1"
    assert shown["validation"] == sent["spec"]["validation"]  # type: ignore[index]
    assert shown["additionalPrinterColumns"] == sent["spec"]["additionalPrinterColumns"]  # type: ignore[index]
    assert shown["versions"] == [{"name": "v1", "served": True, "storage": True}]
    assert definition(scheme.convert_in(OLD, scheme.convert_out(OLD, codec.to_dict(made)))) == made


def test_a_definition_without_any_schema_was_fine_once() -> None:
    sent = {"apiVersion": OLD, "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.com"},
            "spec": {"group": "example.com", "version": "v1", "names": {"plural": "gadgets", "kind": "Gadget"}}}

    assert validation.create(definition(scheme.convert_in(OLD, sent))) == ()


def test_versions_that_differ_stay_apart_in_the_old_version() -> None:
    made = definition(manifest(versions=[version(), version("v2", schema={"openAPIV3Schema": {"type": "object"}})]))
    shown = scheme.convert_out(OLD, codec.to_dict(made))

    assert "validation" not in shown["spec"]
    assert shown["spec"]["preserveUnknownFields"] is False
    assert definition(scheme.convert_in(OLD, shown)) == made


def test_a_conversion_webhook_is_spelled_otherwise_in_the_old_version() -> None:
    made = definition(manifest(conversion={"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://a/"}}}))
    shown = scheme.convert_out(OLD, codec.to_dict(made))

    assert shown["spec"]["conversion"] == {"strategy": "Webhook", "webhookClientConfig": {"url": "https://a/"},
                                           "conversionReviewVersions": ["v1"]}
    assert definition(scheme.convert_in(OLD, shown)) == made


@pytest.mark.parametrize("spec", [None, 7, {"versions": 7}, {"versions": [7, {"additionalPrinterColumns": [7]}]},
                                  {"conversion": "x"}, {"validation": 7, "versions": [{}]}])
def test_old_definitions_of_a_wrong_type_are_left_to_the_decoder(spec: Any) -> None:
    sent = {"apiVersion": OLD, "kind": "CustomResourceDefinition", "metadata": {"name": "a"}, "spec": spec}
    scheme.convert_out(OLD, scheme.convert_in(OLD, sent))


@pytest.mark.parametrize(("spec", "found"), [
    ({"group": ""}, "spec.group: Required value"),
    ({"group": "example"}, 'spec.group: Invalid value: "example": should be a domain with at least one dot'),
    ({"scope": ""}, "spec.scope: Required value"),
    ({"scope": "Rack"}, 'spec.scope: Unsupported value: "Rack": supported values: "Cluster", "Namespaced"'),
    ({"names": {"plural": "gadgets"}}, "spec.names.kind: Required value"),
    ({"names": {"plural": "gadgets", "kind": "A", "listKind": "A"}},
     'spec.names.listKind: Invalid value: "A": kind and listKind may not be the same'),
    ({"names": {"plural": "widgets", "kind": "Gadget"}},
     'metadata.name: Invalid value: "gadgets.example.com": must be spec.names.plural+"."+spec.group'),
    ({"versions": []}, "spec.versions: Invalid value: []: must have exactly one version marked as storage version"),
    ({"versions": [version(), version()]}, 'spec.versions: Invalid value: ["v1","v1"]: must contain unique version '
                                           'names'),
    ({"versions": [version(schema={})]}, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are "
                                         "required"),
    ({"versions": [version(deprecationWarning="old")]},
     'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions'),
    ({"versions": [version(deprecated=True, deprecationWarning="a\nb")]},
     'spec.versions[0].deprecationWarning: Invalid value: "a\\nb": must only contain printable UTF-8 characters; '
     "non-printable character found at index 1"),
    ({"versions": [version(subresources={"scale": {"specReplicasPath": ".status.a",
                                                   "statusReplicasPath": ".status.b"}})]},
     'spec.subresources.scale.specReplicasPath: Invalid value: ".status.a": should be a json path under .spec'),
    ({"versions": [version(subresources={"scale": {"specReplicasPath": ".spec.a"}})]},
     "spec.subresources.scale.statusReplicasPath: Required value"),
    ({"versions": [version(subresources={"scale": {"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.b",
                                                   "labelSelectorPath": ".metadata.c"}})]},
     'spec.subresources.scale.labelSelectorPath: Invalid value: ".metadata.c": should be a json path under either '
     '.spec '
     "or .status"),
    ({"versions": [version(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": ".a"}])]},
     'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string'),
    ({"versions": [version(additionalPrinterColumns=[{"name": "A", "type": "date", "jsonPath": "a"}])]},
     'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .'),
    ({"versions": [version(selectableFields=[{"jsonPath": ".spec.size"}])]},
     'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.size": is an invalid path: does not refer '
     'to a '
     "valid field"),
    ({"versions": [version(selectableFields=[{"jsonPath": ".spec"}])]},
     'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec": must point to a field of type string, '
     'boolean '
     "or integer. Enum string fields and strings with formats are allowed."),
    ({"conversion": {"strategy": "Webhook"}},
     "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"),
    ({"conversion": {"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}},
     "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook"),
    ({"conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v7"],
                                                        "clientConfig": {"url": "https://a/"}}}},
     'spec.conversion.conversionReviewVersions: Invalid value: ["v7"]: must include at least one of v1, v1beta1'),
])
def test_what_is_wrong_with_a_definition(spec: dict[str, Any], found: str) -> None:
    assert found in problems(manifest(**spec))


def test_the_name_of_a_version_is_a_label() -> None:
    assert any(each.startswith("spec.versions[0].name: Invalid value: \"1\": a DNS-1035 label")
               for each in problems(manifest(versions=[version("1", storage=True)])))


def test_fields_may_be_selected() -> None:
    assert problems(manifest(versions=[version(selectableFields=[{"jsonPath": ".spec.color"}])])) == []


@pytest.mark.parametrize(("annotation", "found"), [
    (None, 'Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see '
           "https://github.com/kubernetes/enhancements/pull/1111"),
    ("yes", 'Invalid value: "yes": protected groups must have approval annotation "api-approved.kubernetes.io" with '
            'either '
            'a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111'),
    ("https://github.com/kubernetes/kubernetes/pull/78458", None), ("unapproved, an experiment", None)])
def test_groups_of_the_community_need_an_approval(annotation: str | None, found: str | None) -> None:
    raw = manifest(group="stable.k8s.io")
    raw["metadata"] = {"name": "gadgets.stable.k8s.io",
                       "annotations": {"api-approved.kubernetes.io": annotation} if annotation else {}}

    assert problems(raw) == ([f"metadata.annotations[api-approved.kubernetes.io]: {found}"] if found else [])


def updated(old: apiextensions.CustomResourceDefinition, **spec: Any) -> list[str]:
    raw = codec.to_dict(old)
    new = definition({**raw, "spec": {**raw["spec"], **spec}})
    return [f"{cause.field}: {cause.message}" for cause in validation.update(new, old)]


def test_names_and_scope_stay_once_the_kind_is_served() -> None:
    served = definition({**manifest(), "status": {"conditions": [{"type": "Established", "status": "True"}]}})

    assert updated(served, scope="Cluster") == ['spec.scope: Invalid value: "Cluster": field is immutable']
    assert updated(served, names={"plural": "gadgets", "kind": "Other", "listKind": "OtherList"}) == [
        'spec.names.kind: Invalid value: "Other": field is immutable']
    assert 'spec.group: Invalid value: "example.org": field is immutable' in updated(served, group="example.org")
    assert updated(definition(manifest()), scope="Cluster") == []


def test_a_version_that_objects_were_stored_in_stays() -> None:
    old = definition(manifest())

    assert updated(old, versions=[version("v2", storage=True)]) == [
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage '
        'version, and '
        "must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes "
        "v1 from "
        "status.storedVersions"]
    assert [cause.message for cause in validation.create(replace(old, status=replace(
        old.status, stored_versions=())))] == ["Invalid value: []: must have at least one stored version"]


def test_keeping_all_fields_is_for_old_definitions_only() -> None:
    made = definition(manifest(preserveUnknownFields=True))
    refusal = ("spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
               "x-kubernetes-preserve-unknown-fields "
               "to true in spec.versions[*].schema instead")

    assert [f"{each.field}: {each.message}" for each in validation_apiextensions.preserving(made)] == [refusal]
    assert updated(definition(manifest()), preserveUnknownFields=True) == [refusal]
    assert updated(made, scope="Cluster") == []


def test_rules_that_are_not_evaluated_are_told() -> None:
    ruled = {"type": "object", "properties": {"spec": {"type": "object",
                                                       "x-kubernetes-validations": [{"rule": "true"}]}}}
    made = definition(manifest(versions=[version(schema={"openAPIV3Schema": ruled})]))

    assert validation.create(made) == ()
    assert validation_apiextensions.warnings(made) == (
        "spec.validation.openAPIV3Schema: x-kubernetes-validations rules are stored, but not evaluated",)
    assert validation_apiextensions.warnings(definition(manifest())) == ()


def test_the_status_is_checked_when_it_is_written() -> None:
    made = definition(manifest())
    bad = replace(made, status=replace(made.status, accepted_names=replace(made.spec.names, plural="A B")))

    assert [cause.field for cause in validation.update(bad, made, "status")] == ["status.acceptedNames.plural"]
    assert isinstance(made.metadata, meta.ObjectMeta)
