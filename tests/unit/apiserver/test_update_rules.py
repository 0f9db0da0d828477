"""Which kinds a PUT creates or replaces blindly; the tables name only what there is."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, errors, scheme
from edge.apiserver import update_rules


def test_the_tables_name_kinds_that_are_served() -> None:
    served = {resource.group_resource for resource in scheme.resources()}
    assert served >= update_rules._CREATED
    assert served >= update_rules._CONDITIONAL


def test_only_the_object_itself_is_created() -> None:
    endpoints = scheme.of_type(core.Endpoints)
    assert update_rules.may_create(endpoints)
    assert not update_rules.may_create(endpoints, "status")
    assert not update_rules.may_create(scheme.of_type(core.Pod))


@pytest.mark.parametrize(("kind", "refused"), [("Lease", True), ("PodDisruptionBudget", True), ("ConfigMap", False)])
def test_who_must_know_the_revision(kind: str, refused: bool) -> None:
    resource = next(each for each in scheme.resources() if each.kind == kind)
    obj = msgspec.convert({"metadata": {"name": "a"}}, resource.type)
    if refused:
        with pytest.raises(errors.Invalid, match="0x0: must be specified for an update"):
            update_rules.check_revision(resource, obj)
    else:
        update_rules.check_revision(resource, obj)
    update_rules.check_revision(resource, msgspec.convert({"metadata": {"name": "a", "resourceVersion": "7"}},
                                                          resource.type))
