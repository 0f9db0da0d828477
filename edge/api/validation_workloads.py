"""Which rules judge StatefulSets, Jobs, CronJobs, HorizontalPodAutoscalers and PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge.api import (
    autoscalers,
    batch,
    disruption_budgets,
    meta,
    statefulsets,
    validation_autoscalers,
    validation_budgets,
    validation_cron_jobs,
    validation_job_status,
    validation_jobs,
    validation_statefulsets,
)
from edge.api import validation_words as words

NAME_RULES: Mapping[type[meta.Object], Callable[[str], str]] = {
    statefulsets.StatefulSet: words.dns_label,  # it becomes part of the pods' host names
}
CREATE: Mapping[type[meta.Object], Callable[[Any], words.Causes]] = {
    statefulsets.StatefulSet: validation_statefulsets.stateful_set,
    batch.Job: validation_jobs.job,
    batch.CronJob: validation_cron_jobs.cron_job,
    autoscalers.HorizontalPodAutoscaler: validation_autoscalers.autoscaler,
    disruption_budgets.PodDisruptionBudget: validation_budgets.budget,
}
ONLY_NEW: Mapping[type[meta.Object], Callable[[Any], words.Causes]] = {
    batch.Job: validation_jobs.new,
    batch.CronJob: validation_cron_jobs.new,
}
UPDATE: Mapping[type[meta.Object], Callable[[Any, Any], words.Causes]] = {
    statefulsets.StatefulSet: validation_statefulsets.update,
    batch.Job: validation_jobs.update,
}
STATUS: Mapping[type[meta.Object], Callable[[Any, Any], words.Causes]] = {
    statefulsets.StatefulSet: validation_statefulsets.update_status,
    batch.Job: validation_job_status.update_status,
    autoscalers.HorizontalPodAutoscaler: validation_autoscalers.update_status,
    disruption_budgets.PodDisruptionBudget: validation_budgets.update_status,
}
"""What judges a change of the status: the new object and the one before."""
