"""Admission of CustomResourceDefinitions: their names are accepted, and they are served, with the write itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from edge.api import meta, scheme, validation_apiextensions
from edge.api.apiextensions import CustomResourceDefinition
from edge.apiserver import admission, admit, definitions
from edge.apiserver.lookup import Lookup


class Definitions(admit.Plugin):
    """Decides of each definition which names it gets and whether it is served."""

    name = "CustomResourceDefinition"

    def __init__(self, lookup: Lookup, now: Callable[[], datetime]) -> None:
        self._lookup, self._now = lookup, now

    def concerns(self, resource: scheme.Resource, operation: admit.Operation, subresource: str) -> bool:
        return resource.type is CustomResourceDefinition and operation in ("CREATE", "UPDATE") and not subresource

    async def admit(self, request: admit.Attributes) -> meta.Object | None:
        assert isinstance(request.obj, CustomResourceDefinition)
        if request.operation == "CREATE" and not request.write.api_version.endswith("/v1beta1"):
            # Only the old version may ask for this; what is stored does not tell in which it was written.
            admission.check(request.resource, request.obj, tuple(validation_apiextensions.preserving(request.obj)))
        for text in validation_apiextensions.warnings(request.obj):
            request.write.warn(text)
        return definitions.prepared(request.obj, self._lookup.all(CustomResourceDefinition), self._now())
