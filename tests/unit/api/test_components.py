"""ComponentStatus: what the checks of the control plane look like to a client."""

from __future__ import annotations

from edge.api import codec, components, scheme


def test_a_healthy_control_plane_has_three_components() -> None:
    found = components.component_statuses({"etcd-0": "", "scheduler": "", "controller-manager": ""})

    assert [(one.metadata.name, one.conditions[0].status, one.conditions[0].message) for one in found] == [
        ("scheduler", "True", "ok"), ("controller-manager", "True", "ok"), ("etcd-0", "True", '{"health": "true"}')]
    assert codec.to_dict(found[0]) == {
        "apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": "scheduler"},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}


def test_what_is_wrong_is_the_error_and_what_was_not_checked_is_unknown() -> None:
    found = {one.metadata.name: one.conditions[0] for one in components.component_statuses(
        {"etcd-0": "the disk is full", "scheduler": "", "bus": ""})}

    assert list(found) == ["scheduler", "controller-manager", "etcd-0", "bus"]
    assert (found["etcd-0"].status, found["etcd-0"].error, found["etcd-0"].message) == ("False", "the disk is full", "")
    assert found["controller-manager"].status == "Unknown"
    assert found["bus"].message == "ok"


def test_it_is_asked_for_and_never_stored() -> None:
    resource = scheme.of_type(components.ComponentStatus)

    assert resource.virtual
    assert resource.verbs == ("get", "list")
    assert resource.short_names == ("cs",)
