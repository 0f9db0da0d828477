"""What the status of a Job may say: nothing that contradicts itself, and nothing that takes back what was said.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
"""

from __future__ import annotations

from edge.api import batch, job_indexes
from edge.api import validation_words as words
from edge.api.errors import Cause
from edge.api.validation_words import Causes


def update_status(new: batch.Job, old: batch.Job) -> Causes:
    """Yield what is wrong with a new status."""
    status = new.status
    for field, number in (("active", status.active), ("succeeded", status.succeeded), ("failed", status.failed),
                          ("ready", status.ready), ("terminating", status.terminating)):
        yield from words.at_least(f"status.{field}", number)
    yield from _uncounted(status)
    if status != old.status:
        yield from _consistent(new)
        yield from _indexes(new)
        yield from _kept(new, old)


def _uncounted(status: batch.JobStatus) -> Causes:
    pending = status.uncounted_terminated_pods or batch.UncountedTerminatedPods()
    seen: set[str] = set()
    for field, uids in (("succeeded", pending.succeeded), ("failed", pending.failed)):
        for index, uid in enumerate(uids):
            here = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                yield words.invalid(here, uid, "must not be empty")
            elif uid in seen:
                yield words.duplicate(here, uid)
            seen.add(uid)


def _consistent(obj: batch.Job) -> Causes:
    """Yield where the conditions, times and counts of a status contradict each other."""
    status = obj.status
    true = _true(status)
    complete, failed = "Complete" in true, "Failed" in true
    for wrong, detail in (
            (complete and failed, "cannot set Complete=True and Failed=true conditions"),
            (complete and "FailureTarget" in true, "cannot set Complete=True and FailureTarget=true conditions"),
            (failed and "FailureTarget" not in true,
             "cannot set Failed=True condition without the FailureTarget=true condition"),
            (complete and "SuccessCriteriaMet" not in true,
             "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
            ("SuccessCriteriaMet" in true and failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
            ("SuccessCriteriaMet" in true and "FailureTarget" in true,
             "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")):
        if wrong:
            yield _without_value("status.conditions", detail)
    if status.completion_time and not complete:
        yield words.invalid("status.completionTime", status.completion_time,
                            "cannot set completionTime when there is no Complete=True condition")
    if complete and not status.completion_time:
        yield words.required("status.completionTime", "completionTime is required for Complete jobs")
    if status.start_time and status.completion_time and status.completion_time < status.start_time:
        yield words.invalid("status.completionTime", status.completion_time,
                            "completionTime cannot be set before startTime")
    if status.ready is not None and status.ready > status.active:
        yield words.invalid("status.ready", status.ready, "cannot set more ready pods than active")
    if complete or failed:
        yield from _finished(status)


def _finished(status: batch.JobStatus) -> Causes:
    if status.active > 0:
        yield words.invalid("status.active", status.active, "active>0 is invalid for finished job")
    if (status.terminating or 0) > 0:
        yield words.invalid("status.terminating", status.terminating, "terminating>0 is invalid for finished job")
    if not status.start_time:
        yield words.required("status.startTime", "startTime is required for finished job")
    pending = status.uncounted_terminated_pods
    if pending is not None and (pending.failed or pending.succeeded):
        yield words.invalid("status.uncountedTerminatedPods", pending,
                            "uncountedTerminatedPods needs to be empty for finished job")


def _indexes(obj: batch.Job) -> Causes:
    """Yield what is wrong with the sets of indexes in a status."""
    spec, status = obj.spec, obj.status
    if status.completed_indexes and spec.completion_mode != "Indexed":
        yield words.invalid("status.completedIndexes", status.completed_indexes,
                            "cannot set non-empty completedIndexes when non-indexed completion mode")
    if status.failed_indexes is not None and spec.backoff_limit_per_index is None:
        yield words.invalid("status.failedIndexes", status.failed_indexes,
                            "cannot set non-null failedIndexes when backoffLimitPerIndex is null")
    if spec.completions is None:
        return
    parsed = []
    for field, text in (("completedIndexes", status.completed_indexes), ("failedIndexes", status.failed_indexes or "")):
        try:
            parsed.append(job_indexes.parse(text, spec.completions))
        except ValueError as error:
            yield words.invalid(f"status.{field}", text, f"error parsing {field}: {error}")
    both = job_indexes.shared(*parsed) if len(parsed) == 2 else None
    if both is not None:
        yield words.invalid("status.failedIndexes", status.failed_indexes,
                            f"failedIndexes and completedIndexes overlap at index: {both}")


def _kept(new: batch.Job, old: batch.Job) -> Causes:
    """Yield what a status takes back of the one before."""
    now, before = _true(new.status), _true(old.status)
    for name in ("Failed", "Complete", "FailureTarget"):
        if name in before and name not in now:
            yield _without_value("status.conditions", f"cannot disable the terminal {name}=True condition")
    if "SuccessCriteriaMet" in before and "SuccessCriteriaMet" not in now:
        yield _without_value("status.conditions", "cannot disable the SuccessCriteriaMet=True condition")
    if new.status.failed < old.status.failed:
        yield words.invalid("status.failed", new.status.failed, "cannot decrease the failed counter")
    if new.status.succeeded < old.status.succeeded:
        yield words.invalid("status.succeeded", new.status.succeeded, "cannot decrease the succeeded counter")
    ended = new.status.completion_time
    if ended and old.status.completion_time and ended != old.status.completion_time:
        yield words.invalid("status.completionTime", ended, "completionTime cannot be mutated")
    if old.status.start_time and new.status.start_time != old.status.start_time and not new.spec.suspend:
        yield words.required("status.startTime", "startTime cannot be removed for unsuspended job")


def _true(status: batch.JobStatus) -> set[str]:
    return {condition.type for condition in status.conditions if condition.status == "True"}


def _without_value(field: str, detail: str) -> Cause:
    return Cause(reason="FieldValueInvalid", field=field, message=f"Invalid value: {detail}")
