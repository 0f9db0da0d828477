"""Jobs and CronJobs: defaults, the selector the server makes, and everything that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import batch, codec, defaults, job_indexes, job_selectors, meta, scheme, validation

POD: dict[str, Any] = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}


def job(**spec: Any) -> batch.Job:
    """Return a new Job as the server completes it."""
    raw = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi", "uid": "u-1"},
           "spec": {"template": {"spec": POD}, **spec}}
    obj = codec.decode(scheme.of_type(batch.Job), raw)
    assert isinstance(obj, batch.Job)
    return job_selectors.with_selector(defaults.apply(obj))


def cron_job(name: str = "nightly", **spec: Any) -> batch.CronJob:
    raw = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
           "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}, **spec}}
    obj = codec.decode(scheme.of_type(batch.CronJob), raw)
    assert isinstance(obj, batch.CronJob)
    return defaults.apply(obj)


def wrong(obj: meta.Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(obj)]


def refused(new: batch.Job, old: batch.Job, subresource: str = "") -> list[str]:
    return [cause.field for cause in validation.update(new, old, subresource)]


def test_defaults_of_a_single_run() -> None:
    spec = job().spec

    assert (spec.completions, spec.parallelism, spec.backoff_limit) == (1, 1, 6)
    assert (spec.completion_mode, spec.suspend, spec.manual_selector) == ("NonIndexed", False, False)
    assert spec.pod_replacement_policy == "TerminatingOrFailed"


def test_a_work_queue_has_no_number_of_completions() -> None:
    assert job(parallelism=5).spec.completions is None
    assert job(completions=5).spec.parallelism == 1


def test_defaults_beside_policies() -> None:
    spec = job(completionMode="Indexed", completions=2, backoffLimitPerIndex=1, podFailurePolicy={"rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}).spec

    assert spec.backoff_limit == 2**31 - 1
    assert spec.pod_replacement_policy == "Failed"
    assert spec.pod_failure_policy is not None
    assert spec.pod_failure_policy.rules[0].on_pod_conditions[0].status == "True"


def test_labels_of_its_own_come_from_the_template() -> None:
    labeled = job(template={"metadata": {"labels": {"chapter": "jobs"}}, "spec": POD})
    assert labeled.metadata.labels == {"chapter": "jobs"}
    plain = job()
    assert plain.metadata.labels == plain.spec.template.metadata.labels
    assert "batch.kubernetes.io/job-name" in plain.metadata.labels


def test_the_server_makes_selector_and_labels() -> None:
    obj = job()

    assert obj.spec.selector == meta.LabelSelector(match_labels={"batch.kubernetes.io/controller-uid": "u-1"})
    assert obj.spec.template.metadata.labels == {
        "controller-uid": "u-1", "batch.kubernetes.io/controller-uid": "u-1",
        "job-name": "pi", "batch.kubernetes.io/job-name": "pi"}
    assert wrong(obj) == []
    assert job_selectors.with_selector(obj) == obj


def test_a_manual_selector_stays() -> None:
    obj = job(manualSelector=True, selector={"matchLabels": {"mine": "yes"}},
              template={"metadata": {"labels": {"mine": "yes"}}, "spec": POD})

    assert obj.spec.selector == meta.LabelSelector(match_labels={"mine": "yes"})
    assert obj.spec.template.metadata.labels == {"mine": "yes"}
    assert wrong(obj) == []


def test_a_manual_selector_must_be_there() -> None:
    assert wrong(job(manualSelector=True)) == ["spec.selector: Required value"]


def test_someone_elses_labels_are_refused() -> None:
    found = wrong(job(template={"metadata": {"labels": {"job-name": "other"}}, "spec": POD}))

    assert len(found) == 1
    assert found[0].startswith("spec.template.metadata.labels[job-name]: Invalid value: ")
    assert found[0].endswith("must be 'pi'")


@pytest.mark.parametrize(("policy", "expected"), [
    ({}, 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
    ({"restartPolicy": "Always"},
     'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"')])
def test_pods_of_a_job_end(policy: dict[str, Any], expected: str) -> None:
    assert wrong(job(template={"spec": {"containers": POD["containers"], **policy}})) == [expected]


EXIT = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}


@pytest.mark.parametrize(("spec", "expected"), [
    ({"parallelism": -1}, "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
    ({"activeDeadlineSeconds": -1},
     "spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"),
    ({"ttlSecondsAfterFinished": -1},
     "spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0"),
    ({"completionMode": "Sorted"},
     'spec.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", "Indexed"'),
    ({"completionMode": "Indexed", "parallelism": 2},
     "spec.completions: Required value: when completion mode is Indexed"),
    ({"completionMode": "Indexed", "completions": 3, "parallelism": 100_001},
     "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed"),
    ({"backoffLimitPerIndex": 1},
     "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
    ({"completionMode": "Indexed", "completions": 3, "maxFailedIndexes": 1},
     "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
    ({"completionMode": "Indexed", "completions": 3, "maxFailedIndexes": 4, "backoffLimitPerIndex": 1},
     "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"),
    ({"completionMode": "Indexed", "completions": 100_001, "backoffLimitPerIndex": 1},
     "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"),
    ({"managedBy": "me"},
     'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'),
    ({"managedBy": "example.com/" + "x" * 60}, "spec.managedBy: Too long: may not be more than 63 bytes"),
    ({"podReplacementPolicy": "Never"},
     'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"'),
    ({"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": [EXIT]}},
     'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'),
    ({"podFailurePolicy": {"rules": [{**EXIT, "action": ""}]}},
     'spec.podFailurePolicy.rules[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
    ({"podFailurePolicy": {"rules": [{**EXIT, "action": "Panic"}]}},
     'spec.podFailurePolicy.rules[0].action: Unsupported value: "Panic": supported values: "Count", "FailIndex", '
     '"FailJob", "Ignore"'),
    ({"podFailurePolicy": {"rules": [{**EXIT, "action": "FailIndex"}]}},
     'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'),
    ({"podFailurePolicy": {"rules": [{"action": "Count"}]}},
     "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
    ({"podFailurePolicy": {"rules": [{**EXIT, "onPodConditions": [{"type": "Ready"}]}]}},
     "spec.podFailurePolicy.rules[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"),
    ({"podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": {
        "operator": "In", "values": [1], "containerName": "other"}}]}},
     'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "other": must be one of the container '
     "or initContainer names in the pod template"),
    ({"podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [0]}}]}},
     "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"),
    ({"podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [3, 2]}}]}},
     "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,2]: must be ordered"),
    ({"podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [2, 2]}}]}},
     "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value: 2"),
    ({"podFailurePolicy": {"rules": [EXIT] * 21}},
     "spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items"),
    ({"successPolicy": {"rules": [{"succeededCount": 1}]}},
     'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode'),
    ({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": []}},
     "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is "
     "specified"),
    ({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [{}]}},
     "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be "
     "specified"),
    ({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [{"succeededIndexes": "0,3"}]}},
     'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,3": error parsing succeededIndexes: too large '
     'index: "3"'),
    ({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [
        {"succeededIndexes": "0-1", "succeededCount": 3}]}},
     "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of "
     "indexes in the specified succeededIndexes field)"),
])
def test_what_is_wrong_with_a_job_is_named(spec: dict[str, Any], expected: str) -> None:
    assert wrong(job(**spec)) == [expected]


def test_a_policy_for_failed_pods_needs_pods_that_fail() -> None:
    found = wrong(job(podFailurePolicy={"rules": [EXIT]}, template={"spec": {**POD, "restartPolicy": "OnFailure"}}))

    assert found == ['spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when '
                     "podFailurePolicy is specified"]


def test_pods_of_an_indexed_job_must_have_host_names() -> None:
    obj = job(completionMode="Indexed", completions=1001)
    long = job_selectors.with_selector(defaults.apply(replace(
        obj, metadata=replace(obj.metadata, name="x" * 60), spec=replace(obj.spec, selector=None, template=replace(
            obj.spec.template, metadata=meta.ObjectMeta())))))

    assert wrong(long) == [f'metadata.name: Invalid value: "{"x" * 60}": will not able to create pod with invalid DNS '
                           f'label: {"x" * 60}-1000']


def test_what_the_pods_are_stays() -> None:
    old = job()
    assert refused(job(parallelism=4, completions=1, backoffLimit=2, suspend=True, ttlSecondsAfterFinished=9), old) \
        == []
    assert refused(job(completions=2), old) == ["spec.completions"]
    other = {"spec": {**POD, "containers": [{"name": "main", "image": "other"}]}}
    assert refused(job(template=other), old) == ["spec.template"]
    moved = replace(old, spec=replace(old.spec, selector=meta.LabelSelector(match_labels={"job-name": "pi"})))
    assert refused(moved, old) == ["spec.selector"]
    assert refused(job(managedBy="example.com/queue"), old) == ["spec.managedBy"]


def test_an_indexed_job_grows_with_its_parallelism() -> None:
    old = job(completionMode="Indexed", completions=2, parallelism=2)
    assert refused(job(completionMode="Indexed", completions=3, parallelism=3), old) == []
    (cause,) = validation.update(job(completionMode="Indexed", completions=3, parallelism=2), old)
    assert cause.message == "Invalid value: 3: can only be modified in tandem with spec.parallelism"


def test_where_the_pods_go_may_change_until_the_first_start() -> None:
    aimed = {"spec": {**POD, "nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}], "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}}
    suspended = job(suspend=True)

    assert refused(job(suspend=False, template=aimed), suspended) == []
    assert refused(job(suspend=True), job(suspend=True, template=aimed)) == []
    assert refused(job(template=aimed), job()) == ["spec.template"]
    started = replace(suspended, status=batch.JobStatus(start_time="2030-01-01T00:00:00Z"))
    assert refused(job(template=aimed), started) == ["spec.template"]


START, END = "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"
DONE = batch.JobStatus(start_time=START, completion_time=END, succeeded=1, conditions=(
    meta.Condition(type="SuccessCriteriaMet", status="True"), meta.Condition(type="Complete", status="True")))


def test_a_finished_job_says_so_in_full() -> None:
    assert refused(replace(job(), status=DONE), job(), "status") == []


@pytest.mark.parametrize(("changes", "expected"), [
    ({"active": 1}, "status.active: Invalid value: 1: active>0 is invalid for finished job"),
    ({"active": -1}, "status.active: Invalid value: -1: must be greater than or equal to 0"),
    ({"completion_time": None}, "status.completionTime: Required value: completionTime is required for Complete jobs"),
    ({"start_time": END, "completion_time": START},
     f'status.completionTime: Invalid value: "{START}": completionTime cannot be set before startTime'),
    ({"conditions": DONE.conditions[1:]},
     "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true "
     "condition"),
    ({"completed_indexes": "0"},
     'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion '
     "mode"),
    ({"uncounted_terminated_pods": batch.UncountedTerminatedPods(succeeded=("a",))},
     'status.uncountedTerminatedPods: Invalid value: {"succeeded":["a"]}: uncountedTerminatedPods needs to be empty '
     "for finished job"),
    ({"ready": 1}, "status.ready: Invalid value: 1: cannot set more ready pods than active"),
])
def test_a_status_that_contradicts_itself_is_refused(changes: dict[str, Any], expected: str) -> None:
    new = replace(job(), status=replace(DONE, **changes))
    assert [f"{c.field}: {c.message}" for c in validation.update(new, job(), "status")] == [expected]


def test_a_status_takes_nothing_back() -> None:
    old = replace(job(), status=DONE)
    found = refused(replace(old, status=batch.JobStatus(start_time=END)), old, "status")

    assert found == ["status.conditions", "status.conditions", "status.succeeded", "status.startTime"]


def test_an_index_cannot_fail_and_succeed() -> None:
    old = job(completionMode="Indexed", completions=5, backoffLimitPerIndex=1)
    new = replace(old, status=batch.JobStatus(completed_indexes="0-2", failed_indexes="2,4"))

    (cause,) = validation.update(new, old, "status")
    assert cause.message == 'Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2'


def test_sets_of_indexes() -> None:
    found = job_indexes.parse("0,2-4,7", 8)

    assert found == ((0, 0), (2, 4), (7, 7))
    assert job_indexes.count(found) == 5
    assert job_indexes.parse("", 8) == ()
    assert job_indexes.shared(found, ((1, 1), (5, 7))) == 7
    assert job_indexes.shared(found, ((1, 1), (5, 6))) is None


@pytest.mark.parametrize(("text", "expected"), [
    ("1-2-3", 'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts '
              "separated by '-'"),
    ("x", 'cannot convert string to integer for index: "x"'), ("8", 'too large index: "8"'),
    ("3-2", "non-increasing order, previous: 3, current: 2"), ("2,1", "non-increasing order, previous: 2, current: 1"),
    ("1,,2", 'cannot convert string to integer for index: ""')])
def test_what_is_no_set_of_indexes_is_named(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as refusal:
        job_indexes.parse(text, 8)
    assert str(refusal.value) == expected


def test_defaults_of_a_cron_job() -> None:
    spec = cron_job().spec

    assert (spec.concurrency_policy, spec.suspend) == ("Allow", False)
    assert (spec.successful_jobs_history_limit, spec.failed_jobs_history_limit) == (3, 1)
    assert spec.job_template.spec.completions is None
    assert spec.job_template.spec.template.spec.dns_policy == "ClusterFirst"
    assert wrong(cron_job(timeZone="Etc/UTC")) == []


@pytest.mark.parametrize(("spec", "expected"), [
    ({"schedule": ""}, "spec.schedule: Required value"),
    ({"schedule": "61 * * * *"},
     'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'),
    ({"schedule": "CRON_TZ=UTC * * * * *"},
     'spec.schedule: Invalid value: "CRON_TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field '
     "instead"),
    ({"timeZone": ""}, 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'),
    ({"timeZone": "Europe/Pariss"},
     'spec.timeZone: Invalid value: "Europe/Pariss": unknown time zone Europe/Pariss'),
    ({"timeZone": "../../etc/passwd"},
     'spec.timeZone: Invalid value: "../../etc/passwd": unknown time zone ../../etc/passwd'),
    ({"timeZone": "Europe"}, 'spec.timeZone: Invalid value: "Europe": unknown time zone Europe'),
    ({"timeZone": "local"},
     'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in '
     "https://www.iana.org/time-zones"),
    ({"concurrencyPolicy": "Queue"},
     'spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"'),
    ({"startingDeadlineSeconds": -1},
     "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"),
    ({"failedJobsHistoryLimit": -1},
     "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"),
    ({"jobTemplate": {"spec": {"template": {"spec": POD}, "selector": {}, "manualSelector": True}}},
     "spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated"),
    ({"jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Always"}}}}},
     'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
])
def test_what_is_wrong_with_a_cron_job_is_named(spec: dict[str, Any], expected: str) -> None:
    assert expected in wrong(cron_job(**spec))


def test_the_names_of_its_jobs_must_fit() -> None:
    assert wrong(cron_job("x" * 52)) == []
    assert wrong(cron_job("x" * 53)) == [
        f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters']


def test_the_beta_of_cron_jobs_has_another_name_only() -> None:
    sent = {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "a"}, "spec": {"schedule": "@daily"}}

    assert scheme.convert_in("batch/v1beta1", sent) == {**sent, "apiVersion": "batch/v1"}
