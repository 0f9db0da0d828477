"""Fills in what a CustomResourceDefinition leaves out: names made from the kind, and the versions ever stored."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import apiextensions


def definition(obj: apiextensions.CustomResourceDefinition) -> apiextensions.CustomResourceDefinition:
    """Return a definition with its defaults."""
    spec = obj.spec
    names = spec.names
    if names.kind:
        names = replace(names, singular=names.singular or names.kind.lower(),
                        list_kind=names.list_kind or f"{names.kind}List")
    stored = obj.status.stored_versions
    stored += tuple(one.name for one in spec.versions if one.storage and one.name not in stored)
    return replace(obj, spec=replace(spec, names=names, conversion=_conversion(spec.conversion)),
                   status=replace(obj.status, stored_versions=stored))


def _conversion(given: apiextensions.CustomResourceConversion | None) -> apiextensions.CustomResourceConversion:
    conversion = given or apiextensions.CustomResourceConversion()
    webhook = conversion.webhook
    if webhook is not None and webhook.client_config is not None and webhook.client_config.service is not None:
        service = webhook.client_config.service
        if service.port is None:
            config = replace(webhook.client_config, service=replace(service, port=443))
            webhook = replace(webhook, client_config=config)
    return replace(conversion, strategy=conversion.strategy or "None", webhook=webhook)
