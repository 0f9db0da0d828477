"""How a container is confined, from its own word, its pod's and the node's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.agent import actions, environment, security, starting
from edge.agent.policy import Policy, dotted, is_namespaced
from edge.api import core
from edge.runtime.confinement import UNCONFINED, Confinement
from tests.fakes.view import IMAGE, container, view

POLICY, ADDRESS = Policy(seccomp_dir="/profiles"), "10.244.1.5"


def spec(of: core.Container, **shared: Any) -> core.PodSpec:
    return core.PodSpec(containers=(of,), security_context=core.PodSecurityContext(**shared) if shared else None)


def own(**fields: Any) -> core.Container:
    return container(security_context=core.SecurityContext(**fields))


def confined(of: core.Container, policy: Policy = POLICY, **shared: Any) -> Confinement:
    return security.confinement(spec(of, **shared), of, policy, ADDRESS)


def seccomp(kind: str, path: str = "") -> core.SeccompProfile:
    return core.SeccompProfile(type=kind, localhost_profile=path)


def app_armor(kind: str, name: str = "") -> core.AppArmorProfile:
    return core.AppArmorProfile(type=kind, localhost_profile=name)


def test_nothing_said_is_what_the_engine_does() -> None:
    assert confined(container()) == Confinement()


class TestSeccomp:
    def test_without_a_word_the_node_decides(self) -> None:
        assert confined(container()).seccomp_profile == ""
        assert confined(container(), replace(POLICY, seccomp_default=False)).seccomp_profile == UNCONFINED

    @pytest.mark.parametrize(("profile", "found"), [
        (seccomp("RuntimeDefault"), ""), (seccomp("Unconfined"), UNCONFINED),
        (seccomp("Localhost", "a/b.json"), "/profiles/a/b.json")])
    def test_the_containers_word_goes_before_the_pods(self, profile: core.SeccompProfile, found: str) -> None:
        none = replace(POLICY, seccomp_default=False)
        both = confined(own(seccomp_profile=profile), none, seccomp_profile=seccomp("Unconfined"))
        assert both.seccomp_profile == found
        assert confined(container(), none, seccomp_profile=profile).seccomp_profile == found

    @pytest.mark.parametrize("path", ["/etc/shadow", "../x.json", "a/../../x.json", ""])
    def test_a_path_does_not_lead_out(self, path: str) -> None:
        with pytest.raises(environment.UnresolvedError, match="localhostProfile"):
            confined(own(seccomp_profile=seccomp("Localhost", path)))

    def test_a_privileged_container_is_never_filtered(self) -> None:
        privileged = own(privileged=True, seccomp_profile=seccomp("Localhost", "a.json"))
        assert confined(privileged).seccomp_profile == ""


def test_app_armor() -> None:
    for profile, found in ((app_armor("RuntimeDefault"), ""), (app_armor("Unconfined"), UNCONFINED),
                           (app_armor("Localhost", "mine"), "mine")):
        assert confined(own(app_armor_profile=profile), app_armor_profile=app_armor("Unconfined")) == \
            Confinement(app_armor_profile=found)
        assert confined(container(), app_armor_profile=profile).app_armor_profile == found


def test_se_linux_options_of_the_container_replace_the_pods() -> None:
    shared = core.SELinuxOptions(type="a_t", level="s0")
    assert confined(container(), se_linux_options=shared).se_linux == ("type:a_t", "level:s0")
    other = own(se_linux_options=core.SELinuxOptions(role="r"))
    assert confined(other, se_linux_options=shared).se_linux == ("role:r",)


def test_proc_is_shown_as_asked() -> None:
    assert not confined(own(proc_mount="Default")).unmasked
    assert confined(own(proc_mount="Unmasked")).unmasked


class TestUserNamespace:
    @staticmethod
    def first(address: str) -> int:
        pod = core.PodSpec(containers=(container(),), host_users=False)
        return security.confinement(pod, container(), POLICY, address).first_id

    def test_no_two_addresses_share_an_id_and_none_is_the_nodes(self) -> None:
        ids = [self.first(f"10.244.{net}.{host}") for net in (0, 1, 255) for host in range(1, 255)]
        assert len(set(ids)) == len(ids)
        assert min(ids) >= 65536
        assert max(ids) + 65535 < 2**32 - 1
        assert all(each % 65536 == 0 for each in ids)

    def test_there_has_to_be_an_address(self) -> None:
        with pytest.raises(environment.UnresolvedError, match="address of its own"):
            self.first("")

    def test_only_when_asked(self) -> None:
        for said in (None, True):
            pod = core.PodSpec(containers=(container(),), host_users=said)
            assert security.confinement(pod, container(), POLICY, "").first_id == 0


class TestUsers:
    """`runAsNonRoot`, which may depend on the image."""

    WHOSE = '(pod: "web_default(uid-1)", container: web)'

    @staticmethod
    def refusal(of: core.Container, image_user: str, **shared: Any) -> str:
        pod = view(spec=spec(of, **shared)).pod
        try:
            security.check_user(pod, of, image_user)
        except environment.UnresolvedError as error:
            return str(error)
        return ""

    @pytest.mark.parametrize("image_user", ["", "0", "0:0", "00", ":5"])
    def test_an_image_that_runs_as_root(self, image_user: str) -> None:
        assert self.refusal(own(run_as_non_root=True), image_user) == (
            f"container has runAsNonRoot and image will run as root {self.WHOSE}")

    @pytest.mark.parametrize("image_user", ["app", "app:5", "root"])
    def test_an_image_whose_user_is_a_name(self, image_user: str) -> None:
        assert self.refusal(container(), image_user, run_as_non_root=True) == (
            "container has runAsNonRoot and image has non-numeric user "
            f"({image_user.split(':')[0]}), cannot verify user is non-root {self.WHOSE}")

    def test_a_user_of_the_pod_that_is_root(self) -> None:
        assert self.refusal(own(run_as_non_root=True), "1000", run_as_user=0) == (
            f"container's runAsUser breaks non-root policy {self.WHOSE}")

    def test_others_may_run(self) -> None:
        assert self.refusal(own(run_as_non_root=True), "1000:0") == ""
        assert self.refusal(own(run_as_non_root=True, run_as_user=5), "") == ""
        assert self.refusal(own(run_as_non_root=False), "", run_as_non_root=True) == ""
        assert self.refusal(container(), "") == ""

    def test_the_image_is_asked_only_when_it_matters(self) -> None:
        def needs(of: core.Container, **shared: Any) -> bool:
            return security.needs_image_user(spec(of, **shared), of)

        assert not needs(container())
        assert not needs(own(run_as_non_root=True), run_as_user=5)
        assert not needs(own(run_as_group=3, run_as_user=5))
        assert needs(own(run_as_non_root=True))
        assert needs(container(), run_as_group=3)

    def test_the_step_that_asks_and_the_one_after(self) -> None:
        of = own(run_as_non_root=True)
        before = view(spec=spec(of))
        assert starting.step(before, of).actions == (actions.FindImage("busybox:1", user=True),)

        def after(user: str) -> actions.Step:
            memory = replace(before.memory, images={"busybox:1": replace(IMAGE, user=user)})
            return starting.step(replace(before, memory=memory), of)

        assert after("").reason == "CreateContainerConfigError"
        assert "image will run as root" in after("").message
        assert any(isinstance(each, actions.CreateContainer) for each in after("1000").actions)

    def test_a_group_alone_goes_with_the_images_user(self) -> None:
        of = own(run_as_group=7)
        before = view(spec=spec(of))
        for user, found in (("", "0:7"), ("1000:3", "1000:7"), ("app", "app:7")):
            memory = replace(before.memory, images={"busybox:1": replace(IMAGE, user=user)})
            (made,) = (each for each in starting.step(replace(before, memory=memory), of).actions
                       if isinstance(each, actions.CreateContainer))
            assert made.spec.user == found


class TestSysctls:
    def test_those_of_the_network_and_those_of_the_container(self) -> None:
        pod = spec(container(), sysctls=tuple(core.Sysctl(name=name, value="1") for name in (
            "net.ipv4.tcp_syncookies", "kernel/shm_rmid_forced", "net/ipv4/conf/eth0.1/forwarding")))
        assert security.network_sysctls(pod) == (("net.ipv4.tcp_syncookies", "1"),
                                                 ("net.ipv4.conf.eth0/1.forwarding", "1"))
        assert security.container_sysctls(pod) == (("kernel.shm_rmid_forced", "1"),)

    def test_names(self) -> None:
        assert dotted("net.ipv4.conf.eth0/1.x") == "net.ipv4.conf.eth0/1.x"
        assert dotted("net/ipv4/conf/eth0.1/x") == "net.ipv4.conf.eth0/1.x"
        assert is_namespaced("net.")
        assert not is_namespaced("vm.swappiness")
        assert not is_namespaced("kernel.")
