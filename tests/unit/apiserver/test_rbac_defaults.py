"""The default roles and bindings, and how they are mended."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import defaults, meta, rbac, rbac_rules, validation
from edge.apiserver import rbac_defaults

ALL = rbac_defaults.defaults()
ROLES = {role.metadata.name: role for role in ALL if isinstance(role, rbac.ClusterRole)}


def holds(role: str, verb: str, resource: str, group: str = "") -> bool:
    wanted = rbac.PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,))
    return not rbac_rules.missing(ROLES[role].rules, (wanted,))


def test_they_are_complete_valid_and_marked() -> None:
    for each in ALL:
        assert defaults.apply(each) == each
        assert validation.create(each) == ()
        assert each.metadata.labels["kubernetes.io/bootstrapping"] == "rbac-defaults"
        assert each.metadata.annotations == {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    assert len({(type(each), each.metadata.name) for each in ALL}) == len(ALL)


def test_every_binding_gives_a_role_that_is_there() -> None:
    names = {each.metadata.name for each in ALL if isinstance(each, rbac.ClusterRole | rbac.Role)}
    given = [each for each in ALL if isinstance(each, rbac.ClusterRoleBinding | rbac.RoleBinding)]
    assert given
    assert all(each.role_ref.name in names and each.subjects for each in given)


def test_view_edit_and_admin_collect_one_another() -> None:
    assert holds("view", "watch", "pods/log")
    assert not holds("view", "get", "secrets")
    assert not holds("view", "create", "pods")
    assert holds("view", "list", "pods", "metrics.k8s.io")
    assert holds("edit", "get", "pods")
    assert holds("edit", "delete", "secrets")
    assert not holds("edit", "create", "rolebindings", rbac.GROUP)
    assert holds("admin", "create", "rolebindings", rbac.GROUP)
    assert not rbac_rules.missing(ROLES["admin"].rules, ROLES["edit"].rules)
    assert not rbac_rules.missing(ROLES["edit"].rules, ROLES["view"].rules)
    for role in ("view", "edit", "admin"):
        assert ROLES[role].rules == rbac_rules.aggregated(ROLES[role], ROLES.values())
        assert rbac_rules.missing(ROLES[role].rules, rbac_rules.EVERYTHING)


def test_what_is_missing_is_added_and_what_is_more_stays() -> None:
    wanted = ROLES["system:node-proxier"]
    own = rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=("widgets",))
    found = replace(wanted, rules=(own, *wanted.rules[1:]),
                    metadata=replace(wanted.metadata, labels={"mine": "1"}, uid="u"))
    made = rbac_defaults.mended(wanted, found)
    assert isinstance(made, rbac.ClusterRole)
    assert made.rules[0] == own
    assert not rbac_rules.missing(made.rules, wanted.rules)
    assert made.metadata.labels == {"mine": "1", "kubernetes.io/bootstrapping": "rbac-defaults"}
    assert made.metadata.uid == "u"
    assert rbac_defaults.mended(wanted, made) is None


def test_what_is_to_be_left_alone_is() -> None:
    wanted = ROLES["view"]
    assert rbac_defaults.mended(wanted, replace(wanted, rules=())) is None  # the controller fills it again
    closed = replace(ROLES["cluster-admin"], rules=(), metadata=replace(
        wanted.metadata, annotations={rbac.AUTO_UPDATE: "false"}))
    assert rbac_defaults.mended(ROLES["cluster-admin"], closed) is None


def test_an_aggregated_role_gets_its_selector_back() -> None:
    wanted = ROLES["edit"]
    other = meta.LabelSelector(match_labels={"a": "b"})
    found = replace(wanted, aggregation_rule=rbac.AggregationRule(cluster_role_selectors=(other,)))
    made = rbac_defaults.mended(wanted, found)
    assert isinstance(made, rbac.ClusterRole)
    assert made.aggregation_rule is not None
    assert len(made.aggregation_rule.cluster_role_selectors) == 2
    assert made.aggregation_rule.cluster_role_selectors[0] == other


def test_bindings_get_their_subjects_back_but_keep_another_role() -> None:
    wanted = next(each for each in ALL if isinstance(each, rbac.ClusterRoleBinding)
                  and each.metadata.name == "system:discovery")
    joe = rbac.Subject(kind="User", name="joe", api_group=rbac.GROUP)
    made = rbac_defaults.mended(wanted, replace(wanted, subjects=(joe,)))
    assert isinstance(made, rbac.ClusterRoleBinding)
    assert made.subjects == (joe, *wanted.subjects)
    assert rbac_defaults.mended(wanted, made) is None
    assert rbac_defaults.mended(wanted, replace(wanted, subjects=(), role_ref=rbac.RoleRef(name="x"))) is None
