"""Whether the conversion of a custom kind makes sense; a webhook is checked where the first API version had it."""

from __future__ import annotations

from edge.api import apiextensions as api
from edge.api import validation_webhooks
from edge.api import validation_words as words


def conversion(spec: api.CustomResourceDefinitionSpec) -> words.Causes:
    """Yield what is wrong with how the objects of a definition become those of another version."""
    given, path = spec.conversion, "spec.conversion"
    if given is None:
        return
    if given.strategy != "None" and spec.preserve_unknown_fields:
        yield words.invalid(f"{path}.strategy", given.strategy,
                            "must be None if spec.preserveUnknownFields is true")
    yield from words.one_of(f"{path}.strategy", given.strategy, ("None", "Webhook"))
    webhook = given.webhook
    if given.strategy == "Webhook":
        yield from _webhook(path, webhook or api.WebhookConversion())
    elif webhook is not None:
        for field, value in (("webhookClientConfig", webhook.client_config),
                             ("conversionReviewVersions", webhook.conversion_review_versions)):
            if value:
                yield words.forbidden(f"{path}.{field}", "should not be set when strategy is not set to Webhook")


def _webhook(path: str, webhook: api.WebhookConversion) -> words.Causes:
    config, where = webhook.client_config, f"{path}.webhookClientConfig"
    if config is None:
        yield words.required(where, "required when strategy is set to Webhook")
    else:
        yield from _client(where, config)
    yield from _review_versions(f"{path}.conversionReviewVersions", webhook.conversion_review_versions)


def _client(path: str, config: api.WebhookClientConfig) -> words.Causes:
    service = config.service
    if (config.url is None) == (service is None):
        yield words.required(path, "exactly one of url or service is required")
    elif config.url is not None and not config.url.startswith("https://"):
        yield words.invalid(f"{path}.url", config.url,
                            "'https' is the only allowed URL scheme; desired format: https://host[/path]")
    if service is not None:
        for field, value in (("name", service.name), ("namespace", service.namespace)):
            if not value:
                yield words.required(f"{path}.service.{field}", f"service {field} is required")
        if service.port is not None and (problem := words.port_number(service.port)):
            yield words.invalid(f"{path}.service.port", service.port, f"port is not valid: {problem}")
    yield from validation_webhooks.ca_bundle(f"{path}.caBundle", config.ca_bundle)


def _review_versions(path: str, versions: tuple[str, ...]) -> words.Causes:
    if not versions:
        yield words.required(path)
        return
    again = words.repeated(versions)
    for index, version in enumerate(versions):
        if index in again:
            yield words.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from words.check(f"{path}[{index}]", version, words.dns_label_1035)
    if not {"v1", "v1beta1"} & set(versions):
        yield words.invalid(path, list(versions), "must include at least one of v1, v1beta1")
