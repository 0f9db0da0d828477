"""What every Runtime promises of security: what was asked for is so, seen from inside the container."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime.confinement import UNCONFINED, Confinement
from edge.runtime.containers import ContainerSpec, Image, ImageNotFound, Mount, RuntimeFailure, State
from edge.runtime.interface import Runtime
from edge.runtime.podman import Podman
from tests.contracts import podman_service
from tests.fakes.runtime import FakeRuntime

IMAGE, USERS_IMAGE = "localhost/hello:latest", "localhost/users:latest"
FILES = {"etc/group": b"root:x:0:\napp:x:1000:\nmedia:x:44:app\n"}
NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_ADMIN = 1 << 10, 1 << 12, 1 << 13, 1 << 21
APP_ARMOR = Path("/sys/module/apparmor/parameters/enabled")
DENY_MKDIR = '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}'


@dataclass
class Case:
    """A runtime, a spec of a container that sleeps, and whether commands run for real."""

    runtime: Runtime
    spec: ContainerSpec
    real: bool

    async def start(self, spec: ContainerSpec) -> str:
        container_id = await self.runtime.create(spec)
        await self.runtime.start(container_id)
        return container_id

    async def sh(self, container_id: str, script: str) -> str:
        """Return what a script prints in the container, whether it fails or not."""
        return (await self.runtime.exec(container_id, ("sh", "-c", script), 20)).output.decode()


@dataclass(frozen=True)
class Inside:
    """The first process of a container, as /proc shows it."""

    fields: dict[str, str]

    @property
    def user(self) -> int:
        return int(self.fields["Uid"].split()[0])

    @property
    def group(self) -> int:
        return int(self.fields["Gid"].split()[0])

    @property
    def groups(self) -> set[int]:
        return {int(word) for word in self.fields["Groups"].split()}

    @property
    def rights(self) -> int:
        return int(self.fields["CapEff"], 16)

    @property
    def bounds(self) -> int:
        return int(self.fields["CapBnd"], 16)

    @property
    def is_filtered(self) -> bool:
        return self.fields["Seccomp"] == "2"


@pytest.fixture(params=["fake", "podman"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    spec = ContainerSpec(pod_uid="uid-1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h",
                         image="hello", image_id="", command=("sleep", "1000"), log_path=str(tmp_path / "main/0.log"))
    if request.param == "fake":
        fake = FakeRuntime(SystemClock())
        fake.local = {"hello": Image(id="1" * 64, names=(IMAGE,)), "users": Image(id="2" * 64, names=(USERS_IMAGE,))}
        fake.users["2" * 64] = "app:44"
        runtime: Runtime = fake
    else:
        service: podman_service.PodmanService = request.getfixturevalue("podman")
        runtime = Podman(str(service.socket), SystemClock())
        for archive in (podman_service.image_archive(IMAGE, files=FILES),
                        podman_service.image_archive(USERS_IMAGE, files=FILES, user="app:44")):
            await runtime.load(once(archive))
    image = await runtime.find_image("hello")
    assert image is not None
    async with podman_service.cleared(runtime):
        yield Case(runtime, replace(spec, image_id=image.id), request.param == "podman")


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def first_process(case: Case, spec: ContainerSpec) -> Inside:
    """Start a container and look at it; skipped on the fake, which must have been asked for the same."""
    container_id = await case.start(spec)
    if not case.real:
        assert isinstance(case.runtime, FakeRuntime)
        assert case.runtime.specs[container_id] == spec
        pytest.skip("the fake runs no commands; it was asked for the right thing")
    text = await case.sh(container_id, "cat /proc/1/status")
    return Inside({name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())})


async def seen(case: Case, spec: ContainerSpec, script: str) -> str:
    """Start a container and return what a script prints in it; skipped on the fake."""
    await first_process(case, spec)
    (container,) = await case.runtime.list()
    return await case.sh(container.id, script)


class TestCapabilities:
    async def test_the_default_set_has_the_usual_and_not_the_dangerous(self, case: Case) -> None:
        inside = await first_process(case, case.spec)
        assert inside.rights & NET_BIND_SERVICE
        assert not inside.rights & (SYS_ADMIN | NET_ADMIN)
        assert inside.rights == inside.bounds

    @pytest.mark.parametrize("name", ["NET_BIND_SERVICE", "net_bind_service", "CAP_NET_BIND_SERVICE"])
    async def test_all_dropped_but_one(self, case: Case, name: str) -> None:
        spec = replace(case.spec, capabilities_drop=("ALL",), capabilities_add=(name,))
        inside = await first_process(case, spec)
        assert inside.rights == inside.bounds == NET_BIND_SERVICE

    async def test_one_added_and_one_dropped(self, case: Case) -> None:
        spec = replace(case.spec, capabilities_drop=("NET_BIND_SERVICE",), capabilities_add=("NET_ADMIN",))
        inside = await first_process(case, spec)
        assert inside.rights & NET_ADMIN
        assert not inside.rights & NET_BIND_SERVICE

    async def test_all_added_is_all_the_node_has(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, capabilities_add=("ALL",)))
        own = Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]
        assert inside.rights == int(own, 16)

    @pytest.mark.parametrize(("add", "drop", "left"), [
        (("ALL",), ("ALL",), 0), (("ALL", "NET_RAW"), ("all",), NET_RAW), (("NET_RAW",), ("ALL", "NET_RAW"), 0)])
    async def test_what_contradicts_itself_leaves_the_less(self, case: Case, add: tuple[str, ...],
                                                           drop: tuple[str, ...], left: int) -> None:
        inside = await first_process(case, replace(case.spec, capabilities_add=add, capabilities_drop=drop))
        assert inside.rights == left

    async def test_all_but_one(self, case: Case) -> None:
        inside = await first_process(case, replace(
            case.spec, capabilities_add=("ALL",), capabilities_drop=("NET_RAW",)))
        assert inside.rights & SYS_ADMIN
        assert not inside.rights & NET_RAW

    async def test_one_nobody_knows_is_refused(self, case: Case) -> None:
        if not case.real:
            pytest.skip("the fake knows no capabilities")
        with pytest.raises(RuntimeFailure, match="CAP_FLY"):
            await case.runtime.create(replace(case.spec, capabilities_add=("FLY",)))


class TestPrivileged:
    async def test_it_has_all_rights_and_all_devices(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, privileged=True))
        own = Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]
        assert inside.rights == int(own, 16)
        assert not inside.is_filtered
        (container,) = await case.runtime.list()
        assert "kmsg" in await case.sh(container.id, "ls /dev")
        mounts = await case.sh(container.id, "cat /proc/mounts")
        assert " /sys sysfs rw" in mounts
        assert " /proc/keys " not in mounts
        assert " /proc/sys " not in mounts

    async def test_no_profile_filters_it(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, privileged=True, capabilities_drop=("ALL",)))
        assert not inside.is_filtered


class TestUsers:
    async def test_a_user_without_a_name_has_group_0(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, user="1234"))
        assert (inside.user, inside.group) == (1234, 0)
        assert inside.rights == 0

    async def test_a_user_of_the_image_has_its_groups(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, user="1000", supplemental_groups=(7,)))
        assert (inside.user, inside.group, inside.groups) == (1000, 1000, {7, 44, 1000})

    async def test_where_the_group_is_told_there_are_none_of_the_image(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, user="1000:5", supplemental_groups=(7, 8)))
        assert (inside.user, inside.group, inside.groups) == (1000, 5, {5, 7, 8})

    async def test_a_named_user_and_a_group(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, user="app:5"))
        assert (inside.user, inside.group) == (1000, 5)

    async def test_whom_an_image_runs_as(self, case: Case) -> None:
        image = await case.runtime.find_image("users")
        assert image is not None
        assert await case.runtime.image_user(image.id) == "app:44"
        assert await case.runtime.image_user(case.spec.image_id) == ""
        with pytest.raises(ImageNotFound):
            await case.runtime.image_user("f" * 64)
        inside = await first_process(case, replace(case.spec, image="users", image_id=image.id))
        assert (inside.user, inside.group) == (1000, 44)

    async def test_no_new_privileges(self, case: Case) -> None:
        inside = await first_process(case, replace(case.spec, no_new_privileges=True))
        assert inside.fields["NoNewPrivs"] == "1"

    async def test_privileges_may_be_gained_where_nothing_is_said(self, case: Case) -> None:
        assert (await first_process(case, case.spec)).fields["NoNewPrivs"] == "0"

    async def test_files_are_made_for_all_to_read_and_limits_are_the_engines(self, case: Case) -> None:
        assert (await seen(case, replace(case.spec, user="1000"), "umask; ulimit -n")).split() == ["0022", "1024"]


class TestReadOnlyRoot:
    async def test_only_mounts_and_shared_memory_can_be_written(self, case: Case, tmp_path: Path) -> None:
        paths = {"/etc/hosts": tmp_path / "hosts", "/dev/termination-log": tmp_path / "last"}
        for path in paths.values():
            path.touch()
        spec = replace(case.spec, read_only_root=True,
                       mounts=tuple(Mount(source=str(path), destination=name) for name, path in paths.items()))
        script = ("touch /x; touch /tmp/x; echo a >/etc/hosts; echo b >/dev/termination-log; "
                  "echo c >/dev/shm/x; cat /dev/shm/x")
        printed = await seen(case, spec, script)
        assert printed.count("Read-only file system") == 2
        assert "c" in printed.splitlines()  # The order of the two streams is nobody's promise.
        assert [path.read_text() for path in paths.values()] == ["a\n", "b\n"]


class TestSeccomp:
    async def test_the_default_filter(self, case: Case) -> None:
        assert (await first_process(case, case.spec)).is_filtered

    async def test_none(self, case: Case) -> None:
        spec = replace(case.spec, confinement=Confinement(seccomp_profile=UNCONFINED))
        assert not (await first_process(case, spec)).is_filtered

    async def test_a_profile_of_the_node(self, case: Case, tmp_path: Path) -> None:
        profile = tmp_path / "deny.json"
        profile.write_text(DENY_MKDIR)
        spec = replace(case.spec, confinement=Confinement(seccomp_profile=str(profile)))
        assert "Operation not permitted" in await seen(case, spec, "cd /tmp; busybox mkdir q")

    async def test_a_missing_profile_is_named(self, case: Case) -> None:
        spec = replace(case.spec, confinement=Confinement(seccomp_profile="/nowhere/x.json"))
        with pytest.raises(RuntimeFailure, match=r'cannot load seccomp profile "/nowhere/x\.json": open'):
            await case.runtime.create(spec)
        assert await case.runtime.list() == ()

    async def test_a_profile_that_is_none_is_refused(self, case: Case, tmp_path: Path) -> None:
        if not case.real:
            pytest.skip("the fake reads no profiles")
        profile = tmp_path / "bad.json"
        profile.write_text("{nonsense")
        with pytest.raises(RuntimeFailure, match="loading seccomp profile"):
            await case.runtime.create(replace(case.spec, confinement=Confinement(seccomp_profile=str(profile))))


class TestMandatoryAccess:
    async def test_no_app_armor_is_no_error(self, case: Case) -> None:
        spec = replace(case.spec, confinement=Confinement(app_armor_profile=UNCONFINED))
        assert (await first_process(case, spec)).user == 0

    async def test_a_profile_is_refused_where_nothing_enforces_it(self, case: Case) -> None:
        if not case.real or (APP_ARMOR.exists() and APP_ARMOR.read_text().strip() == "Y"):
            pytest.skip("needs a kernel without AppArmor")
        with pytest.raises(RuntimeFailure, match=r"(?i)apparmor is not enabled"):
            await case.runtime.create(replace(case.spec, confinement=Confinement(app_armor_profile="edge-profile")))

    async def test_a_label_is_accepted_where_se_linux_is_off(self, case: Case) -> None:
        if Path("/sys/fs/selinux/enforce").exists():
            pytest.skip("needs a kernel without SELinux")
        spec = replace(case.spec, confinement=Confinement(se_linux=("type:spc_t", "level:s0:c1,c2")))
        assert (await first_process(case, spec)).user == 0


class TestProc:
    async def test_what_tells_of_the_node_is_hidden_and_what_rules_it_is_read_only(self, case: Case) -> None:
        mounts = await seen(case, case.spec, "cat /proc/mounts")
        for hidden in ("/proc/keys", "/proc/timer_list", "/sys/firmware"):
            assert f" {hidden} " in mounts
        for fixed in ("/proc/sys", "/proc/bus", "/proc/irq", "/proc/fs"):
            assert f" {fixed} proc ro" in mounts
        assert " /sys sysfs ro" in mounts

    async def test_unmasked_shows_all_of_it(self, case: Case) -> None:
        spec = replace(case.spec, confinement=Confinement(unmasked=True))
        mounts = await seen(case, spec, "cat /proc/mounts")
        assert " /proc/keys " not in mounts
        assert " /proc/sys " not in mounts

    async def test_there_are_no_devices_of_the_node(self, case: Case) -> None:
        found = set((await seen(case, case.spec, "ls /dev")).split())
        assert {"null", "zero", "full", "random", "urandom", "tty", "shm", "pts"} <= found
        assert found <= {"null", "zero", "full", "random", "urandom", "tty", "shm", "pts", "core", "fd", "mqueue",
                         "ptmx", "stdin", "stdout", "stderr", "console"}


class TestUserNamespace:
    FIRST = 17_104_896

    async def test_root_is_nobody_outside_and_volumes_keep_their_owners(self, case: Case, tmp_path: Path) -> None:
        volume = tmp_path / "volume"
        volume.mkdir()
        (volume / "secret").write_text("s3cret")
        (volume / "secret").chmod(0o600)
        spec = replace(case.spec, confinement=Confinement(first_id=self.FIRST),
                       mounts=(Mount(source=str(volume), destination="/v"),))
        printed = await seen(case, spec, "cat /proc/self/uid_map /proc/self/gid_map /v/secret; "
                                         "touch /v/new /made; stat -c %u:%g /v/secret /v/new /made /bin/sh")
        words = printed.replace("s3cret", " s3cret ").split()
        assert words == ["0", str(self.FIRST), "65536"] * 2 + ["s3cret", *["0:0"] * 4]
        assert ((volume / "new").stat().st_uid, (volume / "new").stat().st_gid) == (0, 0)
        (container,) = await case.runtime.list()
        assert Path(f"/proc/{container.pid}").stat().st_uid == self.FIRST

    async def test_rights_inside_are_none_outside(self, case: Case) -> None:
        spec = replace(case.spec, privileged=True, confinement=Confinement(first_id=self.FIRST))
        printed = await seen(case, spec, "busybox mknod /tmp/disk b 8 0; cat /proc/1/status | head -9")
        assert "Operation not permitted" in printed

    async def test_another_user_inside(self, case: Case) -> None:
        spec = replace(case.spec, user="1000:44", confinement=Confinement(first_id=self.FIRST))
        inside = await first_process(case, spec)
        assert (inside.user, inside.group) == (1000, 44)


class TestNamespaces:
    async def test_settings_of_its_own_ipc_namespace(self, case: Case) -> None:
        spec = replace(case.spec, sysctls=(("kernel.shm_rmid_forced", "1"), ("fs.mqueue.msg_max", "33")))
        script = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/fs/mqueue/msg_max"
        assert (await seen(case, spec, script)).split() == ["1", "33"]
        assert Path("/proc/sys/kernel/shm_rmid_forced").read_text() == "0\n"

    async def test_a_setting_of_the_whole_node_is_refused(self, case: Case) -> None:
        if not case.real:
            pytest.skip("the fake knows no kernel")
        before = Path("/proc/sys/vm/swappiness").read_text()
        with pytest.raises(RuntimeFailure, match=r"vm\.swappiness"):
            await case.start(replace(case.spec, sysctls=(("vm.swappiness", "1"),)))
        assert Path("/proc/sys/vm/swappiness").read_text() == before

    async def test_its_own_processes_are_all_it_sees(self, case: Case) -> None:
        assert (await seen(case, case.spec, "cat /proc/1/cmdline")).startswith("sleep\0")

    async def test_the_nodes_processes(self, case: Case) -> None:
        spec = replace(case.spec, host_pid=True, host_ipc=True)
        container_id = await case.start(spec)
        if not case.real:
            pytest.skip("the fake runs no commands")
        here = [Path("/proc/self/ns", kind).readlink() for kind in ("pid", "ipc")]
        (container,) = await case.runtime.list()
        assert (container.id, container.state) == (container_id, State.RUNNING)
        assert [Path(f"/proc/{container.pid}/ns", kind).readlink() for kind in ("pid", "ipc")] == here



class TestImagesWithOrders:
    """An image may say things of its container that the engine takes for its owner's word."""

    @pytest.mark.parametrize("annotation", ["run.oci.seccomp_bpf_data", "org.systemd.property.DeviceAllow"])
    async def test_an_image_that_would_confine_its_container_otherwise_is_not_started(
            self, case: Case, annotation: str) -> None:
        if not case.real:
            pytest.skip("the images of the fake have no annotations")
        name = f"localhost/orders-{annotation.lower().replace('.', '-').replace('_', '-')}:1"
        await case.runtime.load(once(podman_service.annotated_archive(name, {annotation: "AAAA", "mine": "x"})))
        image = await case.runtime.find_image(name)
        assert image is not None
        container_id = await case.runtime.create(replace(case.spec, image=name, image_id=image.id))
        with pytest.raises(RuntimeFailure, match=f"how its container is confined: {annotation}$"):
            await case.runtime.start(container_id)
        (made,) = await case.runtime.list()
        assert made.state is State.CREATED

    async def test_other_annotations_and_labels_do_no_harm(self, case: Case) -> None:
        if not case.real:
            pytest.skip("the images of the fake have no annotations")
        name = "localhost/harmless:1"
        await case.runtime.load(once(podman_service.annotated_archive(name, {"org.opencontainers.image.title": "x"})))
        image = await case.runtime.find_image(name)
        assert image is not None
        await case.runtime.start(await case.runtime.create(replace(case.spec, image=name, image_id=image.id)))
        (made,) = await case.runtime.list()
        assert made.state is State.RUNNING
