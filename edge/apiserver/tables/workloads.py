"""How Deployments and their kin, what they are made of and what protects them are shown."""

from __future__ import annotations

from datetime import datetime

from edge.apiserver.tables import duration
from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    Cell,
    Obj,
    Printer,
    age,
    columns,
    containers,
    items,
    labels,
    name,
    number,
    section,
    selector,
    text,
)


def _deployment(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    ready = f"{number(status, 'readyReplicas')}/{number(spec, 'replicas', 1)}"
    return [name(obj), ready, number(status, "updatedReplicas"), number(status, "availableReplicas"), age(obj, now),
            *containers(section(spec, "template", "spec")), selector(spec.get("selector"))]


def _replica_set(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    return [name(obj), number(spec, "replicas", 1), number(status, "replicas"), number(status, "readyReplicas"),
            age(obj, now), *containers(section(spec, "template", "spec")), selector(spec.get("selector"))]


def _daemon_set(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled",
              "numberAvailable")
    return [name(obj), *(number(status, key) for key in counts),
            labels(section(spec, "template", "spec", "nodeSelector")), age(obj, now),
            *containers(section(spec, "template", "spec")), selector(spec.get("selector"))]


def _stateful_set(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    return [name(obj), f"{number(status, 'readyReplicas')}/{number(spec, 'replicas', 1)}", age(obj, now),
            *containers(section(spec, "template", "spec"))]


def _job(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    wanted = spec.get("completions")
    if wanted is None:
        parallel = number(spec, "parallelism")
        wanted = f"1 of {parallel}" if parallel > 1 else 1
    return [name(obj), _job_status(obj, status), f"{number(status, 'succeeded')}/{wanted}", _took(status, now),
            age(obj, now), *containers(section(spec, "template", "spec")), selector(spec.get("selector"))]


def _job_status(obj: Obj, status: Obj) -> str:
    held = {text(each, "type") for each in items(status, "conditions") if text(each, "status") == "True"}
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if kind in held:
            return shown
    if section(obj, "metadata").get("deletionTimestamp"):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in held:
            return kind
    return "Running"


def _took(status: Obj, now: datetime) -> str:
    started = duration.moment(status.get("startTime"))
    if started is None:
        return ""
    ended = duration.moment(status.get("completionTime")) or now
    return duration.human(int((ended - started).total_seconds()))


def _cron_job(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    last = status.get("lastScheduleTime")
    return [name(obj), text(spec, "schedule"), text(spec, "timeZone", NONE), str(bool(spec.get("suspend"))),
            len(items(status, "active")), duration.since(last, now) if last else NONE, age(obj, now),
            *containers(section(spec, "jobTemplate", "spec", "template", "spec")),
            selector(section(spec, "jobTemplate", "spec").get("selector"))]


def _controller_revision(obj: Obj, now: datetime) -> list[Cell]:
    owner = next((each for each in items(section(obj, "metadata"), "ownerReferences") if each.get("controller")), None)
    controller = NONE
    if owner:
        group = text(owner, "apiVersion").rpartition("/")[0]
        kind = text(owner, "kind").lower()
        controller = f"{kind}.{group}/{text(owner, 'name')}" if group else f"{kind}/{text(owner, 'name')}"
    return [name(obj), controller, number(obj, "revision"), age(obj, now)]


def _disruption_budget(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    return [name(obj), text(spec, "minAvailable", "N/A"), text(spec, "maxUnavailable", "N/A"),
            number(status, "disruptionsAllowed"), age(obj, now)]


_TEMPLATE = ("+Containers", "+Images", "+Selector")

DEPLOYMENT = Printer(columns(NAME, "Ready", "Up-to-date", "Available", AGE, *_TEMPLATE), _deployment)
REPLICA_SET = Printer(columns(NAME, "#Desired", "#Current", "#Ready", AGE, *_TEMPLATE), _replica_set)
DAEMON_SET = Printer(columns(NAME, "#Desired", "#Current", "#Ready", "#Up-to-date", "#Available", "Node Selector", AGE,
                             *_TEMPLATE), _daemon_set)
STATEFUL_SET = Printer(columns(NAME, "Ready", AGE, "+Containers", "+Images"), _stateful_set)
JOB = Printer(columns(NAME, "Status", "Completions", "Duration", AGE, *_TEMPLATE), _job)
CRON_JOB = Printer(columns(NAME, "Schedule", "Timezone", "Suspend", "#Active", "Last Schedule", AGE, *_TEMPLATE),
                   _cron_job)
DISRUPTION_BUDGET = Printer(columns(NAME, "Min Available", "Max Unavailable", "#Allowed Disruptions", AGE),
                            _disruption_budget)
CONTROLLER_REVISION = Printer(columns(NAME, "Controller", "#Revision", AGE), _controller_revision)
