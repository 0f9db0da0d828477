"""The batch group: Jobs, which run pods until enough of them have succeeded, and CronJobs, which make Jobs by a clock.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta, pods
from edge.api.meta import doc
from edge.api.resource import Resource


class PodFailurePolicyOnExitCodesRequirement(meta.Struct):
    """Which exit codes a rule is about."""

    container_name: Annotated[str | None, doc("Container whose code counts; that of any by default.")] = None
    operator: Annotated[str, doc("In: one of the values. NotIn: none of them, and not 0.", required=True)] = ""
    values: Annotated[tuple[int, ...], doc(
        "Exit codes in rising order, 1 to 255 of them; 0 is not allowed with In.",
        list_type="set", required=True)] = ()


class PodFailurePolicyOnPodConditionsPattern(meta.Struct):
    """Which condition of the pod a rule is about."""

    type: Annotated[str, doc("Type of the condition.", required=True)] = ""
    status: Annotated[str, doc("Status the condition must have; True by default.", required=True)] = ""


class PodFailurePolicyRule(meta.Struct):
    """What a certain kind of failure means; has either exit codes or conditions."""

    action: Annotated[str, doc(
        "FailJob ends the Job, FailIndex gives the index up, Ignore does not count, Count counts.", required=True)] = ""
    on_exit_codes: Annotated[PodFailurePolicyOnExitCodesRequirement | None, doc("Which exit codes.")] = None
    on_pod_conditions: Annotated[tuple[PodFailurePolicyOnPodConditionsPattern, ...], doc(
        "Which conditions of the pod; one that matches is enough, 20 at most.", list_type="atomic")] = ()


class PodFailurePolicy(meta.Struct):
    """What failed pods mean for the Job."""

    rules: Annotated[tuple[PodFailurePolicyRule, ...], doc(
        "Rules in order; the first that matches decides, 20 at most.", list_type="atomic", required=True)] = ()


class SuccessPolicyRule(meta.Struct):
    """When an indexed Job has succeeded early; has indexes, a count or both."""

    succeeded_indexes: Annotated[str | None, doc("Indexes that must have succeeded, such as 0,2-4.")] = None
    succeeded_count: Annotated[int | None, doc(
        "Number of indexes that must have succeeded, of those listed if there are any.")] = None


class SuccessPolicy(meta.Struct):
    """When an indexed Job counts as succeeded before all indexes have."""

    rules: Annotated[tuple[SuccessPolicyRule, ...], doc(
        "Rules of which one is enough, 1 to 20.", list_type="atomic", required=True)] = ()


class JobSpec(meta.Struct):
    """Which pods run, how many, how often, and when that is enough."""

    parallelism: Annotated[int | None, doc("Pods that run at the same time; 1 by default.")] = None
    completions: Annotated[int | None, doc(
        "Pods that must succeed; 1 by default. Absent with parallelism: one success ends the Job.")] = None
    active_deadline_seconds: Annotated[int | None, doc(
        "Seconds from its start after which the Job is ended as failed; no limit by default.")] = None
    pod_failure_policy: Annotated[PodFailurePolicy | None, doc(
        "What failed pods mean; by default each counts against backoffLimit.")] = None
    success_policy: Annotated[SuccessPolicy | None, doc(
        "When an indexed Job has succeeded early; by default all indexes must.")] = None
    backoff_limit: Annotated[int | None, doc("Failures after which the Job has failed; 6 by default.")] = None
    backoff_limit_per_index: Annotated[int | None, doc(
        "Failures after which an index has failed; only of indexed Jobs, no limit by default.")] = None
    max_failed_indexes: Annotated[int | None, doc(
        "Failed indexes after which the Job has failed; with backoffLimitPerIndex only.")] = None
    selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the pods; made by the server unless manualSelector is set. Cannot change.")] = None
    manual_selector: Annotated[bool | None, doc("True: the selector is taken as given; false by default.")] = None
    template: Annotated[pods.PodTemplateSpec, doc(
        "What the pods look like; their restartPolicy is Never or OnFailure. Cannot change.",
        required=True)] = pods.PodTemplateSpec()
    ttl_seconds_after_finished: Annotated[int | None, doc(
        "Seconds after its end until the Job is deleted; it is kept by default.")] = None
    completion_mode: Annotated[str | None, doc(
        "NonIndexed (default), or Indexed: each completion has a number the pod can read.")] = None
    suspend: Annotated[bool | None, doc("True: no pod may run until it is false again; false by default.")] = None
    pod_replacement_policy: Annotated[str | None, doc(
        "When a replacement is made: TerminatingOrFailed (default), or Failed, the default with podFailurePolicy."
    )] = None
    managed_by: Annotated[str | None, doc(
        "Controller that looks after the Job, as a path with a domain; the built-in one by default. Cannot change."
    )] = None


class UncountedTerminatedPods(meta.Struct):
    """Pods that have ended and are not yet in the counts."""

    succeeded: Annotated[tuple[str, ...], doc("Uids of those that succeeded.", list_type="set")] = ()
    failed: Annotated[tuple[str, ...], doc("Uids of those that failed.", list_type="set")] = ()


class JobStatus(meta.Struct):
    """How far the Job is."""

    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Complete, Failed, Suspended, FailureTarget and SuccessCriteriaMet.", merge_key="type", list_type="atomic"
    )] = ()
    start_time: Annotated[meta.Time | None, doc("When the Job started, or was resumed.")] = None
    completion_time: Annotated[meta.Time | None, doc("When the Job succeeded.")] = None
    active: Annotated[int, doc("Pods that are pending or running.")] = 0
    succeeded: Annotated[int, doc("Pods that succeeded.")] = 0
    failed: Annotated[int, doc("Pods that failed.")] = 0
    terminating: Annotated[int | None, doc("Pods that are being deleted.")] = None
    completed_indexes: Annotated[str, doc("Indexes that succeeded, such as 0,2-4.")] = ""
    failed_indexes: Annotated[str | None, doc("Indexes that failed, with backoffLimitPerIndex.")] = None
    uncounted_terminated_pods: Annotated[UncountedTerminatedPods | None, doc(
        "Pods that have ended and are not yet in the counts.")] = None
    ready: Annotated[int | None, doc("Pods that are ready.")] = None


class Job(meta.Object):
    """Runs pods until a number of them has succeeded."""

    spec: Annotated[JobSpec, doc("Which pods run, how many, how often, and when that is enough.")] = JobSpec()
    status: Annotated[JobStatus, doc("How far the Job is.")] = JobStatus()


class JobTemplateSpec(meta.Struct):
    """What new Jobs look like."""

    metadata: Annotated[meta.ObjectMeta, doc("Labels and annotations of the Jobs.")] = meta.ObjectMeta()
    spec: Annotated[JobSpec, doc("The Jobs' spec.")] = JobSpec()


class CronJobSpec(meta.Struct):
    """When Jobs are made, and which."""

    schedule: Annotated[str, doc(
        "When: minute, hour, day of month, month, day of week, or a word such as @daily.", required=True)] = ""
    time_zone: Annotated[str | None, doc(
        "Time zone of the schedule, such as Europe/Berlin; the server's by default.")] = None
    starting_deadline_seconds: Annotated[int | None, doc(
        "Seconds a Job may be late; one that is later is left out. No limit by default.")] = None
    concurrency_policy: Annotated[str, doc(
        "While the Job before still runs: Allow (default) another, Forbid it, or Replace the one before.")] = ""
    suspend: Annotated[bool | None, doc("True: no further Jobs are made; false by default.")] = None
    job_template: Annotated[JobTemplateSpec, doc("What the Jobs look like.", required=True)] = JobTemplateSpec()
    successful_jobs_history_limit: Annotated[int | None, doc("Succeeded Jobs that are kept; 3 by default.")] = None
    failed_jobs_history_limit: Annotated[int | None, doc("Failed Jobs that are kept; 1 by default.")] = None


class CronJobStatus(meta.Struct):
    """What runs, and when it last did."""

    active: Annotated[tuple[meta.ObjectReference, ...], doc("Jobs that are running.", list_type="atomic")] = ()
    last_schedule_time: Annotated[meta.Time | None, doc("When a Job was last due and made.")] = None
    last_successful_time: Annotated[meta.Time | None, doc("When a Job last succeeded.")] = None


class CronJob(meta.Object):
    """Makes Jobs by a clock."""

    spec: Annotated[CronJobSpec, doc("When Jobs are made, and which.")] = CronJobSpec()
    status: Annotated[CronJobStatus, doc("What runs, and when it last did.")] = CronJobStatus()


RESOURCES = (
    Resource(group="batch", version="v1", kind="CronJob", plural="cronjobs", type=CronJob, short_names=("cj",),
             categories=("all",), subresources=("status",), old_versions=("batch/v1beta1",)),
    Resource(group="batch", version="v1", kind="Job", plural="jobs", type=Job, categories=("all",),
             subresources=("status",)),
)
