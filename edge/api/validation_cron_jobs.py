"""What is wrong with CronJobs: their schedule, their time zone and the Jobs they make."""

from __future__ import annotations

import re

from edge.api import batch, schedule, validation_jobs
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_LONGEST_NAME = 52
"""The Jobs' names have eleven more characters for the time, and must fit into a label."""
_ZONE_PART = re.compile(r"[A-Za-z._0-9+][A-Za-z.\-_0-9+]{0,13}")


def cron_job(obj: batch.CronJob) -> Causes:
    """Yield what is wrong with a CronJob."""
    spec = obj.spec
    if not spec.schedule:
        yield words.required("spec.schedule")
    else:
        yield from words.check("spec.schedule", spec.schedule, _schedule)
        if "TZ" in spec.schedule:
            yield words.invalid("spec.schedule", spec.schedule,
                                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    yield from words.at_least("spec.startingDeadlineSeconds", spec.starting_deadline_seconds, most=2**63 - 1)
    if spec.time_zone is not None and (problem := _zone(spec.time_zone)):
        yield words.invalid("spec.timeZone", spec.time_zone, problem)
    yield from words.one_of("spec.concurrencyPolicy", spec.concurrency_policy, ("Allow", "Forbid", "Replace"))
    yield from _template("spec.jobTemplate.spec", spec.job_template.spec)
    yield from words.at_least("spec.successfulJobsHistoryLimit", spec.successful_jobs_history_limit)
    yield from words.at_least("spec.failedJobsHistoryLimit", spec.failed_jobs_history_limit)


def new(obj: batch.CronJob) -> Causes:
    """Yield what is wrong with a new CronJob only: a name its Jobs' names do not fit behind."""
    if len(obj.metadata.name) > _LONGEST_NAME:
        yield words.invalid("metadata.name", obj.metadata.name, f"must be no more than {_LONGEST_NAME} characters")


def _template(here: str, spec: batch.JobSpec) -> Causes:
    yield from validation_jobs.job_spec(here, spec)
    if spec.selector is not None:
        yield words.invalid(f"{here}.selector", spec.selector, "`selector` will be auto-generated")
    if spec.manual_selector:
        yield words.unsupported(f"{here}.manualSelector", spec.manual_selector, ("nil", "false"))


def _schedule(text: str) -> str:
    try:
        schedule.parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _zone(name: str) -> str:
    """Return what is wrong with the name of a time zone; empty when nothing is.

    https://data.iana.org/time-zones/theory.html#naming
    """
    if not name:
        return "timeZone must be nil or non-empty string"
    if name.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    unknown = f"unknown time zone {name}"
    if any(part in (".", "..") or not _ZONE_PART.fullmatch(part) for part in name.split("/")):
        return unknown
    if name == "UTC":  # known on a machine without a database of time zones, too
        return ""
    import zoneinfo  # With the first name: it brings the interpreter's whole build configuration along.

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return unknown
    return ""
