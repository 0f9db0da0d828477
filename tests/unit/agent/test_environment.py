import base64

import pytest

from edge.agent import environment
from edge.agent.surroundings import Surroundings
from edge.api import core, meta, topology
from edge.bus import messages

AROUND = Surroundings(node_name="node-1", node_address="10.0.0.2", cpu_milli=4000, memory_bytes=1 << 30, services={
    "default/kubernetes": topology.Service(namespace="default", name="kubernetes", cluster_ip="10.96.0.1",
                                           ports=(topology.ServicePort(name="https", port=443),)),
    "shop/my-db": topology.Service(namespace="shop", name="my-db", cluster_ip="10.96.0.7",
                                   ports=(topology.ServicePort(port=5432),)),
    "shop/bare": topology.Service(namespace="shop", name="bare", cluster_ip="None",
                                  ports=(topology.ServicePort(port=1),))})


def resolve(container: core.Container, **more: object) -> dict[str, str]:
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="shop", uid="u", labels={"app": "x"}),
                   spec=core.PodSpec(containers=(container,), service_account_name="robot"))
    desired = messages.DesiredPod(revision="1", pod=pod, **more)  # type: ignore[arg-type]
    return dict(environment.resolve(container, desired, "10.244.1.5", AROUND))


def variable(name: str, **source: object) -> core.EnvVar:
    return core.EnvVar(name=name, value_from=core.EnvVarSource(**source))  # type: ignore[arg-type]


def test_services_of_the_namespace_and_the_api() -> None:
    env = resolve(core.Container(name="c"))
    assert env["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert env["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert env["MY_DB_PORT_5432_TCP_ADDR"] == "10.96.0.7"
    assert env["MY_DB_PORT"] == "tcp://10.96.0.7:5432"
    assert not any(name.startswith("BARE") for name in env)


def test_references_expand_to_what_was_defined_before() -> None:
    env = resolve(core.Container(name="c", env=(
        core.EnvVar(name="A", value="1"), core.EnvVar(name="B", value="$(A)-$(NOPE)-$$(A)-$(MY_DB_SERVICE_HOST)"))))
    assert env["B"] == "1-$(NOPE)-$(A)-10.96.0.7"


def test_variables_made_of_variables_do_not_fill_the_memory() -> None:
    doubled = tuple(core.EnvVar(name=f"V{n}", value=f"$(V{n - 1})" * 2 if n else "x" * 1024) for n in range(60))
    with pytest.raises(environment.UnresolvedError, match="longer than 4194304 characters together"):
        resolve(core.Container(name="c", env=doubled))
    big = core.ConfigMap(metadata=meta.ObjectMeta(name="big"), data={"k": "x" * (1 << 20)})
    chosen = core.ConfigMapKeySelector(name="big", key="k")
    with pytest.raises(environment.UnresolvedError, match="longer than"):
        resolve(core.Container(name="c", env=tuple(variable(f"V{n}", config_map_key_ref=chosen) for n in range(10))),
                config_maps={"big": big})
    with pytest.raises(environment.UnresolvedError, match="longer than"):
        environment.expand_all(["$(A)$(A)"] * 1000, {"A": "x" * (1 << 20)})
    assert environment.expand_all(["$(A)", "$$(A)"], {"A": "x"}) == ("x", "$(A)")


def test_fields_and_resources() -> None:
    env = resolve(core.Container(
        name="c", resources=core.ResourceRequirements(limits={"memory": "64Mi"}, requests={"cpu": "250m"}),
        env=(variable("IP", field_ref=core.ObjectFieldSelector(field_path="status.podIP")),
             variable("APP", field_ref=core.ObjectFieldSelector(field_path="metadata.labels['app']")),
             variable("NODE", field_ref=core.ObjectFieldSelector(field_path="spec.nodeName")),
             variable("MEM", resource_field_ref=core.ResourceFieldSelector(resource="limits.memory", divisor="1Mi")),
             variable("CPU", resource_field_ref=core.ResourceFieldSelector(resource="limits.cpu")),
             variable("REQ", resource_field_ref=core.ResourceFieldSelector(resource="requests.cpu", divisor="1m")))))
    assert [env[name] for name in ("IP", "APP", "NODE", "MEM", "CPU", "REQ")] == [
        "10.244.1.5", "x", "node-1", "64", "4", "250"]


def test_config_maps_and_secrets() -> None:
    env = resolve(
        core.Container(name="c", env_from=(core.EnvFromSource(prefix="P_", config_map_ref=core.ConfigMapEnvSource(
            name="conf")),), env=(variable("S", secret_key_ref=core.SecretKeySelector(name="s", key="k")),
                                  variable("O", secret_key_ref=core.SecretKeySelector(name="no", key="k",
                                                                                      optional=True)))),
        config_maps={"conf": core.ConfigMap(data={"a": "1"})},
        secrets={"s": core.Secret(data={"k": base64.b64encode(b"hidden").decode()})})
    assert env["P_a"] == "1"
    assert env["S"] == "hidden"
    assert "O" not in env


@pytest.mark.parametrize(("container", "message"), [
    (core.Container(name="c", env_from=(core.EnvFromSource(secret_ref=core.SecretEnvSource(name="s")),)),
     'secret "s" not found'),
    (core.Container(name="c", env=(variable("K", config_map_key_ref=core.ConfigMapKeySelector(name="m", key="k")),)),
     'configmap "m" not found'),
    (core.Container(name="c", env=(variable("K", config_map_key_ref=core.ConfigMapKeySelector(name="here", key="k")),)),
     "couldn't find key k in ConfigMap shop/here"),
    (core.Container(name="c", env=(variable("K", field_ref=core.ObjectFieldSelector(field_path="spec.x")),)),
     "unsupported fieldPath: spec.x"),
])
def test_what_is_missing_is_said_in_kubernetes_words(container: core.Container, message: str) -> None:
    with pytest.raises(environment.UnresolvedError) as caught:
        resolve(container, config_maps={"here": core.ConfigMap()})
    assert str(caught.value) == message


def test_a_broken_secret_counts_as_missing() -> None:
    assert environment.secret_value(core.Secret(data={"k": "%%%"}), "k") is None


def test_a_value_that_is_no_text_cannot_be_a_variable() -> None:
    secret = core.Secret(data={"k": "/w=="})
    desired = messages.DesiredPod(revision="1", pod=core.Pod(), secrets={"s": secret})
    by_key = core.EnvVar(name="K", value_from=core.EnvVarSource(
        secret_key_ref=core.SecretKeySelector(name="s", key="k")))
    all_keys = core.EnvFromSource(secret_ref=core.SecretEnvSource(name="s"))
    for container in (core.Container(env=(by_key,)), core.Container(env_from=(all_keys,))):
        with pytest.raises(environment.UnresolvedError, match="the value of key k is no text"):
            environment.resolve(container, desired, "", Surroundings(node_name="n"))


def test_a_resource_of_another_container() -> None:
    wanted = core.ResourceFieldSelector(resource="limits.memory", container_name="c", divisor="1Mi")
    limited = core.ResourceRequirements(limits={"memory": "8Mi"})
    pod = core.Pod(spec=core.PodSpec(containers=(core.Container(name="c", resources=limited),)))
    other = core.Container(name="other", env=(variable("M", resource_field_ref=wanted),))
    found = environment.resolve(other, messages.DesiredPod(revision="1", pod=pod), "", AROUND)
    assert dict(found)["M"] == "8"
    missing = core.ResourceFieldSelector(resource="limits.memory", container_name="none")
    with pytest.raises(environment.UnresolvedError, match="container none not found"):
        resolve(core.Container(name="c", env=(variable("M", resource_field_ref=missing),)))


def test_keys_that_are_no_names_are_left_out_and_said() -> None:
    source = core.EnvFromSource(prefix="P=", config_map_ref=core.ConfigMapEnvSource(name="m"))
    fine = core.EnvFromSource(config_map_ref=core.ConfigMapEnvSource(name="m"))
    container = core.Container(name="c", env_from=(source, fine))
    maps = {"m": core.ConfigMap(data={"my.key-1": "1", "0": "2"})}
    env = resolve(container, config_maps=maps)
    assert (env["my.key-1"], env["0"]) == ("1", "2")
    assert not any(name.startswith("P") for name in env)
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="shop"))
    assert environment.skipped(container, messages.DesiredPod(revision="1", pod=pod, config_maps=maps)) == (
        "Keys [P=0, P=my.key-1] from the EnvFrom configMap shop/m were skipped since they are considered invalid "
        "environment variable names.",)


