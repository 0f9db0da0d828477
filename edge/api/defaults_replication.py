"""What a ReplicationController or PodTemplate gets that leaves it out."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import defaults_pods, pods, replication


def replication_controller(obj: replication.ReplicationController) -> replication.ReplicationController:
    """Return a ReplicationController whose selector and labels come from its template where it has none."""
    spec, metadata = obj.spec, obj.metadata
    if spec.template is not None:
        template = _template(spec.template)
        labels = template.metadata.labels
        spec = replace(spec, template=template, selector=spec.selector or labels)
        metadata = replace(metadata, labels=metadata.labels or labels)
    # Kinds of the core group do not count generations; the ones that a controller observes do.
    metadata = replace(metadata, generation=metadata.generation or 1)
    return replace(obj, metadata=metadata, spec=replace(spec, replicas=1 if spec.replicas is None else spec.replicas))


def pod_template(obj: replication.PodTemplate) -> replication.PodTemplate:
    """Return a PodTemplate with the defaults of its pods."""
    return replace(obj, template=_template(obj.template))


def _template(template: pods.PodTemplateSpec) -> pods.PodTemplateSpec:
    return replace(template, spec=defaults_pods.pod_spec(template.spec))
