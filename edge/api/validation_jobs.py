"""What is wrong with Jobs, and what of them may change."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import batch, labels, pods, validation_job_policies, validation_pods
from edge.api import validation_words as words
from edge.api.job_selectors import NAME_LABELS, UID_LABELS
from edge.api.validation_words import Causes

_INDEXED = "Indexed"
_MOST = 100_000
_MOST_OF_MANY = 10_000


def job(obj: batch.Job) -> Causes:
    """Yield what is wrong with a Job."""
    spec = obj.spec
    yield from job_spec("spec", spec)
    if spec.selector is None:
        yield words.required("spec.selector")
    else:
        broken = list(words.label_selector("spec.selector", spec.selector))
        yield from broken
        if not broken and not labels.from_label_selector(spec.selector).matches(spec.template.metadata.labels):
            yield words.invalid("spec.template.metadata.labels", spec.template.metadata.labels,
                                "`selector` does not match template `labels`")


def job_spec(here: str, spec: batch.JobSpec) -> Causes:
    """Yield what is wrong with the spec of a Job or of a CronJob's template, its selector apart."""
    for field, number in (("parallelism", spec.parallelism), ("completions", spec.completions),
                          ("backoffLimit", spec.backoff_limit),
                          ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
                          ("backoffLimitPerIndex", spec.backoff_limit_per_index),
                          ("maxFailedIndexes", spec.max_failed_indexes)):
        yield from words.at_least(f"{here}.{field}", number)
    yield from words.at_least(f"{here}.activeDeadlineSeconds", spec.active_deadline_seconds, most=2**63 - 1)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        yield words.required(f"{here}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.managed_by is not None:
        yield from _managed_by(f"{here}.managedBy", spec.managed_by)
    yield from words.one_of(f"{here}.completionMode", spec.completion_mode or "", ("NonIndexed", _INDEXED),
                            optional=spec.completion_mode is None)
    if spec.completion_mode == _INDEXED:
        yield from _indexed(here, spec)
    elif spec.completion_mode in (None, "NonIndexed"):
        for field, number in (("backoffLimitPerIndex", spec.backoff_limit_per_index),
                              ("maxFailedIndexes", spec.max_failed_indexes)):
            if number is not None:
                yield words.invalid(f"{here}.{field}", number, "requires indexed completion mode")
    yield from validation_job_policies.policies(here, spec)
    yield from _template(here, spec)


def update(new: batch.Job, old: batch.Job) -> Causes:
    """Yield what of a change to a Job is not allowed: what its pods are stays."""
    ours, theirs = new.spec, old.spec
    yield from _completions(ours, theirs)
    yield from words.same("spec.selector", ours.selector, theirs.selector)
    template = theirs.template
    if theirs.suspend and old.status.start_time is None:  # nothing has run yet, so where it runs may change
        template = _with_directives(template, ours.template)
    yield from words.same("spec.template", ours.template, template)
    yield from words.same("spec.completionMode", ours.completion_mode, theirs.completion_mode)
    yield from words.same("spec.podFailurePolicy", ours.pod_failure_policy, theirs.pod_failure_policy)
    yield from words.same("spec.backoffLimitPerIndex", ours.backoff_limit_per_index, theirs.backoff_limit_per_index)
    yield from words.same("spec.managedBy", ours.managed_by, theirs.managed_by)
    yield from words.same("spec.successPolicy", ours.success_policy, theirs.success_policy)


def _generated(obj: batch.Job) -> Causes:
    """Yield what is wrong with the labels and selector that the server has made."""
    if obj.spec.manual_selector or obj.spec.selector is None:
        return
    has = obj.spec.template.metadata.labels
    wanted = {**dict.fromkeys(UID_LABELS, obj.metadata.uid), **dict.fromkeys(NAME_LABELS, obj.metadata.name)}
    for key in (UID_LABELS[0], NAME_LABELS[0], UID_LABELS[1], NAME_LABELS[1]):
        here = f"spec.template.metadata.labels[{key}]"
        if key not in has:
            yield words.required(here, f"must be '{wanted[key]}'")
        elif has[key] != wanted[key]:
            yield words.invalid(here, has, f"must be '{wanted[key]}'")
    if not labels.from_label_selector(obj.spec.selector).matches(wanted):
        yield words.invalid("spec.selector", obj.spec.selector, "`selector` not auto-generated")


def new(obj: batch.Job) -> Causes:
    """Yield what is wrong with a new Job only: what the server has made for it, and the names its pods will get."""
    yield from _generated(obj)
    if obj.spec.completion_mode == _INDEXED and (obj.spec.completions or 0) > 0:
        hostname = f"{obj.metadata.name}-{(obj.spec.completions or 0) - 1}"
        if words.dns_label(hostname):
            yield words.invalid("metadata.name", obj.metadata.name,
                                f"will not able to create pod with invalid DNS label: {hostname}")


def _managed_by(here: str, value: str) -> Causes:
    domain, _, path = value.partition("/")
    if not value:
        yield words.required(here)
    elif not domain or not path:
        yield words.invalid(here, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from words.check(here, domain, words.dns_subdomain)
    if len(value) > 63:
        yield words.too_long(here, 63)


def _indexed(here: str, spec: batch.JobSpec) -> Causes:
    completions, failed, parallel = spec.completions, spec.max_failed_indexes, spec.parallelism or 0
    if completions is None:
        yield words.required(f"{here}.completions", "when completion mode is Indexed")
    if parallel > _MOST:
        yield words.invalid(f"{here}.parallelism", parallel,
                            f"must be less than or equal to {_MOST} when completion mode is Indexed")
    if completions is not None and failed is not None and failed > completions:
        yield words.invalid(f"{here}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _MOST:
        yield words.invalid(f"{here}.maxFailedIndexes", failed, f"must be less than or equal to {_MOST}")
    if (completions or 0) <= _MOST or spec.backoff_limit_per_index is None:
        return
    limit = (f"must be less than or equal to {_MOST_OF_MANY} when completions are above {_MOST} and used with backoff "
             "limit per index")
    if failed is None:
        yield words.required(f"{here}.maxFailedIndexes", f"must be specified when completions is above {_MOST}")
    if parallel > _MOST_OF_MANY:
        yield words.invalid(f"{here}.parallelism", parallel, limit)
    if failed is not None and failed > _MOST_OF_MANY:
        yield words.invalid(f"{here}.maxFailedIndexes", failed, limit)


def _template(here: str, spec: batch.JobSpec) -> Causes:
    yield from words.label_map(f"{here}.template.labels", spec.template.metadata.labels)
    yield from validation_pods.pod_spec(f"{here}.template.spec", spec.template.spec)
    field, policy = f"{here}.template.spec.restartPolicy", spec.template.spec.restart_policy
    if policy in ("", "Always"):  # which is also what it becomes when nobody says anything
        yield words.required(field, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield words.unsupported(field, policy, ("OnFailure", "Never"))
    elif spec.pod_failure_policy is not None and policy != "Never":
        yield words.invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _completions(new: batch.JobSpec, old: batch.JobSpec) -> Causes:
    """An indexed Job may grow or shrink, with as many pods at the same time as there are indexes."""
    if new.completion_mode != _INDEXED:
        yield from words.same("spec.completions", new.completions, old.completions)
    elif new.completions not in (old.completions, None, new.parallelism):
        yield words.invalid("spec.completions", new.completions,
                            "can only be modified in tandem with spec.parallelism")


def _with_directives(old: pods.PodTemplateSpec, new: pods.PodTemplateSpec) -> pods.PodTemplateSpec:
    """Return the old template with everything of the new one that only says where the pods go."""
    affinity = old.spec.affinity
    wanted = None if new.spec.affinity is None else new.spec.affinity.node_affinity
    if affinity is not None or new.spec.affinity is not None:
        affinity = replace(affinity or pods.Affinity(), node_affinity=wanted)
        if new.spec.affinity is None and affinity == pods.Affinity():
            affinity = None
    spec = replace(old.spec, affinity=affinity, node_selector=new.spec.node_selector,
                   tolerations=new.spec.tolerations, scheduling_gates=new.spec.scheduling_gates)
    metadata = replace(old.metadata, labels=new.metadata.labels, annotations=new.metadata.annotations)
    return replace(old, metadata=metadata, spec=spec)