def test_services_are_left_out_without_links_but_for_the_api() -> None:
    pod = core.Pod(metadata=meta.ObjectMeta(namespace="shop"), spec=core.PodSpec(enable_service_links=False))
    env = dict(environment.resolve(core.Container(), messages.DesiredPod(revision="1", pod=pod), "", AROUND))
    assert "KUBERNETES_SERVICE_HOST" in env
    assert "MY_DB_SERVICE_HOST" not in env


def test_what_the_container_says_goes_before_what_services_say() -> None:
    env = resolve(core.Container(name="c", env=(core.EnvVar(name="MY_DB_SERVICE_HOST", value="mine"),
                                                core.EnvVar(name="SEEN", value="$(MY_DB_SERVICE_HOST)"))))
    assert (env["MY_DB_SERVICE_HOST"], env["SEEN"]) == ("mine", "mine")


@pytest.mark.parametrize("container", [
    core.Container(name="c", env_from=(core.EnvFromSource(secret_ref=core.SecretEnvSource(name="s", optional=True)),)),
    core.Container(name="c", env=(variable("S", secret_key_ref=core.SecretKeySelector(name="s", key="k",
                                                                                     optional=True)),)),
])
def test_a_secret_that_is_not_on_the_card_is_awaited_even_where_it_is_optional(container: core.Container) -> None:
    with pytest.raises(environment.UnresolvedError) as caught:
        resolve(container, withheld=messages.Withheld(secrets=("s",)))
    assert str(caught.value) == 'secret "s" is not kept on the card of this node: waiting for the API server'


@pytest.mark.parametrize(("text", "seen"), [
    ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$(A", "$(A"), ("$A", "$A"), ("$(A$(A))", "$(A$(A))"), ("a$", "a$"),
    ("$()", "$()"), ("$$", "$")])
def test_expansion_of_odd_texts(text: str, seen: str) -> None:
    assert environment.expand(text, {"A": "1"}) == seen
