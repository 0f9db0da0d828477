"""The selector and the labels the server makes for a Job, so that its pods are its own and nobody else's.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#specifying-your-own-pod-selector
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import batch, meta

UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
"""What the server writes on a Job's pods: the names from before they had a prefix, and those of today."""


def with_selector(job: batch.Job) -> batch.Job:
    """Return a new Job, whose name and uid are known, with its selector and labels; as it is with manualSelector.

    A label that is there already stays: validation refuses it if it is another one.
    """
    spec = job.spec
    if spec.manual_selector:
        return job
    made = {**dict.fromkeys(NAME_LABELS, job.metadata.name), **dict.fromkeys(UID_LABELS, job.metadata.uid)}
    metadata = replace(spec.template.metadata, labels={**made, **spec.template.metadata.labels})
    selector = spec.selector or meta.LabelSelector()
    selector = replace(selector, match_labels={UID_LABELS[1]: job.metadata.uid, **selector.match_labels})
    spec = replace(spec, selector=selector, template=replace(spec.template, metadata=metadata))
    # The default of labels of its own are the template's. Left for the next change, this would be one by itself.
    labels = job.metadata.labels or dict(metadata.labels)
    return replace(job, metadata=replace(job.metadata, labels=labels), spec=spec)
