"""The node.k8s.io group: RuntimeClasses, by which pods choose how their containers are run."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.pods import Toleration
from edge.api.resource import Resource


class Overhead(meta.Struct):
    """What the runtime itself needs."""

    pod_fixed: Annotated[dict[str, meta.Quantity], doc('What each pod needs more, such as memory "120Mi".')] = {}


class Scheduling(meta.Struct):
    """Where pods of the class can run."""

    node_selector: Annotated[dict[str, str], doc("Labels of nodes that have the runtime; added to the pod's.")] = {}
    tolerations: Annotated[tuple[Toleration, ...], doc("Taints of those nodes; added to the pod's.",
                                                       list_type="atomic")] = ()


class RuntimeClass(meta.Object):
    """A way to run containers."""

    handler: Annotated[str, doc("Name nodes know the runtime by, a DNS label; cannot change.", required=True)] = ""
    overhead: Annotated[Overhead | None, doc("What the runtime itself needs.")] = None
    scheduling: Annotated[Scheduling | None, doc("Where pods of the class can run; anywhere when absent.")] = None


RESOURCES = (
    Resource(group="node.k8s.io", version="v1", kind="RuntimeClass", plural="runtimeclasses", type=RuntimeClass,
             namespaced=False, old_versions=("node.k8s.io/v1beta1",)),
)
