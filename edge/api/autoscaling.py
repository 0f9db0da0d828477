"""The autoscaling group: Scale, the body of the `scale` subresource."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc


class ScaleSpec(meta.Struct):
    """The number asked for."""

    replicas: Annotated[int, doc("Number of pods; 0 by default.")] = 0


class ScaleStatus(meta.Struct):
    """The number there is."""

    replicas: Annotated[int, doc("Number of pods.", required=True)] = meta.written(int)
    selector: Annotated[str, doc("Labels of the pods, as text for a query.")] = ""


class Scale(meta.Object):
    """The number of pods of a controller, asked for and found."""

    spec: Annotated[ScaleSpec, doc("The number asked for.")] = ScaleSpec()
    status: Annotated[ScaleStatus, doc("The number there is.")] = ScaleStatus()
