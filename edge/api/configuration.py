"""ConfigMaps, Secrets and ServiceAccounts: what pods are configured with, and whom they act as."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class ConfigMap(meta.Object):
    """Configuration for pods, as keys and texts."""

    immutable: Annotated[bool | None, doc("True forbids changes of the content for good.")] = None
    data: Annotated[dict[str, str], doc("Entries of text; at most 1 MiB together with binaryData.")] = {}
    binary_data: Annotated[dict[str, str], doc("Entries of bytes, in base64.")] = {}


class Secret(meta.Object):
    """Confidential entries for pods."""

    immutable: Annotated[bool | None, doc("True forbids changes of the content for good.")] = None
    data: Annotated[dict[str, str], doc("Entries, in base64; at most 1 MiB.")] = {}
    string_data: Annotated[dict[str, str], doc(
        "Entries as plain text, for writing only; they replace those in data.")] = {}
    type: Annotated[str, doc(
        "What the content is for, such as kubernetes.io/tls; Opaque by default. Cannot change.")] = ""


class ServiceAccount(meta.Object):
    """Whom pods act as."""

    secrets: Annotated[tuple[meta.ObjectReference, ...], doc(
        "Secrets its pods may use.", merge_key="name", list_type="map", list_map_keys=("name",))] = ()
    image_pull_secrets: Annotated[tuple[meta.LocalObjectReference, ...], doc(
        "Secrets with credentials for registries, given to its pods.", list_type="atomic")] = ()
    automount_service_account_token: Annotated[bool | None, doc(
        "False keeps the token out of its pods; a pod's own setting wins.")] = None


RESOURCES = (
    Resource(group="", version="v1", kind="ConfigMap", plural="configmaps", type=ConfigMap, short_names=("cm",)),
    Resource(group="", version="v1", kind="Secret", plural="secrets", type=Secret),
    Resource(group="", version="v1", kind="ServiceAccount", plural="serviceaccounts", type=ServiceAccount,
             short_names=("sa",), subresources=("token",), returns_deleted=True),
)
