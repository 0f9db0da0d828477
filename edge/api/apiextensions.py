"""The apiextensions.k8s.io group: CustomResourceDefinitions, by which users add kinds of their own.

A schema is typed all the way down (`JSONSchemaProps`), not a free mapping: a wrong type and an unknown word are told in
Kubernetes' words by what every other kind uses, `kubectl explain` shows its fields, and patches know its lists.
It costs little. A definition is parsed only when one is written; what requests use is compiled by `structural`.
https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

GROUP = "apiextensions.k8s.io"


class ExternalDocumentation(meta.Struct):
    """Where more is written."""

    description: Annotated[str, doc("What is written there.")] = ""
    url: Annotated[str, doc("Where it is.")] = ""


class ValidationRule(meta.Struct):
    """A rule in the Common Expression Language; it is kept, and not evaluated."""

    rule: Annotated[str, doc("The expression; `self` is the value at the schema's place.", required=True)] = ""
    message: Annotated[str, doc("What a person is told when the rule does not hold.")] = ""
    message_expression: Annotated[str, doc("An expression that yields the message.")] = ""
    reason: Annotated[str | None, doc(
        "FieldValueInvalid (default), FieldValueForbidden, FieldValueRequired or FieldValueDuplicate.")] = None
    field_path: Annotated[str, doc("The field an error is reported at, relative to the schema's place.")] = ""
    optional_old_self: Annotated[bool | None, doc(
        "Whether the rule holds for new objects too, whose oldSelf is empty.")] = None


class JSONSchemaProps(meta.Struct):
    """What values are allowed, as an OpenAPI v3 schema."""

    id: Annotated[str, doc("Not supported.")] = ""
    schema: Annotated[str, doc("Not supported.")] = msgspec.field(default="", name="$schema")
    ref: Annotated[str | None, doc("Not supported.")] = msgspec.field(default=None, name="$ref")
    description: Annotated[str, doc("What the value means; shown by kubectl explain.")] = ""
    type: Annotated[str, doc("string, number, integer, boolean, array or object.")] = ""
    format: Annotated[str, doc("Form of a string or number, such as date-time, ipv4, uri or int32.")] = ""
    title: Annotated[str, doc("A name for people.")] = ""
    default: Annotated[Any, doc("What an absent field is set to.")] = None
    maximum: Annotated[float | int | None, doc("The largest number.")] = None
    exclusive_maximum: Annotated[bool, doc("Whether the largest number itself is excluded.")] = False
    minimum: Annotated[float | int | None, doc("The smallest number.")] = None
    exclusive_minimum: Annotated[bool, doc("Whether the smallest number itself is excluded.")] = False
    max_length: Annotated[int | None, doc("The most characters of a string.")] = None
    min_length: Annotated[int | None, doc("The least characters of a string.")] = None
    pattern: Annotated[str, doc("A regular expression (RE2) that a string must match somewhere.")] = ""
    max_items: Annotated[int | None, doc("The most items of an array.")] = None
    min_items: Annotated[int | None, doc("The least items of an array.")] = None
    unique_items: Annotated[bool, doc("Must not be true; use x-kubernetes-list-type: set.")] = False
    multiple_of: Annotated[float | int | None, doc("A number that divides the value.")] = None
    enum: Annotated[tuple[Any, ...], doc("Every value that is allowed.", list_type="atomic")] = ()
    max_properties: Annotated[int | None, doc("The most fields of an object.")] = None
    min_properties: Annotated[int | None, doc("The least fields of an object.")] = None
    required: Annotated[tuple[str, ...], doc("Fields that must be there.", list_type="atomic")] = ()
    items: Annotated[JSONSchemaProps | tuple[JSONSchemaProps, ...] | None, doc(
        "Schema of each item of an array.")] = None
    all_of: Annotated[tuple[JSONSchemaProps, ...], doc("Schemas that all hold.", list_type="atomic")] = ()
    one_of: Annotated[tuple[JSONSchemaProps, ...], doc("Schemas of which exactly one holds.", list_type="atomic")] = ()
    any_of: Annotated[tuple[JSONSchemaProps, ...], doc("Schemas of which one or more hold.", list_type="atomic")] = ()
    not_: Annotated[JSONSchemaProps | None, doc("A schema that must not hold.")] = None
    properties: Annotated[dict[str, JSONSchemaProps], doc("Schema of each field of an object.")] = {}
    additional_properties: Annotated[JSONSchemaProps | bool | None, doc(
        "Schema of the values of a map, whose keys are free; excludes properties.")] = None
    pattern_properties: Annotated[dict[str, JSONSchemaProps], doc("Not supported.")] = {}
    dependencies: Annotated[dict[str, JSONSchemaProps | tuple[str, ...]] | None, doc("Not supported.")] = None
    additional_items: Annotated[JSONSchemaProps | bool | None, doc("Not supported.")] = None
    definitions: Annotated[dict[str, JSONSchemaProps], doc("Not supported.")] = {}
    external_docs: Annotated[ExternalDocumentation | None, doc("Where more is written.")] = None
    example: Annotated[Any, doc("A value, for people.")] = None
    nullable: Annotated[bool, doc("Whether null is a value; an absent field's null is dropped otherwise.")] = False
    preserves_unknown: Annotated[bool | None, doc(
        "True keeps the fields that no schema names, from here on down.")] = msgspec.field(
            default=None, name="x-kubernetes-preserve-unknown-fields")
    embedded_resource: Annotated[bool, doc(
        "Whether the value is a whole Kubernetes object with apiVersion, kind and metadata.")] = msgspec.field(
            default=False, name="x-kubernetes-embedded-resource")
    int_or_string: Annotated[bool, doc("Whether the value is an integer or a string; excludes type.")] = msgspec.field(
        default=False, name="x-kubernetes-int-or-string")
    list_map_keys: Annotated[tuple[str, ...], doc(
        "Fields that identify an item of a list of type map.", list_type="atomic")] = msgspec.field(
            default=(), name="x-kubernetes-list-map-keys")
    list_type: Annotated[str | None, doc(
        "atomic (default), set or map: how a list is merged, and what must be unique in it.")] = msgspec.field(
            default=None, name="x-kubernetes-list-type")
    map_type: Annotated[str | None, doc("granular (default) or atomic: how an object is merged.")] = msgspec.field(
        default=None, name="x-kubernetes-map-type")
    validations: Annotated[tuple[ValidationRule, ...], doc(
        "Rules in the Common Expression Language.", merge_key="rule", list_type="map",
        list_map_keys=("rule",))] = msgspec.field(default=(), name="x-kubernetes-validations")


class CustomResourceValidation(meta.Struct):
    """How objects are completed, pruned and checked."""

    open_api_v3_schema: Annotated[JSONSchemaProps | None, doc(
        "Schema of a whole object; metadata is implied. Fields it does not name are dropped.")] = None


class CustomResourceSubresourceScale(meta.Struct):
    """Where the numbers of the scale subresource are."""

    spec_replicas_path: Annotated[str, doc("Path of the wanted number, below .spec.", required=True)] = ""
    status_replicas_path: Annotated[str, doc("Path of the number there is, below .status.", required=True)] = ""
    label_selector_path: Annotated[str | None, doc("Path of the selector as a text, below .spec or .status.")] = None


class CustomResourceSubresourceStatus(meta.Struct):
    """The status subresource; it has no settings."""


class CustomResourceSubresources(meta.Struct):
    """Which subresources there are."""

    status: Annotated[CustomResourceSubresourceStatus | None, doc(
        "When set, status is written through /status only.")] = None
    scale: Annotated[CustomResourceSubresourceScale | None, doc("When set, kubectl scale works.")] = None


class CustomResourceColumnDefinition(meta.Struct):
    """A column of kubectl get."""

    name: Annotated[str, doc("Heading.", required=True)] = ""
    type: Annotated[str, doc("integer, number, string, boolean or date; a date is shown as an age.",
                             required=True)] = ""
    format: Annotated[str, doc("A hint for clients, such as int32 or password.")] = ""
    description: Annotated[str, doc("What the column means.")] = ""
    priority: Annotated[int, doc("Columns above 0 are shown with -o wide only.")] = 0
    json_path: Annotated[str, doc("Where in the object the value is, such as .spec.replicas.", required=True)] = ""


class SelectableField(meta.Struct):
    """A field that field selectors may name."""

    json_path: Annotated[str, doc("Where in the object the field is, such as .spec.color.", required=True)] = ""


class CustomResourceDefinitionVersion(meta.Struct):
    """One version of the kind."""

    name: Annotated[str, doc("Name, such as v1 or v1beta1.", required=True)] = ""
    served: Annotated[bool, doc("Whether clients may use it.", required=True)] = meta.written(bool)
    storage: Annotated[bool, doc("Whether objects are stored in it; true for exactly one.",
                                 required=True)] = meta.written(bool)
    deprecated: Annotated[bool, doc("Whether clients are warned when they use it.")] = False
    deprecation_warning: Annotated[str | None, doc("The words of that warning.")] = None
    schema: Annotated[CustomResourceValidation | None, doc("Schema of the objects.")] = None
    subresources: Annotated[CustomResourceSubresources | None, doc("Which subresources there are.")] = None
    additional_printer_columns: Annotated[tuple[CustomResourceColumnDefinition, ...], doc(
        "Columns of kubectl get besides the name; the age when there are none.", list_type="atomic")] = ()
    selectable_fields: Annotated[tuple[SelectableField, ...], doc(
        "Fields that field selectors may name, at most 8.", list_type="atomic")] = ()


class CustomResourceDefinitionNames(meta.Struct):
    """What the kind is called."""

    plural: Annotated[str, doc("Name in addresses; lower case, such as gadgets.", required=True)] = ""
    singular: Annotated[str, doc("Name of one; the kind in lower case by default.")] = ""
    short_names: Annotated[tuple[str, ...], doc("Short names for commands.", list_type="atomic")] = ()
    kind: Annotated[str, doc("Name in manifests, such as Gadget.", required=True)] = ""
    list_kind: Annotated[str, doc("Kind of a list; the kind with List after it by default.")] = ""
    categories: Annotated[tuple[str, ...], doc("Groups of kinds for kubectl get, such as all.",
                                               list_type="atomic")] = ()


class ServiceReference(meta.Struct):
    """A service that is called."""

    namespace: Annotated[str, doc("Its namespace.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    path: Annotated[str | None, doc("Path of the request.")] = None
    port: Annotated[int | None, doc("Port of the service; 443 by default.")] = None


class WebhookClientConfig(meta.Struct):
    """How a webhook is called: exactly one of url and service."""

    url: Annotated[str | None, doc("Address, with https.")] = None
    service: Annotated[ServiceReference | None, doc("Service in the cluster.")] = None
    ca_bundle: Annotated[str, doc("Certificates in PEM, in base64, that the webhook's is checked by.")] = ""


class WebhookConversion(meta.Struct):
    """A program that converts objects between versions."""

    client_config: Annotated[WebhookClientConfig | None, doc("How it is called.")] = None
    conversion_review_versions: Annotated[tuple[str, ...], doc(
        "Versions of ConversionReview it understands, the best first.", list_type="atomic", required=True)] = ()


class CustomResourceConversion(meta.Struct):
    """How objects become those of another version."""

    strategy: Annotated[str, doc("None (default): only apiVersion changes. Webhook: a program is asked.",
                                 required=True)] = ""
    webhook: Annotated[WebhookConversion | None, doc("The program, for strategy Webhook.")] = None


class CustomResourceDefinitionSpec(meta.Struct):
    """The kind: its names and versions."""

    group: Annotated[str, doc("API group, such as example.com; cannot change.", required=True)] = ""
    names: Annotated[CustomResourceDefinitionNames, doc(
        "What the kind is called.", required=True)] = CustomResourceDefinitionNames()
    scope: Annotated[str, doc("Namespaced or Cluster; cannot change.", required=True)] = ""
    versions: Annotated[tuple[CustomResourceDefinitionVersion, ...], doc(
        "The versions.", list_type="atomic", required=True)] = ()
    conversion: Annotated[CustomResourceConversion | None, doc("How objects become those of another version.")] = None
    preserve_unknown_fields: Annotated[bool, doc(
        "Old way to keep fields that no schema names; use x-kubernetes-preserve-unknown-fields.")] = False


class CustomResourceDefinitionStatus(meta.Struct):
    """Whether the kind is served."""

    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "NamesAccepted, Established, NonStructuralSchema, Terminating.", list_type="map",
        list_map_keys=("type",))] = ()
    accepted_names: Annotated[CustomResourceDefinitionNames, doc(
        "The names that are served; they may differ from the wanted ones.")] = CustomResourceDefinitionNames()
    stored_versions: Annotated[tuple[str, ...], doc(
        "Versions that objects were ever stored in.", list_type="atomic")] = ()


class CustomResourceDefinition(meta.Object):
    """Adds a kind to the API, named plural.group."""

    spec: Annotated[CustomResourceDefinitionSpec, doc(
        "The kind.", required=True)] = CustomResourceDefinitionSpec()
    status: Annotated[CustomResourceDefinitionStatus, doc(
        "Whether it is served.")] = CustomResourceDefinitionStatus()


RESOURCES = (
    Resource(group=GROUP, version="v1", kind="CustomResourceDefinition", plural="customresourcedefinitions",
             type=CustomResourceDefinition, namespaced=False, short_names=("crd", "crds"),
             categories=("api-extensions",), subresources=("status",), old_versions=(f"{GROUP}/v1beta1",)),
)
