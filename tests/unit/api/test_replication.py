"""ReplicationControllers and PodTemplates: what they get by default, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import codec, core, defaults, meta, scheme, validation
from edge.apiserver import scale

POD: dict[str, Any] = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "w"}]}}


def read(kind: type[meta.Object], raw: dict[str, Any]) -> Any:
    return defaults.apply(codec.decode(scheme.of_type(kind), {"metadata": {"name": "web"}} | raw))


def controller(**spec: Any) -> Any:
    return read(core.ReplicationController, {"spec": {"template": POD} | spec})


def problems(obj: meta.Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(obj)]


def test_selector_and_labels_come_from_the_template() -> None:
    made = controller()

    assert made.spec.selector == made.metadata.labels == {"app": "web"}
    assert made.spec.replicas == 1
    assert made.metadata.generation == 1
    assert made.spec.template.spec.restart_policy == "Always"
    assert problems(made) == []
    assert defaults.apply(made) == made


def test_what_is_said_stays() -> None:
    made = read(core.ReplicationController, {
        "metadata": {"name": "web", "labels": {"tier": "front"}}, "spec": {
            "replicas": 0, "selector": {"app": "web"}, "template": {**POD, "metadata": {
                "labels": {"app": "web", "ver": "1"}}}}})

    assert made.spec.selector == {"app": "web"}
    assert made.metadata.labels == {"tier": "front"}
    assert made.spec.replicas == 0
    assert problems(made) == []


@pytest.mark.parametrize(("spec", "expected"), [
    ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    ({"template": None}, ["spec.selector: Required value", "spec.template: Required value"]),
    ({"selector": {"app": "other"}}, ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does '
                                      "not match template `labels`"]),
    ({"template": {**POD, "spec": {**POD["spec"], "restartPolicy": "Never", "activeDeadlineSeconds": 5}}}, [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not "
        "Supported"]),
])
def test_what_is_wrong_is_named(spec: dict[str, Any], expected: list[str]) -> None:
    assert problems(controller(**spec)) == expected


def test_a_status_cannot_count_more_than_there_is() -> None:
    made = read(core.ReplicationController, {"spec": {"template": POD}, "status": {
        "replicas": 1, "readyReplicas": 2, "availableReplicas": 3}})

    assert problems(made) == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas"]
    assert len(validation.update(made, made, "status")) == 3


def test_the_selector_of_a_controller_may_change() -> None:
    wider = {**POD, "metadata": {"labels": {"app": "web", "ver": "1"}}}

    assert validation.update(controller(template=wider, selector={"ver": "1"}),
                             controller(template=wider, selector={"app": "web"})) == ()


def test_a_controller_scales_like_any_other() -> None:
    made = controller(replicas=2, selector={"b": "2", "app": "web"})
    resource = scheme.of_type(core.ReplicationController)
    found = scale.of(resource, made)

    assert (found.spec.replicas, found.status.selector) == (2, "app=web,b=2")
    scaled = scale.applied(resource, made, codec.decode_struct(type(found), {"spec": {"replicas": 5}}))
    assert isinstance(scaled, core.ReplicationController)
    assert scaled.spec.replicas == 5


def test_pod_templates_are_completed_and_judged() -> None:
    made = read(core.PodTemplate, {"template": POD})

    assert made.template.spec.dns_policy == "ClusterFirst"
    assert problems(made) == []
    assert problems(read(core.PodTemplate, {})) == ["template.spec.containers: Required value"]
    assert problems(read(core.PodTemplate, {"template": {**POD, "metadata": {"labels": {"a b": "c"}}}}))[0].startswith(
        'template.labels: Invalid value: "a b"')
