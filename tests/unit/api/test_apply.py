"""Server-side apply: what is merged, what is removed, what is a conflict, and who owns what then."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from edge.api import apply, apps, core, errors, fieldsets, managed_fields, shaped_values, shapes
from edge.api.apiextensions import JSONSchemaProps
from edge.api.apply import Applied, Applier, Json, Terms
from edge.api.comparison import compare
from edge.api.managed_fields import Managed, owner_of, scope_of

NOW = "2024-05-01T12:00:00Z"
LATER = "2024-05-01T13:00:00Z"
V1 = "apps/v1"


def terms_of(kind: Any = apps.Deployment, subresource: str = "", **more: Any) -> Terms:
    return Terms(shape=shapes.of_struct(kind), scope=scope_of(subresource, has_status=True), **more)


TERMS = terms_of()


def applier(manager: str, *, force: bool = False, subresource: str = "", version: str = V1) -> Applier:
    return Applier(manager=manager, api_version=version, subresource=subresource, force=force)


def deployment(**spec: Any) -> Json:
    return {"apiVersion": V1, "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            **({"spec": spec} if spec else {})}


def containers(*items: Json, **more: Any) -> Json:
    return {"template": {"spec": {"containers": list(items), **more}}}


def put(live: Json, config: Json, managed: Managed, manager: str, *, force: bool = False, now: str = NOW,
        terms: Terms = TERMS) -> Applied:
    return apply.apply(live, config, managed, applier(manager, force=force), terms, now)


def written(managed: Managed, manager: str, operation: str = "Apply") -> Any:
    """Return the fields of a manager as FieldsV1."""
    return next(fieldsets.write(claim.fields) for owner, claim in managed.items()
                if (owner.manager, owner.operation) == (manager, operation))


def by_update(manager: str, *paths: str, version: str = V1) -> dict[managed_fields.Owner, managed_fields.Claim]:
    fields = fieldsets.of_paths(tuple(f"f:{name}" for name in path.split(".")) for path in paths)
    return {owner_of(manager, "Update", version): managed_fields.Claim(fields, version, NOW)}


# --- a new object


def test_what_is_applied_first_is_the_object_and_belongs_to_its_applier() -> None:
    config = deployment(replicas=2, selector={"matchLabels": {"app": "web"}},
                        **containers({"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}))
    config["metadata"]["labels"] = {"app": "web"}
    done = put({}, config, {}, "kubectl")
    assert done.obj == config
    assert written(done.managed, "kubectl") == {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {
            'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}, "f:ports": {
                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}}}}}}}


def test_applying_the_same_again_changes_nothing_not_even_the_time() -> None:
    config = deployment(replicas=2, **containers({"name": "web", "image": "nginx"}))
    first = put({}, config, {}, "kubectl")
    again = put(first.obj, config, first.managed, "kubectl", now=LATER)
    assert (again.obj, again.managed) == (first.obj, first.managed)


def test_nothing_that_is_passed_in_is_changed() -> None:
    live = deployment(replicas=1, **containers({"name": "web", "image": "a"}))
    config = deployment(replicas=2, **containers({"name": "web", "image": "b"}))
    before = copy.deepcopy((live, config))
    put(live, config, by_update("x", "spec.paused"), "kubectl", force=True)
    assert (live, config) == before


# --- leaving out


def test_what_an_applier_leaves_out_is_removed() -> None:
    config = deployment(replicas=2, paused=True, **containers({"name": "web", "image": "a"}, {"name": "log"}))
    first = put({}, config, {}, "kubectl")
    smaller = deployment(replicas=2, **containers({"name": "web", "image": "a"}))
    assert put(first.obj, smaller, first.managed, "kubectl").obj == smaller


def test_what_somebody_else_owns_too_stays() -> None:
    both = deployment(replicas=2, paused=True)
    first = put({}, both, {}, "one")
    second = put(first.obj, both, first.managed, "two")
    left = put(second.obj, deployment(replicas=2), second.managed, "one")
    assert left.obj["spec"] == {"replicas": 2, "paused": True}
    assert written(left.managed, "one") == {"f:spec": {"f:replicas": {}}}


def test_what_an_update_has_taken_over_stays_when_its_applier_leaves_it_out() -> None:
    first = put({}, deployment(replicas=2, paused=True), {}, "kubectl")
    live = {**first.obj, "spec": {"replicas": 5, "paused": True}}
    compared = compared_with(first.obj, live)
    managed = managed_fields.updated(first.managed, compared, owner_of("scaler", "Update", V1), TERMS.scope, LATER)
    done = put(live, deployment(paused=True), managed, "kubectl")
    assert done.obj["spec"] == {"replicas": 5, "paused": True}


def compared_with(old: Json, new: Json) -> Any:

    return compare(TERMS.shape, old, new)


def test_who_applies_nothing_any_more_has_no_entry() -> None:
    first = put({}, deployment(replicas=2), {}, "kubectl")
    done = put(first.obj, deployment(), first.managed, "kubectl")
    assert done.managed == {}
    assert done.obj == deployment()


def test_values_that_nobody_owns_stay_as_long_as_their_parent_has_an_owner() -> None:
    config = deployment(replicas=2, **containers({"name": "web", "image": "a"}))
    first = put({}, config, {}, "kubectl")
    live = copy.deepcopy(first.obj)
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"  # a default
    live["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
    done = put(live, deployment(**containers({"name": "web", "image": "b"})), first.managed, "kubectl")
    assert done.obj["spec"] == containers({"name": "web", "image": "b", "imagePullPolicy": "Always"},
                                          dnsPolicy="ClusterFirst")


def test_a_container_that_loses_its_last_part_stays_when_it_was_declared_itself() -> None:
    with_medium = deployment(**containers(volumes=[{"name": "tmp", "emptyDir": {"medium": "Memory"}}]))
    first = put({}, with_medium, {}, "kubectl")
    plain = deployment(**containers(volumes=[{"name": "tmp", "emptyDir": {}}]))
    done = put(first.obj, plain, first.managed, "kubectl")
    assert done.obj["spec"]["template"]["spec"]["volumes"] == [{"name": "tmp", "emptyDir": {}}]


# --- conflicts


def test_a_field_of_somebody_else_with_another_value_is_a_conflict() -> None:
    live = deployment(replicas=2)
    managed = by_update("kubectl-client-side-apply", "spec.replicas")
    with pytest.raises(errors.Conflict) as caught:
        put(live, deployment(replicas=3), managed, "other")
    assert caught.value.message == ('Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using '
                                    "apps/v1: .spec.replicas")
    assert caught.value.details == {"causes": [{
        "reason": "FieldManagerConflict", "message": 'conflict with "kubectl-client-side-apply" using apps/v1',
        "field": ".spec.replicas"}]}


def test_several_conflicts_are_listed_by_manager() -> None:
    first = put({}, deployment(replicas=2, **containers({"name": "web", "image": "a"})), {}, "gitops")
    managed = {**first.managed, **by_update("scaler", "spec.replicas")}
    with pytest.raises(errors.Conflict) as caught:
        put(first.obj, deployment(replicas=3, **containers({"name": "web", "image": "b"})), managed, "me")
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "gitops":\n- .spec.replicas\n'
        '- .spec.template.spec.containers[name="web"].image\n'
        'conflicts with "scaler" using apps/v1:\n- .spec.replicas')


def test_the_subresource_of_the_other_manager_is_named() -> None:
    managed = {owner_of("hpa", "Update", V1, "scale"): managed_fields.Claim(
        fieldsets.of_paths([("f:spec", "f:replicas")]), V1, NOW)}
    with pytest.raises(errors.Conflict, match='conflict with "hpa" with subresource "scale" using apps/v1: '):
        put(deployment(replicas=2), deployment(replicas=3), managed, "me")


def test_the_same_value_makes_two_owners() -> None:
    first = put({}, deployment(replicas=2), {}, "one")
    second = put(first.obj, deployment(replicas=2), first.managed, "two")
    assert written(second.managed, "one") == written(second.managed, "two")


def test_force_takes_the_field() -> None:
    first = put({}, deployment(replicas=2, paused=True), {}, "one")
    done = put(first.obj, deployment(replicas=3), first.managed, "two", force=True)
    assert done.obj["spec"] == {"replicas": 3, "paused": True}
    assert written(done.managed, "one") == {"f:spec": {"f:paused": {}}}
    assert written(done.managed, "two") == {"f:spec": {"f:replicas": {}}}


def test_one_manager_never_conflicts_with_itself() -> None:
    first = put({}, deployment(replicas=2), {}, "one")
    assert put(first.obj, deployment(replicas=3), first.managed, "one").obj["spec"] == {"replicas": 3}


def test_whole_lists_and_selectors_conflict_as_a_whole() -> None:
    config = deployment(selector={"matchLabels": {"app": "a"}}, **containers({"name": "web", "args": ["x"]}))
    first = put({}, config, {}, "one")
    other = deployment(selector={"matchLabels": {"app": "b"}}, **containers({"name": "web", "args": ["x", "y"]}))
    with pytest.raises(errors.Conflict) as caught:
        put(first.obj, other, first.managed, "two")
    assert [cause["field"] for cause in (caught.value.details or {})["causes"]] == [
        ".spec.selector", '.spec.template.spec.containers[name="web"].args']


def test_status_is_not_what_the_main_resource_applies() -> None:
    live = {**deployment(replicas=2), "status": {"replicas": 2}}
    managed = by_update("controller", "status.replicas")
    done = put(live, {**deployment(replicas=2), "status": {"replicas": 7}}, managed, "me")
    assert "f:status" not in written(done.managed, "me")


def test_on_the_status_only_the_status_counts() -> None:
    terms = terms_of(subresource="status")
    config = {**deployment(replicas=9), "status": {"replicas": 7, "conditions": [{"type": "Ready", "status": "True"}]}}
    done = apply.apply(deployment(replicas=2), config, {}, applier("probe", subresource="status"), terms, NOW)
    (owner, claim), = done.managed.items()
    assert (owner.manager, owner.subresource) == ("probe", "status")
    assert fieldsets.write(claim.fields) == {"f:status": {"f:replicas": {}, "f:conditions": {
        'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}}}


# --- lists


def test_a_list_keeps_its_place_for_what_is_only_live_and_takes_the_order_of_the_configuration() -> None:
    shape = shapes.of_struct(core.PodSpec)

    def names(live: str, config: str) -> str:
        merged = shaped_values.merge(shape, {"containers": [{"name": name} for name in live]},
                                     {"containers": [{"name": name} for name in config]})
        return "".join(item["name"] for item in merged["containers"])

    assert names("abc", "") == "abc"
    assert names("abc", "ad") == "abcd"
    assert names("abc", "ca") == "bca"
    assert names("abc", "dc") == "abdc"
    assert names("", "ba") == "ba"
    assert names("ab", "xbya") == "xbya"


def test_a_missing_protocol_is_tcp_when_ports_are_matched() -> None:
    live = {"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}]}}
    config = {"spec": {"ports": [{"port": 80, "name": "web"}]}}
    merged = shaped_values.merge(shapes.of_struct(core.Service), live, config)
    assert merged == {"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080, "name": "web"}]}}


def test_broken_items_of_a_live_list_are_kept() -> None:
    shape = shapes.of_struct(core.PodSpec)
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"value": "lost?"}]
    live = {"containers": [{"name": "web", "env": env}]}
    merged = shaped_values.merge(shape, live, {"containers": [{"name": "web", "env": [{"name": "B"}]}]})
    assert merged["containers"][0]["env"] == [*env, {"name": "B"}]
    merged = shaped_values.merge(shape, live, {"containers": [{"name": "web", "env": [{"name": "A", "value": "3"}]}]})
    assert merged["containers"][0]["env"] == [{"name": "A", "value": "3"}, {"value": "lost?"}]


def test_null_takes_no_map_and_no_list_away() -> None:
    live = deployment(replicas=2, **containers({"name": "web"}))
    config = {**deployment(), "spec": {"template": None}}
    assert put(live, config, by_update("x", "spec.paused"), "me").obj["spec"] == live["spec"]


# --- what cannot be applied


ITEM = ".spec.template.spec.containers: element 0: associative list with keys "


@pytest.mark.parametrize(("spec", "why"), [
    (containers({"name": "a"}, {"name": "a"}), '.spec.template.spec.containers: duplicate entries for key [name="a"]'),
    (containers({"image": "a"}), ITEM + 'has an element that omits key field "name" (and doesn\'t have default value)'),
    (containers({"name": ["a"]}), ITEM + 'has an element whose key field "name" is not a scalar'),
    ({"template": {"spec": {"containers": ["a"]}}}, ITEM + "may not have non-map elements"),
    ({"template": {"spec": {"containers": [None]}}}, ITEM + "may not have a null element"),
    ({"template": 3}, ".spec.template: expected map, got 3"),
    ({"template": {"spec": {"containers": {}}}}, ".spec.template.spec.containers: expected list, got dict"),
])
def test_a_configuration_with_broken_lists_is_refused(spec: Json, why: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        apply.check(deployment(**spec), TERMS.shape, what="default/web; apps/v1, Kind=Deployment")
    assert caught.value.message == ("failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
                                    f"{why}")


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(errors.BadRequest) as caught:
        apply.check(deployment(template=1, selector=2, strategy=3), TERMS.shape, what="x")
    assert caught.value.message == ("failed to create typed patch object (x): errors:\n  .spec.template: expected map, "
                                    "got 1\n  .spec.strategy: expected map, got 3")


def test_unknown_fields_are_a_reason_only_when_that_is_asked_for() -> None:
    config = deployment(replica=1)
    apply.check(config, TERMS.shape, what="x")
    with pytest.raises(errors.BadRequest, match=r"\.spec\.replica: field not declared in schema"):
        apply.check(config, TERMS.shape, what="x", strict=True)
    assert shaped_values.declared(TERMS.shape, config) == {**deployment(), "spec": {}}


def test_managed_fields_in_a_configuration_are_refused() -> None:
    config = {**deployment(), "metadata": {"name": "web", "managedFields": []}}
    with pytest.raises(errors.BadRequest, match=r"^metadata\.managedFields must be nil$"):
        apply.check(config, TERMS.shape, what="x")


# --- objects that nobody has tracked


def test_the_first_apply_gives_what_is_there_to_what_was_before() -> None:
    live = {**deployment(replicas=2, paused=True), "status": {"replicas": 1}}
    with pytest.raises(errors.Conflict, match=r'"before-first-apply" using apps/v1: \.spec\.replicas'):
        put(live, deployment(replicas=3), {}, "me")
    done = put(live, deployment(replicas=2), {}, "me")
    assert written(done.managed, "before-first-apply", "Update") == {
        "f:spec": {".": {}, "f:paused": {}, "f:replicas": {}}}
    assert written(done.managed, "me") == {"f:spec": {"f:replicas": {}}}


def last_applied(config: Json) -> Json:
    return {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(config)}


def client_side(live: Json, config: Json) -> Json:
    return {**live, "metadata": {**live["metadata"], "annotations": last_applied(config)}}


def test_what_client_side_apply_has_written_stays_kubectls() -> None:
    config = deployment(replicas=2, **containers({"name": "web", "image": "a"}))
    live = client_side(deployment(replicas=5, **containers({"name": "web", "image": "a", "imagePullPolicy": "Always"})),
                       config)
    completed = deployment(replicas=2, **containers({"name": "web", "image": "a", "imagePullPolicy": "Always"}))
    done = put(live, config | {"spec": containers({"name": "web", "image": "b"})}, {}, "kubectl",
               terms=terms_of(complete=lambda given: completed if given == config else None))
    csa = written(done.managed, "kubectl-client-side-apply", "Update")
    assert csa["f:metadata"] == {
        "f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}}
    web = csa["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert web == {".": {}, "f:name": {}, "f:imagePullPolicy": {}}  # the image is the applier's now
    assert written(done.managed, "before-first-apply", "Update")["f:spec"] == {"f:replicas": {}}


def test_kubectl_takes_over_what_its_client_side_apply_wrote_and_keeps_the_annotation_up_to_date() -> None:
    config = deployment(replicas=2)
    done = put(client_side(config, config), deployment(replicas=3), {}, "kubectl",
               terms=terms_of(complete=lambda given: given))
    assert done.obj["spec"] == {"replicas": 3}
    text = done.obj["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(text) == deployment(replicas=3)


def test_other_appliers_do_not_take_over_from_client_side_apply() -> None:
    config = deployment(replicas=2)
    with pytest.raises(errors.Conflict, match=r'"kubectl-client-side-apply" using apps/v1: \.spec\.replicas'):
        put(client_side(config, config), deployment(replicas=3), {}, "helm",
            terms=terms_of(complete=lambda given: given))


def test_kubectl_does_not_take_what_was_changed_since_its_client_side_apply() -> None:
    live = client_side(deployment(replicas=5), deployment(replicas=2))
    with pytest.raises(errors.Conflict, match=r'"before-first-apply" using apps/v1: \.spec\.replicas'):
        put(live, deployment(replicas=3), {}, "kubectl", terms=terms_of(complete=lambda given: given))


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "null", "[" * 100_000])
def test_an_annotation_that_is_no_configuration_means_nothing(text: str) -> None:
    live = deployment(replicas=2)
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": text}
    with pytest.raises(errors.Conflict, match='"before-first-apply"'):
        put(live, deployment(replicas=3), {}, "kubectl", terms=terms_of(complete=lambda given: given))


def test_an_annotation_that_grew_too_large_is_dropped() -> None:
    config = deployment(replicas=2)
    large = {**deployment(replicas=2), "metadata": {"name": "web", "annotations": {"note": "x" * 200_000}}}
    done = put(client_side(config, config), large, {}, "kubectl", terms=terms_of(complete=lambda given: given))
    assert list(done.obj["metadata"]["annotations"]) == ["note"]


# --- custom kinds


SCHEMA: Json = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
    "rules": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
              "items": {"type": "object", "properties": {"port": {"type": "integer"}, "weight": {"type": "integer"},
                                                         "protocol": {"type": "string", "default": "UDP"}}}},
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "plain": {"type": "array", "items": {"type": "string"}},
    "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
    "amounts": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}


def custom(**spec: Any) -> Json:
    return {"apiVersion": "x.io/v1", "kind": "Rule", "metadata": {"name": "a", "labels": {"l": "1"}}, "spec": spec}


def test_the_schema_of_a_custom_kind_says_how_it_is_merged() -> None:

    shape = shapes.of_custom(msgspec.convert(SCHEMA, JSONSchemaProps))
    live = custom(rules=[{"port": 80, "protocol": "UDP", "weight": 1}], tags=["a"], plain=["a"], whole={"a": "1"},
                  amounts={"a": 1}, free={"deep": {"a": 1, "list": [1]}})
    config = custom(rules=[{"port": 80, "weight": 2}], tags=["b", "a"], plain=["b"], whole={"b": "2"},
                    amounts={"b": "2"}, free={"deep": {"b": 2, "list": [2]}})
    assert shaped_values.merge(shape, live, config)["spec"] == {
        "rules": [{"port": 80, "protocol": "UDP", "weight": 2}], "tags": ["b", "a"], "plain": ["b"],
        "whole": {"b": "2"}, "amounts": {"a": 1, "b": "2"}, "free": {"deep": {"a": 1, "b": 2, "list": [2]}}}
    assert fieldsets.write(shaped_values.fields_of(shape, config))["f:spec"] == {
        "f:rules": {'k:{"port":80,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:weight": {}}},
        "f:tags": {'v:"a"': {}, 'v:"b"': {}}, "f:plain": {}, "f:whole": {}, "f:amounts": {"f:b": {}},
        "f:free": {"f:deep": {".": {}, "f:b": {}, "f:list": {}}}}
    assert shaped_values.declared(shape, custom(unknown=1, free={"x": 1})) == custom(free={"x": 1})


def test_a_kind_without_schema_merges_maps_and_replaces_lists() -> None:
    shape = shapes.of_custom(None)
    live, config = custom(a={"x": 1}, items=[{"name": "a"}]), custom(a={"y": 2}, items=[{"name": "b"}])
    assert shaped_values.merge(shape, live, config)["spec"] == {"a": {"x": 1, "y": 2}, "items": [{"name": "b"}]}


def nested(depth: int, inner: Any) -> Json:
    for _ in range(depth):
        inner = {"a": inner}
    return custom(free=inner)


def test_what_is_nested_without_end_is_owned_as_a_whole_and_cannot_be_applied() -> None:
    shape = shapes.of_custom(None)
    for depth in (150, 250, 600):
        compared, scope = compare(shape, nested(depth, 1), nested(depth, 2)), scope_of("", has_status=False)
        managed = managed_fields.updated({}, compared, owner_of("me", "Update", V1), scope, NOW)
        assert managed_fields.read(managed_fields.write(managed)) == managed
        added = compare(shape, {}, nested(depth, 1)).added
        assert fieldsets.parse(fieldsets.write(added)) == added
    assert not shaped_values.problems(shape, nested(150, 1))
    with pytest.raises(errors.BadRequest, match=r"\.spec: nested too deeply"):
        apply.check(nested(250, 1), shape, what="x")


def test_a_field_that_becomes_something_else_is_replaced() -> None:
    terms = Terms(shape=shapes.of_custom(None), scope=scope_of("", has_status=False))
    first = put({}, custom(a={"x": 1}), {}, "one", terms=terms)
    done = put(first.obj, custom(a=[1]), first.managed, "one", terms=terms)
    assert done.obj["spec"] == {"a": [1]}
    with pytest.raises(errors.Conflict, match=r"\.spec\.a"):
        put(first.obj, custom(a=3), first.managed, "two", terms=terms)


def test_true_and_one_are_different_values() -> None:
    terms = Terms(shape=shapes.of_custom(None), scope=scope_of("", has_status=False))
    first = put({}, custom(a=1), {}, "one", terms=terms)
    with pytest.raises(errors.Conflict):
        put(first.obj, custom(a=True), first.managed, "two", terms=terms)
