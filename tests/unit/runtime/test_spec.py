import msgspec

from edge.api import core, meta
from edge.runtime import spec
from edge.runtime.containers import ContainerSpec, Credentials

POD = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="default", uid="u"), spec=core.PodSpec(
    security_context=core.PodSecurityContext(run_as_user=1000, run_as_group=3000, fs_group=2000,
                                             supplemental_groups=(5, 2000))))
WEB = core.Container(name="web", image="busybox:1",
                     resources=core.ResourceRequirements(limits={"cpu": "500m", "memory": "64Mi"}))


def test_the_pods_and_the_containers_words_come_together() -> None:
    made = spec.container_spec(POD, WEB, spec.Resolved(attempt=2, image_id="sha256:x", netns_path="/run/netns/n"))
    assert (made.cpu_limit_milli, made.cpu_request_milli, made.memory_limit_bytes) == (500, 500, 64 << 20)
    assert made.user == "1000:3000"
    assert made.supplemental_groups == (5, 2000)
    assert (made.netns_path, made.attempt) == ("/run/netns/n", 2)


def test_the_containers_security_context_goes_first() -> None:
    own = core.SecurityContext(run_as_user=0, privileged=True, allow_privilege_escalation=False,
                               capabilities=core.Capabilities(add=("NET_ADMIN",), drop=("ALL",)))
    made = spec.container_spec(POD, msgspec.structs.replace(WEB, security_context=own),
                               spec.Resolved(attempt=0, image_id="x"))
    assert made.user == "0:3000"
    assert made.privileged
    assert made.no_new_privileges
    assert (made.capabilities_add, made.capabilities_drop) == (("NET_ADMIN",), ("ALL",))


def test_the_host_network_needs_no_namespace() -> None:
    pod = core.Pod(spec=core.PodSpec(host_network=True))
    assert spec.container_spec(pod, WEB, spec.Resolved(attempt=0, image_id="x", netns_path="/n")).netns_path == ""


def test_only_name_and_image_make_another_container() -> None:
    same = msgspec.structs.replace(WEB, env=(core.EnvVar(name="A", value="1"),))
    assert spec.spec_hash(same) == spec.spec_hash(WEB)
    assert spec.spec_hash(msgspec.structs.replace(WEB, image="busybox:2")) != spec.spec_hash(WEB)


def test_what_may_be_secret_is_not_shown_where_a_value_is_printed() -> None:
    made = ContainerSpec(pod_uid="u", pod_name="p", namespace="d", name="c", attempt=0, spec_hash="h", image="i",
                         image_id="", env=(("KEY", "swordfish"),))
    assert "swordfish" not in repr((made, Credentials("me", "swordfish")))
